/**
 * SPEC #conformance — the operations in binary64, each with a bound on the rounding errors that a port may make **in that one stage**. Inputs are taken as they are: they
 * are the port's own, so errors do not add up from stage to stage.
 *
 * With u the unit roundoff of sums and v that of what is stored: a sum of K products may be off by `(1.01 (K + 1) u + p)` times the sum of the magnitudes of
 * its terms, p being what the products lose, and by v of the result; an exponential by 4 v; a product, sum or quotient by v each.
 * Written on plain arrays, element by element: of the code that it may have to judge it shares the elementary functions alone.
 *
 * @module
 */

import { exp } from '../math/exp.ts';
import { sigmoid, silu } from '../math/sigmoid.ts';
import { cos, sin } from '../math/trigonometric.ts';
import type { Linear } from '../model/weights.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { PortNumerics } from './numerics.ts';

/** A value, and how far an honest port may be from it. */
export type Bounded = readonly [value: number, bound: number];

const columns = (t: Tensor): number => t.shape.at(-1)!;
const rowCount = (t: Tensor): number => t.data.length / columns(t);

/** Row r of a tensor, whatever its other axes. */
export const row = (t: Tensor, r: number) => t.data.subarray(r * columns(t), (r + 1) * columns(t));

/** What must be the very same: copies, gathered rows. */
export const exactly = (values: Iterable<number>): Bounded[] => Array.from(values, (value) => [value, 0]);

/** At least `e^x - 1`, for x of at least 0. */
const growth = (x: number): number => (x < 1 ? x + x * x : exp(x));

interface Sum {
  readonly value: number;
  /** Sum of the magnitudes of the terms. */
  readonly magnitude: number;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): Sum {
  let value = 0;
  let magnitude = 0;
  for (let k = 0; k < a.length; k++) {
    value += a[k]! * b[k]!;
    magnitude += Math.abs(a[k]! * b[k]!);
  }
  return { value, magnitude };
}

/** The operations for a port of these numerics. */
export function boundedOperations({ sum: u, store: v, product: p }: PortNumerics) {
  const sumBound = (terms: number, magnitude: number) => (1.01 * (terms + 1) * u + p) * magnitude;
  const relative = (y: number, roundings: number): Bounded => [y, 1.01 * roundings * v * Math.abs(y)];

  /** `y[t,o] = Σ_i x[t,i] * weight[o,i] + bias[o]`. */
  function linear(x: Tensor, { weight, bias }: Linear<Tensor>): Bounded[] {
    const out: Bounded[] = [];
    for (let t = 0; t < rowCount(x); t++) {
      for (let o = 0; o < rowCount(weight); o++) {
        const { value, magnitude } = dot(row(x, t), row(weight, o));
        const y = value + (bias?.data[o] ?? 0);
        out.push([y, sumBound(columns(x), magnitude) + v * Math.abs(value) + v * Math.abs(y)]);
      }
    }
    return out;
  }

  /** `x / sqrt(mean(x^2) + eps) * weight`. */
  function rmsNorm(x: Tensor, weight: Tensor, eps: number): Bounded[] {
    const d = columns(x);
    // Half the relative error of the mean, for the root; then division, sum, root, reciprocal and two products.
    const error = 0.5 * sumBound(d, 1) + 7 * v;
    return Array.from({ length: rowCount(x) }, (_, t) => {
      const r = 1 / Math.sqrt(dot(row(x, t), row(x, t)).value / d + Math.fround(eps));
      return Array.from(row(x, t), (value, i): Bounded => {
        const y = value * r * weight.data[i]!;
        return [y, error * Math.abs(y)];
      });
    }).flat();
  }

  /** x `[T, H, size]`, of which components i and i + size/2 turn by `position * frequency[i]`. */
  function rope(x: Tensor, positions: readonly number[], frequencies: ArrayLike<number>): Bounded[] {
    const size = columns(x);
    const half = size / 2;
    const heads = x.shape[1]!;
    return Array.from({ length: rowCount(x) }, (_, r) => {
      const head = row(x, r);
      const position = positions[Math.floor(r / heads)]!;
      return Array.from({ length: size }, (__, i): Bounded => {
        const angle = position * frequencies[i % half]!;
        const [c, s] = [cos(angle), sin(angle)];
        const other = i < half ? head[i + half]! : head[i - half]!;
        const [a, b] = [head[i]! * c, i < half ? -other * s : other * s];
        // v for the table, for the products and for the sum; the table's error counts where cosine or sine is near 0, too.
        const table = u * v * (Math.abs(head[i]!) + Math.abs(other));
        return [a + b, 2.1 * v * (Math.abs(a) + Math.abs(b)) + table + v * Math.abs(a + b)];
      });
    }).flat();
  }

  /**
   * Softmax of `q·k * scale` over the entries that a row sees: `[H, T, S]`, exactly 0 where it sees none.
   *
   * @param keys `[s, Hkv, size]` each, in the order of the cache
   * @param visible entries that row t sees
   */
  function attentionWeights(q: Tensor, keys: readonly Tensor[], visible: (t: number) => number): Bounded[] {
    const [T, H, size] = q.shape as [number, number, number];
    const entries = keys.flatMap((t) => Array.from({ length: t.shape[0]! }, (_, i) => ({ t, i })));
    const Hkv = keys[0]!.shape[1]!;
    const scale = 1 / Math.sqrt(size);
    const out: Bounded[] = [];
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / Hkv));
      for (let t = 0; t < T; t++) {
        const n = visible(t);
        const scores = entries.slice(0, n).map(({ t: k, i }): Bounded => {
          const { value, magnitude } = dot(row(q, t * H + h), row(k, i * Hkv + g));
          // The product with the rounded scale, and the store of the sum.
          return [value * scale, sumBound(size, magnitude) * scale + 4 * v * Math.abs(value * scale)];
        });
        const top = Math.max(...scores.map(([score]) => score));
        const topBound = Math.max(...scores.map(([, bound]) => bound));
        const powers = scores.map(([score, bound]): Bounded => {
          const difference = score - top;
          return [exp(difference), growth(bound + topBound + v * Math.abs(difference)) + 4 * v];
        });
        const total = powers.reduce((sum, [power]) => sum + power, 0);
        const totalError =
          powers.reduce((sum, [power, error]) => sum + power * error, 0) / total + sumBound(n, 1);
        for (let j = 0; j < entries.length; j++) {
          if (j >= n) out.push([0, 0]);
          else {
            const [power, error] = powers[j]!;
            out.push([power / total, (power / total) * (error + totalError + 2 * v)]);
          }
        }
      }
    }
    return out;
  }

  /** `Σ_j weights[h,t,j] * values[j,g]`: `[T, H * size]`. @param values rows of all entries, in the order of the cache */
  function attentionContext(weights: Tensor, values: readonly Tensor[], Hkv: number): Bounded[] {
    const [H, T, S] = weights.shape as [number, number, number];
    const rows = values.flatMap((t) => Array.from({ length: t.shape[0]! }, (_, i) => row(t, i)));
    const size = rows[0]!.length / Hkv;
    const out: Bounded[] = [];
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const g = Math.floor(h / (H / Hkv));
        for (let i = 0; i < size; i++) {
          const column = rows.map((values) => values[g * size + i]!);
          const { value, magnitude } = dot(row(weights, h * T + t), column);
          out.push([value, sumBound(S, magnitude) + v * Math.abs(value)]);
        }
      }
    }
    return out;
  }

  /** The mean of s rows of d, one below the other. */
  function mean(x: ArrayLike<number>, s: number): Bounded[] {
    const d = x.length / s;
    return Array.from({ length: d }, (_, i): Bounded => {
      const terms = Array.from({ length: s }, (__, j) => x[j * d + i]!);
      const { value, magnitude } = dot(terms, Array(s).fill(1));
      return [value / s, sumBound(s, magnitude) / s + (v * Math.abs(value)) / s];
    });
  }

  return {
    linear,
    rmsNorm,
    rope,
    attentionWeights,
    attentionContext,
    mean,
    add: (x: ArrayLike<number>, y: ArrayLike<number>) =>
      Array.from(x, (value, i) => relative(value + y[i]!, 1)),
    silu: (x: ArrayLike<number>) => Array.from(x, (value) => relative(silu(value), 4)),
    /** `silu(gate) * up`. */
    activation: (gate: ArrayLike<number>, up: ArrayLike<number>) =>
      Array.from(gate, (value, i) => relative(silu(value) * up[i]!, 6)),
    sigmoid: (x: ArrayLike<number>) => Array.from(x, (value) => relative(sigmoid(value), 4)),
  };
}

/** See {@link boundedOperations}. */
export type BoundedOperations = ReturnType<typeof boundedOperations>;
