/** Contents of checkpoint folders, for tests and the fuzzer: small configurations, tensors that can be told apart, files of them. */

import { configJson, type WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { safetensorsBytes, type WritableDtype } from '../../lib/checkpoint/safetensors-writer.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';

/** A small HAMburger, every dimension distinct, tied. */
export const tiedConfig: ModelConfig = {
  vocabSize: 19,
  hiddenSize: 16,
  intermediateSize: 22,
  numHiddenLayers: 3,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 40,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tieWordEmbeddings: true,
  bosTokenId: 1,
  eosTokenIds: [2],
  hamburger: { maxSteps: 4, numMergerHeads: 4, featureLayerIndices: [0, 2], numMicroLayers: 1 },
};

/** The same without HAMburger modules, and with a table of its own for the LM head. */
export const plainConfig: ModelConfig = { ...tiedConfig, hamburger: null };
export const untiedConfig: ModelConfig = { ...plainConfig, tieWordEmbeddings: false };

/** A tensor for a file. */
export interface TestTensor {
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/**
 * Element `index` of a parameter: multiples of 1/64 below 2, so that every element type holds them exactly; another one in each
 * tensor, and never one that would go unnoticed.
 */
export function elementAt(name: string, index: number): number {
  const hash = [...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 65521, 7);
  return (((hash + index * 37) % 253) - 126 || 1) / 64;
}

export const elementsOf = (name: string, shape: readonly number[]): number[] =>
  Array.from({ length: sizeOf(shape) }, (_, i) => elementAt(name, i));

/** The tensors of a configuration, by name. */
export function tensorsOf(config: ModelConfig, dtype: WritableDtype = 'F32'): Record<string, TestTensor> {
  return Object.fromEntries(
    parameters(config).map(({ name, shape }) => [name, { dtype, shape, values: elementsOf(name, shape) }]),
  );
}

/** A file of safetensors. */
export function tensorFile(tensors: Readonly<Record<string, TestTensor>>): Uint8Array {
  return safetensorsBytes(
    Object.entries(tensors).map(([name, { dtype, shape, values }]) => ({
      name,
      dtype,
      shape,
      elements: () => Array.from(values),
    })),
  );
}

/** `config.json` and `model.safetensors` of a configuration. */
export function checkpointFiles(config: ModelConfig, dtype: WeightDtype = 'F32') {
  return {
    'config.json': configJson(config, dtype),
    'model.safetensors': tensorFile(tensorsOf(config, dtype)),
  };
}
