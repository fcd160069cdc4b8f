/**
 * Runs the command line in two ways: {@link binary} and {@link start} run the built program, `dist/cli/main.js`, in a process of its
 * own, as users do; {@link hamburger} runs the same commands from the sources in this process, which is ten times as fast.
 */

import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, onTestFinished } from 'vitest';
import { run } from '../../cli/main.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The built package; a copy with a mistake in it where one is planted. */
export const built = process.env.HAMBURGER_BUILT ?? join(root, 'dist');
const program = join(built, 'cli', 'main.js');

/** The checkpoint that comes with the package. */
export const toy = join(root, 'fixtures', 'checkpoints', 'toy');

/** Refuses to test a program that is not the one in the sources. */
function checkBuild(): void {
  const sources = ['lib', 'cli'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(root, folder, name)),
  );
  const time = existsSync(program) ? statSync(program).mtimeMs : undefined;
  const newer = sources.find((path) => time === undefined || statSync(path).mtimeMs > time);
  if (newer === undefined) return;
  const reason = time === undefined ? 'is missing' : `is older than ${newer.slice(root.length)}`;
  throw new Error(`${program.slice(root.length)} ${reason}: run "npm run build" first`);
}
checkBuild();

/** What a run came to. */
export interface Outcome {
  /** Exit code, as a shell reports it; `null` if {@link binary} was ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The words of a command line without quotes. */
export const words = (text: string): string[] => text.split(/\s+/);

/** Where to run: the project's folder by default. */
interface Options {
  readonly cwd?: string;
}

/** Nothing of the environment of the tests that would change what the program prints. */
const environment: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: process.env.HOME };

/** Runs the built program to its end. */
export function binary(args: readonly string[], { cwd = root }: Options = {}): Outcome {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [program, ...args], {
    cwd,
    env: environment,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

/** What the built program writes to stdout, which has to succeed and to say nothing on stderr. */
export function binaryStdout(args: readonly string[], options: Options = {}): string {
  const { code, stdout, stderr } = binary(args, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** A stream that keeps what is written. */
function keeper(): { readonly stream: Writable; readonly text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

/** Runs a command in this process, in the folder `cwd`. Not for two at a time. */
export async function hamburger(args: readonly string[], { cwd = root }: Options = {}): Promise<Outcome> {
  const [stdout, stderr] = [keeper(), keeper()];
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const code = await run(args, { stdout: stdout.stream, stderr: stderr.stream });
    return { code, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.chdir(before);
  }
}

/** What a command writes to stdout that has to succeed and to say nothing on stderr. */
export async function stdoutOf(args: readonly string[], options: Options = {}): Promise<string> {
  const { code, stdout, stderr } = await hamburger(args, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** What such a command says with `--json`. */
export async function jsonOf<T>(args: readonly string[], options: Options = {}): Promise<T> {
  return JSON.parse(await stdoutOf([...args, '--json'], options)) as T;
}

/** Starts the built program; its streams and its end are up to the test. It does not outlive the test. */
export function start(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: root,
    env: environment,
    stdio: 'pipe',
    ...options,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/**
 * Presses Ctrl-C until a process has ended, as a user would: once is enough but where it comes in the tenth of a millisecond in which Node.js
 * hears no signal (`cli/interrupt.ts`).
 */
export async function interrupt(child: ChildProcess, end: Promise<Outcome>): Promise<Outcome> {
  child.kill('SIGINT');
  const again = setInterval(() => child.kill('SIGINT'), 2000);
  try {
    return await end;
  } finally {
    clearInterval(again);
  }
}

/** Waits for the end of a process. */
export function ended(child: ChildProcess): Promise<Outcome> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    // A process that a signal ended has no exit code; shells, and so users, see 128 + the signal's number.
    child.on('close', (code, signal) =>
      resolve({ code: signal === null ? code : 128 + constants.signals[signal], stdout, stderr }),
    );
  });
}

/** Runs a command on a terminal, by means of the program `script` of util-linux; `undefined` where there is none. */
export function onTerminal(
  args: readonly string[],
  set: Readonly<Record<string, string>> = {},
): string | undefined {
  const quoted = [process.execPath, program, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`);
  const { status, stdout, error } = spawnSync('script', ['-qec', quoted.join(' '), '/dev/null'], {
    cwd: root,
    env: { ...environment, TERM: 'xterm-256color', ...set },
    encoding: 'utf8',
  });
  if (error !== undefined) return undefined;
  expect(status).toBe(0);
  return stdout.replaceAll('\r\n', '\n');
}

/** Whether {@link onTerminal} works here. */
export const hasTerminal = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;

/** A folder for the checkpoints of one test file; removed at its end. */
export function workFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a checkpoint by `init`. */
export async function init(cwd: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await hamburger(['init', ...args], { cwd });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringMatching(/^[^\n]*: [\d,]+ parameters\n$/),
  });
}
