/**
 * The rounding error of a sum or product, itself a binary64 number (Møller and Knuth; Veltkamp and Dekker).
 *
 * With them an unevaluated sum `high + low` of two numbers, a *pair*, carries about 106 bits. The functions give
 * the error only, and take the rounded result as an argument, so that nothing is allocated.
 *
 * Tested against exact integer arithmetic.
 *
 * @module
 */

/** `(a + b) - sum` exactly, where `sum` is `a + b` rounded; any order of magnitudes, unless the sum overflows. */
export function sumError(a: number, b: number, sum: number): number {
  const partOfB = sum - a;
  return a - (sum - partOfB) + (b - partOfB);
}

/** `2^27 + 1`: multiplying by it and subtracting cuts 53 bits into two halves of at most 26 (Veltkamp). */
const SPLITTER = 134217729;

/** `x` rounded to 26 significant bits, so that its square is exact. For `|x| < 2^996`. */
export function upperHalf(x: number): number {
  const spread = SPLITTER * x;
  return spread - (spread - x);
}

/**
 * `a * b - product` exactly, where `product` is `a * b` rounded; for `|a|`, `|b|` below `2^996` and products
 * that neither overflow nor come below `2^-960`, where the error would not fit.
 */
export function productError(a: number, b: number, product: number): number {
  const aHigh = upperHalf(a);
  const aLow = a - aHigh;
  const bHigh = upperHalf(b);
  const bLow = b - bHigh;
  return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}
