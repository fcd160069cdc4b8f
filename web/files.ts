/**
 * The files of the two checkpoints.
 *
 * @module
 */

/** What is read of a checkpoint folder. */
export const CHECKPOINT_NAMES = [
  'config.json',
  'model.safetensors',
  'tokenizer.json',
  'tokenizer_config.json',
] as const;

/** The folders: of the base that runs alone, and of the HAMburger. */
export const CHECKPOINT_FOLDERS = { base: 'toy-base', hamburger: 'toy' } as const;

/** Paths of all files, below `fixtures/checkpoints`. */
export const CHECKPOINT_FILES: readonly string[] = Object.values(CHECKPOINT_FOLDERS).flatMap((folder) =>
  CHECKPOINT_NAMES.map((name) => `${folder}/${name}`),
);
