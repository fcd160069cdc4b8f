/**
 * SPEC #safetensors — writing (safetensors/C6): the header from what the tensors are, then one tensor after the other, each asked for its
 * elements only when its turn has come, so that memory stays near one tensor's size.
 *
 * The bytes depend on nothing but the arguments: tensors lie and are named in the order given, without gaps, the header
 * is compact JSON padded with spaces so that the data begins at a multiple of eight. (Behind a tensor of a narrower type
 * the next one may be unaligned; readers must copy there.)
 *
 * @module
 */

import { CallerError, show } from '../errors.ts';
import { numberToBf16Bits, numberToF16Bits } from '../math/float.ts';
import { machineToLittleEndian } from './byte-order.ts';
import type { ByteSink } from './byte-source.ts';
import {
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  MAX_RANK,
  METADATA_NAME,
  SAFETENSORS_WIDTHS,
} from './safetensors.ts';

/** The element types that are written. */
export type WritableDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32';

/**
 * A tensor to be written. Numbers are rounded ONCE to the element type, to nearest, ties to even (beyond its range: to
 * infinity). I32 and I64 take integers of their range, as numbers or bigints; other types take numbers.
 */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  /** Called once, when it is this tensor's turn: as many elements as the shape has, the last dimension varying fastest. */
  readonly elements: () => Iterable<number | bigint>;
}

/** Texts to go into the header as `__metadata__`, in order. */
export type Metadata = ReadonlyMap<string, string>;

/** Elements are converted and handed to the sink in pieces of this many bytes; divisible by 8. */
const CHUNK_BYTES = 1 << 20;

/**
 * Writes a safetensors file.
 *
 * @throws CallerError naming the tensor: a name that occurs twice, is `__metadata__` or `__proto__` or is not Unicode; a shape
 *   that is not one; elements that are too few, too many, or not of the type; a header above the format's limit. What the
 *   sink has taken by then is of no use.
 */
export function writeSafetensors(
  sink: ByteSink,
  tensors: Iterable<TensorToWrite>,
  metadata?: Metadata,
): void {
  const list = [...tensors];
  sink.write(header(list, metadata));
  for (const tensor of list) writeElements(sink, tensor);
}

/** A safetensors file in memory; see {@link writeSafetensors}. */
export function safetensorsBytes(tensors: Iterable<TensorToWrite>, metadata?: Metadata): Uint8Array {
  const chunks: Uint8Array[] = [];
  writeSafetensors({ write: (bytes) => void chunks.push(bytes.slice()) }, tensors, metadata);
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function refuse(name: string, expected: string, found: string): never {
  throw new CallerError({ subject: `tensor ${show(name)} to be written`, expected, found });
}

function elementCount({ name, dtype, shape }: TensorToWrite): number {
  if (shape.length > MAX_RANK) refuse(name, `at most ${MAX_RANK} dimensions`, String(shape.length));
  let count = 1;
  for (const size of shape) {
    count *= size;
    const fine =
      Number.isSafeInteger(size) && size >= 0 && Number.isSafeInteger(count * SAFETENSORS_WIDTHS[dtype]);
    if (!fine)
      refuse(name, 'a shape of non-negative integers and fewer than 2^53 bytes', `[${shape.join(', ')}]`);
  }
  return count;
}

/** The length of the header and the header. */
function header(tensors: readonly TensorToWrite[], metadata: Metadata | undefined): Uint8Array {
  const members: string[] = [];
  if (metadata !== undefined) {
    const texts = Array.from(metadata, ([key, text]) => `${jsonString(key, key)}:${jsonString(key, text)}`);
    members.push(`${JSON.stringify(METADATA_NAME)}:{${texts.join(',')}}`);
  }
  const names = new Set([METADATA_NAME, '__proto__']);
  let begin = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (names.has(name))
      refuse(name, `a name of its own, other than ${METADATA_NAME} and __proto__`, show(name));
    names.add(name);
    const end = begin + elementCount(tensor) * SAFETENSORS_WIDTHS[dtype];
    if (!Number.isSafeInteger(end)) refuse(name, 'fewer than 2^53 bytes in all', String(end));
    const offsets = `"data_offsets":[${begin},${end}]`;
    members.push(`${jsonString(name, name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],${offsets}}`);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  if (length > MAX_HEADER_BYTES) {
    const expected = `names that need a header of at most ${MAX_HEADER_BYTES} bytes`;
    throw new CallerError({ subject: 'safetensors file to be written', expected, found: String(length) });
  }
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** A text as JSON. Half a surrogate pair has no UTF-8, and would come back as another text. */
function jsonString(name: string, text: string): string {
  if (/\p{Surrogate}/u.test(text)) refuse(name, 'names and texts of whole Unicode characters', show(text));
  return JSON.stringify(text);
}

/** Puts one element into a file's bytes. Errors are thrown by the two functions at the end, which know the tensor. */
type Put = (view: DataView, at: number, element: number | bigint, name: string) => void;

const PUT: Readonly<Record<WritableDtype, Put>> = {
  F64: (view, at, element, name) => view.setFloat64(at, real(name, element), true),
  F32: (view, at, element, name) => view.setFloat32(at, real(name, element), true),
  F16: (view, at, element, name) => view.setUint16(at, numberToF16Bits(real(name, element)), true),
  BF16: (view, at, element, name) => view.setUint16(at, numberToBf16Bits(real(name, element)), true),
  I64: (view, at, element, name) => view.setBigInt64(at, integer(name, element, 64), true),
  I32: (view, at, element, name) => view.setInt32(at, Number(integer(name, element, 32)), true),
};

/** An element as a number that may have a fraction. */
function real(name: string, element: number | bigint): number {
  return typeof element === 'number' ? element : refuse(name, 'numbers', `a bigint, ${element}`);
}

/** An element as an integer of `bits` bits, two's complement. */
function integer(name: string, element: number | bigint, bits: number): bigint {
  const exact = typeof element === 'bigint' || Number.isSafeInteger(element);
  if (exact && BigInt.asIntN(bits, BigInt(element)) === BigInt(element)) return BigInt(element);
  return refuse(name, `integers of ${bits} bits`, String(element));
}

function writeElements(sink: ByteSink, tensor: TensorToWrite): void {
  const { name, dtype } = tensor;
  const count = elementCount(tensor);
  const elements = tensor.elements();
  const wrong = (found: string): never => refuse(name, `${count} elements`, found);
  if (ArrayBuffer.isView(elements) && (elements as Float64Array).length !== count) {
    wrong(`${(elements as Float64Array).length}`);
  }
  // Elements that have the file's type already are handed over as they are, bit for bit.
  const asIs =
    (dtype === 'F64' && elements instanceof Float64Array) ||
    (dtype === 'F32' && elements instanceof Float32Array) ||
    (dtype === 'I64' && elements instanceof BigInt64Array) ||
    (dtype === 'I32' && elements instanceof Int32Array);
  if (asIs) {
    const array = elements as Float64Array | Float32Array | BigInt64Array | Int32Array;
    const step = CHUNK_BYTES / SAFETENSORS_WIDTHS[dtype];
    for (let done = 0; done < count; done += step) {
      sink.write(machineToLittleEndian(array.subarray(done, done + step)));
    }
    return;
  }
  const width = SAFETENSORS_WIDTHS[dtype];
  const put = PUT[dtype];
  const chunk = new Uint8Array(Math.min(count * width, CHUNK_BYTES));
  const view = new DataView(chunk.buffer);
  let filled = 0;
  let done = 0;
  for (const element of elements) {
    if (done === count) wrong('more');
    put(view, filled, element, name);
    filled += width;
    done++;
    if (filled === chunk.length) {
      sink.write(chunk);
      filled = 0;
    }
  }
  if (done !== count) wrong(String(done));
  if (filled > 0) sink.write(chunk.subarray(0, filled));
}
