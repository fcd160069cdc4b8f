/**
 * The base of a checkpoint as a plain Llama of Hugging Face (Node.js only).
 *
 * @module
 */

import { basePrefix } from '../model/weights.ts';
import { openCheckpoint } from './checkpoint.ts';
import { readCompanions } from './folder-files.ts';
import { type ImportReport, storedWeights } from './stored-weights.ts';
import { type WriteOptions, writeCheckpoint } from './write-checkpoint.ts';

/** What to export, and where to. */
export interface HuggingFaceExport extends WriteOptions {
  /** The checkpoint folder. */
  readonly checkpoint: string;
  /** The folder to be made. */
  readonly out: string;
}

/**
 * Writes a folder that `LlamaForCausalLM.from_pretrained` of Transformers loads. Element types are kept; tokenizer, chat
 * template and `generation_config.json` are taken along.
 *
 * @returns also which tensors were left behind: the HAMburger modules
 * @throws DataError if the checkpoint is bad
 * @throws CallerError as `writeCheckpoint`
 */
export function exportHuggingFace({ checkpoint: folder, out, ...options }: HuggingFaceExport): ImportReport {
  const checkpoint = openCheckpoint(folder);
  try {
    const prefix = basePrefix(checkpoint.config);
    const config = { ...checkpoint.config, hamburger: null };
    const tensors = new Map(checkpoint.tensors.map((stored) => [stored.name, stored]));
    const used = new Set<string>();
    const find = (parameter: string) => {
      used.add(prefix + parameter);
      return tensors.get(prefix + parameter);
    };
    const stored = storedWeights(find, checkpoint.readTensor, checkpoint.tensors[0]!.dtype);
    writeCheckpoint(out, { config, ...stored, files: readCompanions(folder) }, options);
    const dropped = [...tensors.keys()]
      .filter((name) => !used.has(name))
      .map((name) => ({ name, reason: 'a HAMburger module, which a plain Llama does not have' }));
    return { config, dropped };
  } finally {
    checkpoint.close();
  }
}
