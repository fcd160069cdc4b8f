/**
 * SPEC #checkpoint — writing a checkpoint folder (Node.js only). Equal contents give equal bytes.
 *
 * @module
 */

import { join } from 'node:path';
import { assertInvariant, CallerError, show } from '../errors.ts';
import { powerOfTwo } from '../math/powers-of-two.ts';
import { configFault, type ModelConfig } from '../model/config.ts';
import { parameters } from '../model/weights.ts';
import { type Elements, showShape } from '../tensor/tensor.ts';
import { type FolderOptions, writeFolderAtomically, writeNewFile } from './atomic-output.ts';
import { indexOf } from './check-tensors.ts';
import type { OnTensor } from './checkpoint.ts';
import { configJson, parseConfig, type WeightDtype } from './config-file.ts';
import {
  CONFIG_FILE,
  GENERATION_CONFIG_FILE,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
  WEIGHTS_FILE,
} from './folder-files.ts';
import { canonicalJson } from './json.ts';
import { writeSafetensors } from './safetensors-writer.ts';

/** What a checkpoint folder is made of. */
export interface CheckpointContents {
  readonly config: ModelConfig;
  /** Element type of the weights; elements are rounded to it, once. */
  readonly dtype: WeightDtype;
  /** Element type of single tensors, where some have another one than `dtype`. */
  readonly dtypeOf?: (name: string) => WeightDtype;
  /** The elements of a parameter. Called once for each, in the order of SPEC #checkpoint, when its turn to be written has come. */
  readonly tensor: (name: string, shape: readonly number[]) => Elements;
  /** Values of `tokenizer.json` and `tokenizer_config.json`. */
  readonly tokenizer?: { readonly tokenizer: unknown; readonly tokenizerConfig: unknown } | undefined;
  /** Value of `generation_config.json`. */
  readonly generationConfig?: unknown;
  /** Further files by name, written as they are. */
  readonly files?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** How everything that makes a checkpoint folder treats what is there, and tells how far it is. */
export interface WriteOptions {
  /** Whether a checkpoint folder of that name may be replaced; false by default. */
  readonly force?: boolean | undefined;
  readonly onTensor?: OnTensor | undefined;
  /** Runs the writing, so that it can be broken off; see `FolderOptions` of `atomic-output.ts`. */
  readonly run?: FolderOptions['run'];
}

/** Transformers refuses files that do not say this. */
const METADATA = new Map([['format', 'pt']]);

/**
 * Writes a checkpoint folder, completely or not at all (`checkpoint/C6`).
 *
 * @throws CallerError if the configuration breaks a rule, if `generationConfig` contradicts it, if an element is not finite or
 *   too large for the element type, or if the folder exists (unless `force`, and it is a checkpoint folder) or cannot be made
 */
export function writeCheckpoint(
  folder: string,
  contents: CheckpointContents,
  options: WriteOptions = {},
): void {
  const {
    config,
    dtype,
    dtypeOf = () => dtype,
    tensor,
    tokenizer,
    generationConfig,
    files = new Map(),
  } = contents;
  const { force = false, onTensor, run } = options;
  const fault = configFault(config);
  if (fault !== undefined) throw new CallerError(fault);
  const configValue = configJson(config, dtype);
  if (generationConfig !== undefined) checkGenerationConfig(config, configValue, generationConfig);

  const texts = new Map<string, Uint8Array>(files);
  const addJson = (name: string, value: unknown): void => {
    assertInvariant(!texts.has(name), name, 'one of that name', 'two');
    texts.set(name, new TextEncoder().encode(canonicalJson(value)));
  };
  addJson(CONFIG_FILE, configValue);
  if (tokenizer !== undefined) {
    addJson(TOKENIZER_FILE, tokenizer.tokenizer);
    addJson(TOKENIZER_CONFIG_FILE, tokenizer.tokenizerConfig);
  }
  if (generationConfig !== undefined) addJson(GENERATION_CONFIG_FILE, generationConfig);

  const list = parameters(config);
  writeFolderAtomically(folder, { force, mayReplace: isCheckpoint, run }, (temporary) => {
    for (const [name, bytes] of texts) {
      writeNewFile(join(temporary, name), (sink) => sink.write(bytes));
    }
    writeNewFile(join(temporary, WEIGHTS_FILE), (sink) => {
      const tensors = list.map(({ name, shape }, i) => ({
        name,
        dtype: dtypeOf(name),
        shape,
        elements: () => {
          // The one before has been written when this one is asked for.
          if (i > 0) onTensor?.(i, list.length);
          const elements = tensor(name, shape);
          checkRange(name, shape, dtypeOf(name), elements);
          return elements;
        },
      }));
      writeSafetensors(sink, tensors, METADATA);
    });
    onTensor?.(list.length, list.length);
  });
}

/** Whether the entries of a folder are those of a checkpoint, or none: nothing else is replaced, even by force. */
function isCheckpoint(entries: readonly { readonly name: string; readonly isFile: boolean }[]): boolean {
  const names = entries.map(({ name }) => name);
  const complete = names.includes(CONFIG_FILE) && names.includes(WEIGHTS_FILE);
  return entries.every(({ isFile }) => isFile) && (complete || names.length === 0);
}

/** What is read must be what was meant: `eos_token_id` of `generation_config.json` goes before the configuration's. */
function checkGenerationConfig(config: ModelConfig, value: unknown, generationConfig: unknown): void {
  const { eosTokenIds } = parseConfig(value, CONFIG_FILE, generationConfig);
  if (show(eosTokenIds) === show(config.eosTokenIds)) return;
  throw new CallerError({
    subject: `${GENERATION_CONFIG_FILE}: eos_token_id`,
    expected: `${show(config.eosTokenIds)} like the configuration`,
    found: show(eosTokenIds),
  });
}

/** Magnitudes from here on round to infinity: half a step above the largest finite number. */
const TOO_LARGE: Readonly<Record<WeightDtype, number>> = {
  F64: Number.POSITIVE_INFINITY,
  F32: powerOfTwo(128) - powerOfTwo(103),
  BF16: powerOfTwo(128) - powerOfTwo(119),
  F16: 65520,
};

/** Checks that all elements stay finite in the file. */
function checkRange(name: string, shape: readonly number[], dtype: WeightDtype, elements: Elements): void {
  const limit = TOO_LARGE[dtype];
  for (let i = 0; i < elements.length; i++) {
    if (Math.abs(elements[i]!) < limit) continue;
    throw new CallerError({
      rule: 'checkpoint/C3',
      subject: `tensor ${show(name)} to be written, element ${showShape(indexOf(i, shape))}`,
      expected: `a finite number of ${dtype}`,
      found: `${elements[i]}`,
    });
  }
}
