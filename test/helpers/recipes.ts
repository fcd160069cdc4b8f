/** Small recipes, as JSON values. */

import { configJson } from '../../lib/checkpoint/config-file.ts';
import { BYTE_VOCABULARY_SIZE } from '../../lib/text/byte-tokenizer.ts';
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

/** Of phase `pretrain`: so small a base that it is trained by bytes within seconds. */
export const quickPretrainJson = <Changes extends object>(changes: Changes) =>
  pretrainJson({
    model: {
      model_type: 'llama',
      vocab_size: BYTE_VOCABULARY_SIZE,
      hidden_size: 16,
      intermediate_size: 32,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      max_position_embeddings: 32,
      bos_token_id: BYTE_VOCABULARY_SIZE - 2,
      eos_token_id: BYTE_VOCABULARY_SIZE - 1,
      tie_word_embeddings: true,
    },
    batch_tokens: 60,
    ...changes,
  });

/** Of phase `graft`, on such a base. */
export const quickGraftJson = <Changes extends object>(changes: Changes) => ({
  phase: 'graft',
  base: 'base',
  modules: { max_steps: 4, num_merger_heads: 2, feature_layer_indices: [0, 1], num_micro_layers: 1 },
  seed: '1',
  batch_tokens: 60,
  learning_rate: { base: 5e-3, modules: 2e-2 },
  // Above all entropies of a base that has learnt so little: everything merges that is not broken.
  segmentation: { min_threshold: 6 },
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
