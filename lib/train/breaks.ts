/**
 * SPEC #recipe — segments that are cut finer than the segmentation says, so that the model meets what a cautious threshold makes
 * of them: a segment that ended although it could have gone on.
 *
 * @module
 */

import type { UniformSource } from '../math/random.ts';
import type { BreakShares } from './recipe.ts';

/** A response, cut: how, and what the stop head is to say. */
export interface Cut {
  /** Tokens of each segment. */
  readonly sizes: readonly number[];
  /** Of each token, whether a segment of the *segmentation* ends with it: the target of the stop head (recipe/R5). */
  readonly stops: readonly boolean[];
}

/** The segmentation's own cut. */
export function unbroken(sizes: readonly number[]): Cut {
  return { sizes, stops: stopsOf(sizes) };
}

/**
 * Cuts some samples finer (recipe/R5).
 *
 * @param sizes tokens of each segment, as the segmentation has them
 * @param uniforms the stream of this sample in this epoch; the draws are, in order: what becomes of the sample; if continuations are broken,
 *   their rate, and one for each continuation
 */
export function withBreaks(sizes: readonly number[], shares: BreakShares, uniforms: UniformSource): Cut {
  const stops = stopsOf(sizes);
  const kind = uniforms.next();
  if (kind < shares.unmerged) return { sizes: stops.map(() => 1), stops };
  if (kind >= shares.unmerged + shares.forced) return { sizes, stops };
  const rate = uniforms.next();
  const cut: number[] = [];
  for (const size of sizes) {
    cut.push(1);
    for (let i = 1; i < size; i++) {
      if (uniforms.next() < rate) cut.push(1);
      else cut.push(cut.pop()! + 1);
    }
  }
  return { sizes: cut, stops };
}

function stopsOf(sizes: readonly number[]): boolean[] {
  return sizes.flatMap((size) => Array.from({ length: size }, (_, i) => i === size - 1));
}
