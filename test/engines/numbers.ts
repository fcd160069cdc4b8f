/** Fixed pseudo-random operands, the same on every engine: integer arithmetic, and nothing that ECMAScript leaves open. */

import { powerOfTwo } from '../../lib/math/powers-of-two.ts';
import { type Elements, type Numerics, sizeOf, type Tensor } from '../../lib/tensor/tensor.ts';

/**
 * `ordinary` numbers are finite, from subnormal to a few hundred; `small` ones have products that are subnormal; `mixed` ones are of
 * every kind, infinities and NaN included.
 */
export const KINDS = ['ordinary', 'small', 'mixed'] as const;
export type Kind = (typeof KINDS)[number];

/** Unsigned 32-bit integers from a seed. */
export function integers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}

const HALF_RANGE = powerOfTwo(31);

/** Zeros, infinities, NaN, and the ends of the normal and of the subnormal numbers. */
const SPECIAL: Readonly<Record<Numerics, readonly number[]>> = {
  f32: [
    0,
    -0,
    Infinity,
    -Infinity,
    Number.NaN,
    powerOfTwo(-149),
    -powerOfTwo(-127),
    3.4e38,
    powerOfTwo(-126),
  ],
  f64: [
    0,
    -0,
    Infinity,
    -Infinity,
    Number.NaN,
    powerOfTwo(-1074),
    -powerOfTwo(-1023),
    1.7e308,
    powerOfTwo(-1022),
  ],
};

/** The number whose bits are `high` and `low`. */
export function f64OfBits(high: number, low: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, high);
  view.setUint32(4, low);
  return view.getFloat64(0);
}

/** The binary32 number of these bits. */
export function f32OfBits(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** Fills `out` with numbers of the mode. */
export function fillNumbers(out: Elements, numerics: Numerics, seed: number, kind: Kind): void {
  const next = integers(seed);
  const unit = () => next() / HALF_RANGE - 1;
  const special = SPECIAL[numerics];
  const smallest = numerics === 'f32' ? 149 : 1074;
  for (let i = 0; i < out.length; i++) {
    const choice = next() % 64;
    if (kind === 'small') out[i] = unit() * powerOfTwo((choice % 8) - (smallest >> 1));
    else if (kind === 'mixed' && choice === 0) out[i] = special[next() % special.length]!;
    else if (kind === 'mixed' && choice < 4) {
      out[i] = numerics === 'f32' ? f32OfBits(next()) : f64OfBits(next(), next());
    } else if (choice < 8) out[i] = unit() * powerOfTwo(-(next() % smallest));
    else out[i] = unit() * (1 << (next() % 8));
  }
}

/** How many leading entries of each row are visible: anything from none to all. */
export function visibleEntries(rows: number, width: number): number[] {
  return Array.from({ length: rows }, (_, row) => (width + row * 5) % (width + 1));
}

/** Operands from one seed after the other. */
export type Operands = (...shape: number[]) => Tensor;

/** Operands made by `empty`. */
export function operandsFrom(
  empty: (shape: readonly number[]) => Tensor,
  numerics: Numerics,
  seed: number,
  kind: Kind,
): Operands {
  let count = 0;
  return (...shape) => {
    const tensor = empty(shape);
    if (sizeOf(shape) > 0) fillNumbers(tensor.data, numerics, seed + 7919 * count, kind);
    count++;
    return tensor;
  };
}
