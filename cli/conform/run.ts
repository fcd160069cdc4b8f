/**
 * `hamburger conform run`: asks a harness every case of the kit, and judges its answers.
 *
 * @module
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type Answer,
  type AskedPort,
  attemptToWrite,
  CallerError,
  type Case,
  CLAIM_FILE,
  type Claim,
  casePath,
  judgePort,
  type PortOutput,
  RESULT_FILE,
  withDump,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { examples, integer, number, option } from '../options.ts';
import { packageVersion } from '../package-root.ts';
import { conclude } from './conclude.ts';
import { type Harness, HarnessFault, keptStderr, startHarness } from './harness.ts';
import { addKitOptions, chosenCases, type KitOptions, openNamedKit, someWords } from './settings.ts';

interface Options extends KitOptions {
  readonly jobs: number;
  readonly timeLimit: number;
  readonly keep?: string;
}

export function addConformRun(conform: Command, context: Context): void {
  const command = conform
    .command('run')
    .summary('ask a harness every case')
    .description(
      'Starts a harness, asks it the cases of the kit by lines of JSON on its standard input and output (INTERPRETING.md, section 4), and judges its answers. ' +
        'Exit code 0 if the port conforms, 1 if it does not or if cases were left out.',
    )
    .usage('[options] [kit] -- <command...>')
    .argument(
      '<command...>',
      'the harness and its arguments, after --; before it, perhaps the folder of a kit',
    );
  addKitOptions(command)
    .optionsGroup('Options of the run:')
    .addOption(option('--jobs <n>', 'harnesses side by side', integer(1), { value: 1 }))
    .addOption(
      option(
        '--time-limit <seconds>',
        'for each answer',
        number('a positive number', (value) => value > 0),
        { value: 60 },
      ),
    )
    .addOption(
      option(
        '--keep <folder>',
        'keep what the harness wrote and answered, in this new folder, as "hamburger conform check" reads it',
      ),
    )
    .addHelpText(
      'after',
      examples(
        'hamburger conform run -- python3 fixtures/harnesses/numpy/harness.py',
        'hamburger conform run --suite smoke -- ./my-port --harness',
        'hamburger conform run --jobs 2 --html report.html -- ./my-port --harness',
      ),
    )
    .action((words: string[], options: Options) => run(context, words, options));
}

async function run(context: Context, words: readonly string[], options: Options): Promise<void> {
  const { kit, rest } = openNamedKit(words);
  const [command, ...args] = someWords(rest);
  const cases = chosenCases(kit, options);
  const out =
    options.keep === undefined ? mkdtempSync(join(tmpdir(), 'hamburger-conform-')) : newFolder(options.keep);
  const stderr = keptStderr();
  const start = (): Promise<Harness> =>
    startHarness({
      command,
      args,
      root: resolve(kit.root),
      timeLimitMs: 1000 * options.timeLimit,
      onStderr: stderr.add,
    });
  const progress = context.output.progress('asking the harness');
  try {
    const begin = (): Promise<Harness> => started(start, stderr);
    const first = await begin();
    const others = await Promise.all(Array.from({ length: Math.min(options.jobs, cases.length) - 1 }, begin));
    const ports = others.map((harness) => askedPort(harness, first.claim, start, resolve(out)));
    const port = askedPort(first, first.claim, start, resolve(out));
    if (options.keep !== undefined) writeResult(join(out, CLAIM_FILE), first.claim);
    const report = await judgePort(kit, [port, ...ports], {
      cases,
      version: packageVersion(),
      onError: 'throw',
      async onVerdict(_, done, total) {
        progress.update(done, total);
        await context.output.turn();
      },
    });
    await Promise.all([port, ...ports].map((each) => each.stop()));
    progress.stop();
    if (report.counts.errored > 0 && stderr.text() !== '')
      context.output.say(`the harness wrote to standard error:\n${stderr.text().trimEnd()}`);
    conclude(context, kit, report, options);
  } finally {
    progress.stop();
    if (options.keep === undefined) rmSync(out, { recursive: true, force: true });
  }
}

/** Writes what a harness said, as it would lie in a folder of results (INTERPRETING 3). */
const writeResult = (path: string, value: unknown): void =>
  attemptToWrite(path, () => writeFileSync(path, `${JSON.stringify(value)}\n`));

function newFolder(path: string): string {
  attemptToWrite(path, () => mkdirSync(path));
  return path;
}

/** A harness that does not even start is no verdict, but a wrong command. */
async function started(start: () => Promise<Harness>, stderr: { text(): string }): Promise<Harness> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof HarnessFault)) throw error;
    const last = stderr.text().trimEnd().split('\n').at(-1)!;
    throw new CallerError(
      {
        subject: 'harness',
        expected: 'an answer to "start"',
        found: `${error.message}${last === '' ? '' : `; its last words were: ${last}`}`,
        hint: '"hamburger conform doctor -- COMMAND" looks into it',
      },
      { cause: error },
    );
  }
}

/** A harness as a port: where it failed, another one is started for the next case. */
function askedPort(
  first: Harness,
  claim: Claim,
  start: () => Promise<Harness>,
  out: string,
): AskedPort & { stop(): Promise<void> } {
  let current = first;
  const ask = async (each: Case, folder: string): Promise<PortOutput> => {
    if (!current.usable) {
      current = await start();
      if (JSON.stringify(current.claim) !== JSON.stringify(claim))
        throw new HarnessFault('started again, the harness claims something else');
    }
    const answer = await current.run(casePath(each), folder);
    writeResult(join(folder, RESULT_FILE), answer);
    return withDump(answer, folder);
  };
  return {
    claim,
    async run(each) {
      const folder = join(out, each.id);
      attemptToWrite(folder, () => mkdirSync(folder, { recursive: true }));
      try {
        return await ask(each, folder);
      } catch (error) {
        if (!(error instanceof HarnessFault)) throw error;
        const answer: Answer = { status: 'errored', message: error.message };
        writeResult(join(folder, RESULT_FILE), answer);
        return { answer, tensors: new Map() };
      }
    },
    stop: () => current.stop(),
  };
}
