import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../lib/checkpoint/byte-source.ts';
import {
  openSafetensors,
  SAFETENSORS_WIDTHS,
  type SafetensorsFile,
} from '../../lib/checkpoint/safetensors.ts';
import {
  safetensorsBytes,
  type TensorToWrite,
  type WritableDtype,
  writeSafetensors,
} from '../../lib/checkpoint/safetensors-writer.ts';
import { CallerError } from '../../lib/errors.ts';

const tensor = (
  name: string,
  dtype: WritableDtype,
  shape: readonly number[],
  elements: Iterable<number | bigint>,
): TensorToWrite => ({ name, dtype, shape, elements: () => elements });

const reopen = (bytes: Uint8Array): SafetensorsFile => openSafetensors(bytesSource('w', bytes));

function floats(file: SafetensorsFile, name: string): number[] {
  const { begin, end, dtype } = file.tensors.get(name)!;
  const into = new Float64Array((end - begin) / SAFETENSORS_WIDTHS[dtype]);
  file.readFloats(name, into);
  return [...into];
}

/** The header's text and the data. */
function split(bytes: Uint8Array): { length: number; header: string; data: number[] } {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  return { length, header, data: [...bytes.subarray(8 + length)] };
}

describe('the bytes written', () => {
  it('safetensors/C6: are these, by the format: length, header in the order given, spaces up to a multiple of eight, data', () => {
    const bytes = safetensorsBytes(
      [
        tensor('b', 'F32', [2], [1, -2]),
        tensor('10', 'I32', [], [-2]),
        tensor('a"é', 'F16', [1, 1], [1]),
        tensor('z', 'BF16', [0, 7], []),
        tensor('w', 'I64', [1], [-1n]),
        tensor('d', 'F64', [1], [2]),
      ],
      new Map([
        ['k', 'v'],
        ['7', 'ä\n'],
      ]),
    );
    const { length, header, data } = split(bytes);
    expect(header.trimEnd()).toBe(
      '{"__metadata__":{"k":"v","7":"ä\\n"},' +
        '"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
        '"10":{"dtype":"I32","shape":[],"data_offsets":[8,12]},' +
        '"a\\"é":{"dtype":"F16","shape":[1,1],"data_offsets":[12,14]},' +
        '"z":{"dtype":"BF16","shape":[0,7],"data_offsets":[14,14]},' +
        '"w":{"dtype":"I64","shape":[1],"data_offsets":[14,22]},' +
        '"d":{"dtype":"F64","shape":[1],"data_offsets":[22,30]}}',
    );
    expect(length % 8).toBe(0);
    expect(data).toEqual([
      ...[0, 0, 128, 63, 0, 0, 0, 192],
      ...[254, 255, 255, 255],
      ...[0, 60],
      ...[255, 255, 255, 255, 255, 255, 255, 255],
      ...[0, 0, 0, 0, 0, 0, 0, 64],
    ]);
  });

  it('have less than eight spaces of padding, and none where none is needed', () => {
    const paddings = new Set<number>();
    for (let length = 0; length < 16; length++) {
      const { length: total, header } = split(safetensorsBytes([tensor('x'.repeat(length), 'F32', [0], [])]));
      expect(total % 8).toBe(0);
      paddings.add(header.length - header.trimEnd().length);
    }
    expect([...paddings].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('say nothing of metadata unless some are given', () => {
    expect(split(safetensorsBytes([])).header.trimEnd()).toBe('{}');
    expect(split(safetensorsBytes([], new Map())).header.trimEnd()).toBe('{"__metadata__":{}}');
  });

  it('are rounded once: not first to binary32, which would make a tie of what is none', () => {
    // Just above the middle between 1 and the next number; binary32 has only the middle.
    const above16 = 1 + 2 ** -11 + 2 ** -40;
    const aboveB16 = 1 + 2 ** -8 + 2 ** -40;
    const file = reopen(
      safetensorsBytes([
        tensor('f16', 'F16', [4], [above16, 1 + 2 ** -11, 1e6, -1e-30]),
        tensor('bf16', 'BF16', [4], [aboveB16, 1 + 2 ** -8, 1e300, -0]),
        tensor('f32', 'F32', [2], [1 + 2 ** -24 + 2 ** -50, 0.1]),
      ]),
    );
    expect(floats(file, 'f16')).toEqual([1 + 2 ** -10, 1, Number.POSITIVE_INFINITY, -0]);
    expect(floats(file, 'bf16')).toEqual([1 + 2 ** -7, 1, Number.POSITIVE_INFINITY, -0]);
    expect(floats(file, 'f32')).toEqual([1 + 2 ** -23, 13421773 / 2 ** 27]);
  });

  it('are the bits of typed arrays of the same type, those of NaN included', () => {
    const words = Uint32Array.of(0x7fc00001, 0xffa00000, 0x80000000, 0x7ff40000);
    for (const [dtype, elements] of [
      ['F32', new Float32Array(words.buffer)],
      ['F64', new Float64Array(words.buffer)],
      ['I32', new Int32Array(words.buffer)],
      ['I64', new BigInt64Array(words.buffer)],
    ] as const) {
      const { data } = split(safetensorsBytes([tensor('a', dtype, [elements.length], elements)]));
      expect(data).toEqual([...new Uint8Array(words.buffer)]);
    }
  });

  it('are those of a view alone, not of the array behind it', () => {
    const elements = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    expect(floats(reopen(safetensorsBytes([tensor('a', 'F32', [2], elements)])), 'a')).toEqual([1, 2]);
  });

  it('do not depend on whether the elements come as a typed array, a list or one by one', () => {
    const values = [1.5, -2.5, 0.1, 1e30];
    function* oneByOne(): Generator<number> {
      yield* values;
    }
    for (const dtype of ['F64', 'F32', 'F16', 'BF16'] as const) {
      const [first, ...others] = [values, Float64Array.from(values), oneByOne(), new Set(values)].map(
        (elements) => safetensorsBytes([tensor('a', dtype, [4], elements)]),
      );
      for (const other of others) expect(other).toEqual(first);
    }
  });
});

describe('write, then read', () => {
  /** A tensor, its elements, and as what they have to come back. */
  const float = fc.double();
  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const anyTensor = fc
    .record({
      name: fc
        .string({ unit: 'binary', maxLength: 8 })
        .filter((name) => name !== '__metadata__' && name !== '__proto__'),
      dtype: fc.constantFrom<WritableDtype>('F64', 'F32', 'F16', 'BF16', 'I64', 'I32'),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
    })
    .chain((what) => {
      const count = what.shape.reduce((product, size) => product * size, 1);
      const element: fc.Arbitrary<number | bigint> =
        what.dtype === 'I64' ? int64 : what.dtype === 'I32' ? fc.integer() : float;
      return fc
        .array(element, { minLength: count, maxLength: count })
        .map((elements) => ({ ...what, elements: () => elements }));
    });
  const anyFile = fc.tuple(
    fc.uniqueArray(anyTensor, { maxLength: 6, selector: ({ name }) => name }),
    fc.option(
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        fc.string(),
      ),
      { nil: undefined },
    ),
  );

  it('gives back names, order, types, shapes, metadata and numbers', () => {
    fc.assert(
      fc.property(anyFile, ([tensors, texts]) => {
        const metadata = texts === undefined ? undefined : new Map(Object.entries(texts));
        const bytes = safetensorsBytes(tensors, metadata);
        const file = reopen(bytes);
        expect([...file.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
        expect(new Map(file.metadata)).toEqual(metadata ?? new Map());
        for (const { name, dtype, shape, elements } of tensors) {
          expect(file.tensors.get(name)).toMatchObject({ dtype, shape });
          if (dtype === 'I64') expect(file.readBigIntegers(name)).toEqual(elements());
          else if (dtype === 'I32') expect(file.readIntegers(name)).toEqual(elements());
          else if (dtype === 'F64') expect(floats(file, name)).toEqual(elements());
          else if (dtype === 'F32')
            expect(floats(file, name)).toEqual((elements() as number[]).map(Math.fround));
          else {
            // What was rounded once is not changed by rounding again.
            const rounded = floats(file, name);
            const again = reopen(safetensorsBytes([tensor('a', dtype, shape, rounded)]));
            expect(floats(again, 'a')).toEqual(rounded);
          }
        }
        expect(safetensorsBytes(tensors, metadata)).toEqual(bytes);
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  it('gives back tensors of several megabytes, for every way of handing over the elements', () => {
    const count = 300_007;
    const values = Float64Array.from({ length: count }, (_, i) => (i % 2001) - 1000);
    for (const elements of [values, Float32Array.from(values), Int32Array.from(values), [...values]]) {
      for (const dtype of ['F64', 'F32', 'F16', 'I32', 'I64'] as const) {
        const file = reopen(
          safetensorsBytes([tensor('a', dtype, [count], elements), tensor('b', 'F32', [1], [7])]),
        );
        const back = dtype.startsWith('I') ? file.readIntegers('a') : floats(file, 'a');
        expect(back.every((element, i) => element === values[i])).toBe(true);
        expect(floats(file, 'b')).toEqual([7]);
      }
    }
  });
});

describe('writeSafetensors is lazy', () => {
  it('asks for the elements of a tensor only after those of the one before have been written', () => {
    const events: string[] = [];
    const lazy = (name: string, count: number): TensorToWrite => ({
      name,
      dtype: 'F64',
      shape: [count],
      elements: () => {
        events.push(`asked ${name}`);
        return new Float64Array(count);
      },
    });
    const sink = { write: (bytes: Uint8Array) => void events.push(`written ${bytes.length}`) };
    writeSafetensors(sink, [lazy('a', 2), lazy('b', 0), lazy('c', 200_000)]);
    const [header, ...rest] = events;
    expect(header).toMatch(/^written \d+$/);
    expect(rest).toEqual([
      'asked a',
      'written 16',
      'asked b',
      'asked c',
      'written 1048576',
      'written 551424',
    ]);
  });

  it('writes elements that come one by one in pieces, not all at once', () => {
    const sizes: number[] = [];
    function* ones(): Generator<number> {
      for (let i = 0; i < 300_000; i++) yield 1;
    }
    writeSafetensors({ write: (bytes) => void sizes.push(bytes.length) }, [
      tensor('a', 'F32', [300_000], ones()),
    ]);
    expect(sizes.slice(1)).toEqual([1048576, 151424]);
  });
});

describe('the writer refuses', () => {
  const refusal = (tensors: readonly TensorToWrite[], metadata?: ReadonlyMap<string, string>): string => {
    try {
      safetensorsBytes(tensors, metadata);
    } catch (error) {
      expect(error).toBeInstanceOf(CallerError);
      return (error as Error).message;
    }
    throw new Error('was written');
  };
  const none = (name: string): TensorToWrite => tensor(name, 'F32', [0], []);

  it.each(['__metadata__', '__proto__', '\ud800', 'a\udc00'])('the name %j', (name) => {
    expect(refusal([none(name)])).toMatch(/^tensor ".*" to be written: expected /);
  });

  it('a name that occurs twice', () => {
    expect(refusal([none('a'), none('b'), none('a')])).toMatch(
      /^tensor "a" to be written: expected a name of its own/,
    );
  });

  it('metadata that have no UTF-8', () => {
    expect(refusal([], new Map([['a', '\ud800']]))).toMatch(/whole Unicode characters/);
    expect(refusal([], new Map([['\ud800', 'a']]))).toMatch(/whole Unicode characters/);
  });

  it.each([[[-1]], [[0.5]], [[Number.NaN]], [[2 ** 53]], [[2 ** 30, 2 ** 30]], [new Array(33).fill(1)]])(
    'the shape %j',
    (shape) => {
      expect(refusal([tensor('a', 'F64', shape, [])])).toMatch(
        /^tensor "a" to be written: expected (a shape|at most 32)/,
      );
    },
  );

  it('tensors of more bytes in all than can be counted', () => {
    const huge = (name: string): TensorToWrite => tensor(name, 'F64', [2 ** 49], []);
    expect(refusal([huge('a'), huge('b'), huge('c')])).toMatch(/^tensor "b".*fewer than 2\^53 bytes in all/);
  });

  it.each([
    ['too few, typed', new Float32Array(2), '2'],
    ['too many, typed', new Float32Array(4), '4'],
    ['too few, typed, of another type', new Float64Array(2), '2'],
    ['too few, listed', [1, 2], '2'],
    ['too many, listed', [1, 2, 3, 4], 'more'],
    ['none', [], '0'],
  ])('elements that are %s', (_, elements, found) => {
    expect(refusal([tensor('a', 'F32', [3], elements)])).toBe(
      `tensor "a" to be written: expected 3 elements, found ${found}`,
    );
  });

  it('elements where there are to be none', () => {
    expect(refusal([tensor('a', 'F32', [0], [1])])).toMatch(/expected 0 elements, found more/);
  });

  it.each([
    ['I32', 2 ** 31],
    ['I32', -(2 ** 31) - 1],
    ['I32', 0.5],
    ['I32', Number.NaN],
    ['I32', Number.POSITIVE_INFINITY],
    ['I32', 2n ** 40n],
    ['I64', 2n ** 63n],
    ['I64', -(2n ** 63n) - 1n],
    // A number above 2^53 may stand for a neighbour.
    ['I64', 2 ** 53],
    ['I64', 1.5],
  ] as const)('for %s the element %s', (dtype, element) => {
    expect(refusal([tensor('a', dtype, [1], [element])])).toMatch(
      /expected integers of (32|64) bits, found /,
    );
  });

  it.each(['F64', 'F32', 'F16', 'BF16'] as const)('for %s a bigint, which may not fit', (dtype) => {
    expect(refusal([tensor('a', dtype, [1], [1n])])).toMatch(/expected numbers, found a bigint, 1/);
    expect(refusal([tensor('a', dtype, [1], new BigInt64Array(1))])).toMatch(
      /expected numbers, found a bigint, 0/,
    );
  });

  it('but not integers at the ends of their range', () => {
    const file = reopen(
      safetensorsBytes([
        tensor('i32', 'I32', [3], [2 ** 31 - 1, -(2 ** 31), -0]),
        tensor('i64', 'I64', [3], [2n ** 63n - 1n, -(2n ** 63n), 2 ** 53 - 1]),
      ]),
    );
    expect(file.readIntegers('i32')).toEqual([2 ** 31 - 1, -(2 ** 31), 0]);
    expect(file.readBigIntegers('i64')).toEqual([2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n - 1n]);
  });

  it('a header above the limit of the format', () => {
    const name = 'x'.repeat(99_999_990);
    expect(refusal([none(name)])).toMatch(/names that need a header of at most 100000000 bytes/);
  });
});
