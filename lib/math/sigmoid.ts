/**
 * The logistic function and the activation built on it. SPEC #elementary-functions.
 *
 * Formulas: `sigmoid(x) = 1 / (1 + exp(-x))`, `silu(x) = x / (1 + exp(-x))`, each operation rounded once, with
 * `exp` of this folder. Where `exp(-x)` is so large that adding 1 changes nothing, its exponent is multiplied in
 * last, as `(x / mantissa) * 2^-k`: that gives the same bits, but neither overflows nor loses the bits of
 * results that are subnormal.
 *
 * Error: less than 2.2 ulp: 0.62 of `exp`, at most 0.5 of each operation, and up to twice that relative to a quotient
 * just above a power of two. Largest error seen in 210,000 random and hard arguments each: 2.08 ulp (sigmoid),
 * 1.94 ulp (silu). Rounded to binary32, `sigmoid` is the correctly rounded one for all binary32 arguments but
 * 66, and `silu` for all of magnitude `2^-125` and above. (Below, `silu(x)` is `x/2` to all 53 bits; where
 * that lies in the middle between two binary32 numbers, the tie goes to even, whatever the bits that are lost.)
 *
 * Tested against `fixtures/goldens-math`, by regime.
 *
 * @module
 */

import { expExponent, expMantissa } from './exp.ts';
import { scale } from './powers-of-two.ts';

/** `-x` is held within these; on either side of them the results no longer change. */
const LEAST_NEGATED = -800;
const GREATEST_NEGATED = 760;

/** From this exponent on `1 + exp(-x)` rounds to `exp(-x)`: 53 would do. */
const ONE_IS_LOST = 64;

/** `numerator / (1 + exp(-x))`. */
function overOnePlusExp(numerator: number, x: number): number {
  const negated = Math.min(Math.max(-x, LEAST_NEGATED), GREATEST_NEGATED);
  const k = expExponent(negated);
  const mantissa = expMantissa(negated, 0, k);
  return k < ONE_IS_LOST ? numerator / (1 + scale(mantissa, k)) : scale(numerator / mantissa, -k);
}

/**
 * `1 / (1 + e^-x)`. `sigmoid(±0) = 0.5`, `sigmoid(-Infinity) = 0`, `sigmoid(Infinity) = 1`, `sigmoid(NaN) = NaN`.
 */
export function sigmoid(x: number): number {
  return Number.isNaN(x) ? x : overOnePlusExp(1, x);
}

/**
 * `x sigmoid(x) = x / (1 + e^-x)`. `silu(±0) = ±0`, `silu(Infinity) = Infinity`, `silu(NaN) = NaN`. Results too
 * small for binary64, from about `x = -752` on and at `-Infinity`, are `-0`, the limit from below.
 */
export function silu(x: number): number {
  if (Number.isNaN(x)) return x;
  return x < -GREATEST_NEGATED ? -0 : overOnePlusExp(x, x);
}

/**
 * The derivative of silu, `p (1 + x (1 - p))` with `p = sigmoid(x)`, each operation rounded once. `siluGradient(±0) = 0.5`,
 * `siluGradient(Infinity) = 1`, `siluGradient(-Infinity) = -0`, `siluGradient(NaN) = NaN`.
 * Near its zero at -1.278 the sum cancels: there the error is some ulp of `p`, not of the result.
 */
export function siluGradient(x: number): number {
  if (Number.isNaN(x)) return x;
  // Beyond these p is 0 or 1, and infinity times 0 would be NaN.
  const held = Math.min(Math.max(x, -GREATEST_NEGATED), GREATEST_NEGATED);
  const p = sigmoid(held);
  return p * (1 + held * (1 - p));
}
