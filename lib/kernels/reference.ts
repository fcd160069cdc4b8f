/**
 * The readable kernel set: plain TypeScript, both numeric modes. It is the definition in code of SPEC #numerics.
 *
 * Storing a binary64 result of one `+ - * /` or square root of binary32 numbers into a `Float32Array` gives the correctly rounded
 * binary32 result (binary64 has more than twice the digits, so rounding twice is harmless). So most primitives below
 * serve both modes as they stand; only where a product goes straight into a sum is it rounded by hand.
 *
 * @module
 */

import { exp } from '../math/exp.ts';
import { sigmoid, silu, siluGradient } from '../math/sigmoid.ts';
import {
  addInto,
  type Elements,
  type Matrix,
  multiplyInto,
  type Numerics,
  sizeOf,
  type Tensor,
  zeros,
} from '../tensor/tensor.ts';
import { type Kernels, mostVisible, type Visible, type Workspace } from './kernels.ts';

/** Number of interleaved accumulators of an f32 sum: four 128-bit vectors of four (`numerics/N3`). */
const F32_LANES = 16;

/** The reference kernel set in the given mode. */
export function referenceKernels(numerics: Numerics): Kernels {
  const f32 = numerics === 'f32';
  const round = f32 ? Math.fround : (value: number) => value;
  const { dot, sum } = f32 ? f32Sums() : f64Sums;

  const matmulNT: Kernels['matmulNT'] = (a, b, out) => {
    const [left, right, result] = [a.data, b.data, out.data];
    for (let m = 0; m < out.rows; m++) {
      for (let n = 0; n < out.columns; n++) {
        const element = dot(left, a.offset + m * a.rowStride, right, b.offset + n * b.rowStride, a.columns);
        result[out.offset + m * out.rowStride + n] = element;
      }
    }
  };

  /**
   * Row m of `out` becomes `Σ_{k < K} factor(m, k) * b[k,:]` with K of that row (`numerics/N5`); with `go` set to `'on'` the sum
   * starts from what is there instead of +0 (`numerics/N10`).
   */
  const weightedSums = (
    factor: (m: number, k: number) => number,
    b: Matrix,
    termsOf: (m: number) => number,
    out: Matrix,
    go: 'from zero' | 'on' = 'from zero',
  ): void => {
    for (let m = 0; m < out.rows; m++) {
      const row = rowOf(out, m);
      if (go === 'from zero') row.fill(0);
      const K = termsOf(m);
      for (let k = 0; k < K; k++) {
        const weight = factor(m, k);
        const start = b.offset + k * b.rowStride;
        for (let n = 0; n < row.length; n++) row[n] = row[n]! + round(weight * b.data[start + n]!);
      }
    }
  };

  const attentionSums = (
    weights: Tensor,
    values: Tensor,
    visible: Visible,
    out: Tensor,
    go: 'from zero' | 'on',
  ): void => {
    const [H, T, S] = weights.shape as [number, number, number];
    const group = H / values.shape[1]!;
    for (let h = 0; h < H; h++) {
      const factor = (t: number, j: number) => weights.data[(h * T + t) * S + j]!;
      weightedSums(factor, values.head(Math.floor(h / group)), (t) => visible[t]!, out.head(h), go);
    }
  };

  const kernels: Workspace = {
    name: 'reference',
    numerics,
    round,
    empty: (shape) => zeros(numerics, shape),
    scoped: (_, compute) => compute(),
    workspace: () => kernels,
    reset: () => {},
    free: () => {},
    settle: () => {},

    copyRows(x, from, to, out, at) {
      const width = rowWidth(x);
      out.data.set(x.data.subarray(from * width, to * width), at * width);
    },

    matmulNT,

    matmulNN: (a, b, out) => weightedSums(elementOf(a), b, () => b.rows, out),
    matmulTN: (a, b, out) => weightedSums(elementOfTransposed(a), b, () => b.rows, out),
    addMatmulNN: (a, b, out) => weightedSums(elementOf(a), b, () => b.rows, out, 'on'),
    addMatmulTN: (a, b, out) => weightedSums(elementOfTransposed(a), b, () => b.rows, out, 'on'),

    attentionScores(queries, keys, out) {
      const [H, T, S] = out.shape as [number, number, number];
      const group = H / keys.shape[1]!;
      for (let h = 0; h < H; h++) {
        const scores = out.rows(h, h + 1).reshape([T, S]);
        matmulNT(queries.head(h), keys.head(Math.floor(h / group)), scores.matrix());
      }
    },

    attention({ queries, keys, values, visible }, scale, wanted, out) {
      const [T, H] = queries.shape as [number, number, number];
      const weights = wanted ?? kernels.empty([H, T, mostVisible(visible)]);
      const S = weights.shape[2]!;
      kernels.attentionScores(queries, keys.rows(0, S), weights);
      kernels.scale(weights, scale, weights);
      const rows = weights.reshape([H * T, S]);
      kernels.softmax(rows, Array.from({ length: H }, () => visible).flat(), rows);
      attentionSums(weights, values, visible, out, 'from zero');
    },

    addAttentionContext: (weights, values, visible, out) =>
      attentionSums(weights, values, visible, out, 'on'),

    addAttentionTransposed(weights, rows, out) {
      const [H, T, S] = weights.shape as [number, number, number];
      const group = H / out.shape[1]!;
      for (let h = 0; h < H; h++) {
        const factor = (j: number, t: number) => weights.data[(h * T + t) * S + j]!;
        weightedSums(factor, rows.head(h), () => T, out.head(Math.floor(h / group)), 'on');
      }
    },

    rowSumsOfSquares(x, out) {
      forEachRow(x, (r, start, width) => {
        out.data[r] = dot(x.data, start, x.data, start, width);
      });
    },

    rowDots(x, y, out) {
      forEachRow(x, (r, start, width) => {
        out.data[r] = dot(x.data, start, y.data, start, width);
      });
    },

    rowSums(x, visible, out) {
      forEachRow(x, (r, start) => {
        out.data[r] = sum(x.data, start, visible[r]!);
      });
    },

    rowMaxima(x, visible, out) {
      forEachRow(x, (r, start) => {
        // Math.max is exact, and NaN if an argument is; ndarray-ops' `sup` would skip a NaN.
        let maximum = -Infinity;
        for (let k = 0; k < visible[r]!; k++) maximum = Math.max(maximum, x.data[start + k]!);
        out.data[r] = maximum;
      });
    },

    rowArgmax(x, out) {
      forEachRow(x, (r, start, width) => {
        let best = 0;
        for (let k = 0; k < width; k++) {
          if (Number.isNaN(x.data[start + k]!)) best = Number.NaN;
          // Behind a NaN `best` stays: nothing is larger than what stands at no index.
          if (x.data[start + k]! > x.data[start + best]!) best = k;
        }
        out.data[r] = best;
      });
    },

    columnSums(x, out) {
      out.data.fill(0);
      forEachRow(x, (_, start, width) => {
        for (let c = 0; c < width; c++) out.data[c] = out.data[c]! + x.data[start + c]!;
      });
    },

    add: (x, y, out) => addInto(out, x, y),
    multiply: (x, y, out) => multiplyInto(out, x, y),
    addProduct(x, y, out) {
      for (let i = 0; i < out.data.length; i++) out.data[i] = out.data[i]! + round(x.data[i]! * y.data[i]!);
    },
    scale: (x, factor, out) => map(x, out, (value) => value * factor),

    addRow: (x, row, out) => mapRows(x, out, (value, _, c) => value + row.data[c]!),
    multiplyRow: (x, row, out) => mapRows(x, out, (value, _, c) => value * row.data[c]!),
    multiplyColumn: (x, column, out) => mapRows(x, out, (value, r) => value * column.data[r]!),
    divideColumn: (x, column, out) => mapRows(x, out, (value, r) => value / column.data[r]!),
    subtractColumn: (x, column, out) => mapRows(x, out, (value, r) => value - column.data[r]!),
    expDifferences: (x, column, visible, out) =>
      mapRows(x, out, (value, r, c) => (c < visible[r]! ? exp(round(value - column.data[r]!)) : 0)),

    softmax(x, visible, out) {
      // 1. Let m[t] be the largest visible entry.
      const m = kernels.empty([visible.length]);
      kernels.rowMaxima(x, visible, m);
      // 2. Let y[t,j] be exp(x[t,j] - m[t]); 0 where j is not visible.
      kernels.expDifferences(x, m, visible, out);
      // 3. Let z[t] be the sum of the visible y[t,j].
      const z = kernels.empty([visible.length]);
      kernels.rowSums(out, visible, z);
      // 4. Divide y[t,j] by z[t].
      kernels.divideColumn(out, z, out);
    },

    rmsNorm(x, weight, eps, r, out) {
      // 1. Let ss[t] be the sum of the squares of row t.
      kernels.rowSumsOfSquares(x, r);
      // 2. Let r[t] be 1 / sqrt(ss[t] / d + eps); eps inside the root (rms-norm/C2), each operation rounded.
      const d = weight.size;
      map(r, r, (ss) => 1 / round(Math.sqrt(round(round(ss / d) + eps))));
      // 3. Let y[t,i] be weight[i] * (x[t,i] * r[t]).
      kernels.multiplyColumn(x, r, out);
      kernels.multiplyRow(out, weight, out);
    },

    silu: (x, out) => map(x, out, silu),
    gatedSilu(gate, up, out) {
      for (let i = 0; i < out.data.length; i++) out.data[i] = round(silu(gate.data[i]!)) * up.data[i]!;
    },
    siluGradient: (x, out) => map(x, out, siluGradient),
    sigmoid: (x, out) => map(x, out, sigmoid),

    adamW(values, gradients, first, second, numbers) {
      const { keep, towards, secondDecay, secondShare, secondCorrection, eps, size } = numbers;
      const [w, g, m, v] = [values.data, gradients.data, first.data, second.data];
      for (let i = 0; i < w.length; i++) {
        const gradient = g[i]!;
        // 2. Weight decay, decoupled: it is no part of the gradient.
        const decayed = round(w[i]! * keep);
        // 3. Let m move towards the gradient, and let v be the running mean of squares.
        m[i] = m[i]! + round(round(gradient - m[i]!) * towards);
        v[i] = round(v[i]! * secondDecay) + round(round(gradient * gradient) * secondShare);
        // 4. Go against m, by the learning rate over the root of v, both corrected for having begun at 0; eps outside the root.
        const root = round(round(round(Math.sqrt(v[i]!)) / secondCorrection) + eps);
        w[i] = decayed - round(size * round(m[i]! / root));
      }
    },

    rotateHalves(x, cos, sin, out) {
      const [T, heads, size] = x.shape as [number, number, number];
      const half = size / 2;
      for (let t = 0; t < T; t++) {
        for (let head = 0; head < heads; head++) {
          const first = (t * heads + head) * size;
          for (let i = 0; i < half; i++) {
            const c = cos.data[t * half + i]!;
            const s = sin.data[t * half + i]!;
            const a = x.data[first + i]!;
            const b = x.data[first + half + i]!;
            out.data[first + i] = round(a * c) - round(b * s);
            out.data[first + half + i] = round(b * c) + round(a * s);
          }
        }
      }
    },
  };
  return kernels;
}

/** Numbers in an entry of the first axis. */
function rowWidth(x: Tensor): number {
  return sizeOf(x.shape.slice(1));
}

/** Element (m, k) of a matrix. */
function elementOf(a: Matrix): (m: number, k: number) => number {
  return (m, k) => a.data[a.offset + m * a.rowStride + k]!;
}

/** Element (m, k) of the transpose of a matrix. */
function elementOfTransposed(a: Matrix): (m: number, k: number) => number {
  return (m, k) => a.data[a.offset + k * a.rowStride + m]!;
}

/** Row `m` of a matrix, sharing its data. */
function rowOf(matrix: Matrix, m: number): Elements {
  const start = matrix.offset + m * matrix.rowStride;
  return matrix.data.subarray(start, start + matrix.columns);
}

/** Calls `visit` with each row's number, first element and width. A tensor `[n]` counts as one row. */
function forEachRow(x: Tensor, visit: (row: number, start: number, width: number) => void): void {
  const width = x.shape.at(-1) ?? 1;
  for (let r = 0, start = 0; start < x.data.length; r++, start += width) visit(r, start, width);
}

function map(x: Tensor, out: Tensor, f: (value: number) => number): void {
  for (let i = 0; i < x.data.length; i++) out.data[i] = f(x.data[i]!);
}

function mapRows(x: Tensor, out: Tensor, f: (value: number, row: number, column: number) => number): void {
  forEachRow(x, (r, start, width) => {
    for (let c = 0; c < width; c++) out.data[start + c] = f(x.data[start + c]!, r, c);
  });
}

/** The two long sums of a mode. */
interface Sums {
  /** `Σ_{k<K} a[aStart+k] * b[bStart+k]` (`numerics/N3`). */
  dot(a: Elements, aStart: number, b: Elements, bStart: number, K: number): number;
  /** `Σ_{k<K} x[start+k]` (`numerics/N4`). */
  sum(x: Elements, start: number, K: number): number;
}

/** f64: left to right. */
const f64Sums: Sums = {
  dot(a, aStart, b, bStart, K) {
    let total = 0;
    for (let k = 0; k < K; k++) total += a[aStart + k]! * b[bStart + k]!;
    return total;
  },
  sum(x, start, K) {
    let total = 0;
    for (let k = 0; k < K; k++) total += x[start + k]!;
    return total;
  },
};

/** f32: term k goes to accumulator k mod 16, product and sum each rounded; then the tree of `numerics/N3`. */
function f32Sums(): Sums {
  const { fround } = Math;
  const accumulators = new Float32Array(F32_LANES);

  /** Adds accumulators i and i + width, for width 8, 4, 2, 1. */
  const tree = (): number => {
    for (let width = F32_LANES / 2; width >= 1; width /= 2) {
      for (let i = 0; i < width; i++) accumulators[i] = accumulators[i]! + accumulators[i + width]!;
    }
    return accumulators[0]!;
  };

  return {
    dot(a, aStart, b, bStart, K) {
      // Four accumulators at a time: independent chains of additions, in local variables, are what makes this fast.
      for (let lane = 0; lane < F32_LANES; lane += 4) {
        let [s0, s1, s2, s3] = [0, 0, 0, 0];
        let k = lane;
        for (; k + 3 < K; k += F32_LANES) {
          const i = aStart + k;
          const j = bStart + k;
          s0 = fround(s0 + fround(a[i]! * b[j]!));
          s1 = fround(s1 + fround(a[i + 1]! * b[j + 1]!));
          s2 = fround(s2 + fround(a[i + 2]! * b[j + 2]!));
          s3 = fround(s3 + fround(a[i + 3]! * b[j + 3]!));
        }
        if (k < K) s0 = fround(s0 + fround(a[aStart + k]! * b[bStart + k]!));
        if (k + 1 < K) s1 = fround(s1 + fround(a[aStart + k + 1]! * b[bStart + k + 1]!));
        if (k + 2 < K) s2 = fround(s2 + fround(a[aStart + k + 2]! * b[bStart + k + 2]!));
        accumulators[lane] = s0;
        accumulators[lane + 1] = s1;
        accumulators[lane + 2] = s2;
        accumulators[lane + 3] = s3;
      }
      return tree();
    },
    sum(x, start, K) {
      accumulators.fill(0);
      for (let k = 0; k < K; k++) {
        accumulators[k % F32_LANES] = accumulators[k % F32_LANES]! + x[start + k]!;
      }
      return tree();
    },
  };
}
