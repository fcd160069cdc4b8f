/**
 * Number formats below binary64, and distances measured in units in the last place.
 *
 * Formats: binary32 (24 significant bits, smallest 2^-149), bfloat16 (8 bits, 2^-133), binary16 (11 bits, 2^-24).
 * Every conversion from a number rounds ONCE, to nearest, ties to even: binary64 → binary32 → bfloat16 would round
 * twice, and differ. The arithmetic is exact: scaling by powers of two, and one rounding to an integer.
 *
 * Tested against an independent reference, exhaustively over all 65536 bit patterns of the 16-bit formats, at
 * ties, around the limits of range, and with doubles that rounding twice gets wrong.
 *
 * @module
 */

import { exponentOf, powerOfTwo, scale } from './powers-of-two.ts';

/** The two precisions tensors are stored in. */
export type Precision = 'f64' | 'f32';

/** Adding this to a number below `2^51` leaves no bits for a fraction: rounds to the nearest integer, ties to even. */
const INTEGER_SHIFT = 6755399441055744;

/** A binary format: normal numbers are `±1.fraction * 2^e`, `e` in `minExponent..maxExponent`. */
interface Format {
  /** Stored bits of the fraction. */
  readonly fractionBits: number;
  readonly minExponent: number;
  readonly maxExponent: number;
}

const BINARY64: Format = { fractionBits: 52, minExponent: -1022, maxExponent: 1023 };
const BINARY32: Format = { fractionBits: 23, minExponent: -126, maxExponent: 127 };
const BFLOAT16: Format = { fractionBits: 7, minExponent: -126, maxExponent: 127 };
const BINARY16: Format = { fractionBits: 10, minExponent: -14, maxExponent: 15 };

/**
 * The bits of finite or infinite `magnitude >= 0` in a 16-bit format, rounded once. A carry out of the fraction
 * runs into the exponent, and out of the greatest exponent into infinity, as IEEE 754 wants it.
 */
function bitsOfMagnitude(magnitude: number, { fractionBits, minExponent, maxExponent }: Format): number {
  const infinity = (maxExponent - minExponent + 2) * powerOfTwo(fractionBits);
  if (magnitude >= powerOfTwo(maxExponent + 1)) return infinity;
  if (magnitude < powerOfTwo(minExponent - fractionBits - 1)) return 0;
  const exponent = Math.max(exponentOf(magnitude), minExponent);
  const steps = scale(magnitude, fractionBits - exponent) + INTEGER_SHIFT - INTEGER_SHIFT;
  return (exponent - minExponent) * powerOfTwo(fractionBits) + steps;
}

/** Sign bit of a 16-bit format. */
const SIGN_16 = 0x8000;

function isNegative(x: number): boolean {
  return x < 0 || Object.is(x, -0);
}

/** The bits of `x` in a 16-bit format; NaN is the quiet one without sign or payload. */
function numberToBits16(x: number, format: Format): number {
  if (Number.isNaN(x)) {
    return (format.maxExponent - format.minExponent + 2.5) * powerOfTwo(format.fractionBits);
  }
  return bitsOfMagnitude(Math.abs(x), format) + (isNegative(x) ? SIGN_16 : 0);
}

/** The number that `bits` stand for in a 16-bit format; exact. Bits above the sixteenth are ignored. */
function bits16ToNumber(bits: number, { fractionBits, minExponent, maxExponent }: Format): number {
  const magnitude = bits & 0x7fff;
  const biased = magnitude >> fractionBits;
  const fraction = magnitude - (biased << fractionBits);
  let value: number;
  if (biased === 0) value = fraction * powerOfTwo(minExponent - fractionBits);
  else if (biased <= maxExponent - minExponent + 1) {
    value = ((1 << fractionBits) + fraction) * powerOfTwo(biased - 1 + minExponent - fractionBits);
  } else value = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  return (bits & SIGN_16) === 0 ? value : -value;
}

/** The binary32 number nearest to `x`; ties to even. */
export function roundToF32(x: number): number {
  return Math.fround(x);
}

/** The bfloat16 number nearest to `x`; ties to even, rounded once whatever the precision of `x`. */
export function roundToBf16(x: number): number {
  return bf16ToNumber(numberToBf16Bits(x));
}

/** The number that 16 bits stand for in bfloat16: the upper half of a binary32 number. Exact. */
export function bf16ToNumber(bits: number): number {
  return bits16ToNumber(bits, BFLOAT16);
}

/** The bits, 0..65535, of the bfloat16 number nearest to `x`; ties to even. NaN gives 0x7fc0, whatever its payload. */
export function numberToBf16Bits(x: number): number {
  return numberToBits16(x, BFLOAT16);
}

/** The number that 16 bits stand for in binary16 ("half"). Exact. */
export function f16ToNumber(bits: number): number {
  return bits16ToNumber(bits, BINARY16);
}

/** The bits, 0..65535, of the binary16 number nearest to `x`; ties to even. NaN gives 0x7e00, whatever its payload. */
export function numberToF16Bits(x: number): number {
  return numberToBits16(x, BINARY16);
}

/**
 * The distance from `|x|` to the next larger number of the format, one unit in the last place of `x`. Defined for
 * every binary64 `x` by its power of two, also if `x` itself is not binary32. 0 and subnormal numbers: the smallest
 * positive number. Magnitudes beyond the format's range, and infinity: Infinity. NaN: NaN.
 */
export function ulpOf(x: number, precision: Precision): number {
  const { fractionBits, minExponent, maxExponent } = precision === 'f64' ? BINARY64 : BINARY32;
  const magnitude = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (magnitude === Number.POSITIVE_INFINITY) return magnitude;
  if (magnitude < powerOfTwo(minExponent)) return powerOfTwo(minExponent - fractionBits);
  const exponent = exponentOf(magnitude);
  return exponent > maxExponent ? Number.POSITIVE_INFINITY : powerOfTwo(exponent - fractionBits);
}

/**
 * How many steps from one number of the format to the next lead from `a` to `b`. Exact up to `2^53`, beyond that
 * rounded. `+0` and `-0` are the same place; the two smallest numbers around zero are 2 apart; infinity is one step
 * past the largest finite number. NaN to NaN is 0, NaN to anything else Infinity. For `'f32'` both are rounded to
 * binary32 first.
 */
export function ulpDistance(a: number, b: number, precision: Precision): number {
  const format = precision === 'f64' ? BINARY64 : BINARY32;
  const from = precision === 'f64' ? a : Math.fround(a);
  const to = precision === 'f64' ? b : Math.fround(b);
  if (Number.isNaN(from) || Number.isNaN(to)) {
    return Number.isNaN(from) && Number.isNaN(to) ? 0 : Number.POSITIVE_INFINITY;
  }
  // Steps from zero = binade * 2^fractionBits + steps within the binade, each part kept apart so as to be exact.
  const fromBinade = binadeOf(Math.abs(from), format);
  const toBinade = binadeOf(Math.abs(to), format);
  const fromSteps = stepsInBinade(Math.abs(from), fromBinade, format);
  const toSteps = stepsInBinade(Math.abs(to), toBinade, format);
  const fromSign = from < 0 ? -1 : 1;
  const toSign = to < 0 ? -1 : 1;
  const binades = fromSign * fromBinade - toSign * toBinade;
  return Math.abs(binades * powerOfTwo(format.fractionBits) + (fromSign * fromSteps - toSign * toSteps));
}

/** The biased exponent: 0 for zero and subnormal numbers, 1 for the smallest normal ones. */
function binadeOf(magnitude: number, { minExponent, maxExponent }: Format): number {
  if (magnitude === Number.POSITIVE_INFINITY) return maxExponent - minExponent + 2;
  return magnitude < powerOfTwo(minExponent) ? 0 : exponentOf(magnitude) - minExponent + 1;
}

/** The stored fraction as an integer. */
function stepsInBinade(magnitude: number, binade: number, { fractionBits, minExponent }: Format): number {
  if (magnitude === Number.POSITIVE_INFINITY) return 0;
  if (binade === 0) return scale(magnitude, fractionBits - minExponent);
  return scale(magnitude, fractionBits - minExponent - binade + 1) - powerOfTwo(fractionBits);
}
