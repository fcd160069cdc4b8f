import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { sigmoid, silu } from '../../lib/math/sigmoid.ts';
import { type Numerics, type Tensor, tensorOf } from '../../lib/tensor/tensor.ts';

const { fround } = Math;
const seed = { seed: 64 };

/** numerics/N3 as the text has it, term by term, with no thought of speed. */
function specifiedSum(terms: readonly number[], numerics: Numerics): number {
  if (numerics === 'f64') return terms.reduce((sum, term) => sum + term, 0);
  const accumulators: number[] = Array(16).fill(0);
  terms.forEach((term, k) => {
    accumulators[k % 16] = fround(accumulators[k % 16]! + term);
  });
  for (const w of [8, 4, 2, 1])
    for (let i = 0; i < w; i++) accumulators[i] = fround(accumulators[i]! + accumulators[i + w]!);
  return accumulators[0]!;
}

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });
const vectorPair = fc.integer({ min: 0, max: 70 }).chain((K) => {
  const vector = fc.array(finite, { minLength: K, maxLength: K });
  return fc.tuple(vector, vector);
});

describe.each(['f64', 'f32'] as const)('reference kernels, %s', (numerics) => {
  const kernels = referenceKernels(numerics);
  const { round } = kernels;
  const tensor = (shape: number[], values: readonly number[]) => tensorOf(numerics, shape, values);
  const result = (shape: number[], run: (out: Tensor) => void) => {
    // What was there before must not show.
    const out = tensor(shape, Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN));
    run(out);
    return [...out.data];
  };

  it('numerics/N2: round is that of the mode', () => {
    expect(round(0.1)).toBe(numerics === 'f64' ? 0.1 : 0.10000000149011612);
  });

  it('numerics/N3: a dot product has the stated order for every length, tails of less than 16 terms too', () => {
    fc.assert(
      fc.property(vectorPair, ([a, b]) => {
        const [x, y] = [a.map(round), b.map(round)];
        const terms = x.map((value, k) => round(value * y[k]!));
        const [dot] = result([1, 1], (out) =>
          kernels.matmulNT(
            tensor([1, x.length], x).matrix(),
            tensor([1, y.length], y).matrix(),
            out.matrix(),
          ),
        );
        expect(dot).toBe(specifiedSum(terms, numerics));
      }),
      seed,
    );
  });

  it('numerics/N3: the product is rounded before it is added (no fused multiply-add)', () => {
    const e = 2 ** -12;
    // (1 + e)^2 - (1 + 2e) is e^2 exactly, and 0 once the product is rounded to binary32.
    const [x] = result([1], (out) => kernels.rowSumsOfSquares(tensor([1, 1], [1 + e]), out));
    expect(x! - (1 + 2 * e)).toBe(numerics === 'f64' ? e * e : 0);
  });

  it('matmulNT: row m of a against row n of b, not b transposed', () => {
    const a = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    const b = tensor([2, 3], [1, 0, 0, 0, 10, 0]);
    expect(result([2, 2], (out) => kernels.matmulNT(a.matrix(), b.matrix(), out.matrix()))).toEqual([
      1, 20, 4, 50,
    ]);
  });

  it('matmulNT, matmulNN, matmulTN: read and write strided heads', () => {
    const x = tensor([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(result([2, 2], (out) => kernels.matmulNT(x.head(1), x.head(0), out.matrix()))).toEqual([
      11, 39, 23, 83,
    ]);
    const out = tensor([2, 2, 2], Array(8).fill(9));
    kernels.matmulNN(tensor([2, 2], [1, 0, 1, 1]).matrix(), x.head(1), out.head(0));
    expect([...out.data]).toEqual([3, 4, 9, 9, 10, 12, 9, 9]);
    kernels.matmulTN(tensor([2, 2], [1, 1, 0, 1]).matrix(), x.head(1), out.head(0));
    expect([...out.data]).toEqual([3, 4, 9, 9, 10, 12, 9, 9]);
  });

  it('numerics/N5: a weighted sum of rows goes left to right, also in f32, and stops at what is visible', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(finite, finite), { minLength: 1, maxLength: 40 }),
        fc.nat(),
        (pairs, cut) => {
          const a = pairs.map(([value]) => round(value));
          const b = pairs.map(([, value]) => round(value));
          const visible = 1 + (cut % pairs.length);
          let sum = 0;
          for (let k = 0; k < visible; k++) sum = round(sum + round(a[k]! * b[k]!));
          const out = tensor([1, 1, 1], [0]);
          kernels.addAttentionContext(
            tensor([1, 1, a.length], a),
            tensor([b.length, 1, 1], b),
            [visible],
            out,
          );
          expect([...out.data]).toEqual([sum]);
          const seen = (values: number[], shape: [number, number]) =>
            tensor(shape, values.slice(0, visible)).matrix();
          const column = seen(b, [visible, 1]);
          for (const product of [
            (o: Tensor) => kernels.matmulNN(seen(a, [1, visible]), column, o.matrix()),
            (o: Tensor) => kernels.matmulTN(seen(a, [visible, 1]), column, o.matrix()),
          ]) {
            expect(result([1, 1], product)).toEqual([sum]);
          }
        },
      ),
      seed,
    );
  });

  it('numerics/N10: an accumulating product goes on from what is there; it does not add a finished sum to it', () => {
    // 1 + 2^-24 rounds back to 1 in f32, each time; 2^-24 + 2^-24 first would survive.
    const e = 2 ** -24;
    const ones = tensor([2, 1], [1, 1]);
    const products: ((out: Tensor) => void)[] = [
      (out) => kernels.addMatmulNN(tensor([1, 2], [e, e]).matrix(), ones.matrix(), out.matrix()),
      (out) => kernels.addMatmulTN(tensor([2, 1], [e, e]).matrix(), ones.matrix(), out.matrix()),
      (out) =>
        kernels.addAttentionContext(
          tensor([1, 1, 2], [e, e]),
          ones.reshape([2, 1, 1]),
          [2],
          out.reshape([1, 1, 1]),
        ),
      (out) =>
        kernels.addAttentionTransposed(
          tensor([1, 2, 1], [e, e]),
          ones.reshape([2, 1, 1]),
          out.reshape([1, 1, 1]),
        ),
    ];
    for (const product of products) {
      const out = tensor([1, 1], [1]);
      product(out);
      expect(out.data[0]! - 1).toBe(numerics === 'f32' ? 0 : 2 * e);
    }
    const out = tensor([1, 1], [1]);
    kernels.addProduct(tensor([1, 1], [1 + 2 ** -12]), tensor([1, 1], [1 + 2 ** -12]), out);
    expect(out.data[0]! - (2 + 2 ** -11)).toBe(numerics === 'f32' ? 0 : 2 ** -24);
  });

  it('addAttentionTransposed: key j of group g gets weights[h,t,j] of every head of the group, and of no other', () => {
    // H = 4 heads in 2 groups, T = 1, S = 2.
    const weights = tensor([4, 1, 2], [1, 2, 10, 20, 100, 200, 1000, 2000]);
    const rows = tensor([1, 4, 1], [1, 1, 1, 1]);
    const out = tensor([2, 2, 1], [0, 0, 0.5, 0]);
    kernels.addAttentionTransposed(weights, rows, out);
    expect([...out.data]).toEqual([11, 1100, 22.5, 2200]);
  });

  it('siluGradient: the derivative of silu, also where it is 0 or 1', () => {
    const x = [0, 1, -1, 30, -30, Infinity, -Infinity, Number.NaN];
    const got = result([x.length], (out) => kernels.siluGradient(tensor([x.length], x), out));
    expect(got[0]).toBe(0.5);
    const slope = (v: number) => (silu(v + 1e-5) - silu(v - 1e-5)) / 2e-5;
    for (const i of [1, 2, 3, 4]) expect(got[i]).toBeCloseTo(slope(x[i]!), 6);
    expect(got.slice(5)).toEqual([1, -0, Number.NaN]);
  });

  it('attention/C3: an entry that is not visible is left out, so not even NaN or Infinity in it shows', () => {
    const values = tensor([2, 1, 1], [5, Number.NaN]);
    const out = tensor([1, 1, 1], [0]);
    kernels.addAttentionContext(tensor([1, 1, 2], [2, 0]), values, [1], out);
    expect([...out.data]).toEqual([10]);
    const operands = { queries: tensor([1, 1, 1], [1]), keys: values, values, visible: [1] };
    kernels.attention(operands, 1, tensor([1, 1, 2], [0, 0]), out);
    expect([...out.data]).toEqual([5]);
    const x = tensor([1, 3], [1, Number.NaN, Infinity]);
    expect(result([1], (out) => kernels.rowMaxima(x, [1], out))).toEqual([1]);
    expect(result([1], (out) => kernels.rowSums(x, [1], out))).toEqual([1]);
    expect(result([1, 3], (out) => kernels.expDifferences(x, tensor([1], [1]), [1], out))).toEqual([1, 0, 0]);
  });

  it('numerics/N4: a row sum has the order of a dot product', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 70 }), (values) => {
        const x = values.map(round);
        expect(result([1], (out) => kernels.rowSums(tensor([1, x.length], x), [x.length], out))).toEqual([
          specifiedSum(x, numerics),
        ]);
      }),
      seed,
    );
  });

  it('rowMaxima: NaN shows wherever it stands, and negative rows have negative maxima', () => {
    const maxima = (values: number[]) =>
      result([1], (out) => kernels.rowMaxima(tensor([1, values.length], values), [values.length], out));
    expect(maxima([1, Number.NaN, 3])).toEqual([Number.NaN]);
    expect(maxima([-3, -2])).toEqual([-2]);
    expect(maxima([-20000, -30000])).toEqual([-20000]);
  });

  it('rowArgmax: the first of the largest; NaN wherever one stands, also before a larger number and behind it', () => {
    const best = (...values: number[]) =>
      result([1], (out) => kernels.rowArgmax(tensor([1, values.length], values), out))[0];
    expect([best(3), best(1, 3, 2, 3), best(-3, -2, -4), best(-Infinity, -Infinity)]).toEqual([0, 1, 1, 0]);
    expect([best(-1, -0, 0), best(-1, 0, -0)]).toEqual([1, 1]);
    expect([best(Number.NaN, 1), best(1, Number.NaN), best(1, Number.NaN, 2)]).toEqual(
      Array(3).fill(Number.NaN),
    );
    expect(result([2], (out) => kernels.rowArgmax(tensor([2, 2], [1, 2, 4, 3]), out))).toEqual([1, 0]);
  });

  it('columnSums: left to right over the rows', () => {
    const x = tensor([3, 2], [1, 0.1, 2 ** -24, 0.2, 2 ** -24, 0.3]);
    const expected = [
      round(round(1 + 2 ** -24) + 2 ** -24),
      round(round(round(0.1) + round(0.2)) + round(0.3)),
    ];
    expect(result([1, 2], (out) => kernels.columnSums(x, out))).toEqual(expected);
  });

  it('rows and columns: a row is applied along the columns, a column along the rows', () => {
    const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
    const row = tensor([3], [10, 20, 30]);
    const column = tensor([2], [2, 4]);
    expect(result([2, 3], (out) => kernels.addRow(x, row, out))).toEqual([11, 22, 33, 14, 25, 36]);
    expect(result([2, 3], (out) => kernels.multiplyRow(x, row, out))).toEqual([10, 40, 90, 40, 100, 180]);
    expect(result([2, 3], (out) => kernels.multiplyColumn(x, column, out))).toEqual([2, 4, 6, 16, 20, 24]);
    expect(result([2, 3], (out) => kernels.divideColumn(x, column, out))).toEqual([
      0.5, 1, 1.5, 1, 1.25, 1.5,
    ]);
    expect(result([2, 3], (out) => kernels.scale(x, 0.5, out))).toEqual([0.5, 1, 1.5, 2, 2.5, 3]);
  });

  it('numerics/N7: silu and sigmoid are binary64, rounded once', () => {
    const x = [-3, -0.1, 0, 0.7, 20].map(round);
    expect(result([5], (out) => kernels.silu(tensor([5], x), out))).toEqual(
      x.map((value) => round(silu(value))),
    );
    expect(result([5], (out) => kernels.sigmoid(tensor([5], x), out))).toEqual(
      x.map((value) => round(sigmoid(value))),
    );
  });

  it('rope/C4: rotateHalves pairs i with i + size/2, and gives each row its own angle', () => {
    const x = tensor([2, 1, 4], [1, 2, 3, 4, 1, 2, 3, 4]);
    const cos = tensor([2, 2], [0, 1, 1, 0]);
    const sin = tensor([2, 2], [1, 0, 0, 1]);
    // Row 0 turns pair 0 by a quarter: (1, 3) becomes (-3, 1). Row 1 turns pair 1: (2, 4) becomes (-4, 2).
    expect(result([2, 1, 4], (out) => kernels.rotateHalves(x, cos, sin, out))).toEqual([
      -3, 2, 1, 4, 1, -4, 3, 2,
    ]);
  });
});
