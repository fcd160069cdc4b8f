/**
 * Random numbers that can be repeated: drawn from a seed, or from a list of draws made elsewhere.
 *
 * The only door to `seedrandom`, whose default generator is used through its instance interface; nothing global is
 * touched. Because that generator is laborious to port, runs record what they drew ({@link recordedUniforms}) and
 * others replay it ({@link replayedUniforms}).
 *
 * @module
 */

import seedrandom from 'seedrandom';
import { CallerError, show } from '../errors.ts';
import { log } from './log.ts';
import { cos, sin } from './trigonometric.ts';

/** A source of numbers in `[0, 1)`. */
export interface UniformSource {
  next(): number;
}

/** A source of numbers of the standard normal distribution. */
export interface NormalSource {
  next(): number;
}

/** A list of draws being used up. */
export interface ReplayedUniforms extends UniformSource {
  /** How many draws are left. */
  readonly remaining: number;
}

/** A source that keeps what it gave. */
export interface RecordedUniforms extends UniformSource {
  /** Everything drawn so far, in order; grows with every draw. */
  readonly drawn: readonly number[];
}

/**
 * Uniform draws determined by `seed` alone. Always a string, because `seedrandom` takes 0 and `'0'` for different
 * seeds.
 *
 * @throws CallerError for a seed that is empty or no string; `seedrandom` would choose one of its own for some.
 */
export function seededUniforms(seed: string): UniformSource {
  if (typeof seed !== 'string' || seed === '') {
    throw new CallerError({ subject: 'seed', expected: 'a string that is not empty', found: show(seed) });
  }
  const generator = seedrandom(seed);
  return { next: () => generator() };
}

/**
 * The random stream of one purpose: it depends on nothing that was drawn for another (recipe/R3).
 *
 * @param place numbers that say for which epoch or sample
 */
export function namedUniforms(seed: string, purpose: string, ...place: readonly number[]): UniformSource {
  return seededUniforms(JSON.stringify([seed, purpose, ...place]));
}

/**
 * The given draws, one after the other.
 *
 * @throws CallerError if one of them is not in `[0, 1)`; on `next()` when they are used up.
 */
export function replayedUniforms(values: readonly number[]): ReplayedUniforms {
  values.forEach((value, index) => {
    if (typeof value !== 'number' || !(value >= 0 && value < 1)) {
      throw new CallerError({
        subject: `draw ${index} of ${values.length}`,
        expected: 'a number in [0, 1)',
        found: show(value),
      });
    }
  });
  const draws = [...values];
  let used = 0;
  return {
    next() {
      const value = draws[used];
      if (value === undefined) {
        throw new CallerError({
          subject: 'replayed draws',
          expected: `at most ${draws.length} to be used`,
          found: 'one more asked for',
        });
      }
      used++;
      return value;
    },
    get remaining() {
      return draws.length - used;
    },
  };
}

/** Passes the draws of `source` through and keeps them. */
export function recordedUniforms(source: UniformSource): RecordedUniforms {
  const drawn: number[] = [];
  return {
    drawn,
    next() {
      const value = source.next();
      drawn.push(value);
      return value;
    },
  };
}

/** `2 pi`, rounded. */
const FULL_TURN = 6.283185307179586;

/**
 * Standard normal numbers by Box and Muller, in pairs. For each pair two uniforms are drawn, `u` and then `v`; with
 * `radius = sqrt(-2 log(1 - u))` and `angle = 2 pi v` the pair is `radius cos(angle)` and then
 * `radius sin(angle)`. `1 - u` is in `(0, 1]`, so the logarithm is finite. The second of a pair waits for the next
 * call and draws nothing.
 */
export function normalsFrom(source: UniformSource): NormalSource {
  let waiting: number | undefined;
  return {
    next() {
      if (waiting !== undefined) {
        const second = waiting;
        waiting = undefined;
        return second;
      }
      const u = source.next();
      const v = source.next();
      const radius = Math.sqrt(-2 * log(1 - u));
      const angle = FULL_TURN * v;
      waiting = radius * sin(angle);
      return radius * cos(angle);
    },
  };
}
