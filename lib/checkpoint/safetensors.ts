/**
 * SPEC #safetensors — reading: eight bytes with the length of the header (unsigned, little-endian), the header (a JSON
 * object, perhaps followed by spaces), then the tensors' bytes, little-endian, rows in order, without gaps.
 *
 * Everything the header says is checked before the first tensor is read, and the tensors are read one at a time, so a
 * file can be larger than the memory and a hostile one can do no more than be refused.
 *
 * @module
 */

import { CallerError, DataError, show } from '../errors.ts';
import { bf16ToNumber, f16ToNumber } from '../math/float.ts';
import { littleEndianToMachine } from './byte-order.ts';
import type { ByteSource } from './byte-source.ts';
import { decodeUtf8, isJsonObject, parseJsonMembers } from './json.ts';

/** Bytes per element of each element type that is supported. (The format also knows 8-bit floats and smaller.) */
export const SAFETENSORS_WIDTHS = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

/** An element type. */
export type SafetensorsDtype = keyof typeof SAFETENSORS_WIDTHS;

/** The format's own limit on the header's length: what every other reader of the format accepts, and no more. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Most dimensions of a tensor; what common array libraries can hold. */
export const MAX_RANK = 32;

/** The member of the header that is no tensor. */
export const METADATA_NAME = '__metadata__';

/** The bytes before the header, which say its length. */
export const LENGTH_BYTES = 8;

/** Tensors are converted in pieces of this many bytes, so that memory stays near one tensor's size; divisible by 8. */
const CHUNK_BYTES = 1 << 20;

/** From this many elements of a 16-bit format on, making a table of all 65536 values is less work than doing without. */
const TABLE_ELEMENTS = 1 << 17;

const MEMBERS = ['dtype', 'shape', 'data_offsets'];

/** Where a tensor lies and what it is. */
export interface TensorEntry {
  readonly dtype: SafetensorsDtype;
  /** Sizes of the dimensions; empty for a scalar. Sizes of 0 are allowed. */
  readonly shape: readonly number[];
  /** First byte, counted from the end of the header. */
  readonly begin: number;
  /** The byte after the last. */
  readonly end: number;
}

/** Where elements lie, and how many. */
interface Place {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly length: number;
}

/** An opened file. It uses the source but does not own it: who opened the source closes it. */
export interface SafetensorsFile {
  /** The source's name, for messages. */
  readonly name: string;
  /** Every tensor by name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The texts of `__metadata__`; empty if there is none. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * The bytes of a tensor as they are in the file. They may share memory with the source: do not write to them.
   *
   * @throws CallerError if there is no such tensor
   */
  readBytes(name: string): Uint8Array;
  /**
   * Fills `into` with the elements of a tensor of F64, F32, F16 or BF16. Exact, except from F64 into a Float32Array: that
   * rounds to nearest, ties to even. From F32 into a Float32Array and from F64 into a Float64Array the bits are copied.
   *
   * @throws CallerError if there is no such tensor, or `into` has another length than the tensor has elements
   * @throws DataError if the tensor has another element type
   */
  readFloats(name: string, into: Float32Array | Float64Array): void;
  /**
   * Fills `into` with the bits of the elements of a tensor of BF16.
   *
   * @throws CallerError, DataError as {@link readFloats}
   */
  readBf16(name: string, into: Uint16Array): void;
  /**
   * The elements of a tensor of I8 to I64, U8 to U64 or BOOL (as 0 and 1).
   *
   * @throws CallerError if there is no such tensor
   * @throws DataError if the tensor has another element type, if an element cannot be told apart from its neighbours in
   *   binary64 (magnitude above 2^53 - 1), or if an element of BOOL is neither 0 nor 1
   */
  readIntegers(name: string): number[];
  /** Like `readIntegers`, for every magnitude. */
  readBigIntegers(name: string): bigint[];
}

/**
 * Reads and checks the header of a safetensors file.
 *
 * @throws DataError naming the file, the tensor, what was expected and what was found, unless all of this holds: the file
 *   has its eight bytes and its header; the header is at most {@link MAX_HEADER_BYTES} long, is UTF-8 and a JSON object,
 *   begins with `{` and ends with `}` and spaces; no name occurs twice; every tensor has exactly the members `dtype`,
 *   `shape` and `data_offsets`; the element type is one of {@link SAFETENSORS_WIDTHS}; sizes and offsets are integers in
 *   range; the offsets span exactly the bytes that shape and element type need; the tensors cover the rest of the file
 *   without overlap, gap or remainder; `__metadata__`, if present, is an object of strings
 */
export function openSafetensors(source: ByteSource): SafetensorsFile {
  const file = source.name;
  const headerBytes = readHeader(source);
  const dataStart = LENGTH_BYTES + headerBytes.length;
  const subject = `header of ${file}`;
  const members = parseJsonMembers(decodeUtf8(headerBytes, subject), subject);

  const metadata = parseMetadata(file, members.get(METADATA_NAME));
  members.delete(METADATA_NAME);

  const tensors = new Map<string, TensorEntry>();
  const dataSize = source.size - dataStart;
  for (const [name, value] of members)
    tensors.set(name, parseEntry(tensorSubject(file, name), value, dataSize));
  checkCoverage(file, tensors, dataSize);

  const find = (name: string): TensorEntry => {
    const entry = tensors.get(name);
    if (entry !== undefined) return entry;
    throw new CallerError({ subject: file, expected: `a tensor ${show(name)}`, found: 'none of that name' });
  };
  const readBytes = (name: string): Uint8Array => {
    const { begin, end } = find(name);
    return source.read(dataStart + begin, end - begin);
  };
  // One for all tensors: fresh ones would pile up until the engine collects them.
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, dataSize));
  /** Gives the elements of a tensor piece by piece: where they lie, in the machine's order of bytes, and how many were there before. */
  const readInChunks = (
    name: string,
    into: { readonly length: number },
    take: (elements: Place, at: number) => void,
  ): void => {
    const { dtype, begin, end } = find(name);
    const width = SAFETENSORS_WIDTHS[dtype];
    const size = end - begin;
    if (into.length !== size / width) {
      throw new CallerError({
        subject: tensorSubject(file, name),
        expected: `room for ${size / width} elements`,
        found: `room for ${into.length}`,
      });
    }
    for (let done = 0; done < size; done += CHUNK_BYTES) {
      const raw = source.read(dataStart + begin + done, Math.min(CHUNK_BYTES, size - done), chunk);
      const { buffer, byteOffset, length } = littleEndianToMachine(raw, width);
      take({ buffer, byteOffset, length: length / width }, done / width);
    }
  };
  // The values of all bit patterns of a 16-bit format; each is a binary32 number.
  const tables = new Map<SafetensorsDtype, Float32Array>();

  return {
    name: file,
    tensors,
    metadata,
    readBytes,

    readFloats(name, into) {
      const { dtype } = find(name);
      if (dtype !== 'F64' && dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
        throw new DataError({
          subject: tensorSubject(file, name),
          expected: 'floating-point elements',
          found: dtype,
        });
      }
      readInChunks(name, into, ({ buffer, byteOffset, length }, at) => {
        if (dtype === 'F64') into.set(new Float64Array(buffer, byteOffset, length), at);
        else if (dtype === 'F32') into.set(new Float32Array(buffer, byteOffset, length), at);
        else {
          const bits = new Uint16Array(buffer, byteOffset, length);
          const toNumber = dtype === 'F16' ? f16ToNumber : bf16ToNumber;
          if (into.length < TABLE_ELEMENTS) {
            for (let i = 0; i < bits.length; i++) into[at + i] = toNumber(bits[i]!);
          } else {
            const table =
              tables.get(dtype) ?? Float32Array.from({ length: 1 << 16 }, (_, pattern) => toNumber(pattern));
            tables.set(dtype, table);
            for (let i = 0; i < bits.length; i++) into[at + i] = table[bits[i]!]!;
          }
        }
      });
    },

    readBf16(name, into) {
      const { dtype } = find(name);
      if (dtype !== 'BF16') {
        throw new DataError({
          subject: tensorSubject(file, name),
          expected: 'elements of BF16',
          found: dtype,
        });
      }
      readInChunks(name, into, ({ buffer, byteOffset, length }, at) => {
        into.set(new Uint16Array(buffer, byteOffset, length), at);
      });
    },

    readIntegers(name) {
      const { dtype } = find(name);
      return Array.from(integers(tensorSubject(file, name), dtype, readBytes(name)), (element) => {
        const value = Number(element);
        if (Number.isSafeInteger(value)) return value;
        const expected = 'integers of magnitude below 2^53';
        throw new DataError({ subject: tensorSubject(file, name), expected, found: show(element) });
      });
    },

    readBigIntegers(name) {
      const { dtype } = find(name);
      return Array.from(integers(tensorSubject(file, name), dtype, readBytes(name)), BigInt);
    },
  };
}

/** How messages call a tensor. The name is shown as JSON, shortened: it is whatever a stranger's file has. */
function tensorSubject(file: string, name: string): string {
  return `${file}, tensor ${show(name)}`;
}

/** The bytes of the header, after checking that they are there (safetensors/C1) and look like an object (safetensors/C2). */
function readHeader(source: ByteSource): Uint8Array {
  const { name: subject, size } = source;
  if (size < LENGTH_BYTES) {
    const expected = `a safetensors file, which begins with ${LENGTH_BYTES} bytes for the length of its header`;
    throw new DataError({ subject, expected, found: `a file of ${size} bytes` });
  }
  const first = source.read(0, LENGTH_BYTES);
  // Compared as a bigint: as a number, a length near 2^64 would be rounded.
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    const hint = 'It is probably not a safetensors file';
    const expected = `a header of at most ${MAX_HEADER_BYTES} bytes`;
    throw new DataError({ subject, expected, found: `a length of ${length}`, hint });
  }
  if (length > BigInt(size - LENGTH_BYTES)) {
    const expected = `a header of ${length} bytes, as its first bytes say`;
    const found = `only ${size - LENGTH_BYTES} more bytes`;
    throw new DataError({ subject, expected, found, hint: 'The file may have been cut short' });
  }
  const header = source.read(LENGTH_BYTES, Number(length));
  let last = header.length - 1;
  while (last >= 0 && header[last] === 0x20) last--;
  if (header[0] !== 0x7b || header[last] !== 0x7d) {
    const expected = "a header that begins with '{' and ends with '}' and perhaps spaces";
    const found =
      header.length === 0 ? 'an empty one' : `bytes ${header[0]} first and ${header[last] ?? 0x20} last`;
    throw new DataError({ subject, expected, found });
  }
  return header;
}

function parseMetadata(file: string, value: unknown): Map<string, string> {
  const subject = `${file}, ${METADATA_NAME}`;
  const metadata = new Map<string, string>();
  if (value === undefined) return metadata;
  if (!isJsonObject(value))
    throw new DataError({ subject, expected: 'an object of strings', found: show(value) });
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new DataError({ subject: `${subject}, ${show(key)}`, expected: 'a string', found: show(text) });
    }
    metadata.set(key, text);
  }
  return metadata;
}

/** An integer that counts something: `-0`, fractions, and what binary64 cannot tell apart are none. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

/** One tensor's member of the header, checked by itself (safetensors/C3, C4). */
function parseEntry(subject: string, value: unknown, dataSize: number): TensorEntry {
  if (!isJsonObject(value)) {
    throw new DataError({ subject, expected: `an object with ${MEMBERS.join(', ')}`, found: show(value) });
  }
  for (const member of Object.keys(value)) {
    if (!MEMBERS.includes(member)) {
      throw new DataError({
        subject,
        expected: `only the members ${MEMBERS.join(', ')}`,
        found: show(member),
      });
    }
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(SAFETENSORS_WIDTHS, dtype)) {
    const expected = `dtype to be one of ${Object.keys(SAFETENSORS_WIDTHS).join(', ')}`;
    throw new DataError({ subject, expected, found: show(dtype) });
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw new DataError({ subject, expected: 'shape to be a list of sizes', found: show(shape) });
  }
  if (shape.length > MAX_RANK) {
    throw new DataError({ subject, expected: `at most ${MAX_RANK} dimensions`, found: String(shape.length) });
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw new DataError({
      subject,
      expected: 'data_offsets to be a first and a last byte',
      found: show(offsets),
    });
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataSize) {
    const expected = `data_offsets in order and inside the ${dataSize} bytes of data`;
    throw new DataError({ subject, expected, found: show(offsets) });
  }
  const kind = dtype as SafetensorsDtype;
  let size = SAFETENSORS_WIDTHS[kind] as number;
  for (const dimension of shape) {
    size *= dimension;
    if (!Number.isSafeInteger(size)) {
      throw new DataError({ subject, expected: 'a shape of fewer than 2^53 bytes', found: show(shape) });
    }
  }
  if (size !== end - begin) {
    const expected = `${size} bytes for ${kind} of shape [${shape.join(', ')}]`;
    throw new DataError({ subject, expected, found: `${end - begin} bytes, from ${begin} to ${end}` });
  }
  return { dtype: kind, shape, begin, end };
}

/** Checks that the tensors lie end to end from the first byte of the data to the last (safetensors/C5). */
function checkCoverage(file: string, tensors: ReadonlyMap<string, TensorEntry>, dataSize: number): void {
  // A tensor without bytes goes before one that begins at the same place.
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let previous = 'the header';
  for (const [name, { begin, end }] of inOrder) {
    if (begin !== covered) {
      const wrong = begin < covered ? 'an overlap with' : 'a gap after';
      const found = `${wrong} ${previous}: it begins at ${begin}`;
      throw new DataError({
        subject: tensorSubject(file, name),
        expected: `to begin at byte ${covered}`,
        found,
      });
    }
    covered = end;
    previous = show(name);
  }
  if (covered !== dataSize) {
    const found = `${dataSize - covered} bytes that belong to no tensor`;
    throw new DataError({ subject: file, expected: 'nothing after the last tensor', found });
  }
}

/** The elements of a tensor of integers or truth values. */
function integers(subject: string, dtype: SafetensorsDtype, raw: Uint8Array): ArrayLike<number | bigint> {
  const { buffer, byteOffset, length } = littleEndianToMachine(raw, SAFETENSORS_WIDTHS[dtype]);
  const count = length / SAFETENSORS_WIDTHS[dtype];
  switch (dtype) {
    case 'I64':
      return new BigInt64Array(buffer, byteOffset, count);
    case 'I32':
      return new Int32Array(buffer, byteOffset, count);
    case 'I16':
      return new Int16Array(buffer, byteOffset, count);
    case 'I8':
      return new Int8Array(buffer, byteOffset, count);
    case 'U64':
      return new BigUint64Array(buffer, byteOffset, count);
    case 'U32':
      return new Uint32Array(buffer, byteOffset, count);
    case 'U16':
      return new Uint16Array(buffer, byteOffset, count);
    case 'U8':
      return new Uint8Array(buffer, byteOffset, count);
    case 'BOOL': {
      const truths = new Uint8Array(buffer, byteOffset, count);
      const bad = truths.find((truth) => truth > 1);
      if (bad === undefined) return truths;
      throw new DataError({ subject, expected: 'truth values stored as 0 or 1', found: String(bad) });
    }
    default:
      throw new DataError({ subject, expected: 'integer elements', found: dtype });
  }
}
