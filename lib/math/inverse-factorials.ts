/**
 * 1/n!, correctly rounded: n! is exact in binary64 up to n = 18, and the quotient is rounded once. The series of the exponential
 * function, sine and cosine.
 *
 * @module
 */

export const INVERSE_FACTORIAL_3 = 1 / 6;
export const INVERSE_FACTORIAL_4 = 1 / 24;
export const INVERSE_FACTORIAL_5 = 1 / 120;
export const INVERSE_FACTORIAL_6 = 1 / 720;
export const INVERSE_FACTORIAL_7 = 1 / 5040;
export const INVERSE_FACTORIAL_8 = 1 / 40320;
export const INVERSE_FACTORIAL_9 = 1 / 362880;
export const INVERSE_FACTORIAL_10 = 1 / 3628800;
export const INVERSE_FACTORIAL_11 = 1 / 39916800;
export const INVERSE_FACTORIAL_12 = 1 / 479001600;
export const INVERSE_FACTORIAL_13 = 1 / 6227020800;
export const INVERSE_FACTORIAL_14 = 1 / 87178291200;
export const INVERSE_FACTORIAL_15 = 1 / 1307674368000;
export const INVERSE_FACTORIAL_16 = 1 / 20922789888000;
export const INVERSE_FACTORIAL_17 = 1 / 355687428096000;
export const INVERSE_FACTORIAL_18 = 1 / 6402373705728000;
