/**
 * Weights that are taken from one folder into another, bit for bit (Node.js only).
 *
 * @module
 */

import { assertInvariant, DataError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { type Elements, sizeOf } from '../tensor/tensor.ts';
import type { WeightDtype } from './config-file.ts';
import type { StoredTensor, WeightFiles } from './weight-files.ts';
import type { CheckpointContents } from './write-checkpoint.ts';

/** A tensor that an importer left behind, and why that loses nothing. */
export interface DroppedTensor {
  readonly name: string;
  readonly reason: string;
}

/** What an importer did. */
export interface ImportReport {
  readonly config: ModelConfig;
  readonly dropped: readonly DroppedTensor[];
}

/**
 * The weights of a checkpoint to be written, each with the element type that it is stored in. The way through an array loses
 * nothing: every value of F32, F16 and BF16 is one of binary32, and F64 goes through binary64.
 *
 * @param find what a parameter is stored as
 * @param read fills an array with what is stored under a name
 * @param dtype the element type of parameters that are not stored, and of the checkpoint as a whole
 * @param fresh gives the elements of parameters that are not stored
 */
export function storedWeights(
  find: (parameter: string) => StoredTensor | undefined,
  read: (name: string, into: Elements) => void,
  dtype: WeightDtype,
  fresh?: CheckpointContents['tensor'],
): Pick<CheckpointContents, 'dtype' | 'dtypeOf' | 'tensor'> {
  return {
    dtype,
    dtypeOf: (parameter) => find(parameter)?.dtype ?? dtype,
    tensor(parameter, shape) {
      const stored = find(parameter);
      if (stored === undefined) {
        assertInvariant(fresh !== undefined, parameter, 'every parameter to be stored', 'none of that name');
        return fresh(parameter, shape);
      }
      const size = sizeOf(shape);
      const elements = stored.dtype === 'F64' ? new Float64Array(size) : new Float32Array(size);
      read(stored.name, elements);
      return elements;
    },
  };
}

/** Buffers of RoPE frequencies, which older versions of Transformers saved. They follow from the configuration. */
export function ropeBuffers(weights: WeightFiles): readonly DroppedTensor[] {
  const names = [...weights.tensors.keys()].filter((name) => /(^|\.)rotary_emb\.inv_freq$/.test(name));
  return names.map((name) => ({ name, reason: 'RoPE frequencies follow from the configuration' }));
}

/**
 * A table that is stored a second time although it is shared: to be dropped, if it is there.
 *
 * @throws DataError unless it is the same as the other to the bit
 */
export function sharedCopy(weights: WeightFiles, copy: string, original: string): readonly DroppedTensor[] {
  if (!weights.tensors.has(copy) || !weights.tensors.has(original)) return [];
  if (!weights.same(copy, original)) {
    throw new DataError({
      rule: 'checkpoint/C4',
      subject: weights.subject(copy),
      expected: `the same element type, shape and bits as ${original}, since the table is shared`,
      found: 'a difference',
    });
  }
  return [{ name: copy, reason: `the same table as ${original}, to the bit` }];
}
