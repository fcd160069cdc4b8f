/**
 * The published HAMburger, its `state_dict` saved as safetensors, to a checkpoint folder (Node.js only).
 *
 * It is published as a PyTorch Lightning checkpoint, which is a pickle and so a program; it is not read here. With PyTorch:
 *
 * ```python
 * weights = torch.load('hamburger.ckpt', map_location='cpu', weights_only=True)['state_dict']
 * save_file({name: tensor.clone() for name, tensor in weights.items()}, 'hamburger.safetensors')
 * ```
 *
 * (`clone`, because safetensors refuses tables that share memory.)
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { checkTensors } from './check-tensors.ts';
import { readText } from './checkpoint.ts';
import { parseConfig } from './config-file.ts';
import { GENERATION_CONFIG_FILE, readCompanions, readJson, readJsonIfPresent } from './folder-files.ts';
import { type ImportReport, ropeBuffers, sharedCopy, storedWeights } from './stored-weights.ts';
import { openWeightFiles, without } from './weight-files.ts';
import { type WriteOptions, writeCheckpoint } from './write-checkpoint.ts';

/** What to import, and where to. */
export interface StateDictImport extends WriteOptions {
  /** The safetensors file. */
  readonly model: string;
  /** A `config.json` for it: the base's, with the object `hamburger`. */
  readonly config: string;
  /** A folder with the base's `tokenizer.json`, `tokenizer_config.json`, `generation_config.json`: as many as there are. */
  readonly tokenizer?: string | undefined;
  /** The checkpoint folder to be made. */
  readonly out: string;
}

const EMBEDDING = 'model.model.embed_tokens.weight';

/**
 * Imports a published HAMburger. Element types are kept.
 *
 * @returns also which tensors were left behind: RoPE buffers, and the embedding table where it is stored once more, as
 *   `comp_embedder.embedding.weight` and, if it is tied, `model.lm_head.weight`
 * @throws DataError if the tensors are not those of the configuration, or a table that is stored twice is not the same twice
 * @throws CallerError as `writeCheckpoint`
 */
export function importStateDict({
  model,
  config: configPath,
  tokenizer,
  out,
  ...options
}: StateDictImport): ImportReport {
  if (tokenizer !== undefined && !existsSync(tokenizer)) {
    throw new DataError({
      subject: tokenizer,
      expected: 'a folder with a tokenizer',
      found: 'nothing of that name',
    });
  }
  const generation =
    tokenizer === undefined ? undefined : readJsonIfPresent(tokenizer, GENERATION_CONFIG_FILE);
  const generationPath = tokenizer === undefined ? undefined : join(tokenizer, GENERATION_CONFIG_FILE);
  const config = parseConfig(readJson(configPath), configPath, generation, generationPath);
  if (config.hamburger === null) {
    throw new DataError({
      subject: `${configPath}: hamburger`,
      expected: 'max_steps, num_merger_heads, feature_layer_indices and num_micro_layers of the HAMburger',
      found: 'nothing',
    });
  }
  if (tokenizer !== undefined) readText(tokenizer, config.vocabSize);
  const weights = openWeightFiles([model]);
  try {
    const dropped = [
      ...ropeBuffers(weights),
      ...sharedCopy(weights, 'comp_embedder.embedding.weight', EMBEDDING),
      ...(config.tieWordEmbeddings ? sharedCopy(weights, 'model.lm_head.weight', EMBEDDING) : []),
    ];
    const kept = without(weights, new Set(dropped.map(({ name }) => name)));
    checkTensors(model, config, kept);
    const find = (name: string) => kept.tensors.get(name);
    const stored = storedWeights(find, kept.read, find(EMBEDDING)!.dtype);
    const files = tokenizer === undefined ? undefined : readCompanions(tokenizer);
    writeCheckpoint(out, { config, ...stored, files }, options);
    return { config, dropped };
  } finally {
    weights.close();
  }
}
