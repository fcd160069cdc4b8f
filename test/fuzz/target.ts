/** A reader that is fuzzed. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Input } from './input.ts';

/** One reader of something that strangers write. */
export interface Target {
  readonly name: string;
  /** How many of 1000 inputs of a run over all targets it gets: many where one takes little time. */
  readonly share: number;
  /** Valid inputs; all have the same file names. */
  seeds(): readonly Input[];
  /**
   * Gives it an input, and whatever it makes of that to what comes next. Throws what the reader throws, and {@link WrongResult} where what it
   * returns cannot be right.
   */
  run(input: Input, scratch: Scratch): void | Promise<void>;
}

/** A result that was returned and is wrong. */
export class WrongResult extends Error {}

export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new WrongResult(what);
}

/** A place for readers of files: `in` for what they read, `out` for what they write; nothing else may appear in it. */
export interface Scratch {
  readonly root: string;
  /** Puts the files of an input into a folder. */
  folderOf(input: Input): string;
  /** Where a reader may write; empty. */
  readonly out: string;
  /** What was written where it may not be; afterwards everything is as it was. */
  intruders(): string[];
}

const CANARY = 'canary';

export function scratchIn(root: string): Scratch {
  const [inside, out] = [join(root, 'in'), join(root, 'out')];
  writeFileSync(join(root, CANARY), CANARY);
  mkdirSync(out);
  let present: string[] = [];
  return {
    root,
    out,
    folderOf(input) {
      if (present.length === 0) mkdirSync(inside, { recursive: true });
      for (const name of present)
        if (!Object.hasOwn(input, name)) rmSync(join(inside, name), { force: true });
      present = Object.keys(input);
      for (const name of present) {
        const path = join(inside, name);
        if (name.includes('/')) mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, input[name]!);
      }
      return inside;
    },
    intruders() {
      const found = readdirSync(root).filter((name) => !['in', 'out', CANARY].includes(name));
      for (const name of found) rmSync(join(root, name), { recursive: true });
      const canary = readFileSync(join(root, CANARY), 'utf8');
      if (readdirSync(out).length > 0) {
        rmSync(out, { recursive: true });
        mkdirSync(out);
      }
      return canary === CANARY ? found : [...found, CANARY];
    },
  };
}
