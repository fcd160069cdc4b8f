/**
 * The natural logarithm. SPEC #elementary-functions.
 *
 * Formula: `x = 2^e m` with `181/256 < m <= 181/128` (about `sqrt(2)`), `f = m - 1` (exact), `s = f / (2 + f)`. Then
 * `log m = 2 artanh(s) = 2s + s R` with `R = 2/3 s^2 + 2/5 s^4 + ... + 2/21 s^20`. As `2s = f - s f` and
 * `s f = f^2/2 - s f^2/2`, this is `log m = f - (f^2/2 - s (f^2/2 + R))`, where the large part `f` is exact.
 *
 * Algorithm. `log x = e ln 2 + log m`; `ln 2` is held in two parts, of which the upper has 42 bits, so that its
 * product with `e` is exact. `e LN2_HIGH + f` is summed with its rounding error; everything else is a correction
 * of at most a quarter of the result.
 *
 * Error: less than 1 ulp. The series leaves out less than `2^-60` of the result. Largest error seen in 210,000
 * random and hard arguments: 0.86 ulp, near 0.7; next to 1 it is 0.5. Rounded to binary32, the result is the
 * correctly rounded one for all binary32 arguments but 5.
 *
 * Tested against `fixtures/goldens-math`, by regime.
 *
 * @module
 */

import { exponentOf, scale } from './powers-of-two.ts';

/** Mantissas above this are halved; near `sqrt(2)`, so that the rest lies evenly around 1. */
export const HALVED_ABOVE = 181 / 128;

/** `ln 2` to 42 bits: a product with an integer of 11 bits is exact. */
export const LN2_HIGH = 0.6931471805598903;

/** `ln 2 - LN2_HIGH`, rounded. */
export const LN2_LOW = 5.497923018708371e-14;

/**
 * `log(x)`, less than 1 ulp off for every `x`, subnormal ones included.
 * `log(1) = 0`, `log(±0) = -Infinity`, `log(x) = NaN` for `x < 0`, `log(Infinity) = Infinity`, `log(NaN) = NaN`.
 */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  const floor = exponentOf(x);
  const mantissa = scale(x, -floor);
  const halved = mantissa > HALVED_ABOVE;
  const e = halved ? floor + 1 : floor;
  const f = (halved ? 0.5 * mantissa : mantissa) - 1;

  const s = f / (2 + f);
  const z = s * s;
  const zz = z * z;
  const odd = 2 / 3 + zz * (2 / 7 + zz * (2 / 11 + zz * (2 / 15 + zz * (2 / 19))));
  const even = 2 / 5 + zz * (2 / 9 + zz * (2 / 13 + zz * (2 / 17 + zz * (2 / 21))));
  const series = z * (odd + z * even);
  const halfSquare = 0.5 * f * f;

  const large = e * LN2_HIGH;
  const sum = large + f;
  const sumRest = large - sum + f; // exact: |large| >= |f| unless large = 0
  return sum + (sumRest - (halfSquare - (s * (halfSquare + series) + e * LN2_LOW)));
}
