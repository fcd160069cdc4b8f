/**
 * A Llama of Hugging Face, in one file or several, to a checkpoint folder: a plain base (Node.js only).
 *
 * @module
 */

import { DataError } from '../errors.ts';
import { checkTensors } from './check-tensors.ts';
import { readModelFolder } from './checkpoint.ts';
import { readCompanions } from './folder-files.ts';
import { type ImportReport, ropeBuffers, sharedCopy, storedWeights } from './stored-weights.ts';
import { openWeightFolder, without } from './weight-files.ts';
import { type WriteOptions, writeCheckpoint } from './write-checkpoint.ts';

/** What to import, and where to. */
export interface HuggingFaceImport extends WriteOptions {
  /** The folder with `config.json` and the weights. */
  readonly model: string;
  /** The checkpoint folder to be made. */
  readonly out: string;
}

/**
 * Imports a Llama. Element types are kept; tokenizer, chat template and `generation_config.json` are checked and taken along.
 *
 * @returns also which tensors were left behind: RoPE buffers, and an `lm_head.weight` beside tied embeddings
 * @throws DataError if the folder is not a Llama that SPEC defines, or `lm_head.weight` is not the table that it should be tied to
 * @throws CallerError as `writeCheckpoint`
 */
export function importHuggingFace({ model, out, ...options }: HuggingFaceImport): ImportReport {
  const { config } = readModelFolder(model);
  if (config.hamburger !== null) {
    throw new DataError({
      subject: model,
      expected: 'a plain Llama',
      found: 'a HAMburger checkpoint',
      hint: 'It needs no import if its tensors have the names of SPEC',
    });
  }
  const weights = openWeightFolder(model);
  try {
    const dropped = [
      ...ropeBuffers(weights),
      ...(config.tieWordEmbeddings ? sharedCopy(weights, 'lm_head.weight', 'model.embed_tokens.weight') : []),
    ];
    const kept = without(weights, new Set(dropped.map(({ name }) => name)));
    checkTensors(model, config, kept);
    const find = (name: string) => kept.tensors.get(name);
    const stored = storedWeights(find, kept.read, find('model.embed_tokens.weight')!.dtype);
    writeCheckpoint(out, { config, ...stored, files: readCompanions(model) }, options);
    return { config, dropped };
  } finally {
    weights.close();
  }
}
