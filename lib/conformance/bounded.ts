/**
 * SPEC #conformance — the operations in binary64, each with a bound on the rounding errors that a port may make **in that one stage**.
 *
 * Operands are the port's own numbers, and so exact; or, where the port does not show them, numbers with bounds themselves, which are then carried on.
 * With u the unit roundoff of sums and v that of what is stored: a sum of K products may be off by `(1.01 (K + 1) u + p)` times the sum of the magnitudes of
 * its terms, p being what the products lose, and by v of the result; an exponential by 4 v; a product, sum or quotient by v each.
 * Written on plain arrays, element by element: of the code that it may have to judge it shares the elementary functions alone.
 *
 * @module
 */

import { exp } from '../math/exp.ts';
import { log } from '../math/log.ts';
import { sigmoid, silu } from '../math/sigmoid.ts';
import { cos, sin } from '../math/trigonometric.ts';
import type { PortNumerics } from './numerics.ts';

/** Numbers, row by row, and how far an honest port may be from each. */
export interface Bounded {
  readonly columns: number;
  readonly values: Float64Array;
  /** 0 where a number has to be met exactly. */
  readonly bounds: Float64Array;
}

/** Numbers as they are. */
export function exactly(values: ArrayLike<number>, columns: number): Bounded {
  return { columns, values: Float64Array.from(values), bounds: new Float64Array(values.length) };
}

/** Several below each other; all of the same columns. */
export function stacked(parts: readonly Bounded[]): Bounded {
  if (parts.length === 1) return parts[0]!;
  return {
    columns: parts[0]!.columns,
    values: Float64Array.from(parts.flatMap(({ values }) => [...values])),
    bounds: Float64Array.from(parts.flatMap(({ bounds }) => [...bounds])),
  };
}

/** Some of the rows. */
export function rowsOf({ columns, values, bounds }: Bounded, from: number, to: number): Bounded {
  return {
    columns,
    values: values.subarray(from * columns, to * columns),
    bounds: bounds.subarray(from * columns, to * columns),
  };
}

/** The same numbers in rows of another length. */
export const inRowsOf = (columns: number, x: Bounded): Bounded => ({ ...x, columns });

const rowCount = ({ columns, values }: Bounded): number => values.length / columns;

/** How the frequencies of RoPE turn pairs of components: (i, i + size/2), or neighbours (rope/C4). */
export type RopeLayout = 'halves' | 'neighbours';

/** Frequencies of RoPE. */
export interface Frequencies {
  readonly scaled: ArrayLike<number>;
  /** Before the scaling, of whose rounding errors they are the measure. */
  readonly unscaled: ArrayLike<number>;
  /** Unit roundoff of a table of cosines and sines that is stored in less than the numerics of the port (rope/C5); 0 if it is not. */
  readonly table: number;
}

/** At least `e^x - 1`, for x of at least 0. */
const growth = (x: number): number => (x < 1 ? x + x * x : exp(x));

/** silu nowhere rises faster than this. */
const STEEPEST_SILU = 1.1;

/** A number and its bound. */
type Entry = readonly [value: number, bound: number];

/** Writes one number and its bound after the other. */
function collect(size: number, columns: number) {
  const values = new Float64Array(size);
  const bounds = new Float64Array(size);
  let n = 0;
  return {
    push(value: number, bound: number): void {
      values[n] = value;
      bounds[n++] = bound;
    },
    done: (): Bounded => ({ columns, values, bounds }),
  };
}

/** The operations for a port of these numerics. */
export function boundedOperations({ sum: u, store: v, product: p, constant }: PortNumerics) {
  const sumBound = (terms: number, magnitude: number) => (1.01 * (terms + 1) * u + p) * magnitude;

  /** One number for each: `value(x)`, which is off by `rise` times what x is off by, and by so many roundings. */
  function map(x: Bounded, value: (x: number) => number, rise: number, roundings: number): Bounded {
    const out = collect(x.values.length, x.columns);
    x.values.forEach((each, i) => {
      const y = value(each);
      out.push(y, 1.01 * roundings * v * Math.abs(y) + rise * x.bounds[i]!);
    });
    return out.done();
  }

  /** `y[t,o] = Σ_i x[t,i] * weight[o,i] + bias[o]`. */
  function linear(x: Bounded, weight: ArrayLike<number>, bias: ArrayLike<number> | null): Bounded {
    const K = x.columns;
    const outputs = weight.length / K;
    const out = collect(rowCount(x) * outputs, outputs);
    for (let t = 0; t < rowCount(x); t++) {
      for (let o = 0; o < outputs; o++) {
        let value = 0;
        let magnitude = 0;
        let carried = 0;
        for (let k = 0; k < K; k++) {
          const w = weight[o * K + k]!;
          const term = x.values[t * K + k]! * w;
          value += term;
          magnitude += Math.abs(term);
          carried += x.bounds[t * K + k]! * Math.abs(w);
        }
        const y = value + (bias?.[o] ?? 0);
        out.push(
          y,
          sumBound(K, magnitude + carried) + v * (Math.abs(value) + carried) + v * Math.abs(y) + carried,
        );
      }
    }
    return out.done();
  }

  /** `x / sqrt(mean(x^2) + eps) * weight`. */
  function rmsNorm(x: Bounded, weight: ArrayLike<number>, eps: number): Bounded {
    const d = x.columns;
    // Half the relative error of the mean, for the root; then division, sum, root, reciprocal and two products.
    const own = 0.5 * sumBound(d, 1) + 7 * v;
    const out = collect(x.values.length, d);
    for (let t = 0; t < rowCount(x); t++) {
      let squares = 0;
      let carried = 0;
      for (let i = t * d; i < (t + 1) * d; i++) {
        const [value, bound] = [x.values[i]!, x.bounds[i]!];
        squares += value * value;
        carried += (2 * Math.abs(value) + bound) * bound;
      }
      const mean = squares / d + constant(eps);
      const root = 1 / Math.sqrt(mean);
      // By how much, relatively, the root may be off: 1 / sqrt(1 - x) - 1 is at most x up to one half.
      const off = carried / d / mean;
      for (let i = 0; i < d; i++) {
        const w = Math.abs(weight[i]!);
        const y = x.values[t * d + i]! * root * weight[i]!;
        // No component of a normed row is larger than sqrt(d), whatever the row.
        const inherited =
          off <= 0.5 ? Math.abs(y) * off + x.bounds[t * d + i]! * root * w * (1 + off) : 2 * Math.sqrt(d) * w;
        out.push(y, own * (Math.abs(y) + inherited) + inherited);
      }
    }
    return out.done();
  }

  /** `a * c - b * s`: v for the table, for the products and for the sum, and what the table is off by where c or s is near 0. */
  function turned(a: Entry, b: Entry, c: number, s: number, table: number): Entry {
    const [left, right] = [a[0] * c, b[0] * s];
    const carried = a[1] * Math.abs(c) + b[1] * Math.abs(s);
    const terms = Math.abs(left) + Math.abs(right) + carried;
    const components = Math.abs(a[0]) + Math.abs(b[0]) + a[1] + b[1];
    return [left - right, 3.1 * v * terms + table * components + carried];
  }

  /**
   * Heads next to each other, in each of which pairs of components turn by `position * frequency[i]`. The angle may have been computed in the numerics of sums,
   * from frequencies that were: the table may be off by 8 u of the angle, that of the frequency before it was scaled.
   */
  function rope(
    x: Bounded,
    positions: readonly number[],
    { scaled, unscaled, table: stored }: Frequencies,
    layout: RopeLayout = 'halves',
    roundTable: (value: number) => number = (value) => value,
  ): Bounded {
    const half = scaled.length;
    const heads = x.columns / (2 * half);
    const values = new Float64Array(x.values.length);
    const bounds = new Float64Array(x.values.length);
    const put = (place: number, [value, bound]: Entry) => {
      values[place] = value;
      bounds[place] = bound;
    };
    for (let head = 0; head < rowCount(x) * heads; head++) {
      const position = positions[Math.floor(head / heads)]!;
      for (let i = 0; i < half; i++) {
        const first = 2 * half * head + (layout === 'halves' ? i : 2 * i);
        const second = first + (layout === 'halves' ? half : 1);
        const a: Entry = [x.values[first]!, x.bounds[first]!];
        const b: Entry = [x.values[second]!, x.bounds[second]!];
        const angle = position * scaled[i]!;
        const table = u * (8 * Math.abs(position * unscaled[i]!) + 4) + stored;
        const [c, s] = [roundTable(cos(angle)), roundTable(sin(angle))];
        put(first, turned(a, b, c, s, table));
        put(second, turned(b, a, c, -s, table));
      }
    }
    return { columns: x.columns, values, bounds };
  }

  /** Softmax of the first `visible[r]` entries of each row; exactly 0 behind them. */
  function softmax(x: Bounded, visible: readonly number[]): Bounded {
    const out = collect(x.values.length, x.columns);
    for (let r = 0; r < rowCount(x); r++) {
      const { powers, total, totalError } = exponentials(rowsOf(x, r, r + 1), visible[r]!);
      for (const [power, error] of powers) {
        const y = power / total;
        out.push(y, y * (error + totalError + 2 * v));
      }
      for (let j = visible[r]!; j < x.columns; j++) out.push(0, 0);
    }
    return out.done();
  }

  /** `e^(x - m)` of the first n numbers, m the largest, with relative errors; and their sum with its relative error. */
  function exponentials(x: Bounded, n: number) {
    const largest = x.values.subarray(0, n).reduce((a, b) => Math.max(a, b));
    const largestBound = x.bounds.subarray(0, n).reduce((a, b) => Math.max(a, b));
    const powers = Array.from({ length: n }, (_, j): Entry => {
      const difference = x.values[j]! - largest;
      return [exp(difference), growth(x.bounds[j]! + largestBound + v * Math.abs(difference)) + 4 * v];
    });
    const total = powers.reduce((sum, [power]) => sum + power, 0);
    const carried = powers.reduce((sum, [power, error]) => sum + power * error, 0) / total;
    return { largest, powers, total, totalError: carried + sumBound(n, 1) + v };
  }

  /**
   * Softmax of `q·k * scale` over the entries that a row sees: row `h T + t`, column j.
   *
   * @param queries row t holds its H heads, each of `size` components; keys likewise, row j
   * @param keyHead which of the keys' heads a query head reads
   */
  function attentionWeights(
    queries: Bounded,
    keys: Bounded,
    size: number,
    visible: readonly number[],
    keyHead: (h: number) => number,
    scale: number,
  ): Bounded {
    const heads = queries.columns / size;
    const scores = collect(heads * rowCount(queries) * rowCount(keys), rowCount(keys));
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < rowCount(queries); t++) {
        for (let j = 0; j < rowCount(keys); j++) {
          let value = 0;
          let magnitude = 0;
          let carried = 0;
          for (let i = 0; i < size; i++) {
            const a = t * queries.columns + h * size + i;
            const b = j * keys.columns + keyHead(h) * size + i;
            const [q, k] = [queries.values[a]!, keys.values[b]!];
            const [eq, ek] = [queries.bounds[a]!, keys.bounds[b]!];
            value += q * k;
            magnitude += Math.abs(q * k);
            carried += Math.abs(q) * ek + Math.abs(k) * eq + eq * ek;
          }
          const terms = (magnitude + carried) * Math.abs(scale);
          // Operands may be scaled before they are multiplied, by roots of the scale; or the sum afterwards, which is stored in between.
          scores.push(
            value * scale,
            sumBound(size, terms) +
              4 * v * terms +
              4 * v * Math.abs(value * scale) +
              carried * Math.abs(scale),
          );
        }
      }
    }
    const counts = Array.from({ length: heads }, () => visible).flat();
    return softmax(scores.done(), counts);
  }

  /** `Σ_j weights[h,t,j] * values[j, valueHead(h)]`: row t, the heads next to each other. */
  function attentionContext(
    weights: Bounded,
    values: Bounded,
    size: number,
    heads: number,
    valueHead: (h: number) => number,
  ): Bounded {
    const S = weights.columns;
    const T = rowCount(weights) / heads;
    const out = collect(T * heads * size, heads * size);
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < heads; h++) {
        for (let i = 0; i < size; i++) {
          let value = 0;
          let magnitude = 0;
          let carried = 0;
          for (let j = 0; j < S; j++) {
            const a = (h * T + t) * S + j;
            const b = j * values.columns + valueHead(h) * size + i;
            const [w, x] = [weights.values[a]!, values.values[b]!];
            const [ew, ex] = [weights.bounds[a]!, values.bounds[b]!];
            value += w * x;
            magnitude += Math.abs(w * x);
            carried += Math.abs(w) * ex + Math.abs(x) * ew + ew * ex;
          }
          out.push(value, sumBound(S, magnitude + carried) + v * (Math.abs(value) + carried) + carried);
        }
      }
    }
    return out.done();
  }

  /** The sum of all rows, divided by `divisor`. */
  function mean(x: Bounded, divisor: number): Bounded {
    const s = rowCount(x);
    const out = collect(x.columns, x.columns);
    for (let i = 0; i < x.columns; i++) {
      let value = 0;
      let magnitude = 0;
      let carried = 0;
      for (let j = 0; j < s; j++) {
        const term = x.values[j * x.columns + i]!;
        value += term;
        magnitude += Math.abs(term);
        carried += x.bounds[j * x.columns + i]!;
      }
      const bound = sumBound(s, magnitude + carried) + 2 * v * (Math.abs(value) + carried) + carried;
      out.push(value / divisor, bound / divisor);
    }
    return out.done();
  }

  function add(x: Bounded, y: Bounded): Bounded {
    const out = collect(x.values.length, x.columns);
    x.values.forEach((value, i) => {
      const sum = value + y.values[i]!;
      const carried = x.bounds[i]! + y.bounds[i]!;
      out.push(sum, 1.01 * v * (Math.abs(sum) + carried) + carried);
    });
    return out.done();
  }

  /** `silu(gate) * up`. */
  function activation(gate: Bounded, up: Bounded): Bounded {
    const out = collect(gate.values.length, gate.columns);
    gate.values.forEach((g, i) => {
      const y = silu(g) * up.values[i]!;
      const risen = STEEPEST_SILU * gate.bounds[i]!;
      const carried = Math.abs(up.values[i]!) * risen + (Math.abs(silu(g)) + risen) * up.bounds[i]!;
      out.push(y, 1.01 * 6 * v * (Math.abs(y) + carried) + carried);
    });
    return out.done();
  }

  /** `log Σ exp(logits) - logits[target]`, for each row. */
  function crossEntropy(logits: Bounded, targets: readonly number[]): Bounded {
    const out = collect(targets.length, targets.length);
    for (const [t, target] of targets.entries()) {
      const row = rowsOf(logits, t, t + 1);
      const { largest, total, totalError } = exponentials(row, row.columns);
      const chosen = row.values[target]!;
      const y = largest - chosen + log(total);
      const sizes = Math.abs(largest) + Math.abs(chosen) + log(total) + y;
      out.push(y, totalError + 4 * v * sizes + 2 * Math.max(...row.bounds));
    }
    return out.done();
  }

  /** `log(1 + exp(z)) - y z`. Whoever adds 1 before taking the logarithm loses v. */
  function stopLoss(z: Bounded, targets: readonly number[]): Bounded {
    const out = collect(targets.length, targets.length);
    z.values.forEach((each, i) => {
      const power = exp(-Math.abs(each));
      const y = Math.max(each, 0) - targets[i]! * each + log(1 + power);
      out.push(y, 8 * v * (Math.abs(each) + Math.abs(y) + 1) + z.bounds[i]!);
    });
    return out.done();
  }

  /** `-Σ p ln p` of the softmax of each row, in nats. */
  function entropy(logits: Bounded): Bounded {
    const out = collect(rowCount(logits), rowCount(logits));
    for (let t = 0; t < rowCount(logits); t++) {
      const row = rowsOf(logits, t, t + 1);
      const { largest, powers, total, totalError } = exponentials(row, row.columns);
      let weighted = 0;
      let carried = 0;
      for (const [j, [power, error]] of powers.entries()) {
        const below = largest - row.values[j]!;
        weighted += power * below;
        carried += power * (below + 1) * (error + 4 * v);
      }
      const y = log(total) + weighted / total;
      out.push(y, (totalError + 8 * v) * (1 + y) + sumBound(row.columns, y) + carried / total);
    }
    return out.done();
  }

  return {
    linear,
    rmsNorm,
    rope,
    softmax,
    attentionWeights,
    attentionContext,
    mean,
    add,
    activation,
    crossEntropy,
    stopLoss,
    entropy,
    silu: (x: Bounded) => map(x, silu, STEEPEST_SILU, 4),
    sigmoid: (x: Bounded) => map(x, sigmoid, 0.25, 4),
  };
}

/** See {@link boundedOperations}. */
export type BoundedOperations = ReturnType<typeof boundedOperations>;
