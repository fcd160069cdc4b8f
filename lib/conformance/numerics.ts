/**
 * SPEC #conformance — how far an honest port may be from exact arithmetic: the one table of rounding errors by which traces are judged. There is no
 * tolerance beside it, and none for a single case (conformance/C1).
 *
 * @module
 */

import { powerOfTwo } from '../math/powers-of-two.ts';

/** What a port computes in. */
export interface PortNumerics {
  readonly name: string;
  /** Rounding of the constants that enter arithmetic, such as eps (numerics/N2). */
  constant(value: number): number;
  /** Unit roundoff of a running sum. */
  readonly sum: number;
  /** Unit roundoff of what is stored: results of operations, and what a tensor of the trace holds. */
  readonly store: number;
  /** Below it numbers may be flushed to zero, and are not as exact: no bound is smaller. */
  readonly smallestNormal: number;
  /** Relative error of each product in a sum, beyond its rounding: of operands that are cut before they are multiplied. */
  readonly product: number;
}

/** Half the distance from 1 to the next number, with so many bits of precision. */
const unitRoundoff = (precision: number): number => powerOfTwo(-precision);

const F32 = unitRoundoff(24);
/** Operands of 11 bits, each rounded. */
const TF32_PRODUCT = 2 * unitRoundoff(11);
/** Three products of operands in two parts of 11 bits each; what is left out is the product of the lower parts. */
const SPLIT_PRODUCT = 4 * unitRoundoff(22);

/** Smallest normal number of binary32. Those of binary64 are smaller, but nothing in a model depends on them. */
const BINARY32 = powerOfTwo(-126);

/** By name. `bf16` and `f16` store in 16 bits and add up in binary32; so do matrix units and, on processors, well-made kernels. */
export const portNumerics: ReadonlyMap<string, PortNumerics> = new Map(
  [
    {
      name: 'f64',
      sum: unitRoundoff(53),
      store: unitRoundoff(53),
      product: 0,
      constant: (x: number) => x,
      smallestNormal: BINARY32,
    },
    { name: 'f32', sum: F32, store: F32, product: 0, constant: Math.fround, smallestNormal: BINARY32 },
    {
      name: 'f32-split',
      sum: F32,
      store: F32,
      product: SPLIT_PRODUCT,
      constant: Math.fround,
      smallestNormal: BINARY32,
    },
    {
      name: 'tf32',
      sum: F32,
      store: F32,
      product: TF32_PRODUCT,
      constant: Math.fround,
      smallestNormal: BINARY32,
    },
    {
      name: 'f16',
      sum: F32,
      store: unitRoundoff(11),
      product: 0,
      constant: Math.fround,
      smallestNormal: powerOfTwo(-14),
    },
    {
      name: 'bf16',
      sum: F32,
      store: unitRoundoff(8),
      product: 0,
      constant: Math.fround,
      smallestNormal: BINARY32,
    },
  ].map((numerics) => [numerics.name, numerics]),
);
