/**
 * SPEC #checkpoint — a checkpoint whose files are in memory, as a page in a browser has them; the same checks as for a folder.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import type { ModelConfig } from '../model/config.ts';
import { createModel, type Model } from '../model/model.ts';
import { chatTemplateOf } from '../text/chat-template.ts';
import { loadTokenizer, type TextTokenizer } from '../text/tokenizer.ts';
import { bytesSource } from './byte-source.ts';
import { checkTensors } from './check-tensors.ts';
import { parseConfig } from './config-file.ts';
import { decodeUtf8, parseJson } from './json.ts';
import { openSafetensors } from './safetensors.ts';
import { emptyWeight, readWeight } from './weight-storage.ts';

/** The files of a checkpoint folder that are read, by their contents. One file of weights, no `generation_config.json`. */
export interface CheckpointBytes {
  readonly 'config.json': Uint8Array;
  readonly 'model.safetensors': Uint8Array;
  readonly 'tokenizer.json': Uint8Array;
  readonly 'tokenizer_config.json': Uint8Array;
}

/** An opened checkpoint. */
export interface CheckpointInMemory {
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer;
  readonly chatTemplate: string | null;
  /** Reads the weights into tensors of the kernels. @throws DataError naming the first element that is not finite */
  loadModel(kernels: Kernels): Model;
}

/**
 * Opens a checkpoint and checks everything but the elements of the weights.
 *
 * @param name what messages call it
 * @throws DataError naming file, expected and found
 */
export function openCheckpointBytes(name: string, files: CheckpointBytes): CheckpointInMemory {
  const path = (file: keyof CheckpointBytes) => `${name}/${file}`;
  const json = (file: keyof CheckpointBytes) => parseJson(decodeUtf8(files[file], path(file)), path(file));
  const config = parseConfig(json('config.json'), path('config.json'));
  const weights = openSafetensors(bytesSource(path('model.safetensors'), files['model.safetensors']));
  const subject = (tensor: string) => `${path('model.safetensors')}, tensor ${tensor}`;
  checkTensors(name, config, { tensors: weights.tensors, subject });
  const tokenizerConfig = json('tokenizer_config.json');
  return {
    config,
    tokenizer: loadTokenizer(json('tokenizer.json'), tokenizerConfig, path('tokenizer.json')),
    chatTemplate: chatTemplateOf(tokenizerConfig, path('tokenizer_config.json')),
    loadModel: (kernels) =>
      createModel(config, kernels, (tensor, shape) => {
        const { dtype } = weights.tensors.get(tensor)!;
        const loaded = emptyWeight(kernels, { name: tensor, shape, dtype });
        readWeight(weights, tensor, loaded.stored, subject(tensor));
        return loaded;
      }),
  };
}
