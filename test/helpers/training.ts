/** A small HAMburger to be trained, and a sample that goes through all of it. */

import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import type { HamburgerModel, Model } from '../../lib/model/model.ts';
import { sizeOf, tensorOf } from '../../lib/tensor/tensor.ts';
import { trainingPass } from '../../lib/train/tape.ts';
import { type TrainableModel, trainableModel } from '../../lib/train/trainable.ts';
import { randomWeights, smallConfig } from './models.ts';

/** Every dimension distinct; two heads to a group, two feature layers, two micro layers. */
export const trainingConfig: ModelConfig = {
  ...smallConfig,
  vocabSize: 17,
  hiddenSize: 24,
  intermediateSize: 10,
  numHiddenLayers: 3,
  numAttentionHeads: 6,
  numKeyValueHeads: 2,
  hamburger: { maxSteps: 5, numMergerHeads: 8, featureLayerIndices: [1, 2], numMicroLayers: 2 },
};

/** Single tokens and several, at the beginning, in between and at the end; tokens that come twice. */
export const sample = {
  prompt: [3, 1, 4, 1],
  segments: [[5], [9, 2], [6, 5, 3, 5, 8], [9], [7, 9, 3]],
};

/** The model, and a pass to train it with. */
export function trainingModel(kernels: Kernels = referenceKernels('f64'), config = trainingConfig) {
  const source = randomWeights();
  const trained: TrainableModel = trainableModel(config, kernels, (name, shape) =>
    tensorOf(
      kernels.numerics,
      shape,
      Array.from({ length: sizeOf(shape) }, (_, index) => source(name, index)),
    ),
  );
  const pass = trainingPass(kernels, trained.place);
  const model = trained.model as HamburgerModel;
  const recording = { ...model, kernels: pass.kernels } as HamburgerModel;
  return { trained, pass, model, recording };
}

/** As a plain base. */
export const baseConfig: ModelConfig = { ...trainingConfig, hamburger: null, tieWordEmbeddings: true };

export type { Model };
