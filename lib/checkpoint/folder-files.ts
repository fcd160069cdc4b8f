/**
 * The small files of a checkpoint folder, read whole (Node.js only).
 *
 * @module
 */

import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../errors.ts';
import { fileSource } from './file-source.ts';
import { decodeUtf8, parseJson } from './json.ts';
import { placeIn } from './place.ts';

/** Names of the files, as Hugging Face has them. */
export const CONFIG_FILE = 'config.json';
export const GENERATION_CONFIG_FILE = 'generation_config.json';
export const TOKENIZER_FILE = 'tokenizer.json';
export const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';
export const CHAT_TEMPLATE_FILE = 'chat_template.jinja';
export const WEIGHTS_FILE = 'model.safetensors';
export const WEIGHTS_INDEX_FILE = 'model.safetensors.index.json';

/**
 * Files beside configuration and weights that are taken along, byte for byte, from one folder to another.
 * `special_tokens_map.json` is not used here, but Transformers reads it.
 */
const COMPANION_FILES = [
  GENERATION_CONFIG_FILE,
  TOKENIZER_FILE,
  TOKENIZER_CONFIG_FILE,
  CHAT_TEMPLATE_FILE,
  'special_tokens_map.json',
] as const;

/** The largest `tokenizer.json` in common use has 35 MB; a file far beyond that is not one of these. */
const LARGEST_FILE_BYTES = 1 << 28;

/**
 * Checks that a folder is there and looks like a model.
 *
 * @throws DataError saying what was expected of the folder
 */
export function checkModelFolder(folder: string): void {
  const expected = `a checkpoint folder, which holds ${CONFIG_FILE} and ${WEIGHTS_FILE} (or ${WEIGHTS_INDEX_FILE} and the files that it names)`;
  const found = whatIsWrong(folder);
  if (found !== undefined) throw new DataError({ subject: folder, expected, found });
}

function whatIsWrong(folder: string): string | undefined {
  try {
    const kind = statSync(folder);
    if (!kind.isDirectory()) return 'something that is not a folder';
    return existsSync(join(folder, CONFIG_FILE)) ? undefined : `a folder without ${CONFIG_FILE}`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'nothing of that name' : String(error);
  }
}

/** The bytes of a file. @throws DataError if it cannot be read or is too large for what it should be */
export function readWhole(path: string): Uint8Array {
  const source = fileSource(path);
  try {
    if (source.size > LARGEST_FILE_BYTES) {
      const expected = `at most ${LARGEST_FILE_BYTES} bytes`;
      throw new DataError({ subject: path, expected, found: `${source.size}` });
    }
    return source.read(0, source.size);
  } finally {
    source.close();
  }
}

/** The value of a JSON file. @throws DataError if it cannot be read or is not JSON */
export function readJson(path: string): unknown {
  return parseJson(decodeUtf8(readWhole(path), path), path);
}

/** The value of a JSON file of a folder, or `undefined` if there is none of that name. */
export function readJsonIfPresent(folder: string, name: string): unknown {
  const path = placeIn(folder, name);
  return existsSync(path) ? readJson(path) : undefined;
}

/** The text of a file of a folder, or `undefined` if there is none of that name. */
export function readTextIfPresent(folder: string, name: string): string | undefined {
  const path = placeIn(folder, name);
  return existsSync(path) ? decodeUtf8(readWhole(path), path) : undefined;
}

/** The companion files that a folder has, by name. */
export function readCompanions(folder: string): ReadonlyMap<string, Uint8Array> {
  const present = COMPANION_FILES.filter((name) => existsSync(join(folder, name)));
  return new Map(present.map((name) => [name, readWhole(placeIn(folder, name))]));
}
