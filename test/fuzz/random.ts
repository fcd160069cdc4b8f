/** Random choices of the fuzzer, from a seed: the same seed makes the same inputs. */

import seedrandom from 'seedrandom';

/** Draws. */
export interface Random {
  /** An integer from 0 to below `n`. */
  below(n: number): number;
  /** True in one of `n` draws. */
  oneIn(n: number): boolean;
  /** One of the list, which is not empty. */
  pick<T>(list: readonly T[]): T;
  /** An integer from 0 to below `n`; the smaller, the likelier. */
  small(n: number): number;
}

export function randomFrom(seed: string): Random {
  const next = seedrandom.alea(seed);
  const below = (n: number): number => Math.floor(next.quick() * n);
  return {
    below,
    oneIn: (n) => below(n) === 0,
    pick: (list) => list[below(list.length)]!,
    small: (n) => Math.floor(n * next.quick() * next.quick() * next.quick()),
  };
}
