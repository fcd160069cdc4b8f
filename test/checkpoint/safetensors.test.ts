import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ByteSource, bytesSource } from '../../lib/checkpoint/byte-source.ts';
import { fileSource } from '../../lib/checkpoint/file-source.ts';
import {
  MAX_HEADER_BYTES,
  MAX_RANK,
  openSafetensors,
  type SafetensorsFile,
} from '../../lib/checkpoint/safetensors.ts';
import { CallerError, DataError } from '../../lib/errors.ts';

/**
 * Written by the `safetensors` package of Python, version 0.8.0 (`safetensors.torch.save`, torch 2.13.0), from tensors of every
 * element type: hexadecimal data, and the header as it wrote it.
 */
const PYTHON_HEADER =
  '{"__metadata__":{"format":"pt","note":"ä"},"u64":{"dtype":"U64","shape":[1],"data_offsets":[0,8]},"i' +
  '64":{"dtype":"I64","shape":[2],"data_offsets":[8,24]},"f64":{"dtype":"F64","shape":[2,2],"data_offse' +
  'ts":[24,56]},"f32":{"dtype":"F32","shape":[3],"data_offsets":[56,68]},"nothing":{"dtype":"F32","shap' +
  'e":[3,0,2],"data_offsets":[68,68]},"scalar":{"dtype":"F32","shape":[],"data_offsets":[68,72]},"u32":' +
  '{"dtype":"U32","shape":[1],"data_offsets":[72,76]},"i32":{"dtype":"I32","shape":[2],"data_offsets":[' +
  '76,84]},"bf16":{"dtype":"BF16","shape":[2],"data_offsets":[84,88]},"f16":{"dtype":"F16","shape":[4],' +
  '"data_offsets":[88,96]},"u16":{"dtype":"U16","shape":[1],"data_offsets":[96,98]},"i16":{"dtype":"I16' +
  '","shape":[2],"data_offsets":[98,102]},"i8":{"dtype":"I8","shape":[3],"data_offsets":[102,105]},"u8"' +
  ':{"dtype":"U8","shape":[2],"data_offsets":[105,107]},"bool":{"dtype":"BOOL","shape":[3],"data_offset' +
  's":[107,110]}}     ';
const PYTHON_DATA =
  'ffffffffffffffff0000000000000080ffffffffffff1f00000000000000f83f00000000000000802be6708b681200000000' +
  '00000000f07fcdcccc3d000020c0c216010000002842ffffffff0000008007000000803f49c0003c54b50100ff7bffff0080' +
  'ff7f807f0000ff010001';

/** A file by hand: the header's text after its length, then the data. */
function file(header: string, data: Uint8Array | readonly number[] = []): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const open = (bytes: Uint8Array): SafetensorsFile => openSafetensors(bytesSource('w.safetensors', bytes));

/** The header of a file with tensors of F32, each given by its members. */
function entry(members: Record<string, unknown>): string {
  return JSON.stringify({ dtype: 'F32', shape: [1], data_offsets: [0, 4], ...members });
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error('was accepted');
}

const floats = (opened: SafetensorsFile, name: string): number[] => {
  const { begin, end, dtype } = opened.tensors.get(name)!;
  const into = new Float64Array(
    (end - begin) / { F64: 8, F32: 4, F16: 2, BF16: 2, BOOL: 1, I8: 1 }[dtype as 'F64'],
  );
  opened.readFloats(name, into);
  return [...into];
};

describe('a file written by another implementation', () => {
  let opened: SafetensorsFile;
  beforeAll(() => {
    opened = open(file(PYTHON_HEADER, Buffer.from(PYTHON_DATA, 'hex')));
  });

  it('has its tensors in the order of the header, and its metadata', () => {
    const names = 'u64 i64 f64 f32 nothing scalar u32 i32 bf16 f16 u16 i16 i8 u8 bool';
    expect([...opened.tensors.keys()].join(' ')).toBe(names);
    expect([...opened.metadata].sort()).toEqual([
      ['format', 'pt'],
      ['note', 'ä'],
    ]);
    expect(opened.tensors.get('f64')).toEqual({ dtype: 'F64', shape: [2, 2], begin: 24, end: 56 });
  });

  it('has the numbers that were put in, of every floating type', () => {
    expect(floats(opened, 'f64')).toEqual([1.5, -0, 1e-310, Number.POSITIVE_INFINITY]);
    // 0.1 and 1e-40 as binary32, -0.333 and 6e-8 as binary16.
    expect(floats(opened, 'f32')).toEqual([13421773 / 2 ** 27, -2.5, 71362 / 2 ** 149]);
    expect(floats(opened, 'f16')).toEqual([1, -1364 / 2 ** 12, 2 ** -24, 65504]);
    expect(floats(opened, 'bf16')).toEqual([1, -3.140625]);
  });

  it('has the integers that were put in, of every width and sign', () => {
    expect(opened.readIntegers('i32')).toEqual([-2147483648, 7]);
    expect(opened.readIntegers('i16')).toEqual([-32768, 32767]);
    expect(opened.readIntegers('i8')).toEqual([-128, 127, 0]);
    expect(opened.readIntegers('u32')).toEqual([4294967295]);
    expect(opened.readIntegers('u16')).toEqual([65535]);
    expect(opened.readIntegers('u8')).toEqual([0, 255]);
    expect(opened.readIntegers('bool')).toEqual([1, 0, 1]);
    expect(opened.readBigIntegers('i64')).toEqual([-(2n ** 63n), 2n ** 53n - 1n]);
    expect(opened.readBigIntegers('u64')).toEqual([2n ** 64n - 1n]);
    expect(opened.readBigIntegers('u8')).toEqual([0n, 255n]);
  });

  it('has a scalar of no dimensions and a tensor of no elements', () => {
    expect(opened.tensors.get('scalar')!.shape).toEqual([]);
    expect(floats(opened, 'scalar')).toEqual([42]);
    expect(opened.tensors.get('nothing')!.shape).toEqual([3, 0, 2]);
    expect(floats(opened, 'nothing')).toEqual([]);
  });
});

describe('openSafetensors accepts', () => {
  it('a file without tensors, with and without metadata', () => {
    expect(open(file('{}')).tensors.size).toBe(0);
    expect(open(file('{}')).metadata.size).toBe(0);
    expect(open(file('{"__metadata__":{}}')).metadata.size).toBe(0);
    expect([...open(file('{"__metadata__":{"a":""}}')).tensors]).toEqual([]);
  });

  it('spaces behind the header', () => {
    expect(open(file(`{"a":${entry({})}}     `, [0, 0, 128, 63])).tensors.size).toBe(1);
  });

  it('tensors whose order in the header is not that of their data', () => {
    const opened = open(
      file(`{"b":${entry({ data_offsets: [4, 8] })},"a":${entry({})}}`, [0, 0, 0, 64, 0, 0, 128, 63]),
    );
    expect([...opened.tensors.keys()]).toEqual(['b', 'a']);
    expect(floats(opened, 'a')).toEqual([2]);
    expect(floats(opened, 'b')).toEqual([1]);
  });

  it('names that are numbers, in the order of the header', () => {
    const none = entry({ shape: [0], data_offsets: [0, 0] });
    expect([...open(file(`{"b":${none},"7":${none},"3":${none}}`)).tensors.keys()]).toEqual(['b', '7', '3']);
  });

  it('empty tensors at the front, between others and at the end, however the header orders them', () => {
    const at = (byte: number): string => entry({ shape: [0], data_offsets: [byte, byte] });
    const header = `{"x":${entry({})},"e":${at(8)},"m":${at(4)},"f":${at(0)},"y":${entry({ data_offsets: [4, 8] })}}`;
    expect(open(file(header, new Uint8Array(8))).tensors.size).toBe(5);
  });

  it(`a tensor of ${MAX_RANK} dimensions`, () => {
    expect(
      open(file(`{"a":${entry({ shape: new Array(MAX_RANK).fill(1) })}}`, [0, 0, 0, 0])).tensors.size,
    ).toBe(1);
  });

  it('a name that every object inherits', () => {
    expect([...open(file(`{"toString":${entry({})}}`, [0, 0, 0, 0])).tensors.keys()]).toEqual(['toString']);
  });
});

describe('openSafetensors refuses', () => {
  /** A length field with these eight bytes, then `rest` more. */
  const withLength = (length: bigint, rest: number): Uint8Array => {
    const bytes = new Uint8Array(8 + rest).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };

  it.each([0, 1, 7])('a file of %d bytes, too short for the length of the header', (size) => {
    expect(refusal(() => open(new Uint8Array(size)))).toMatch(
      `w.safetensors: expected a safetensors file, which begins with 8 bytes for the length of its header, found a file of ${size} bytes`,
    );
  });

  it.each([
    [BigInt(MAX_HEADER_BYTES) + 1n],
    [2n ** 31n],
    [2n ** 32n + 2n],
    [2n ** 53n + 1n],
    [2n ** 63n],
    // As a signed number, -6: a header of that length would end where it began.
    [2n ** 64n - 6n],
    [2n ** 64n - 1n],
  ])('a header said to have %d bytes, without asking for so much memory', (length) => {
    expect(refusal(() => open(withLength(length, 16)))).toBe(
      `w.safetensors: expected a header of at most 100000000 bytes, found a length of ${length}. ` +
        'It is probably not a safetensors file',
    );
  });

  it('safetensors/C1: a header that goes beyond the file, by one byte or by many', () => {
    const found = (length: bigint): string => refusal(() => open(withLength(length, 16)));
    expect(found(17n)).toMatch(
      /expected a header of 17 bytes, as its first bytes say, found only 16 more bytes/,
    );
    expect(found(BigInt(MAX_HEADER_BYTES))).toMatch(/found only 16 more bytes/);
  });

  it.each([
    ['an empty header', ''],
    ['a header of spaces', '    '],
    ['white space before the brace, which the format forbids', ' {}'],
    ['a byte order mark', '\ufeff{}'],
    ['a list', '[]'],
    ['something behind the header that is not a space', '{}\n'],
    ['zeros behind the header', '{}\0\0'],
  ])('%s', (_, header) => {
    expect(refusal(() => open(file(header)))).toMatch(
      /^w\.safetensors: expected a header that begins with '{' and ends/,
    );
  });

  it.each([
    [
      'a header that is not JSON',
      '{"a":}',
      /^header of w\.safetensors, line 1, column 6: expected a JSON value/,
    ],
    ['two objects', '{} {}', /expected nothing after the value/],
    ['one name for two tensors', `{"a":${entry({})},"a":${entry({})}}`, /names that occur once/],
    [
      'a member twice in a tensor',
      '{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}',
      /occur once/,
    ],
    ['a tensor named __proto__', `{"__proto__":${entry({})}}`, /no member of this name/],
    ['nesting without end', `{"a":${'['.repeat(99_999)}}`, /nesting of at most/],
  ])('%s', (_, header, message) => {
    expect(refusal(() => open(file(header, [0, 0, 0, 0])))).toMatch(message);
  });

  it('safetensors/C2: a header that is not UTF-8', () => {
    const bytes = file('{"é":{}}');
    bytes[bytes.indexOf(0xc3)] = 0xff;
    expect(refusal(() => open(bytes))).toMatch(/^header of w\.safetensors: expected UTF-8 text/);
  });

  it.each([
    ['a tensor that is a list', '[]', 'an object with dtype, shape, data_offsets, found \\[\\]'],
    ['a tensor that is null', 'null', 'an object with dtype, shape, data_offsets, found null'],
    [
      'a member too many',
      entry({ strides: [1] }),
      'only the members dtype, shape, data_offsets, found "strides"',
    ],
    [
      'an unknown element type',
      entry({ dtype: 'F8_E5M2' }),
      'dtype to be one of F64, F32, .*, BOOL, found "F8_E5M2"',
    ],
    ['an element type in small letters', entry({ dtype: 'f32' }), 'dtype to be one of .*, found "f32"'],
    [
      'an element type named like what objects inherit',
      entry({ dtype: 'toString' }),
      'dtype to be one of .*',
    ],
    ['an element type that is a list', entry({ dtype: ['F32'] }), 'dtype to be one of .*'],
    ['no element type', '{"shape":[1],"data_offsets":[0,4]}', 'dtype to be one of .*, found undefined'],
    ['no shape', '{"dtype":"F32","data_offsets":[0,4]}', 'shape to be a list of sizes, found undefined'],
    [
      'no offsets',
      '{"dtype":"F32","shape":[1]}',
      'data_offsets to be a first and a last byte, found undefined',
    ],
    ['a shape that is a number', entry({ shape: 1 }), 'shape to be a list of sizes, found 1'],
    ['a negative size', entry({ shape: [-1] }), 'shape to be a list of sizes, found \\[-1\\]'],
    ['two negative sizes whose product fits', entry({ shape: [-1, -1] }), 'shape to be a list of sizes'],
    ['a size with a fraction', entry({ shape: [0.5, 2] }), 'shape to be a list of sizes'],
    ['a size that is a text', entry({ shape: ['1'] }), 'shape to be a list of sizes'],
    ['a size that binary64 cannot count', entry({ shape: [2 ** 53] }), 'shape to be a list of sizes'],
    ['too many dimensions', entry({ shape: new Array(33).fill(1) }), 'at most 32 dimensions, found 33'],
    ['a product that overflows', entry({ shape: [2 ** 30, 2 ** 30] }), 'a shape of fewer than 2\\^53 bytes'],
    [
      'a product that overflows and ends at 0',
      entry({ shape: [2 ** 52, 4, 0] }),
      'a shape of fewer than 2\\^53 bytes',
    ],
    ['one offset', entry({ data_offsets: [0] }), 'data_offsets to be a first and a last byte'],
    ['three offsets', entry({ data_offsets: [0, 4, 4] }), 'data_offsets to be a first and a last byte'],
    ['a negative offset', entry({ data_offsets: [-4, 0] }), 'data_offsets to be a first and a last byte'],
    [
      'offsets that are texts',
      entry({ data_offsets: ['0', '4'] }),
      'data_offsets to be a first and a last byte',
    ],
    [
      'offsets in the wrong order',
      entry({ data_offsets: [4, 0] }),
      'data_offsets in order and inside the 4 bytes of data',
    ],
    [
      'an end behind the data',
      entry({ shape: [2], data_offsets: [0, 8] }),
      'data_offsets in order and inside the 4 bytes',
    ],
    [
      'safetensors/C4: fewer bytes than the shape needs',
      entry({ shape: [2] }),
      '8 bytes for F32 of shape \\[2\\], found 4 bytes',
    ],
    [
      'more bytes than the shape needs',
      entry({ dtype: 'I8' }),
      '1 bytes for I8 of shape \\[1\\], found 4 bytes',
    ],
    [
      'bytes for no elements',
      entry({ shape: [0] }),
      '0 bytes for F32 of shape \\[0\\], found 4 bytes, from 0 to 4',
    ],
    [
      'a scalar without bytes',
      entry({ shape: [], data_offsets: [0, 0] }),
      '4 bytes for F32 of shape \\[\\], found 0 bytes',
    ],
  ])('%s', (_, tensor, message) => {
    const found = refusal(() => open(file(`{"layers.0":${tensor}}`, [0, 0, 0, 0])));
    expect(found).toMatch(new RegExp(`^w\\.safetensors, tensor "layers\\.0": expected ${message}`));
  });

  it('safetensors/C3: a size of minus zero', () => {
    const header = '{"a":{"dtype":"F32","shape":[-0],"data_offsets":[0,0]}}';
    expect(refusal(() => open(file(header)))).toMatch(/shape to be a list of sizes/);
  });

  it('safetensors/C5: tensors that overlap, wholly or by a part', () => {
    const eight = entry({ shape: [2], data_offsets: [0, 8] });
    const second = (begin: number): string => entry({ data_offsets: [begin, begin + 4] });
    for (const begin of [0, 3, 4]) {
      const found = refusal(() => open(file(`{"a":${eight},"b":${second(begin)}}`, new Uint8Array(8))));
      const subject = begin === 0 ? 'a' : 'b';
      expect(found).toMatch(
        new RegExp(`tensor "${subject}": expected to begin at byte ., found an overlap with `),
      );
    }
  });

  it('bytes that belong to no tensor: before, between, behind, and without any tensor', () => {
    const data = new Uint8Array(12);
    const at = (begin: number): string => entry({ data_offsets: [begin, begin + 4] });
    const found = (header: string): string => refusal(() => open(file(header, data)));
    expect(found(`{"a":${at(4)},"b":${at(8)}}`)).toMatch(
      /tensor "a": expected to begin at byte 0, found a gap after the header/,
    );
    expect(found(`{"a":${at(0)},"b":${at(8)}}`)).toMatch(
      /tensor "b": expected to begin at byte 4, found a gap after "a"/,
    );
    expect(found(`{"a":${at(0)},"b":${at(4)}}`)).toMatch(
      /nothing after the last tensor, found 4 bytes that belong to/,
    );
    expect(found('{}')).toMatch(/found 12 bytes that belong to no tensor/);
  });

  it.each(['[]', 'null', '"a"', '{"a":1}', '{"a":null}', '{"a":{}}'])('metadata that are %s', (metadata) => {
    expect(refusal(() => open(file(`{"__metadata__":${metadata}}`)))).toMatch(
      /^w\.safetensors, __metadata__/,
    );
  });

  it('and shows a name from the file without its control characters', () => {
    expect(refusal(() => open(file('{"\\u001b[2J\u202e":0}')))).toMatch(/tensor "\\u001b\[2J\\u\{202e\}": /);
  });
});

/** A positive integer below 2048, or 0, as binary16. */
function smallIntegerAsF16(n: number): number {
  if (n === 0) return 0;
  const exponent = 31 - Math.clz32(n);
  return ((exponent + 15) << 10) | ((n << (10 - exponent)) & 0x3ff);
}

describe('readFloats', () => {
  const half = (dtype: string, bits: readonly number[]): number[] => {
    const data = new Uint8Array(Uint16Array.from(bits).buffer);
    const header = `{"a":{"dtype":"${dtype}","shape":[${bits.length}],"data_offsets":[0,${data.length}]}}`;
    return floats(open(file(header, data)), 'a');
  };

  it('does not take BF16 for F16', () => {
    expect(half('BF16', [0x3f80, 0xc049, 0x0001, 0x7f80])).toEqual([
      1,
      -3.140625,
      2 ** -133,
      Number.POSITIVE_INFINITY,
    ]);
    expect(half('F16', [0x3c00, 0xc248, 0x0001, 0x7c00])).toEqual([
      1,
      -3.140625,
      2 ** -24,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it('keeps both in one file apart when they are so large that their values are tabulated', () => {
    const count = 1 << 17;
    const data = new Uint16Array(2 * count).fill(0x3c00, 0, count).fill(0x3f80, count);
    const half = entry({ dtype: 'F16', shape: [count], data_offsets: [0, 2 * count] });
    const brain = entry({ dtype: 'BF16', shape: [count], data_offsets: [2 * count, 4 * count] });
    const opened = open(file(`{"a":${half},"b":${brain}}`, new Uint8Array(data.buffer)));
    for (const name of ['a', 'b', 'a']) expect(new Set(floats(opened, name))).toEqual(new Set([1]));
  });

  it('keeps both in one file apart', () => {
    const header = `{"a":${entry({ dtype: 'F16', shape: [2] })},"b":${entry({ dtype: 'BF16', shape: [2], data_offsets: [4, 8] })}}`;
    const opened = open(file(header, [0, 0x3c, 0, 0x3c, 0x80, 0x3f, 0x80, 0x3f]));
    expect([floats(opened, 'a'), floats(opened, 'b'), floats(opened, 'a')]).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it('copies the bits of F32 and F64, those of NaN and minus zero included', () => {
    const words = Uint32Array.of(0x7fc00001, 0xffa00000, 0x80000000, 0x00000001, 0x7fa12345, 0x7ff40000);
    const single = open(
      file(`{"a":${entry({ shape: [6], data_offsets: [0, 24] })}}`, new Uint8Array(words.buffer)),
    );
    const into32 = new Float32Array(6);
    single.readFloats('a', into32);
    expect([...new Uint32Array(into32.buffer)]).toEqual([...words]);
    const double = open(
      file(
        `{"a":${entry({ dtype: 'F64', shape: [3], data_offsets: [0, 24] })}}`,
        new Uint8Array(words.buffer),
      ),
    );
    const into64 = new Float64Array(3);
    double.readFloats('a', into64);
    expect([...new Uint32Array(into64.buffer)]).toEqual([...words]);
  });

  it('rounds F64 to the nearest F32, ties to even', () => {
    const doubles = Float64Array.of(
      0.1,
      1 + 2 ** -24,
      1 + 3 * 2 ** -24,
      1 + 2 ** -24 + 2 ** -50,
      1e300,
      2 ** -150,
      -(2 ** -149),
    );
    const header = `{"a":${entry({ dtype: 'F64', shape: [7], data_offsets: [0, 56] })}}`;
    const into = new Float32Array(7);
    open(file(header, new Uint8Array(doubles.buffer))).readFloats('a', into);
    expect([...into]).toEqual([
      13421773 / 2 ** 27,
      1,
      1 + 2 ** -22,
      1 + 2 ** -23,
      Number.POSITIVE_INFINITY,
      0,
      -(2 ** -149),
    ]);
  });

  it('reads at every alignment, into every place of a larger array', () => {
    for (let shift = 0; shift < 8; shift++) {
      const header = `{"a":${entry({ dtype: 'F64', shape: [2], data_offsets: [0, 16] })}}${' '.repeat(shift)}`;
      const into = new Float64Array(4);
      open(file(header, new Uint8Array(Float64Array.of(1.5, -2.5).buffer))).readFloats(
        'a',
        into.subarray(1, 3),
      );
      expect([...into]).toEqual([0, 1.5, -2.5, 0]);
    }
  });

  it('reads in pieces: a tensor of many pieces is whole, and no piece is larger than a megabyte', () => {
    const count = 700_001;
    for (const [dtype, width] of [
      ['F64', 8],
      ['F32', 4],
      ['BF16', 2],
      ['F16', 2],
    ] as const) {
      const data = new Uint8Array(count * width);
      const value = (i: number): number => i % 251;
      const view = new DataView(data.buffer);
      for (let i = 0; i < count; i++) {
        if (dtype === 'F64') view.setFloat64(8 * i, value(i), true);
        if (dtype === 'F32') view.setFloat32(4 * i, value(i), true);
        if (dtype === 'F16') view.setUint16(2 * i, smallIntegerAsF16(value(i)), true);
        // The upper half of a binary32 number; these need no more.
        if (dtype === 'BF16')
          view.setUint16(2 * i, new Uint32Array(Float32Array.of(value(i)).buffer)[0]! >>> 16, true);
      }
      const header = `{"a":${entry({ dtype, shape: [count], data_offsets: [0, data.length] })}}`;
      const inner = bytesSource('big', file(header, data));
      let largest = 0;
      const source: ByteSource = {
        ...inner,
        read(offset, length) {
          largest = Math.max(largest, length);
          return inner.read(offset, length);
        },
      };
      const into = new Float32Array(count);
      openSafetensors(source).readFloats('a', into);
      expect(into.every((element, i) => element === value(i))).toBe(true);
      expect(largest).toBe(1 << 20);
    }
  });

  it("refuses an array of another length: a caller's mistake, not the file's", () => {
    const opened = open(file(`{"a":${entry({})}}`, [0, 0, 128, 63]));
    expect(() => opened.readFloats('a', new Float32Array(2))).toThrow(CallerError);
    expect(() => opened.readFloats('a', new Float32Array(0))).toThrow(
      /room for 1 elements, found room for 0/,
    );
  });

  it.each(['I8', 'BOOL'])('refuses a tensor of %s', (dtype) => {
    const opened = open(file(`{"a":${entry({ dtype, data_offsets: [0, 1] })}}`, [1]));
    expect(refusal(() => floats(opened, 'a'))).toBe(
      `w.safetensors, tensor "a": expected floating-point elements, found ${dtype}`,
    );
  });
});

describe('readBf16', () => {
  it('copies the bits, those of NaN and minus zero included', () => {
    const words = Uint16Array.of(0x7fc1, 0xffa0, 0x8000, 0x0001, 0x7f80);
    const header = `{"a":${entry({ dtype: 'BF16', shape: [5], data_offsets: [0, 10] })}}`;
    const into = new Uint16Array(7);
    open(file(header, new Uint8Array(words.buffer))).readBf16('a', into.subarray(1, 6));
    expect([...into]).toEqual([0, ...words, 0]);
  });

  it('reads in pieces, each to its place', () => {
    const count = 700_001;
    const words = Uint16Array.from({ length: count }, (_, i) => i % 65521);
    const header = `{"a":${entry({ dtype: 'BF16', shape: [count], data_offsets: [0, 2 * count] })}}`;
    const into = new Uint16Array(count);
    open(file(header, new Uint8Array(words.buffer))).readBf16('a', into);
    expect(into).toEqual(words);
  });

  it.each(['F32', 'F16'])('refuses a tensor of %s, which is not in bfloat16', (dtype) => {
    const shape = [dtype === 'F32' ? 1 : 2];
    const opened = open(file(`{"a":${entry({ dtype, shape })}}`, [0, 0, 128, 63]));
    expect(refusal(() => opened.readBf16('a', new Uint16Array(2)))).toBe(
      `w.safetensors, tensor "a": expected elements of BF16, found ${dtype}`,
    );
  });

  it('refuses an array of another length', () => {
    const opened = open(file(`{"a":${entry({ dtype: 'BF16', shape: [2] })}}`, [0, 0, 128, 63]));
    expect(() => opened.readBf16('a', new Uint16Array(3))).toThrow(/room for 2 elements, found room for 3/);
  });
});

describe('readIntegers', () => {
  const words = (dtype: string, values: readonly bigint[]): SafetensorsFile => {
    const size = values.length * 8;
    const header = `{"a":${entry({ dtype, shape: [values.length], data_offsets: [0, size] })}}`;
    return open(file(header, new Uint8Array(BigInt64Array.from(values).buffer)));
  };

  it('refuses what a number cannot hold, instead of rounding it', () => {
    const safe = 2n ** 53n - 1n;
    expect(words('I64', [safe, -safe]).readIntegers('a')).toEqual([2 ** 53 - 1, 1 - 2 ** 53]);
    for (const [dtype, value] of [
      ['I64', 2n ** 53n],
      ['I64', -(2n ** 53n)],
      ['U64', 2n ** 53n + 1n],
      ['U64', -1n],
    ] as const) {
      const opened = words(dtype, [1n, value]);
      expect(refusal(() => opened.readIntegers('a'))).toMatch(
        /tensor "a": expected integers of magnitude below 2\^53/,
      );
      expect(opened.readBigIntegers('a')).toEqual([1n, dtype === 'U64' ? BigInt.asUintN(64, value) : value]);
    }
  });

  it('refuses truth values other than 0 and 1', () => {
    const opened = open(
      file(`{"a":${entry({ dtype: 'BOOL', shape: [3], data_offsets: [0, 3] })}}`, [0, 1, 2]),
    );
    expect(refusal(() => opened.readIntegers('a'))).toMatch(/truth values stored as 0 or 1, found 2/);
    expect(refusal(() => opened.readBigIntegers('a'))).toMatch(/truth values stored as 0 or 1, found 2/);
  });

  it('refuses a tensor of floating-point numbers', () => {
    const opened = open(file(`{"a":${entry({})}}`, [0, 0, 128, 63]));
    expect(refusal(() => opened.readIntegers('a'))).toMatch(/expected integer elements, found F32/);
  });

  it('reads elements that are not aligned', () => {
    const header = `{"a":${entry({ dtype: 'BOOL', data_offsets: [0, 1] })},"b":${entry({ dtype: 'I32', data_offsets: [1, 5] })}}`;
    for (let shift = 0; shift < 4; shift++) {
      expect(open(file(header + ' '.repeat(shift), [1, 254, 255, 255, 255])).readIntegers('b')).toEqual([-2]);
    }
  });
});

describe('a tensor that is not there', () => {
  it('is a mistake of the caller, in every reading', () => {
    const opened = open(file('{}'));
    expect(() => opened.readBytes('a')).toThrow(CallerError);
    expect(() => opened.readFloats('a', new Float32Array(0))).toThrow(
      /w\.safetensors: expected a tensor "a"/,
    );
    expect(() => opened.readIntegers('a')).toThrow(CallerError);
    expect(() => opened.readBigIntegers('a')).toThrow(CallerError);
  });
});

describe('files larger than the memory', () => {
  it('are opened, and a tensor behind the fourth gigabyte is found', () => {
    const folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
    const path = join(folder, 'sparse.safetensors');
    const big = 6 * 2 ** 30;
    const header = `{"a":${entry({ shape: [big / 4], data_offsets: [0, big] })},"b":${entry({ data_offsets: [big, big + 4] })}}`;
    try {
      const descriptor = openSync(path, 'w');
      writeSync(descriptor, file(header));
      // A hole: takes no room on the disk.
      ftruncateSync(descriptor, 8 + header.length + big);
      writeSync(descriptor, Uint8Array.of(0, 0, 0x28, 0x42), 0, 4, 8 + header.length + big);
      closeSync(descriptor);
      const source = fileSource(path);
      expect(floats(openSafetensors(source), 'b')).toEqual([42]);
      source.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('damaged files', () => {
  const whole = file(PYTHON_HEADER, Buffer.from(PYTHON_DATA, 'hex'));

  /** Opens a file and reads all of it; returns whether that was possible. Any error but a DataError fails the test. */
  const readable = (bytes: Uint8Array): boolean => {
    try {
      const opened = open(bytes);
      for (const [name, { dtype, shape }] of opened.tensors) {
        const count = shape.reduce((product, size) => product * size, 1);
        if (/^B?F/.test(dtype) && dtype !== 'BOOL') opened.readFloats(name, new Float32Array(count));
        else expect(opened.readBigIntegers(name).length).toBe(count);
      }
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      return false;
    }
  };

  it('none is accepted that was cut anywhere', () => {
    for (let length = 0; length < whole.length; length++)
      expect(readable(whole.subarray(0, length))).toBe(false);
    expect(readable(whole)).toBe(true);
  });

  it('none is accepted that has a byte more', () => {
    expect(readable(Uint8Array.of(...whole, 0))).toBe(false);
  });

  it('with some bytes changed give a DataError or are read, and nothing else', () => {
    const change = fc.tuple(
      fc.nat(whole.length - 1),
      fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789{}[]":, -'))),
    );
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        if (readable(bytes)) accepted++;
        else refused++;
      }),
      { seed: 5, numRuns: 5000 },
    );
    expect(accepted).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(500);
  });
});
