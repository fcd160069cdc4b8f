import { describe, expect, it } from 'vitest';
import { CallerError, InvariantError } from '../../lib/errors.ts';
import { addInto, multiplyInto, Tensor, tensorOf, zeros } from '../../lib/tensor/tensor.ts';

const t = tensorOf('f64', [2, 3], [1, 2, 3, 4, 5, 6]);

describe('Tensor', () => {
  it('get refuses what ndarray answers with a wrong number: an index beyond its axis, a fraction, a missing axis', () => {
    expect(t.get(1, 2)).toBe(6);
    for (const index of [[0, 5], [2, 0], [-1, 0], [0.5, 0], [1], [0, 0, 0], [Number.NaN, 0]]) {
      expect(() => t.get(...index), String(index)).toThrow(CallerError);
    }
  });

  it('set refuses what ndarray silently ignores', () => {
    const x = zeros('f32', [2, 2]);
    x.set([1, 0], 0.1);
    expect(x.get(1, 0)).toBe(Math.fround(0.1));
    expect(() => x.set([9, 9], 7)).toThrow(
      'index of a tensor of shape [2, 2]: expected one integer inside each axis, found [9,9]',
    );
  });

  it('refuses data that do not fill the shape, and shapes that are none', () => {
    expect(() => tensorOf('f64', [2, 3], [1, 2, 3])).toThrow(
      'tensor of shape [2, 3]: expected 6 elements, found 3',
    );
    expect(() => zeros('f64', [2, 2.5])).toThrow(/shape|length/);
    expect(() => new Tensor(new Float64Array(0), [-1, 0])).toThrow('expected non-negative integers');
  });

  it('a scalar has one element, an empty axis none', () => {
    expect(tensorOf('f64', [], [7]).get()).toBe(7);
    expect(zeros('f64', [0, 3]).data.length).toBe(0);
  });

  it('rows share the data and stay inside', () => {
    const x = tensorOf('f64', [3, 2], [1, 2, 3, 4, 5, 6]);
    const view = x.rows(1, 3);
    expect([...view.data]).toEqual([3, 4, 5, 6]);
    view.set([0, 0], 9);
    expect(x.get(1, 0)).toBe(9);
    expect(() => x.rows(1, 4)).toThrow('expected 0 <= from <= to <= 3, found from 1 to 4');
    expect(() => x.rows(2, 1)).toThrow(CallerError);
    expect(() => tensorOf('f64', [], [1]).rows(0, 0)).toThrow(CallerError);
  });

  it('bfloat16 numbers are the upper halves of binary32 ones, in half of the memory; every view is of them', () => {
    // 1, -2.5, the smallest, -0, 3.140625, infinity
    const stored = Uint16Array.of(0x3f80, 0xc020, 0x0001, 0x8000, 0x4049, 0x7f80);
    const x = new Tensor(stored, [3, 2]);
    const values = [1, -2.5, 2 ** -133, -0, 3.140625, Number.POSITIVE_INFINITY];
    expect([x.storage, x.numerics, x.stored]).toEqual(['bf16', 'f32', stored]);
    expect([x, x.clone(), x.reshape([2, 3])].map(({ data }) => [...data])).toEqual(Array(3).fill(values));
    expect([...x.rows(1, 3).data]).toEqual(values.slice(2));
    expect([...x.transpose(1, 0).data]).toEqual([0, 2, 4, 1, 3, 5].map((i) => values[i]));
    expect(x.get(2, 0)).toBe(3.140625);
    const { storage, byteOffset, offset, data } = x.reshape([1, 3, 2]).head(2);
    expect({ storage, byteOffset, offset }).toEqual({ storage: 'bf16', byteOffset: 8, offset: 4 });
    expect(data[offset]).toBe(3.140625);
    // A copy: whoever writes to it would lose what is written.
    expect(() => x.set([0, 0], 2)).toThrow(CallerError);
    expect([t, tensorOf('f32', [1], [1])].map((other) => other.storage)).toEqual(['f64', 'f32']);
    expect(t.stored).toBe(t.data);
  });

  it('transpose makes a fresh dense tensor, not a view whose data lie in the old order', () => {
    const y = t.transpose(1, 0);
    expect(y.shape).toEqual([3, 2]);
    expect([...y.data]).toEqual([1, 4, 2, 5, 3, 6]);
    expect(() => t.transpose(0, 0)).toThrow('expected each axis 0 to 1 once, found [0, 0]');
    expect(() => t.transpose(0)).toThrow(CallerError);
  });

  it('head picks one head of every row, not a row of every head', () => {
    const x = tensorOf('f64', [2, 3, 2], [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
    const { data, offset, rows, columns, rowStride } = x.head(1);
    const read = (r: number, c: number) => data[offset + r * rowStride + c];
    expect([rows, columns]).toEqual([2, 2]);
    expect([read(0, 0), read(0, 1), read(1, 0), read(1, 1)]).toEqual([10, 11, 110, 111]);
    expect(() => x.head(3)).toThrow(InvariantError);
  });

  it('clone does not share, reshape does', () => {
    const x = tensorOf('f32', [2], [1, 2]);
    const copy = x.clone();
    const shared = x.reshape([1, 2]);
    x.set([0], 5);
    expect([copy.get(0), shared.get(0, 0)]).toEqual([1, 5]);
    expect(() => x.reshape([3])).toThrow(CallerError);
  });

  it('knows its mode', () => {
    expect([zeros('f64', [1]).numerics, zeros('f32', [1]).numerics]).toEqual(['f64', 'f32']);
  });
});

describe('elementwise', () => {
  it('numerics/N1: rounds to the mode of the result', () => {
    const a = tensorOf('f32', [1], [0.1]);
    const out = zeros('f32', [1]);
    addInto(out, a, tensorOf('f32', [1], [0.2]));
    expect(out.get(0)).toBe(Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    multiplyInto(out, a, a);
    expect(out.get(0)).toBe(Math.fround(Math.fround(0.1) * Math.fround(0.1)));
  });

  it('refuses operands of different shapes, which ndarray-ops would not name', () => {
    expect(() => addInto(zeros('f64', [2]), zeros('f64', [2]), zeros('f64', [3]))).toThrow(
      'add: expected operands of one shape, found [2], [2], [3]',
    );
  });
});
