/**
 * The exponential function. SPEC #elementary-functions: from exactly rounded operations alone (elementary-functions/E1), within 1 ulp
 * (elementary-functions/E2), as all of this folder.
 *
 * Formula: `exp(x) = 2^k * exp(r)` with `k` the integer nearest to `x / ln 2` and `r = x - k ln 2`, so that
 * `|r| <= 0.3466`; and `exp(r) = 1 + r + r^2 (1/2! + r/3! + ... + r^12/14!)`.
 *
 * Algorithm. `k` comes from adding and subtracting `1.5 * 2^52`. `ln 2` is held in two parts; the upper has 42
 * bits, so that its product with `k` and the difference to `x` are exact. What rounding `r` loses is kept as `c`
 * and enters as `c exp(r)`. `1 + r` is summed with its rounding error, so that only the last addition rounds
 * visibly. The two halves of the factor `2^k` are multiplied in one after the other: the first exactly, the second
 * with one rounding, and only if the result is subnormal.
 *
 * Error: less than 1 ulp. The series leaves out less than `2^-62`. Largest error seen in 210,000 random and hard
 * arguments: 0.66 ulp, 0.75 where the result is subnormal and so rounded twice. Rounded to binary32, the result is
 * the correctly rounded one for every binary32 argument.
 *
 * Tested against `fixtures/goldens-math`, by regime.
 *
 * @module
 */

import {
  INVERSE_FACTORIAL_3,
  INVERSE_FACTORIAL_4,
  INVERSE_FACTORIAL_5,
  INVERSE_FACTORIAL_6,
  INVERSE_FACTORIAL_7,
  INVERSE_FACTORIAL_8,
  INVERSE_FACTORIAL_9,
  INVERSE_FACTORIAL_10,
  INVERSE_FACTORIAL_11,
  INVERSE_FACTORIAL_12,
  INVERSE_FACTORIAL_13,
  INVERSE_FACTORIAL_14,
} from './inverse-factorials.ts';
import { scale } from './powers-of-two.ts';

/** Adding this to a number below `2^51` leaves no bits for a fraction: rounds to the nearest integer, ties to even. */
const INTEGER_SHIFT = 6755399441055744;

/** `1 / ln 2`, rounded. */
// biome-ignore lint/suspicious/noApproximativeNumericConstant: ECMAScript gives Math.LOG2E only approximately
const INVERSE_LN2 = 1.4426950408889634;

/** `ln 2` to 42 bits: a product with an integer of 11 bits is exact. */
const LN2_HIGH = 0.6931471805598903;

/** `ln 2 - LN2_HIGH`, rounded. */
const LN2_LOW = 5.497923018708371e-14;

/** Above this `exp` overflows; it is a little too large on purpose: up to it, the overflow happens by itself. */
const OVERFLOWS_ABOVE = 710;

/** Below this `exp` is nearer to 0 than to the smallest subnormal number; likewise a little too small. */
const VANISHES_BELOW = -746;

/** The integer nearest to `x / ln 2`, or next to it where the quotient is close to halfway; for `|x| < 2^50`. */
export function expExponent(x: number): number {
  return x * INVERSE_LN2 + INTEGER_SHIFT - INTEGER_SHIFT;
}

/**
 * `exp(high + low) / 2^k` with `k = expExponent(high)`, in `[0.707, 1.415]`; for `|high| <= 800` and
 * `|low| <= |high| / 2^52`. To be followed by {@link scale}.
 */
export function expMantissa(high: number, low: number, k: number): number {
  const upper = high - k * LN2_HIGH;
  const lower = k * LN2_LOW - low;
  const r = upper - lower;
  const c = upper - r - lower;
  const square = r * r;
  const even =
    0.5 +
    square *
      (INVERSE_FACTORIAL_4 +
        square *
          (INVERSE_FACTORIAL_6 +
            square *
              (INVERSE_FACTORIAL_8 +
                square *
                  (INVERSE_FACTORIAL_10 + square * (INVERSE_FACTORIAL_12 + square * INVERSE_FACTORIAL_14)))));
  const odd =
    INVERSE_FACTORIAL_3 +
    square *
      (INVERSE_FACTORIAL_5 +
        square *
          (INVERSE_FACTORIAL_7 +
            square *
              (INVERSE_FACTORIAL_9 + square * (INVERSE_FACTORIAL_11 + square * INVERSE_FACTORIAL_13))));
  const sum = 1 + r;
  const sumRest = r - (sum - 1);
  return sum + (sumRest + (square * (even + r * odd) + c * sum));
}

/** `exp(high + low)` for a pair, `|low| <= |high| / 2^52`; otherwise as {@link exp}. */
export function expPair(high: number, low: number): number {
  if (high > OVERFLOWS_ABOVE) return Number.POSITIVE_INFINITY;
  if (high < VANISHES_BELOW) return 0;
  if (Number.isNaN(high)) return Number.NaN;
  const k = expExponent(high);
  return scale(expMantissa(high, low, k), k);
}

/**
 * `e^x`, less than 1 ulp off for every `x`, subnormal results included.
 * `exp(±0) = 1`, `exp(-Infinity) = 0`, `exp(Infinity) = Infinity`, `exp(NaN) = NaN`.
 */
export function exp(x: number): number {
  return expPair(x, 0);
}
