/**
 * SPEC #checkpoint — how the weights of a file lie in the memory of a kernel set.
 *
 * In its mode; but a kernel set that takes bfloat16 numbers ({@link Kernels.emptyBf16}) has the matrices of BF16 as they are in the file: half of
 * the memory, and half of the bytes that each pass reads. They are the same numbers, so no bit of a result depends on it.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { isMatrixWeight } from '../model/weights.ts';
import {
  type Elements,
  type Numerics,
  STORAGE_BYTES,
  type Storage,
  sizeOf,
  type Tensor,
} from '../tensor/tensor.ts';
import { checkFinite } from './check-tensors.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** A weight, as far as matters here. */
export interface StoredWeight {
  readonly name: string;
  readonly shape: readonly number[];
  /** What the file stores it as. */
  readonly dtype: string;
}

/** What of a kernel set decides. */
export interface WeightMemory {
  readonly numerics: Numerics;
  /** Whether it takes bfloat16 numbers as they are. */
  readonly keepsBf16: boolean;
}

/** That of the simd kernels, for those who count without having them. */
export const SIMD_WEIGHT_MEMORY: WeightMemory = { numerics: 'f32', keepsBf16: true };

export function weightMemoryOf({
  numerics,
  emptyBf16,
}: Pick<Kernels, 'numerics' | 'emptyBf16'>): WeightMemory {
  return { numerics, keepsBf16: emptyBf16 !== undefined };
}

/** How a weight lies in the memory. */
export function storageOf({ numerics, keepsBf16 }: WeightMemory, weight: StoredWeight): Storage {
  return keepsBf16 && weight.dtype === 'BF16' && isMatrixWeight(weight) ? 'bf16' : numerics;
}

/** A tensor for a weight, to be filled in. */
export function emptyWeight(kernels: Kernels, weight: StoredWeight): Tensor {
  return storageOf(weightMemoryOf(kernels), weight) === 'bf16'
    ? kernels.emptyBf16!(weight.shape)
    : kernels.empty(weight.shape);
}

/**
 * Reads a weight into the {@link Tensor.stored} elements of a tensor.
 *
 * @param subject how messages call it
 * @throws DataError naming index and value of the first element that is not finite
 */
export function readWeight(
  file: SafetensorsFile,
  name: string,
  into: Elements | Uint16Array,
  subject: string,
): void {
  if (into instanceof Uint16Array) file.readBf16(name, into);
  else file.readFloats(name, into);
  const { shape, dtype } = file.tensors.get(name)!;
  checkFinite(subject, into, shape, dtype);
}

/** Bytes that weights take in the memory. */
export function weightBytes(memory: WeightMemory, weights: readonly StoredWeight[]): number {
  return weights.reduce(
    (sum, weight) => sum + STORAGE_BYTES[storageOf(memory, weight)] * sizeOf(weight.shape),
    0,
  );
}
