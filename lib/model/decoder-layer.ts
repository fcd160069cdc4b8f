/**
 * SPEC #base — one Llama layer, used by the base and by the micro-step decoder alike:
 * `h = x + Attention(norm1(x))`, `y = h + SwiGLU(norm2(h))`.
 *
 * @module
 */

import { add } from '../ops/add.ts';
import { type AttentionSequence, attention } from '../ops/attention.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/rms-norm.ts';
import { type RopeTable, rope, ropeTable } from '../ops/rope.ts';
import { swiglu } from '../ops/swiglu.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { headSize } from './config.ts';
import type { Model } from './model.ts';
import type { DecoderLayer } from './weights.ts';

/** Where a stack of layers keeps its keys and values; SPEC #kv-cache. Owned by whoever runs the model. */
export interface KvCache {
  /** Number of KV entries that are complete in every layer. */
  readonly length: number;
  /**
   * Appends the keys and values of new entries, `[T, Hkv, size]` each, to one layer.
   *
   * @returns all keys and values of that layer, the new ones last, `[S, Hkv, size]` each; or with room for more entries behind these S
   */
  append(layer: number, keys: Tensor, values: Tensor): { readonly keys: Tensor; readonly values: Tensor };
  /** Ends a pass: the entries appended to every layer are complete, and stand at these RoPE positions. */
  complete(positions: readonly number[]): void;
}

/** One layer's place in a stack, and what all layers of a pass share. */
export interface LayerPass {
  readonly layer: number;
  readonly table: RopeTable;
  readonly cache: KvCache;
  /** How many rows of the output are read: only those are computed, the last ones. All rows give keys and values. */
  readonly outputRows: number;
  /** See {@link StackPass}. */
  readonly sequences: readonly number[] | undefined;
}

/**
 * Runs new rows through a stack of layers, in order; the cache is complete afterwards.
 *
 * @param layers weights of the layers
 * @param x `[T, d]` row t becomes the cache's entry `length + t`
 * @param positions the RoPE position of each row
 * @param outputRows how many rows of the last layer's output are read; a trace that is wanted sees all
 * @param traceOf the trace of a layer
 * @returns the residual stream after each layer, `[T, d]`; after the last `[R, d]` with the R last rows, at least `outputRows`
 */
export function decoderLayers(
  model: Model,
  layers: readonly DecoderLayer<Tensor>[],
  x: Tensor,
  { positions, cache, outputRows, sequences }: StackPass,
  traceOf: (layer: number) => Trace,
): readonly Tensor[] {
  // 1. Let the RoPE table be that of the rows' positions.
  const table = ropeTable(model.kernels, model.ropeFrequencies, positions, model.ropeTableRounding);
  // 2. Let x be the output of each layer in turn.
  let rows = x;
  const outputs = layers.map((weights, layer) => {
    const trace = traceOf(layer);
    const all = layer < layers.length - 1 || trace.wanted;
    const R = all ? positions.length : outputRows;
    const input = rows;
    rows = model.kernels.scoped([R, model.config.hiddenSize], () =>
      decoderLayer(model, weights, input, { layer, table, cache, outputRows: R, sequences }, trace),
    );
    return rows;
  });
  cache.complete(positions);
  return outputs;
}

/** New rows for a stack of layers. */
export interface StackPass {
  readonly positions: readonly number[];
  readonly cache: KvCache;
  readonly outputRows: number;
  /**
   * Where several sequences are packed into one pass: how many rows each has, one after the other. Rows see earlier rows of their own
   * sequence alone; the cache is empty and all rows are read. By default the rows are one sequence, which goes on from the cache.
   */
  readonly sequences?: readonly number[];
}

/**
 * @param x `[T, d]` the residual stream; row t becomes the cache's entry `length + t`
 * @returns `[R, d]` with R the output rows
 */
function decoderLayer(
  model: Model,
  weights: DecoderLayer<Tensor>,
  x: Tensor,
  { layer, table, cache, outputRows: R, sequences }: LayerPass,
  trace: Trace,
): Tensor {
  const { kernels, config } = model;
  const { rmsNormEps: eps, numAttentionHeads: H, numKeyValueHeads: Hkv } = config;
  const { self_attn } = weights;
  const T = x.shape[0]!;
  const size = headSize(config);
  const attentionTrace = trace.part('self_attn');
  /** The rows whose output is read. */
  const read = (t: Tensor): Tensor => t.rows(T - R, T);

  // 1. Let n1 be RMSNorm(x) and project it to queries, keys and values.
  const n1 = rmsNorm(kernels, x, weights.input_layernorm, eps);
  trace.tensor('input_layernorm', n1);
  const q = linear(kernels, read(n1), self_attn.q_proj);
  const k = linear(kernels, n1, self_attn.k_proj);
  const v = linear(kernels, n1, self_attn.v_proj);
  attentionTrace.tensor('q_proj', q);
  attentionTrace.tensor('k_proj', k);
  attentionTrace.tensor('v_proj', v);

  // 2. Turn queries and keys by their position; values stay (base/C3).
  const qRope = rope(kernels, q.reshape([R, H, size]), { cos: read(table.cos), sin: read(table.sin) });
  const kRope = rope(kernels, k.reshape([T, Hkv, size]), table);
  attentionTrace.tensor('q_rope', qRope);
  attentionTrace.tensor('k_rope', kRope);

  // 3. Append keys and values to the cache (kv-cache/C1); row t sees all earlier entries and those of rows 0 to t (attention/C3).
  const earlier = cache.length;
  const { keys, values } = cache.append(layer, kRope, v.reshape([T, Hkv, size]));
  const visible: number[] = [];
  if (sequences === undefined) for (let t = T - R; t < T; t++) visible.push(earlier + t + 1);
  else for (const rows of sequences) for (let t = 0; t < rows; t++) visible.push(t + 1);

  // 4. Let h be x plus the projected context.
  const inputs = { queries: qRope, keys, values, visible };
  const context = attention(
    kernels,
    sequences === undefined ? inputs : { ...inputs, sequences: ranges(sequences) },
    attentionTrace,
  ).reshape([R, H * size]);
  attentionTrace.tensor('context', context);
  const attended = linear(kernels, context, self_attn.o_proj);
  attentionTrace.tensor('o_proj', attended);
  const h = add(kernels, read(x), attended);
  trace.tensor('attention_residual', h);

  // 5. Let y be h plus SwiGLU(RMSNorm(h)).
  const n2 = rmsNorm(kernels, h, weights.post_attention_layernorm, eps);
  trace.tensor('post_attention_layernorm', n2);
  const y = add(kernels, h, swiglu(kernels, n2, weights.mlp, trace.part('mlp')));
  trace.tensor('output', y);
  return y;
}

/** Sequences of the given numbers of rows, each over itself. */
function ranges(sequences: readonly number[]): readonly AttentionSequence[] {
  let from = 0;
  return sequences.map((rows) => {
    const range = [from, from + rows] as const;
    from += rows;
    return { queries: range, keys: range };
  });
}
