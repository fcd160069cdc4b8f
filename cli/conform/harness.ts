/**
 * A harness in another process, and the protocol of JSON lines that it speaks (INTERPRETING 4). Whatever it does wrong, it gets a name.
 *
 * @module
 */

import { spawn } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import {
  type Answer,
  type Claim,
  HamburgerError,
  INTERPRETATION,
  KIT_VERSION,
  PROTOCOL,
  parseAnswer,
  parseClaim,
  parseJson,
  show,
} from '../../lib/index.ts';

/** Longest line that is read: an answer names its tensors by file, so it is short. */
const MAX_LINE_BYTES = 1 << 20;

/** What is kept of standard error: the end, where the reason is. */
const KEPT_STDERR = 1 << 16;

/** What a harness did that it should not. */
export class HarnessFault extends Error {}

/** A running harness. */
export interface Harness {
  readonly claim: Claim;
  /** Whether it can be asked another case. */
  readonly usable: boolean;
  /** @throws HarnessFault; the harness is then no longer usable */
  run(path: string, out: string): Promise<Answer>;
  /** Asks it to stop, and sees that it does. */
  stop(): Promise<void>;
}

/** How a harness is started. */
export interface HarnessOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** The kit's folder. */
  readonly root: string;
  readonly timeLimitMs: number;
  /** Receives what it writes to standard error. */
  readonly onStderr: (text: string) => void;
}

/** The process of a harness, as far as it is talked to. */
export interface HarnessProcess extends EventEmitter {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exitCode: number | null;
  readonly signalCode: string | null;
  kill(signal: 'SIGKILL'): boolean;
}

/** Starts a harness and asks for its claim. @throws HarnessFault */
export function startHarness({ command, args, ...options }: HarnessOptions): Promise<Harness> {
  const child = spawn(command, [...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  return talkTo(child, `${command} ${args.join(' ')}`.trim(), options);
}

/** Asks a harness that was started for its claim. @throws HarnessFault */
export async function talkTo(
  child: HarnessProcess,
  name: string,
  { root, timeLimitMs, onStderr }: Omit<HarnessOptions, 'command' | 'args'>,
): Promise<Harness> {
  const lines = lineReader(child, name);
  child.stderr.on('data', (chunk: Buffer) => onStderr(chunk.toString('utf8')));
  // It may be gone when it is written to; that shows when the answer does not come.
  child.stdin.on('error', () => {});
  let usable = true;
  let seq = 0;
  const ask = async (request: unknown): Promise<unknown> => {
    try {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const line = await lines.next(timeLimitMs);
      try {
        return parseJson(line, 'it');
      } catch (error) {
        if (!(error instanceof HamburgerError)) throw error;
        const { expected, found } = error.fault;
        throw new HarnessFault(
          isJson(line)
            ? `a line with what is refused in files, too: expected ${expected}, found ${found}`
            : `a line that is no JSON: ${JSON.stringify(line.slice(0, 200))}`,
        );
      }
    } catch (error) {
      usable = false;
      child.kill('SIGKILL');
      throw error;
    }
  };
  const parsed = <T>(parse: () => T): T => {
    try {
      return parse();
    } catch (error) {
      usable = false;
      child.kill('SIGKILL');
      if (error instanceof HamburgerError) throw new HarnessFault(error.message);
      throw error;
    }
  };
  const first = await ask({
    cmd: 'start',
    protocol: [PROTOCOL, PROTOCOL],
    kit: KIT_VERSION,
    interpretation: INTERPRETATION,
    root,
  });
  const claim = parsed(() => parseClaim(first, 'answer to "start"'));
  return {
    claim,
    get usable() {
      return usable;
    },
    async run(path, out) {
      seq += 1;
      const answer = await ask({ cmd: 'run', seq, case: path, out });
      const got = (answer as { seq?: unknown } | null)?.seq;
      if (got !== seq) {
        usable = false;
        child.kill('SIGKILL');
        throw new HarnessFault(
          `an answer with seq ${got === undefined ? 'missing' : show(got)}, where ${seq} was asked`,
        );
      }
      return parsed(() => parseAnswer(answer, 'answer to "run"'));
    },
    async stop() {
      if (!usable) return;
      usable = false;
      child.stdin.end(`${JSON.stringify({ cmd: 'stop' })}\n`);
      const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      if (child.exitCode === null && child.signalCode === null) await gone;
      clearTimeout(timer);
    },
  };
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** How long a harness may take to stop. */
const STOP_MS = 2000;

/** Gives the lines that a process prints, one after the other. */
function lineReader(child: HarnessProcess, name: string) {
  let buffered = '';
  const waiting: string[] = [];
  let end: HarnessFault | undefined;
  let wake = (): void => {};
  const finish = (fault: HarnessFault): void => {
    end ??= fault;
    wake();
  };
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    // What it still has in the pipe when it is ended.
    if (end !== undefined) return;
    buffered += chunk;
    const parts = buffered.split('\n');
    buffered = parts.pop()!;
    waiting.push(...parts);
    if (buffered.length > MAX_LINE_BYTES || waiting.length > MAX_WAITING) {
      finish(
        new HarnessFault(
          `it prints without end: more than ${MAX_LINE_BYTES} characters in a line, or ${MAX_WAITING} lines that were not asked for`,
        ),
      );
      child.kill('SIGKILL');
    }
    wake();
  });
  child.on('error', (error: Error) =>
    finish(new HarnessFault(`${name} cannot be started: ${error.message}`)),
  );
  child.on('close', (code: number | null, signal: string | null) => {
    finish(
      new HarnessFault(
        `it ended without an answer, ${signal === null ? `with exit code ${code}` : `by ${signal}`}`,
      ),
    );
  });
  return {
    async next(limitMs: number): Promise<string> {
      const late = Date.now() + limitMs;
      while (waiting.length === 0 && end === undefined && Date.now() < late) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, late - Date.now());
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      const line = waiting.shift();
      if (line !== undefined) return line;
      throw end ?? new HarnessFault(`no answer within ${limitMs / 1000} seconds`);
    },
  };
}

/** Lines that may lie unread: an answer comes only when it is asked for. */
const MAX_WAITING = 1000;

/** Keeps the end of what a harness writes to standard error. */
export function keptStderr(): { readonly add: (text: string) => void; text(): string } {
  let kept = '';
  return {
    add(text) {
      kept = (kept + text).slice(-KEPT_STDERR);
    },
    text: () => kept,
  };
}
