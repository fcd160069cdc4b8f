/** The loop: mutated inputs, one after the other, and what each of them must not do. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HamburgerError, InvariantError } from '../../lib/errors.ts';
import type { Input } from './input.ts';
import { mutate } from './mutate.ts';
import { randomFrom } from './random.ts';
import { type Scratch, scratchIn, type Target } from './target.ts';

/** Time that the reading of one input may take, of this process alone. */
const MOST_MS = 1000;

/** By how much one input, of at most 64 KiB a file, may let the memory of the process grow. */
const MOST_BYTES = 256 * 2 ** 20;

/** A fault of the code. */
export interface Violation {
  readonly target: string;
  readonly what: string;
  readonly input: Input;
}

/** What became of the inputs of a target. */
export interface Tally {
  inputs: number;
  /** Inputs that were read. */
  accepted: number;
  /** Milliseconds of this process alone. */
  time: number;
  /** The most that reading one took. */
  slowest: number;
}

/** A folder for files of targets. */
export interface OpenScratch {
  readonly scratch: Scratch;
  /** Takes it away, with everything in it. */
  close(): void;
}

export function openScratch(): OpenScratch {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-fuzz-'));
  const [seeds, root] = [join(folder, 'seeds'), join(folder, 'work')];
  for (const each of [seeds, root]) mkdirSync(each);
  // Where targets put what they make their seeds of.
  process.env.FUZZ_SEEDS = seeds;
  return {
    scratch: scratchIn(root),
    close() {
      delete process.env.FUZZ_SEEDS;
      rmSync(folder, { recursive: true });
    },
  };
}

/**
 * Gives an input to a target.
 *
 * @returns what it took, and what is wrong, or whether the input was accepted
 */
export async function check(
  target: Target,
  input: Input,
  scratch: Scratch,
  mostMs = MOST_MS,
): Promise<Result> {
  const memory = process.resourceUsage().maxRSS;
  const started = process.cpuUsage();
  let accepted = true;
  let wrong: string | undefined;
  try {
    const running = target.run(input, scratch);
    if (running !== undefined) await running;
  } catch (error) {
    accepted = false;
    wrong = faultOf(error);
  }
  const { user, system } = process.cpuUsage(started);
  const grown = (process.resourceUsage().maxRSS - memory) * 1024;
  const polluted = changedPrototype();
  const intruders = scratch.intruders();
  const milliseconds = (user + system) / 1000;
  if (polluted !== undefined) wrong ??= `changed ${polluted}`;
  if (intruders.length > 0) wrong ??= `wrote ${intruders.join(', ')} outside its folder`;
  if (milliseconds > mostMs) wrong ??= `took ${milliseconds} ms`;
  if (grown > MOST_BYTES) wrong ??= `took ${Math.round(grown / 2 ** 20)} MiB`;
  return { outcome: wrong ?? accepted, milliseconds };
}

/** What became of an input: what is wrong, or whether it was accepted. */
export interface Result {
  readonly outcome: string | boolean;
  readonly milliseconds: number;
}

/** What is wrong with an error. */
function faultOf(error: unknown): string | undefined {
  const shown = error instanceof Error ? (error.stack ?? String(error)).slice(0, 1500) : String(error);
  if (!(error instanceof HamburgerError)) return `another exception: ${shown}`;
  if (error instanceof InvariantError) return `a rule of our own that was broken: ${shown}`;
  const { subject, expected, found } = error.fault;
  if ([subject, expected, found].includes('')) return `an error that does not name the fault: ${shown}`;
  return error.message.length > 4000 ? `a message of ${error.message.length} characters` : undefined;
}

const PROTOTYPES = [
  Object,
  Array,
  Function,
  String,
  Number,
  Boolean,
  RegExp,
  Map,
  Set,
  Promise,
  Error,
  Uint8Array,
].map(({ name, prototype }) => ({
  name,
  prototype: prototype as object,
  keys: Reflect.ownKeys(prototype as object).length,
}));

function changedPrototype(): string | undefined {
  for (const { name, prototype, keys } of PROTOTYPES) {
    if (Reflect.ownKeys(prototype).length !== keys) return `the prototype of ${name}`;
  }
  return undefined;
}

/** What a run reports as it goes on. */
export interface Watcher {
  /** Before every input. */
  begin(target: Target, input: Input): void;
  violation(violation: Violation): void;
}

/** Fuzzes a target. */
export async function fuzz(
  target: Target,
  {
    runs,
    seed,
    scratch,
    watcher,
  }: { readonly runs: number; readonly seed: string; readonly scratch: Scratch; readonly watcher: Watcher },
): Promise<Tally> {
  const random = randomFrom(`${seed} ${target.name}`);
  const seeds = target.seeds();
  const pool: Input[] = [...seeds];
  const tally: Tally = { inputs: 0, accepted: 0, time: 0, slowest: 0 };
  const begun = process.cpuUsage();
  for (const input of seeds) {
    const { outcome } = await check(target, input, scratch);
    if (outcome !== true)
      watcher.violation({ target: target.name, what: `refuses a valid input (${outcome})`, input });
  }
  for (; tally.inputs < runs; tally.inputs++) {
    const input = mutate(random.pick(pool), random, pool);
    watcher.begin(target, input);
    const { outcome, milliseconds } = await check(target, input, scratch);
    tally.slowest = Math.max(tally.slowest, milliseconds);
    if (typeof outcome === 'string') watcher.violation({ target: target.name, what: outcome, input });
    // What is accepted is worth to be mutated further.
    else if (outcome) {
      tally.accepted++;
      if (pool.length < 64) pool.push(input);
      else if (random.oneIn(8)) pool[seeds.length + random.below(pool.length - seeds.length)] = input;
    }
  }
  const { user, system } = process.cpuUsage(begun);
  tally.time = (user + system) / 1000;
  return tally;
}
