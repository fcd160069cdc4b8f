/**
 * The anchored check of a traced f32 run: every tensor is computed anew in binary64 **from the f32 tensors that the run itself shows as
 * its inputs**, with a bound on the rounding errors that f32 may make in that one stage. Errors do not add up from stage to stage, so the
 * bounds stay tight and a mistake shows at the very tensor where it is made.
 *
 * u is 2^-24. A dot product of K terms may be off by `1.01 * (K + 1) * u` times the sum of the magnitudes of its terms, and by u of the result when
 * it is stored; an exponential by 4u; a product, sum or quotient by u each, relative to itself. No bound is below the smallest normal number.
 * Written on plain arrays, with the engine's own functions: it shares no arithmetic with `lib/`.
 */

import type { HamburgerModel } from '../../lib/model/model.ts';
import type { DecoderLayer, Linear } from '../../lib/model/weights.ts';
import { type Tensor, tensorOf } from '../../lib/tensor/tensor.ts';

const u = 2 ** -24;
const SMALLEST_NORMAL = 2 ** -126;

/** A value and how far an honest f32 computation may be from it. */
type Bounded = readonly [value: number, bound: number];

/** What the check found at one tensor: the largest of |f32 - f64| / bound over its elements; at most 1 is right. */
export interface Verdict {
  readonly name: string;
  readonly margin: number;
  readonly index: number;
}

/** A run to check: what went in, and what it showed. */
export interface TracedRun {
  /** The model in f64, with the very weights of the f32 run. */
  readonly model: HamburgerModel;
  readonly prompt: readonly number[];
  readonly segments: readonly (readonly number[])[];
  readonly tensors: ReadonlyMap<string, Tensor>;
}

const columns = (t: Tensor) => t.shape.at(-1)!;
const row = (t: Tensor, r: number) => t.data.subarray(r * columns(t), (r + 1) * columns(t));
const rowCount = (t: Tensor) => t.data.length / columns(t);

function dot(a: ArrayLike<number>, b: ArrayLike<number>): { value: number; magnitude: number } {
  let value = 0;
  let magnitude = 0;
  for (let k = 0; k < a.length; k++) {
    value += a[k]! * b[k]!;
    magnitude += Math.abs(a[k]! * b[k]!);
  }
  return { value, magnitude };
}

const sumBound = (terms: number, magnitude: number) => 1.01 * (terms + 1) * u * magnitude;

function linear(x: Tensor, { weight, bias }: Linear<Tensor>): Bounded[] {
  const out: Bounded[] = [];
  for (let t = 0; t < rowCount(x); t++) {
    for (let o = 0; o < rowCount(weight); o++) {
      const { value, magnitude } = dot(row(x, t), row(weight, o));
      const y = value + (bias?.data[o] ?? 0);
      out.push([y, sumBound(columns(x), magnitude) + u * Math.abs(value) + u * Math.abs(y)]);
    }
  }
  return out;
}

function rmsNorm(x: Tensor, weight: Tensor, eps: number): Bounded[] {
  const d = columns(x);
  return Array.from({ length: rowCount(x) }, (_, t) => {
    const r = 1 / Math.sqrt(dot(row(x, t), row(x, t)).value / d + Math.fround(eps));
    // Half the relative error of the mean, for the root, and one u each for division, sum, root, reciprocal and two products.
    const relative = (0.51 * (d + 1) + 7) * u;
    return Array.from(row(x, t), (value, i): Bounded => {
      const y = value * r * weight.data[i]!;
      return [y, relative * Math.abs(y)];
    });
  }).flat();
}

function rope(x: Tensor, positions: readonly number[], frequencies: Float64Array): Bounded[] {
  const size = columns(x);
  const half = size / 2;
  const heads = x.shape[1]!;
  return Array.from({ length: rowCount(x) }, (_, r) => {
    const head = row(x, r);
    const position = positions[Math.floor(r / heads)]!;
    return Array.from({ length: size }, (__, i): Bounded => {
      const angle = position * frequencies[i % half]!;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const [a, b] = i < half ? [head[i]! * c, -head[i + half]! * s] : [head[i]! * c, head[i - half]! * s];
      // u for the table, u for the product, u for the sum; the table's error counts where cosine or sine is near 0, too.
      const other = i < half ? head[i + half]! : head[i - half]!;
      return [
        a + b,
        2.1 * u * (Math.abs(a) + Math.abs(b)) +
          u * u * (Math.abs(head[i]!) + Math.abs(other)) +
          u * Math.abs(a + b),
      ];
    });
  }).flat();
}

/** Softmax of q·k * scale: `[H, T, S]`. `keys` are the rows of all entries, in cache order. */
function attentionWeights(q: Tensor, keys: readonly Tensor[], visible: (t: number) => number): Bounded[] {
  const [T, H, size] = q.shape as [number, number, number];
  const keyRows = keys.flatMap((t) => Array.from({ length: t.shape[0]! }, (_, i) => ({ t, i })));
  const Hkv = keys[0]!.shape[1]!;
  const scale = 1 / Math.sqrt(size);
  const out: Bounded[] = [];
  for (let h = 0; h < H; h++) {
    const g = Math.floor(h / (H / Hkv));
    for (let t = 0; t < T; t++) {
      const n = visible(t);
      const scores = keyRows.slice(0, n).map(({ t: k, i }): Bounded => {
        const { value, magnitude } = dot(row(q, t * H + h), row(k, i * Hkv + g));
        // The product with the rounded scale, and the store of the sum.
        return [value * scale, sumBound(size, magnitude) * scale + 4 * u * Math.abs(value * scale)];
      });
      const top = Math.max(...scores.map(([s]) => s));
      const topBound = Math.max(...scores.map(([, b]) => b));
      const exps = scores.map(([s, b]): Bounded => {
        const difference = s - top;
        return [Math.exp(difference), Math.expm1(b + topBound + u * Math.abs(difference)) + 4 * u];
      });
      const total = exps.reduce((sum, [e]) => sum + e, 0);
      const totalRelative =
        exps.reduce((sum, [e, relative]) => sum + e * relative, 0) / total + 1.01 * (n + 1) * u;
      for (let j = 0; j < keyRows.length; j++) {
        if (j >= n) out.push([0, 0]);
        else {
          const [e, relative] = exps[j]!;
          out.push([e / total, (e / total) * (relative + totalRelative + 2 * u)]);
        }
      }
    }
  }
  return out;
}

/** Σ_j weights[h,t,j] * values[j,g]: `[T, H * size]`. */
function attentionContext(weights: Tensor, values: readonly Tensor[], Hkv: number): Bounded[] {
  const [H, T, S] = weights.shape as [number, number, number];
  const rows = values.flatMap((t) => Array.from({ length: t.shape[0]! }, (_, i) => row(t, i)));
  const size = rows[0]!.length / Hkv;
  const out: Bounded[] = [];
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / Hkv));
      for (let i = 0; i < size; i++) {
        const { value, magnitude } = dot(
          row(weights, h * T + t),
          rows.map((r) => r[g * size + i]!),
        );
        out.push([value, sumBound(S, magnitude) + u * Math.abs(value)]);
      }
    }
  }
  return out;
}

const silu = (x: number) => x / (1 + Math.exp(-x));
const relative = (y: number, units: number): Bounded => [y, units * u * Math.abs(y)];
const exact = (values: Iterable<number>): Bounded[] => Array.from(values, (value) => [value, 0]);

/** Checks every tensor of a run. */
export function anchoredCheck({ model, prompt, segments, tensors }: TracedRun): Verdict[] {
  const { config, weights } = model;
  const { featureLayerIndices } = config.hamburger;
  const at = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new RangeError(`the trace has no ${name}`);
    return tensor;
  };
  const verdicts: Verdict[] = [];
  const pending = new Set(tensors.keys());

  const judge = (name: string, expected: readonly Bounded[]): void => {
    const actual = at(name).data;
    if (!pending.delete(name)) throw new RangeError(`${name} judged twice`);
    if (actual.length !== expected.length)
      throw new RangeError(`${name}: ${actual.length} elements, expected ${expected.length}`);
    let worst: Verdict = { name, margin: 0, index: 0 };
    expected.forEach(([value, bound], index) => {
      const error = Math.abs(actual[index]! - value);
      // A bound of 0 asks for equality. NaN fails: a comparison with it would be false.
      const margin = error === 0 ? 0 : bound === 0 ? Infinity : error / Math.max(bound, SMALLEST_NORMAL);
      if (!(margin <= worst.margin))
        worst = { name, margin: Number.isNaN(margin) ? Infinity : margin, index };
    });
    verdicts.push(worst);
  };

  /** One decoder layer. `past` are the names of this layer's earlier passes that the cache still holds. */
  const layer = (
    name: string,
    x: ArrayLike<number>,
    w: DecoderLayer<Tensor>,
    positions: readonly number[],
    past: readonly string[],
  ) => {
    const T = positions.length;
    const input = tensorOf('f64', at(`${name}.output`).shape, x);
    judge(`${name}.input_layernorm`, rmsNorm(input, w.input_layernorm, config.rmsNormEps));
    const n1 = at(`${name}.input_layernorm`);
    for (const p of ['q_proj', 'k_proj', 'v_proj'] as const)
      judge(`${name}.self_attn.${p}`, linear(n1, w.self_attn[p]));
    for (const p of ['q', 'k'] as const) {
      const turned = at(`${name}.self_attn.${p}_rope`);
      judge(
        `${name}.self_attn.${p}_rope`,
        rope(at(`${name}.self_attn.${p}_proj`).reshape(turned.shape), positions, model.ropeFrequencies),
      );
    }
    const all = [...past, name];
    const earlier = past.reduce((sum, before) => sum + at(`${before}.self_attn.k_rope`).shape[0]!, 0);
    judge(
      `${name}.self_attn.weights`,
      attentionWeights(
        at(`${name}.self_attn.q_rope`),
        all.map((pass) => at(`${pass}.self_attn.k_rope`)),
        (t) => earlier + t + 1,
      ),
    );
    judge(
      `${name}.self_attn.context`,
      attentionContext(
        at(`${name}.self_attn.weights`),
        all.map((pass) => at(`${pass}.self_attn.v_proj`)),
        config.numKeyValueHeads,
      ),
    );
    judge(`${name}.self_attn.o_proj`, linear(at(`${name}.self_attn.context`), w.self_attn.o_proj));
    const attended = at(`${name}.self_attn.o_proj`).data;
    judge(
      `${name}.attention_residual`,
      Array.from(attended, (value, i) => relative(x[i]! + value, 1)),
    );
    const h = at(`${name}.attention_residual`);
    judge(`${name}.post_attention_layernorm`, rmsNorm(h, w.post_attention_layernorm, config.rmsNormEps));
    const n2 = at(`${name}.post_attention_layernorm`);
    judge(`${name}.mlp.gate_proj`, linear(n2, w.mlp.gate_proj));
    judge(`${name}.mlp.up_proj`, linear(n2, w.mlp.up_proj));
    const up = at(`${name}.mlp.up_proj`).data;
    judge(
      `${name}.mlp.activation`,
      Array.from(at(`${name}.mlp.gate_proj`).data, (value, i) => relative(silu(value) * up[i]!, 6)),
    );
    judge(`${name}.mlp.down_proj`, linear(at(`${name}.mlp.activation`), w.mlp.down_proj));
    const down = at(`${name}.mlp.down_proj`).data;
    judge(
      `${name}.output`,
      Array.from(h.data, (value, i) => relative(value + down[i]!, 1)),
    );
    if (at(`${name}.output`).shape[0] !== T) throw new RangeError(`${name}: rows`);
  };

  const embed = (ids: readonly number[]) => ids.flatMap((id) => [...row(weights.embed_tokens, id)]);
  let tokens = prompt.length;
  segments.forEach((segment, m) => {
    const macro = `macro.${m}`;
    let x: ArrayLike<number> = embed(prompt);
    let positions = prompt.map((_, i) => i);

    // The entry of the segment before.
    if (m > 0) {
      const before = segments[m - 1]!;
      tokens += before.length;
      positions = [tokens - 1];
      const name = `${macro}.comp_embedder`;
      const e = embed(before);
      const s = before.length;
      const d = config.hiddenSize;
      if (s === 1) judge(`${name}.output`, exact(e));
      else {
        const { merger, out_proj } = weights.comp_embedder;
        judge(`${name}.embeddings`, exact(e));
        judge(
          `${name}.mean`,
          Array.from({ length: d }, (_, i): Bounded => {
            const terms = Array.from({ length: s }, (__, j) => e[j * d + i]!);
            const sum = terms.reduce((a, b) => a + b, 0);
            const magnitude = terms.reduce((a, b) => a + Math.abs(b), 0);
            return [sum / s, sumBound(s, magnitude) / s + (u * Math.abs(sum)) / s];
          }),
        );
        judge(`${name}.merger.q_proj`, linear(at(`${name}.mean`), merger.q_proj));
        judge(
          `${name}.merger.positioned`,
          exact(before.flatMap((id, j) => [...row(weights.embed_tokens, id), ...row(merger.pos, j)])),
        );
        const positioned = at(`${name}.merger.positioned`);
        judge(`${name}.merger.k_proj`, linear(positioned, merger.k_proj));
        judge(`${name}.merger.v_proj`, linear(positioned, merger.v_proj));
        const heads = config.hamburger.numMergerHeads;
        judge(
          `${name}.merger.weights`,
          attentionWeights(
            at(`${name}.merger.q_proj`).reshape([1, heads, d / heads]),
            [at(`${name}.merger.k_proj`).reshape([s, heads, d / heads])],
            () => s,
          ),
        );
        judge(
          `${name}.merger.context`,
          attentionContext(at(`${name}.merger.weights`), [at(`${name}.merger.v_proj`)], heads),
        );
        judge(`${name}.out_proj`, linear(at(`${name}.merger.context`), out_proj));
        const mean = at(`${name}.mean`).data;
        judge(
          `${name}.output`,
          Array.from(at(`${name}.out_proj`).data, (value, i) => relative(mean[i]! + value, 1)),
        );
      }
      x = at(`${name}.output`).data;
    }

    // The base.
    weights.layers.forEach((w, l) => {
      const name = `model.layers.${l}`;
      const past = Array.from({ length: m }, (_, earlier) => `macro.${earlier}.${name}`);
      layer(`${macro}.${name}`, x, w, positions, past);
      x = at(`${macro}.${name}.output`).data;
    });
    const lastRow = (l: number) => {
      const output = at(`${macro}.model.layers.${l}.output`);
      return output.rows(output.shape[0]! - 1, output.shape[0]!);
    };
    judge(
      `${macro}.model.norm`,
      rmsNorm(lastRow(config.numHiddenLayers - 1), weights.norm, config.rmsNormEps),
    );
    const conditioned = featureLayerIndices.flatMap((l, i) =>
      i === featureLayerIndices.length - 1 ? [...at(`${macro}.model.norm`).data] : [...lastRow(l).data],
    );
    judge(`${macro}.features`, exact(conditioned));
    const F = featureLayerIndices.length;
    const f = at(`${macro}.features`);

    // The micro-steps.
    segment.forEach((_, i) => {
      const micro = `${macro}.micro.${i}`;
      let hidden: ArrayLike<number> = f.rows(F - 1, F).data;
      if (i > 0) {
        let rows: ArrayLike<number> =
          i === 1 ? [...f.data, ...embed([segment[0]!])] : embed([segment[i - 1]!]);
        const count = i === 1 ? F + 1 : 1;
        const first = i === 1 ? 0 : F + i - 1;
        const microPositions = Array.from({ length: count }, (__, t) => first + t);
        weights.micro_step_decoder.decoders.forEach((w, l) => {
          const name = `decoders.${l}`;
          const past = Array.from(
            { length: i - 1 },
            (__, earlier) => `${macro}.micro.${earlier + 1}.${name}`,
          );
          layer(`${micro}.${name}`, rows, w, microPositions, past);
          rows = at(`${micro}.${name}.output`).data;
        });
        hidden = Array.from(rows).slice(-config.hiddenSize);
      }
      judge(`${micro}.hidden`, exact(Array.from(hidden)));
      const state = at(`${micro}.hidden`);
      judge(`${micro}.logits`, linear(state, { weight: weights.lm_head }));
      const { stop_head } = weights.micro_step_decoder;
      const module = (index: number) => at(`${micro}.stop_head.${index}`);
      const activated = (index: number) =>
        Array.from(module(index).data, (value) => relative(silu(value), 4));
      judge(`${micro}.stop_head.0`, linear(state, stop_head[0]));
      judge(`${micro}.stop_head.1`, activated(0));
      judge(`${micro}.stop_head.2`, linear(module(1), stop_head[2]));
      judge(`${micro}.stop_head.3`, activated(2));
      judge(`${micro}.stop_head.4`, linear(module(3), stop_head[4]));
      judge(
        `${micro}.stop_probability`,
        Array.from(module(4).data, (value) => relative(1 / (1 + Math.exp(-value)), 4)),
      );
    });
  });
  if (pending.size > 0) throw new RangeError(`not judged: ${[...pending].join(', ')}`);
  return verdicts;
}
