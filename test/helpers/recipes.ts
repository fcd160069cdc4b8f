/** Small recipes, as JSON values. */

import { configJson } from '../../lib/checkpoint/config-file.ts';
import { plainConfig } from './checkpoint-contents.ts';

/** Of phase `pretrain`. */
export const pretrainJson = (changes: object = {}) => ({
  phase: 'pretrain',
  model: configJson(plainConfig, 'F32'),
  tokenizer: 'byte',
  seed: '1',
  data: { train: ['train.jsonl'] },
  steps: 10,
  batch_tokens: 32,
  learning_rate: { base: 1e-3 },
  ...changes,
});

/** Of phase `graft`. */
export const graftJson = (changes: object = {}) => ({
  phase: 'graft',
  base: 'base',
  modules: { max_steps: 4, num_merger_heads: 4, feature_layer_indices: [0, 2], num_micro_layers: 1 },
  seed: '1',
  data: { train: ['train.jsonl'] },
  epochs: 2,
  batch_tokens: 32,
  learning_rate: { base: 1e-3, modules: 3e-3 },
  ...changes,
});
