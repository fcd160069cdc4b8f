/**
 * SPEC #recipe — snapshots: the state of a run in one file, from which it goes on to the same bytes (Node.js only).
 *
 * A safetensors file. Its metadata have the state as JSON, and a checksum over all that the file says; so what a disk or a transfer did to it is
 * noticed before anything is trained on it (`recipe/R6`).
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { DataError, show } from '../errors.ts';
import { type Elements, sizeOf, Tensor } from '../tensor/tensor.ts';
import { writeFileAtomically } from './atomic-output.ts';
import { machineToLittleEndian } from './byte-order.ts';
import { fileSource } from './file-source.ts';
import { parseJson } from './json.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import { type TensorToWrite, writeSafetensors } from './safetensors-writer.ts';

/** Changes when older programs could no longer read it. */
const FORMAT = 'hamburger-snapshot/1';

/** What a run is made of at the end of a step. */
export interface Snapshot {
  /** A JSON value. */
  readonly state: unknown;
  /** By name, in order. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Writes a snapshot, completely or not at all; an older one of that name is replaced. @throws CallerError if it cannot be written */
export function writeSnapshot(path: string, { state, tensors }: Snapshot): void {
  const text = JSON.stringify(state);
  const list = Array.from(
    tensors,
    ([name, { shape, data }]): TensorToWrite => ({
      name,
      dtype: data instanceof Float64Array ? 'F64' : 'F32',
      shape,
      elements: () => data,
    }),
  );
  const metadata = new Map([
    ['format', FORMAT],
    ['sha256', checksum(text, tensors)],
    ['state', text],
  ]);
  writeFileAtomically(path, (sink) => writeSafetensors(sink, list, metadata));
}

/**
 * Reads a snapshot.
 *
 * @throws DataError if there is none, or it is not exactly what was written
 */
export function readSnapshot(path: string): Snapshot {
  const source = fileSource(path);
  try {
    const file = openSafetensors(source);
    if (file.metadata.get('format') !== FORMAT) {
      const format = file.metadata.get('format');
      const found = format === undefined ? 'no format in its metadata' : show(format);
      throw new DataError({ subject: path, expected: `a snapshot of training, ${FORMAT}`, found });
    }
    const tensors = new Map(Array.from(file.tensors.keys(), (name) => [name, tensorOf(file, name)]));
    const text = file.metadata.get('state') ?? '';
    const found = checksum(text, tensors);
    const expected = file.metadata.get('sha256');
    if (found !== expected) {
      throw new DataError({
        rule: 'recipe/R6',
        subject: path,
        expected: `contents with the checksum ${show(expected)}`,
        found,
        hint: 'The file has been damaged since it was written; go on from a copy, or begin anew',
      });
    }
    return { state: parseJson(text, `${path}: state`), tensors };
  } finally {
    source.close();
  }
}

function tensorOf(file: SafetensorsFile, name: string): Tensor {
  const { dtype, shape } = file.tensors.get(name)!;
  const size = sizeOf(shape);
  const data: Elements = dtype === 'F64' ? new Float64Array(size) : new Float32Array(size);
  file.readFloats(name, data);
  return new Tensor(data, shape);
}

/** SHA-256 of the state's text and of names, element types, shapes and bytes of all tensors, in order. */
function checksum(state: string, tensors: Snapshot['tensors']): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([FORMAT, state]));
  for (const [name, { shape, data }] of tensors) {
    hash.update(JSON.stringify([name, data.BYTES_PER_ELEMENT, shape]));
    hash.update(machineToLittleEndian(data));
  }
  return hash.digest('hex');
}
