/**
 * SPEC #checkpoint — whether stored tensors are those of a model: every parameter and nothing else, and every element finite.
 *
 * @module
 */

import { DataError, show } from '../errors.ts';
import { bf16ToNumber } from '../math/float.ts';
import type { ModelConfig } from '../model/config.ts';
import { parameters } from '../model/weights.ts';
import { type Elements, showShape } from '../tensor/tensor.ts';

/** Stored tensors, as far as their names and shapes go. */
export interface NamedTensors {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>;
  /** How messages call a tensor. */
  subject(name: string): string;
}

/** How to come by a folder of ours from one of another kind; part of messages. */
const IMPORT_HINT = 'Weights of other tools, or of another layout, are brought in by "hamburger import"';

/**
 * Checks that tensors are exactly the parameters of a configuration (`checkpoint/C1`).
 *
 * @param subject what messages call all of them together
 * @param nameOf the name that a parameter has among the tensors; the same by default
 */
export function checkTensors(
  subject: string,
  config: ModelConfig,
  weights: NamedTensors,
  nameOf: (name: string) => string = (name) => name,
): void {
  const list = parameters(config).map(({ name, shape }) => ({ name: nameOf(name), shape }));
  const missing = list.filter(({ name }) => !weights.tensors.has(name));
  const [first] = missing;
  if (first !== undefined) {
    throw new DataError({
      rule: 'checkpoint/C1',
      subject,
      expected: `tensor ${show(first.name)} of shape ${showShape(first.shape)}, as its configuration says`,
      found: `none of that name (${missing.length} of ${list.length} are missing)`,
      hint: IMPORT_HINT,
    });
  }
  const names = new Set(list.map(({ name }) => name));
  for (const [name, { shape }] of weights.tensors) {
    if (names.has(name)) continue;
    throw new DataError({
      rule: 'checkpoint/C1',
      subject: weights.subject(name),
      expected: `only the ${list.length} tensors of its configuration`,
      found: `one more, of shape ${showShape(shape)}`,
      hint: IMPORT_HINT,
    });
  }
  for (const { name, shape } of list) {
    const stored = weights.tensors.get(name)!.shape;
    if (showShape(stored) === showShape(shape)) continue;
    throw new DataError({
      rule: 'checkpoint/C1',
      subject: weights.subject(name),
      expected: `shape ${showShape(shape)}, as its configuration says`,
      found: showShape(stored),
    });
  }
}

/**
 * Checks that every element is finite (`checkpoint/C3`).
 *
 * @param subject how messages call the tensor
 * @param elements in a Uint16Array, the bits of bfloat16 numbers
 * @param dtype what it is stored as
 * @throws DataError naming index and value of the first element that is not
 */
export function checkFinite(
  subject: string,
  elements: Elements | Uint16Array,
  shape: readonly number[],
  dtype: string,
): void {
  const at = firstNotFinite(elements);
  if (at < 0) return;
  const overflow = dtype === 'F64' && elements instanceof Float32Array;
  throw new DataError({
    rule: 'checkpoint/C3',
    subject: `${subject}, element ${showShape(indexOf(at, shape))}`,
    expected: 'a finite number',
    found: `${elements instanceof Uint16Array ? bf16ToNumber(elements[at]!) : elements[at]}`,
    ...(overflow ? { hint: 'Elements of F64 can be beyond the range of f32' } : {}),
  });
}

/** The exponent of a bfloat16 number: all ones for NaN and infinity. */
const BF16_EXPONENT = 0x7f80;

/** Place of the first element that is NaN or infinite, or -1; in a Uint16Array, of bfloat16 numbers. */
export function firstNotFinite(elements: Elements | Uint16Array): number {
  if (elements instanceof Uint16Array) {
    for (let i = 0; i < elements.length; i++) if ((elements[i]! & BF16_EXPONENT) === BF16_EXPONENT) return i;
    return -1;
  }
  // A finite number minus itself is 0; the others give NaN.
  for (let i = 0; i < elements.length; i++) if (elements[i]! - elements[i]! !== 0) return i;
  return -1;
}

/** The index of an element along each axis, from its place in row-major order. */
export function indexOf(place: number, shape: readonly number[]): number[] {
  let rest = place;
  return shape
    .toReversed()
    .map((dimension) => {
      const index = rest % dimension;
      rest = (rest - index) / dimension;
      return index;
    })
    .toReversed();
}
