/**
 * SPEC #checkpoint — a checkpoint folder, opened for reading (Node.js only).
 *
 * `config.json`, the weights in safetensors, and, where there are any, tokenizer, chat template and
 * `generation_config.json`: names and contents as Hugging Face has them.
 *
 * @module
 */

import { join } from 'node:path';
import { CallerError, DataError, show } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { ModelConfig } from '../model/config.ts';
import { kvCacheSize } from '../model/cost.ts';
import { createModel, type Model } from '../model/model.ts';
import { parameters } from '../model/weights.ts';
import type { Elements } from '../tensor/tensor.ts';
import { chatTemplateOf } from '../text/chat-template.ts';
import { loadTokenizer, type TextTokenizer } from '../text/tokenizer.ts';
import { checkTensors } from './check-tensors.ts';
import { parseConfig } from './config-file.ts';
import {
  CHAT_TEMPLATE_FILE,
  CONFIG_FILE,
  checkModelFolder,
  GENERATION_CONFIG_FILE,
  readJson,
  readJsonIfPresent,
  readTextIfPresent,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
} from './folder-files.ts';
import { placeIn } from './place.ts';
import { checkRoom } from './room.ts';
import { nodeTimeLimit } from './time-limit.ts';
import { openWeightFolder, type StoredTensor } from './weight-files.ts';
import { emptyWeight } from './weight-storage.ts';

export type { StoredTensor } from './weight-files.ts';

/** Called after each tensor: how many are done, of how many. */
export type OnTensor = (done: number, total: number) => void;

/** An opened checkpoint folder. */
export interface Checkpoint {
  readonly folder: string;
  readonly config: ModelConfig;
  /** `null` if the folder has none. */
  readonly tokenizer: TextTokenizer | null;
  /** `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`; `null` if there is neither. */
  readonly chatTemplate: string | null;
  /** How the tokenizer spells the tokens that begin and end a text. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** Every parameter, in the order of SPEC #checkpoint. */
  readonly tensors: readonly StoredTensor[];
  /**
   * Reads the weights, one tensor after the other, straight into arrays of the kernels: memory stays near the model's own
   * ({@link weightBytes}).
   *
   * @param cacheEntries KV entries that a run is going to need room for, if that is known
   * @throws DataError naming tensor, index and value of the first element that is not finite
   * @throws CallerError before anything is read, if the weights and the caches of that run are larger than the memory that there is
   */
  loadModel(kernels: Kernels, onTensor?: OnTensor, cacheEntries?: number): Model;
  /** Fills `into` with the elements of one parameter. @throws DataError as {@link loadModel} */
  readTensor(name: string, into: Elements): void;
  /** Closes the files; afterwards nothing can be loaded. Closing twice is harmless. */
  close(): void;
}

/** What a folder says beside its weights. */
export interface ModelFolder {
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer | null;
  readonly chatTemplate: string | null;
}

/**
 * Opens a checkpoint folder and checks everything but the elements of the weights: configuration, tokenizer, and that the
 * tensors are exactly those of the configuration, in name and shape.
 *
 * @throws DataError naming file, expected and found
 */
export function openCheckpoint(folder: string): Checkpoint {
  const { config, tokenizer, chatTemplate } = readModelFolder(folder);
  const weights = openWeightFolder(folder);
  try {
    checkTensors(folder, config, weights);
  } catch (error) {
    weights.close();
    throw error;
  }
  const list = parameters(config);
  const tensors = list.map(({ name }) => weights.tensors.get(name)!);
  let open = true;
  const checkOpen = (): void => {
    if (!open)
      throw new CallerError({ subject: folder, expected: 'an open checkpoint', found: 'a closed one' });
  };
  return {
    folder,
    config,
    tokenizer,
    chatTemplate,
    bosToken: tokenizer?.bosToken?.text ?? null,
    eosToken: tokenizer?.eosToken?.text ?? null,
    tensors,
    loadModel(kernels, onTensor, cacheEntries = 0) {
      checkOpen();
      const cacheNumbers = cacheEntries > 0 ? kvCacheSize(config, cacheEntries) : 0;
      checkRoom(folder, { tensors, cacheNumbers }, kernels);
      let done = 0;
      return createModel(config, kernels, (name) => {
        const tensor = emptyWeight(kernels, weights.tensors.get(name)!);
        weights.read(name, tensor.stored);
        done++;
        onTensor?.(done, list.length);
        return tensor;
      });
    },
    readTensor(name, into) {
      checkOpen();
      if (!weights.tensors.has(name)) {
        throw new CallerError({
          subject: folder,
          expected: `a parameter ${show(name)}`,
          found: 'none of that name',
        });
      }
      weights.read(name, into);
    },
    close() {
      open = false;
      weights.close();
    },
  };
}

/** Reads and checks what a folder says beside its weights. @throws DataError naming file, expected and found */
export function readModelFolder(folder: string): ModelFolder {
  checkModelFolder(folder);
  const config = parseConfig(
    readJson(placeIn(folder, CONFIG_FILE)),
    join(folder, CONFIG_FILE),
    readJsonIfPresent(folder, GENERATION_CONFIG_FILE),
    join(folder, GENERATION_CONFIG_FILE),
  );
  return { config, ...readText(folder, config.vocabSize) };
}

/** Tokenizer and chat template of a folder. */
export function readText(folder: string, vocabSize: number): Omit<ModelFolder, 'config'> {
  const tokenizerJson = readJsonIfPresent(folder, TOKENIZER_FILE);
  const tokenizerConfig = readJsonIfPresent(folder, TOKENIZER_CONFIG_FILE);
  const tokenizer =
    tokenizerJson === undefined
      ? null
      : loadTokenizer(tokenizerJson, tokenizerConfig ?? {}, join(folder, TOKENIZER_FILE), nodeTimeLimit());
  if (tokenizer !== null && tokenizer.vocabularySize > vocabSize) {
    throw new DataError({
      subject: join(folder, TOKENIZER_FILE),
      expected: `ids below vocab_size = ${vocabSize}, which have an embedding`,
      found: `${tokenizer.vocabularySize - 1}`,
    });
  }
  const chatTemplate =
    readTextIfPresent(folder, CHAT_TEMPLATE_FILE) ??
    chatTemplateOf(tokenizerConfig, join(folder, TOKENIZER_CONFIG_FILE));
  return { tokenizer, chatTemplate };
}
