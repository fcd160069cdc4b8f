/**
 * SPEC #base — one Llama layer, used by the base and by the micro-step decoder alike:
 * `h = x + Attention(norm1(x))`, `y = h + SwiGLU(norm2(h))`.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { add } from '../ops/add.ts';
import { type AttentionSequence, attentionOfSequences } from '../ops/attention.ts';
import { gatherRows } from '../ops/gather-rows.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/rms-norm.ts';
import { type RopeTable, type RopeTableRounding, rope, ropeTableOfSequences } from '../ops/rope.ts';
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

/**
 * New rows of one sequence. A pass takes those of one or of several sequences, one below the other: the matrix products run over all of them at
 * once, so that weights are read once, and each row is what it is alone, to the bit (numerics/N6). What a row sees, and where it stands, is a
 * matter of its own sequence.
 */
export interface SequenceRows {
  /** The RoPE position of each row; there are as many rows as positions. */
  readonly positions: readonly number[];
  /** What came before them; row t becomes its entry `length + t`. */
  readonly cache: KvCache;
  /** How many of the rows are read at the end, the last ones: only those need be computed in the last layer. */
  readonly outputRows: number;
  /** How the table of cosines and sines is rounded (#profiles); to the mode by default. */
  readonly ropeTableRounding?: RopeTableRounding | undefined;
}

/** What of {@link SequenceRows} tells which rows are read. */
export type OutputRows = Pick<SequenceRows, 'positions' | 'outputRows'>;

/** One layer's place in a stack, and what all layers of a pass share. */
interface LayerPass {
  readonly layer: number;
  readonly table: RopeTable;
  readonly sequences: readonly SequenceRows[];
  /** Whether all rows are wanted, and not just the output rows. */
  readonly allRows: boolean;
}

/**
 * Runs new rows through a stack of layers, in order; the caches are complete afterwards.
 *
 * @param layers weights of the layers
 * @param x `[T, d]` the rows of all sequences
 * @param sequences whose rows they are
 * @param traceOf the trace of a layer; one that is wanted sees all rows
 * @returns the residual stream after each layer, `[T, d]`; after the last it may be that of the output rows alone (see {@link outputRowsOf})
 */
export function decoderLayers(
  model: Model,
  layers: readonly DecoderLayer<Tensor>[],
  x: Tensor,
  sequences: readonly SequenceRows[],
  traceOf: (layer: number) => Trace,
): readonly Tensor[] {
  // 1. Let the RoPE table be that of the rows' positions.
  const table = ropeTableOfSequences(model.kernels, model.ropeFrequencies, sequences);
  // 2. Let x be the output of each layer in turn.
  let rows = x;
  const outputs = layers.map((weights, layer) => {
    const trace = traceOf(layer);
    const allRows = layer < layers.length - 1 || trace.wanted;
    const R = allRows ? x.shape[0]! : outputCount(sequences);
    const input = rows;
    rows = model.kernels.scoped([R, model.config.hiddenSize], () =>
      decoderLayer(model, weights, input, { layer, table, sequences, allRows }, trace),
    );
    return rows;
  });
  for (const { cache, positions } of sequences) cache.complete(positions);
  return outputs;
}

/** How many rows of a pass are read at the end. */
function outputCount(sequences: readonly OutputRows[]): number {
  return sequences.reduce((sum, { outputRows }) => sum + outputRows, 0);
}

/**
 * The output rows of each sequence, one sequence below the other.
 *
 * @param t `[T, ...]` of all rows of a pass, or `[R, ...]` of its output rows already
 * @returns `[R, ...]`
 */
export function outputRowsOf(kernels: Kernels, t: Tensor, sequences: readonly OutputRows[]): Tensor {
  const T = t.shape[0]!;
  if (T === outputCount(sequences)) return t;
  const [only] = sequences;
  if (sequences.length === 1) return t.rows(T - only!.outputRows, T);
  let end = 0;
  const sources = sequences.flatMap(({ positions, outputRows }) => {
    end += positions.length;
    return Array.from({ length: outputRows }, (_, r) => ({ tensor: t, row: end - outputRows + r }));
  });
  return gatherRows(kernels, t.shape[1]!, sources);
}

/**
 * @param x `[T, d]` the residual stream
 * @returns `[T, d]`, or `[R, d]` with R the output rows
 */
function decoderLayer(
  model: Model,
  weights: DecoderLayer<Tensor>,
  x: Tensor,
  { layer, table, sequences, allRows }: LayerPass,
  trace: Trace,
): Tensor {
  const { kernels, config } = model;
  const { rmsNormEps: eps, numAttentionHeads: H, numKeyValueHeads: Hkv } = config;
  const { self_attn } = weights;
  const T = x.shape[0]!;
  const size = headSize(config);
  const attentionTrace = trace.part('self_attn');
  /** The rows whose output is read. All rows give keys and values. */
  const read = (t: Tensor): Tensor => (allRows ? t : outputRowsOf(kernels, t, sequences));

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
  const R = q.shape[0]!;
  const qRope = rope(kernels, q.reshape([R, H, size]), { cos: read(table.cos), sin: read(table.sin) });
  const kRope = rope(kernels, k.reshape([T, Hkv, size]), table);
  attentionTrace.tensor('q_rope', qRope);
  attentionTrace.tensor('k_rope', kRope);

  // 3. Append keys and values to the cache of their sequence (kv-cache/C1); row t sees its earlier entries and those of rows 0 to t
  //    (attention/C3), and nothing of other sequences (batching/C2).
  const values = v.reshape([T, Hkv, size]);
  let row = 0;
  let outputRow = 0;
  const seen = sequences.map(({ positions: { length }, cache, outputRows }): AttentionSequence => {
    const earlier = cache.length;
    const entries = cache.append(layer, kRope.rows(row, row + length), values.rows(row, row + length));
    const count = allRows ? length : outputRows;
    const visible: number[] = [];
    for (let t = length - count; t < length; t++) visible.push(earlier + t + 1);
    const rows = [outputRow, outputRow + count] as const;
    row += length;
    outputRow += count;
    return { rows, keys: entries.keys, values: entries.values, visible };
  });

  // 4. Let h be x plus the projected context.
  const context = attentionOfSequences(kernels, qRope, seen, attentionTrace).reshape([R, H * size]);
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
