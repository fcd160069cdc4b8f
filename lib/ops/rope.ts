/**
 * SPEC #rope — rotary position embedding in the rotate-half layout, with Llama 3 frequency scaling.
 *
 * With `i < size / 2` and `angle = position * frequency[i]`, component i and component `i + size / 2` of each head turn by
 * `angle`. Frequencies and angles are binary64 in every mode (numerics/N8); only the table of cosines and sines is rounded.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { roundToBf16 } from '../math/float.ts';
import { pow } from '../math/pow.ts';
import { cos, sin } from '../math/trigonometric.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck(
  'rope/C2',
  ['x', 'T', 'heads', 'size'],
  ['cos', 'T', 'half'],
  ['sin', 'T', 'half'],
);

/** Llama 3 scaling of the frequencies; the names are those of `rope_scaling` in `config.json`. */
export interface RopeScaling {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalMaxPositionEmbeddings: number;
}

/** Cosines and sines for a list of positions: `[T, size / 2]` each. */
export interface RopeTable {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** How the table is rounded: to the mode, or to bfloat16 as one published implementation does (#profiles). */
export type RopeTableRounding = 'mode' | 'bf16';

/** 2π, the nearest binary64. */
const TWO_PI = 6.283185307179586;

/**
 * `frequency[i] = theta^(-2i / size)`, then scaled. Binary64 in every mode.
 *
 * @param size head size, even
 * @throws CallerError rope/C1 (size is not a positive even integer)
 */
export function ropeFrequencies(size: number, theta: number, scaling: RopeScaling | null): Float64Array {
  if (!(Number.isInteger(size) && size > 0 && size % 2 === 0)) {
    throw new CallerError({
      rule: 'rope/C1',
      subject: 'head size',
      expected: 'a positive even integer',
      found: `${size}`,
    });
  }
  // 1. Let frequency[i] be theta^(-2i / size).
  const frequencies = Float64Array.from({ length: size / 2 }, (_, i) => pow(theta, (-2 * i) / size));
  // 2. With scaling, adapt each frequency to the longer context.
  return scaling === null ? frequencies : frequencies.map((frequency) => scaledFrequency(frequency, scaling));
}

/** Llama 3: short waves stay, long waves are stretched by `factor`, the band between is blended (rope/C3). */
function scaledFrequency(frequency: number, scaling: RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling;
  const wavelength = TWO_PI / frequency;
  if (wavelength < originalMaxPositionEmbeddings / highFreqFactor) return frequency;
  if (wavelength > originalMaxPositionEmbeddings / lowFreqFactor) return frequency / factor;
  const s = (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - s) * frequency) / factor + s * frequency;
}

/** Where the rows of one sequence stand. */
export interface RopeRows {
  readonly positions: readonly number[];
  /** `mode` by default. */
  readonly ropeTableRounding?: RopeTableRounding | undefined;
}

/**
 * `cos[t,i] = cos(positions[t] * frequency[i])`, likewise sin: in binary64, then rounded once to the mode; with `bf16`,
 * to binary32 and then to bfloat16.
 */
export function ropeTable(
  kernels: Kernels,
  frequencies: Float64Array,
  positions: readonly number[],
  ropeTableRounding: RopeTableRounding,
): RopeTable {
  return ropeTableOfSequences(kernels, frequencies, [{ positions, ropeTableRounding }]);
}

/** As {@link ropeTable} for the rows of several sequences, one sequence below the other. */
export function ropeTableOfSequences(
  kernels: Kernels,
  frequencies: Float64Array,
  sequences: readonly RopeRows[],
): RopeTable {
  const half = frequencies.length;
  const shape = [sequences.reduce((sum, { positions }) => sum + positions.length, 0), half];
  const table = { cos: kernels.empty(shape), sin: kernels.empty(shape) };
  const [cosines, sines] = [table.cos.data, table.sin.data];
  let at = 0;
  for (const { positions, ropeTableRounding = 'mode' } of sequences) {
    // By way of binary32, as an implementation does that computes the table there and then converts it (rope/C5).
    const round =
      ropeTableRounding === 'bf16'
        ? (value: number) => roundToBf16(Math.fround(value))
        : (value: number) => value;
    // 3. Let the angle be position times frequency, and round its cosine and sine.
    for (let t = 0; t < positions.length; t++) {
      for (let i = 0; i < half; i++) {
        const angle = positions[t]! * frequencies[i]!;
        cosines[at] = round(cos(angle));
        sines[at] = round(sin(angle));
        at += 1;
      }
    }
  }
  return table;
}

/**
 * Turns every head of row t by the angles of row t of the table.
 *
 * @param x `[T, heads, size]`
 * @returns `[T, heads, size]`
 * @throws CallerError rope/C2 (shapes)
 */
export function rope(kernels: Kernels, x: Tensor, table: RopeTable): Tensor {
  checkShapes(x, table.cos, table.sin);
  const size = x.shape[2]!;
  const half = table.cos.shape[1]!;
  if (size !== 2 * half) {
    throw new CallerError({
      rule: 'rope/C2',
      subject: 'shape of cos',
      expected: `[T, ${size / 2}]`,
      found: `[T, ${half}]`,
    });
  }
  // 4. Let the pair (a, b) be components i and i + size/2: halves, not neighbours (rope/C4). It becomes (a cos - b sin, b cos + a sin).
  const y = kernels.empty(x.shape);
  kernels.rotateHalves(x, table.cos, table.sin, y);
  kernels.tape?.record(({ kernels, gradient }) =>
    ropeBackward(kernels, table, gradient(y), { x: gradient(x) }),
  );
  return y;
}

/** Adds the gradient of x to `into`, given that of y, `dy`: each pair is turned back by its angle. */
export function ropeBackward(
  kernels: Kernels,
  table: RopeTable,
  dy: Tensor,
  into: { readonly x: Tensor },
): void {
  // Forward step 4: (a, b) becomes (a cos - b sin, b cos + a sin). The transpose has -sin for sin.
  const sinBack = kernels.empty(table.sin.shape);
  kernels.scale(table.sin, -1, sinBack);
  const turned = kernels.empty(dy.shape);
  kernels.rotateHalves(dy, table.cos, sinBack, turned);
  kernels.add(into.x, turned, into.x);
}
