/**
 * Configurations by name, to start from.
 *
 * @module
 */

import type { ModelConfig } from '../model/config.ts';
import { BYTE_VOCABULARY_SIZE } from '../text/byte-tokenizer.ts';

/**
 * - `tiny`: a model of every part that runs in no time; its vocabulary is that of the byte tokenizer.
 * - `stories15m`: the 15 million parameters known from llama2.c, and modules in the proportions of the published HAMburger: a
 *   feature layer every few layers, a micro-step decoder much shallower than the base.
 * - `llama-3.2-1b`: the published HAMburger on Llama 3.2 1B Instruct.
 */
export const presets: ReadonlyMap<string, ModelConfig> = new Map([
  [
    'tiny',
    {
      vocabSize: BYTE_VOCABULARY_SIZE,
      hiddenSize: 64,
      intermediateSize: 176,
      numHiddenLayers: 4,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
      maxPositionEmbeddings: 512,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: true,
      bosTokenId: 256,
      eosTokenIds: [257],
      hamburger: { maxSteps: 4, numMergerHeads: 4, featureLayerIndices: [1, 3], numMicroLayers: 1 },
    },
  ],
  [
    'stories15m',
    {
      vocabSize: 32000,
      hiddenSize: 288,
      intermediateSize: 768,
      numHiddenLayers: 6,
      numAttentionHeads: 6,
      numKeyValueHeads: 6,
      maxPositionEmbeddings: 256,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: true,
      bosTokenId: 1,
      // llama2.c ends a story at the token that begins the next one.
      eosTokenIds: [1],
      hamburger: { maxSteps: 4, numMergerHeads: 6, featureLayerIndices: [1, 3, 5], numMicroLayers: 1 },
    },
  ],
  [
    'llama-3.2-1b',
    {
      vocabSize: 128256,
      hiddenSize: 2048,
      intermediateSize: 8192,
      numHiddenLayers: 16,
      numAttentionHeads: 32,
      numKeyValueHeads: 8,
      maxPositionEmbeddings: 131072,
      rmsNormEps: 1e-5,
      ropeTheta: 500000,
      ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 },
      tieWordEmbeddings: true,
      bosTokenId: 128000,
      eosTokenIds: [128001, 128008, 128009],
      hamburger: { maxSteps: 4, numMergerHeads: 64, featureLayerIndices: [3, 7, 11, 15], numMicroLayers: 4 },
    },
  ],
]);
