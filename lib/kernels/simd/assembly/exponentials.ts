/**
 * exp, sigmoid and silu of two binary64 numbers, to be rounded to binary32. SPEC #elementary-functions, numerics/N7.
 *
 * The same operations in the same order as `lib/math/exp.ts` and `lib/math/sigmoid.ts`, whose comments explain them. Three
 * things are simpler here, because the argument is a binary32 number and the result is rounded to one; none changes a bit of it:
 *
 * - The argument of exp is held within ±300. Beyond that the result is 0 or Infinity in binary32, and so it is at ±300.
 *   (Both bounds let NaN pass.)
 * - 2^k then is a normal number and so is the result: one multiplication by it is exact, as the two of `scale` are.
 * - sigmoid and silu: where `1 + exp(-x)` rounds to `exp(-x)`, dividing by it is dividing by the mantissa and by 2^k, both
 *   normal numbers, so the order does not matter.
 */

const INTEGER_SHIFT: f64 = 6755399441055744;
const INVERSE_LN2: f64 = 1.4426950408889634;
const LN2_HIGH: f64 = 0.6931471805598903;
const LN2_LOW: f64 = 5.497923018708371e-14;
const BOUND: f64 = 300;

// @ts-ignore: decorator
@inline
function step(constant: f64, square: v128, rest: v128): v128 {
  return f64x2.add(f64x2.splat(constant), f64x2.mul(square, rest));
}

/** `exp` of both lanes, exact to the last bit of `lib/math/exp.ts` for arguments within ±300. */
// @ts-ignore: decorator
@inline
export function exp(argument: v128): v128 {
  // pmin and pmax keep the first operand, hence NaN, where the comparison is false.
  const x = f64x2.pmax(f64x2.pmin(argument, f64x2.splat(BOUND)), f64x2.splat(-BOUND));
  const shifted = f64x2.add(f64x2.mul(x, f64x2.splat(INVERSE_LN2)), f64x2.splat(INTEGER_SHIFT));
  const k = f64x2.sub(shifted, f64x2.splat(INTEGER_SHIFT));
  // The last bits of `shifted` are k as an integer, so this puts k + 1023 into the exponent of a binary64 number.
  const power = i64x2.shl(i64x2.add(shifted, i64x2.splat(1023)), 52);

  const upper = f64x2.sub(x, f64x2.mul(k, f64x2.splat(LN2_HIGH)));
  const lower = f64x2.mul(k, f64x2.splat(LN2_LOW));
  const r = f64x2.sub(upper, lower);
  const c = f64x2.sub(f64x2.sub(upper, r), lower);
  const square = f64x2.mul(r, r);
  let even = step(1.0 / 479001600.0, square, f64x2.splat(1.0 / 87178291200.0));
  even = step(1.0 / 3628800.0, square, even);
  even = step(1.0 / 40320.0, square, even);
  even = step(1.0 / 720.0, square, even);
  even = step(1.0 / 24.0, square, even);
  even = step(0.5, square, even);
  let odd = step(1.0 / 39916800.0, square, f64x2.splat(1.0 / 6227020800.0));
  odd = step(1.0 / 362880.0, square, odd);
  odd = step(1.0 / 5040.0, square, odd);
  odd = step(1.0 / 120.0, square, odd);
  odd = step(1.0 / 6.0, square, odd);
  const one = f64x2.splat(1);
  const sum = f64x2.add(one, r);
  const sumRest = f64x2.sub(r, f64x2.sub(sum, one));
  const series = f64x2.mul(square, f64x2.add(even, f64x2.mul(r, odd)));
  const mantissa = f64x2.add(sum, f64x2.add(sumRest, f64x2.add(series, f64x2.mul(c, sum))));
  return f64x2.mul(mantissa, power);
}

/** `numerator / (1 + exp(-x))`. */
// @ts-ignore: decorator
@inline
function overOnePlusExp(numerator: v128, x: v128): v128 {
  return f64x2.div(numerator, f64x2.add(f64x2.splat(1), exp(f64x2.neg(x))));
}

// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  return overOnePlusExp(f64x2.splat(1), x);
}

/** The numerator is held above -760, where the result has long been -0 in binary32: so it is -0, not NaN, for -Infinity. */
// @ts-ignore: decorator
@inline
export function silu(x: v128): v128 {
  return overOnePlusExp(f64x2.pmax(x, f64x2.splat(-760)), x);
}

/** The derivative of silu. The argument is held where the result has long been -0 or 1 in binary32, so that infinity gives that, too. */
// @ts-ignore: decorator
@inline
export function siluGradient(argument: v128): v128 {
  const one = f64x2.splat(1);
  const x = f64x2.pmax(f64x2.pmin(argument, f64x2.splat(BOUND)), f64x2.splat(-BOUND));
  const p = sigmoid(x);
  return f64x2.mul(p, f64x2.add(one, f64x2.mul(x, f64x2.sub(one, p))));
}

/** The upper two of four lanes in the place of the lower. */
// @ts-ignore: decorator
@inline
export function upperHalf(x: v128): v128 {
  return i8x16.shuffle(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
}

/** Two pairs of binary64 numbers, rounded, as four binary32 numbers. */
// @ts-ignore: decorator
@inline
export function rounded(low: v128, high: v128): v128 {
  return i8x16.shuffle(
    f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high),
    0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23,
  );
}
