/**
 * The weights of a folder: one safetensors file, or several and an index that says which tensor is where (Node.js only).
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DataError, show } from '../errors.ts';
import { parseWith, z } from '../schema.ts';
import { type Elements, showShape } from '../tensor/tensor.ts';
import type { ByteSource } from './byte-source.ts';
import type { WeightDtype } from './config-file.ts';
import { fileSource } from './file-source.ts';
import { checkModelFolder, readJson, WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './folder-files.ts';
import { placeIn } from './place.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import { readWeight } from './weight-storage.ts';

/** A tensor as it is stored. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  /** Name of the file that has it, without the folder. */
  readonly file: string;
  /** How many bytes it takes there. */
  readonly bytes: number;
}

/** Opened weights. Headers are checked, elements are not yet. */
export interface WeightFiles {
  /** Every tensor by name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** How messages call a tensor: its file and its name. */
  subject(name: string): string;
  /**
   * Fills `into` with a tensor's elements, rounded once if they are wider than it; a Uint16Array with the bits of a tensor of BF16.
   *
   * @throws DataError naming tensor, index and value of the first element that is not finite
   */
  read(name: string, into: Elements | Uint16Array): void;
  /** Whether two tensors are the same: element type, shape and every bit. */
  same(a: string, b: string): boolean;
  /** Gives the files back. Closing twice is harmless. */
  close(): void;
}

/** More files than any published model has, and fewer than systems let a process open. */
const MOST_FILES = 512;

/**
 * Opens the weights of a folder: `model.safetensors`, or what `model.safetensors.index.json` names.
 *
 * @throws DataError if there are none or both of them; if a file is malformed, the index names a file outside the folder, or
 *   a file does not hold exactly the tensors that the index puts there; if a tensor is not floating-point
 */
export function openWeightFolder(folder: string): WeightFiles {
  checkModelFolder(folder);
  const single = placeIn(folder, WEIGHTS_FILE);
  const index = placeIn(folder, WEIGHTS_INDEX_FILE);
  const [hasSingle, hasIndex] = [existsSync(single), existsSync(index)];
  if (hasSingle === hasIndex) {
    throw new DataError({
      subject: folder,
      expected: `${WEIGHTS_FILE} or ${WEIGHTS_INDEX_FILE}`,
      found: hasSingle ? 'both' : 'neither',
      ...(hasSingle ? { hint: 'It cannot be known which one is meant; remove the other' } : {}),
    });
  }
  return hasSingle ? openWeightFiles([single]) : openSharded(folder, index);
}

const indexSchema = z.strictObject({
  weight_map: z.record(z.string(), z.string()),
  /** Total sizes and the like; nothing that is needed. */
  metadata: z.unknown().optional(),
});

/** A name and nothing else: no path, nothing hidden, no other place on any system. */
const PLAIN_FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;

function openSharded(folder: string, index: string): WeightFiles {
  const { weight_map: map } = parseWith(indexSchema, readJson(index), index);
  const byFile = new Map<string, Set<string>>();
  for (const [tensor, file] of Object.entries(map)) {
    if (!PLAIN_FILE_NAME.test(file) || file.includes('..')) {
      throw new DataError({
        rule: 'checkpoint/C5',
        subject: `${index}: weight_map, tensor ${show(tensor)}`,
        expected: 'the plain name of a file in the same folder',
        found: show(file),
      });
    }
    const names = byFile.get(file) ?? new Set();
    byFile.set(file, names.add(tensor));
  }
  if (byFile.size > MOST_FILES) {
    throw new DataError({ subject: index, expected: `at most ${MOST_FILES} files`, found: `${byFile.size}` });
  }
  const weights = openWeightFiles([...byFile.keys()].map((file) => placeIn(folder, file)));
  try {
    for (const { name, file } of weights.tensors.values()) {
      if (byFile.get(file)?.has(name)) continue;
      throw new DataError({
        rule: 'checkpoint/C5',
        subject: weights.subject(name),
        expected: `only the tensors that ${WEIGHTS_INDEX_FILE} puts into this file`,
        found: map[name] === undefined ? 'one that it does not name' : `one that it puts into ${map[name]}`,
      });
    }
    for (const [file, names] of byFile) {
      for (const name of names) {
        if (weights.tensors.has(name)) continue;
        throw new DataError({
          rule: 'checkpoint/C5',
          subject: join(folder, file),
          expected: `tensor ${show(name)}, which ${WEIGHTS_INDEX_FILE} puts into this file`,
          found: 'none of that name',
        });
      }
    }
  } catch (error) {
    weights.close();
    throw error;
  }
  return weights;
}

/**
 * Opens safetensors files that together hold the weights of one model.
 *
 * @throws DataError if a file is malformed, a tensor is in two of them, or a tensor is not floating-point
 */
export function openWeightFiles(paths: readonly string[]): WeightFiles {
  const sources: ByteSource[] = [];
  const close = (): void => {
    for (const source of sources) source.close();
  };
  try {
    const tensors = new Map<string, StoredTensor>();
    const files = new Map<string, SafetensorsFile>();
    for (const path of paths) {
      const source = fileSource(path);
      sources.push(source);
      const opened = openSafetensors(source);
      for (const [name, { dtype, shape, begin, end }] of opened.tensors) {
        const subject = `${path}, tensor ${show(name)}`;
        if (dtype !== 'F64' && dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
          throw new DataError({
            rule: 'checkpoint/C2',
            subject,
            expected: 'floating-point elements: F64, F32, F16 or BF16',
            found: dtype,
          });
        }
        const other = files.get(name);
        if (other !== undefined) {
          const found = `another one of that name in ${basename(other.name)}`;
          throw new DataError({ subject, expected: 'each tensor in one file', found });
        }
        files.set(name, opened);
        tensors.set(name, { name, dtype, shape, file: basename(path), bytes: end - begin });
      }
    }
    return weightFiles(tensors, files, close);
  } catch (error) {
    close();
    throw error;
  }
}

function weightFiles(
  tensors: ReadonlyMap<string, StoredTensor>,
  files: ReadonlyMap<string, SafetensorsFile>,
  close: () => void,
): WeightFiles {
  const subject = (name: string): string => `${files.get(name)!.name}, tensor ${show(name)}`;
  return {
    tensors,
    subject,
    close,
    read(name, into) {
      readWeight(files.get(name)!, name, into, subject(name));
    },
    same(a, b) {
      const [first, second] = [tensors.get(a)!, tensors.get(b)!];
      if (first.dtype !== second.dtype || showShape(first.shape) !== showShape(second.shape)) return false;
      return sameBytes(files.get(a)!.readBytes(a), files.get(b)!.readBytes(b));
    },
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/** The same weights without some of the tensors. */
export function without(weights: WeightFiles, names: ReadonlySet<string>): WeightFiles {
  const kept = [...weights.tensors].filter(([name]) => !names.has(name));
  return { ...weights, tensors: new Map(kept) };
}
