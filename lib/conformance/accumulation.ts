/**
 * SPEC #conformance — how well a port adds up (conformance/C6). A bound on a sum of many products is wide, as it holds for the worst of them; whether sums
 * are rounded to nearest shows in the mean over many.
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import type { PortNumerics } from './numerics.ts';

/** Errors of many dot products, each in units of `(u + p) A + v |y|`: of what rounds once where the magnitudes add up to A, and of what is stored. */
export interface AccumulationQuality {
  readonly dots: number;
  /** Products in each. */
  readonly terms: number;
  readonly meanSquare: number;
  /** Mean error in the direction of the exact value: negative if sums are too near to zero. */
  readonly bias: number;
  /** Whether honest rounding to nearest does not come to this. It is a hint, and no verdict. */
  readonly suspicious: boolean;
}

/** Fewer say nothing about a mean. */
export const LEAST_DOTS = 1000;

/**
 * Sums from left to right, each rounded to nearest, have a mean square of 0.10 in `linear.many-sums`, and those of any better order less; however many terms there
 * are, it is below 0.2, and so is that of what is stored. Sums that are cut instead of rounded have 7.2 there, and a bias of -1.7.
 */
export const MOST_MEAN_SQUARE = 1;
export const MOST_BIAS = 0.2;

/**
 * Of `y[t,o] = Σ_i x[t,i] * weight[o,i]`, as a port computed it.
 *
 * @param x `[T, in]`
 * @param weight `[out, in]`
 * @param found `[T, out]`, of the port
 * @returns `null` if there are too few, or if the port is as exact as the judge
 */
export function accumulationQuality(
  x: Tensor,
  weight: Tensor,
  found: Tensor,
  { name, sum: u, product: p, store: v }: PortNumerics,
): AccumulationQuality | null {
  const [rows, terms] = x.shape as [number, number];
  const outputs = weight.shape[0]!;
  const dots = rows * outputs;
  if (dots < LEAST_DOTS || name === 'f64') return null;
  let [squares, directed] = [0, 0];
  for (let t = 0; t < rows; t++) {
    for (let o = 0; o < outputs; o++) {
      let [exact, magnitudes] = [0, 0];
      for (let i = 0; i < terms; i++) {
        const product = x.data[t * terms + i]! * weight.data[o * terms + i]!;
        exact += product;
        magnitudes += Math.abs(product);
      }
      const unit = (u + p) * magnitudes + v * Math.abs(exact);
      const error = (found.data[t * outputs + o]! - exact) / unit;
      squares += error * error;
      directed += Math.sign(exact) * error;
    }
  }
  const [meanSquare, bias] = [squares / dots, directed / dots];
  const suspicious = !(meanSquare <= MOST_MEAN_SQUARE && Math.abs(bias) <= MOST_BIAS);
  return { dots, terms, meanSquare, bias, suspicious };
}
