/**
 * A kit on disk (INTERPRETING 1): its contents, checked, and its cases.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { fileSource } from '../checkpoint/file-source.ts';
import { readJson, readWhole } from '../checkpoint/folder-files.ts';
import { placeIn } from '../checkpoint/place.ts';
import { openSafetensors } from '../checkpoint/safetensors.ts';
import { DataError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { type HamburgerModel, isHamburger } from '../model/model.ts';
import { parseWith, z } from '../schema.ts';
import { sizeOf, Tensor } from '../tensor/tensor.ts';
import { type Case, INTERPRETATION, PROTOCOL, parseCase, path, slug } from './case.ts';

export const KIT_FILE = 'kit.json';

const schema = z.strictObject({
  kit: z.string(),
  interpretation: z.literal(INTERPRETATION),
  protocol: z.tuple([z.int(), z.int()]),
  suites: z.record(slug, z.strictObject({ about: z.string(), cases: z.array(slug) })),
  notes: z.record(z.string(), z.strictObject({ mistake: z.string(), effect: z.string(), rule: z.string() })),
  files: z.record(path, z.strictObject({ bytes: z.int(), sha256: z.string() })),
});

/** `kit.json`. */
export type KitDescription = z.infer<typeof schema>;

/** A kit that was opened. */
export interface Kit {
  readonly root: string;
  readonly description: KitDescription;
  /** SHA-256 of `kit.json`, which holds those of all other files. */
  readonly sha256: string;
  /** All cases, suite by suite. */
  readonly cases: readonly Case[];
  /** Tensors of a case in binary64: those that it gives (`in`), or those of the reference (`out`); none if it has no such file. */
  tensors(each: Case, which: 'in' | 'out'): ReadonlyMap<string, Tensor>;
  /** The model of a case. @throws DataError, CallerError for a model that has to be refused */
  model(path: string, kernels: Kernels): HamburgerModel;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Path of a case's file, below the kit. */
export const casePath = ({ suite, id }: Pick<Case, 'suite' | 'id'>): string => `cases/${suite}/${id}.json`;

/** Path of a case's tensors, below the kit. */
export const tensorsPath = ({ suite, id }: Pick<Case, 'suite' | 'id'>, which: 'in' | 'out'): string =>
  `cases/${suite}/${id}.${which}.safetensors`;

/**
 * Opens a kit.
 *
 * @throws DataError if it is none, is of another interpretation or protocol, or a file is missing or has other bytes than it says
 */
export function openKit(root: string): Kit {
  const file = placeIn(root, KIT_FILE);
  const bytes = readWhole(file);
  const description = parseWith(schema, readJson(file), file);
  if (description.protocol[0] > PROTOCOL || description.protocol[1] < PROTOCOL) {
    throw new DataError({
      subject: `${file}: protocol`,
      expected: `a range with ${PROTOCOL} in it`,
      found: `${description.protocol.join(' to ')}`,
    });
  }
  for (const [name, expected] of Object.entries(description.files)) checkFile(placeIn(root, name), expected);
  const cases = Object.entries(description.suites).flatMap(([suite, { cases: ids }]) =>
    ids.map((id) => {
      const file = placeIn(root, casePath({ suite, id }));
      const each = parseCase(readJson(file), file);
      if (each.id !== id || each.suite !== suite) {
        throw new DataError({
          subject: file,
          expected: `case ${id} of ${suite}`,
          found: `${each.id} of ${each.suite}`,
        });
      }
      return each;
    }),
  );
  return {
    root,
    description,
    sha256: sha256(bytes),
    cases,
    tensors(each, which) {
      const file = placeIn(root, tensorsPath(each, which));
      return existsSync(file) ? readTensors(file) : new Map();
    },
    model: (name, kernels) => readModel(placeIn(root, name), kernels),
  };
}

function checkFile(path: string, { bytes, sha256: expected }: { bytes: number; sha256: string }): void {
  const content = readWhole(path);
  if (content.length === bytes && sha256(content) === expected) return;
  throw new DataError({
    subject: path,
    expected: `${bytes} bytes of SHA-256 ${expected}, as ${KIT_FILE} says`,
    found: `${content.length} bytes of SHA-256 ${sha256(content)}`,
    hint: 'The kit was changed; take it anew',
  });
}

/** All tensors of a safetensors file, in binary64. @throws DataError */
export function readTensors(path: string): Map<string, Tensor> {
  const source = fileSource(path);
  try {
    const file = openSafetensors(source);
    return new Map(
      [...file.tensors].map(([name, { shape }]) => {
        const values = new Float64Array(sizeOf(shape));
        file.readFloats(name, values);
        return [name, new Tensor(values, shape)];
      }),
    );
  } finally {
    source.close();
  }
}

function readModel(folder: string, kernels: Kernels): HamburgerModel {
  const checkpoint = openCheckpoint(folder);
  try {
    const model = checkpoint.loadModel(kernels);
    if (isHamburger(model)) return model;
    throw new DataError({
      subject: folder,
      expected: 'a checkpoint with HAMburger modules',
      found: 'a plain base',
    });
  } finally {
    checkpoint.close();
  }
}
