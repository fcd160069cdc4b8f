/** Every elementary function of `lib/math`, and its random numbers, over fixed arguments. */

import { exp } from '../../lib/math/exp.ts';
import { numberToF16Bits, roundToBf16 } from '../../lib/math/float.ts';
import { log } from '../../lib/math/log.ts';
import { pow } from '../../lib/math/pow.ts';
import { powerOfTwo } from '../../lib/math/powers-of-two.ts';
import { normalsFrom, seededUniforms } from '../../lib/math/random.ts';
import { sigmoid, silu } from '../../lib/math/sigmoid.ts';
import { cos, sin, TRIGONOMETRIC_LIMIT } from '../../lib/math/trigonometric.ts';
import { f64OfBits, integers } from './numbers.ts';

/** Arguments of each sort. Few enough for an engine that interprets. */
const COUNT = 400;

/** Where a function is special, or its range ends. */
const SPECIAL = [
  ...[0, 1, 0.5, 2, 3, 10, 36.7, 88.72, 103.97, 709.78, 709.79, 745.13, 745.14, 1e300, Infinity],
  ...[Number.MIN_VALUE, powerOfTwo(-1022), Number.MAX_VALUE, Number.EPSILON, 1 + Number.EPSILON],
].flatMap((x) => [x, -x]);

/** Numbers of every exponent, numbers of a usual size, and special ones. */
function anyNumbers(seed: number): number[] {
  const next = integers(seed);
  const unit = () => next() / powerOfTwo(31) - 1;
  return [
    Number.NaN,
    ...SPECIAL,
    ...Array.from({ length: COUNT }, () => f64OfBits(next(), next())),
    ...Array.from({ length: COUNT }, () => unit() * 10),
    ...Array.from({ length: COUNT }, () => unit() * 750),
  ];
}

/** Angles are limited in size. */
function angles(seed: number): number[] {
  const next = integers(seed);
  const unit = () => next() / powerOfTwo(31) - 1;
  return [
    ...anyNumbers(seed).filter((x) => x > -TRIGONOMETRIC_LIMIT && x < TRIGONOMETRIC_LIMIT),
    ...Array.from({ length: COUNT }, () => unit() * TRIGONOMETRIC_LIMIT),
  ];
}

/** Positive bases of every exponent, with exponents that mostly give a number of the range. */
function powers(): number[] {
  const next = integers(3);
  const unit = () => next() / powerOfTwo(31) - 1;
  return anyNumbers(3)
    .filter((base) => base > 0 && base < Infinity)
    .map((base) => pow(base, unit() * (next() % 8 === 0 ? 200 : 2)));
}

/** Name → all values. */
export const FUNCTIONS: Readonly<Record<string, () => readonly number[]>> = {
  exp: () => anyNumbers(1).map(exp),
  log: () => anyNumbers(2).map(log),
  pow: powers,
  sin: () => angles(4).map(sin),
  cos: () => angles(5).map(cos),
  sigmoid: () => anyNumbers(6).map(sigmoid),
  silu: () => anyNumbers(7).map(silu),
  'rounding to bf16': () => anyNumbers(8).map(roundToBf16),
  'bits of f16': () => anyNumbers(9).map(numberToF16Bits),
  uniforms: () => draws(seededUniforms('engines')),
  normals: () => draws(normalsFrom(seededUniforms('engines'))),
};

function draws(source: { next(): number }): number[] {
  return Array.from({ length: COUNT }, () => source.next());
}
