/**
 * SPEC #compositional-embedder — one vector for the tokens of a segment: the token's own embedding for one token; for more, the mean of
 * the embeddings plus cross-attention from the mean to the tokens (the merger).
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { add } from '../ops/add.ts';
import { type AttentionSequence, attentionOfSequences } from '../ops/attention.ts';
import { concatColumns } from '../ops/concat-columns.ts';
import { gatherRows, type RowSource } from '../ops/gather-rows.ts';
import { linear } from '../ops/linear.ts';
import { meanRows } from '../ops/mean-rows.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { tokenEmbeddings } from './base.ts';
import type { HamburgerModel } from './model.ts';

/**
 * @param segment the s tokens of one segment, `1 <= s <= max_steps`
 * @param trace receives the tensors of the merger, and `output`
 * @returns `[1, d]`
 * @throws CallerError compositional-embedder/C1 (no tokens, or more than max_steps), base/C1 (an id outside the vocabulary)
 */
export function compositionalEmbedder(
  model: HamburgerModel,
  segment: readonly number[],
  trace: Trace,
): Tensor {
  return segmentEmbeddings(model, [segment], trace);
}

/**
 * As {@link compositionalEmbedder} for several segments at once, which do not see each other.
 *
 * @returns `[segments.length, d]`
 */
export function segmentEmbeddings(
  model: HamburgerModel,
  segments: readonly (readonly number[])[],
  trace: Trace,
): Tensor {
  const { maxSteps } = model.config.hamburger;
  for (const { length } of segments) {
    if (length >= 1 && length <= maxSteps) continue;
    throw new CallerError({
      rule: 'compositional-embedder/C1',
      subject: 'segment',
      expected: `1 to ${maxSteps} tokens (max_steps)`,
      found: `${length}`,
    });
  }
  // 1. A single token is its own embedding (compositional-embedder/C2).
  const single = segments.filter((segment) => segment.length === 1);
  const several = segments.filter((segment) => segment.length > 1);
  const parts = [
    single.length === 0 ? undefined : tokenEmbeddings(model, tokensOf(single)),
    several.length === 0 ? undefined : mergedSegments(model, several, trace),
  ] as const;
  const output = inOrder(model, segments, parts);
  trace.tensor('output', output);
  return output;
}

/** The tokens of segments, those of one behind those of the one before. Made in every macro-step, where `flat` takes five times as long. */
export function tokensOf(segments: readonly (readonly number[])[]): readonly number[] {
  const tokens: number[] = [];
  for (const segment of segments) tokens.push(...segment);
  return tokens;
}

/** Each segment's row, from the rows of those of one token and of those of several. */
function inOrder(
  model: HamburgerModel,
  segments: readonly (readonly number[])[],
  [single, several]: readonly [Tensor | undefined, Tensor | undefined],
): Tensor {
  if (several === undefined && single !== undefined) return single;
  if (single === undefined && several !== undefined) return several;
  const next = { single: 0, several: 0 };
  const sources = segments.map(
    ({ length }): RowSource =>
      length === 1 ? { tensor: single!, row: next.single++ } : { tensor: several!, row: next.several++ },
  );
  return gatherRows(model.kernels, model.config.hiddenSize, sources);
}

/** Steps 1 to 5 for segments of more than one token, `[segments.length, d]`. */
function mergedSegments(
  model: HamburgerModel,
  segments: readonly (readonly number[])[],
  trace: Trace,
): Tensor {
  const { kernels, config, weights } = model;
  const { numMergerHeads: heads } = config.hamburger;
  const { merger, out_proj } = weights.comp_embedder;
  const d = config.hiddenSize;
  const N = segments.length;
  const sizes = segments.map(({ length }) => length);
  const mergerTrace = trace.part('merger');

  // 1. Let e be the embeddings of the tokens, those of all segments one below the other.
  const e = tokenEmbeddings(model, tokensOf(segments));
  trace.tensor('embeddings', e);

  // 2. Let m be the mean of the e_j of each segment, and its single query q be W_q m + b_q.
  const m = meanRows(kernels, e, sizes);
  trace.tensor('mean', m);
  const q = linear(kernels, m, merger.q_proj);
  mergerTrace.tensor('q_proj', q);

  // 3. Let c_j be [e_j ; P_j], row j of P for token j (compositional-embedder/C6), k_j be W_k c_j + b_k and v_j be W_v c_j + b_v.
  const places: RowSource[] = [];
  for (const s of sizes) for (let j = 0; j < s; j++) places.push({ tensor: merger.pos, row: j });
  const c = concatColumns(kernels, e, gatherRows(kernels, d / 2, places));
  mergerTrace.tensor('positioned', c);
  const k = linear(kernels, c, merger.k_proj);
  const v = linear(kernels, c, merger.v_proj);
  mergerTrace.tensor('k_proj', k);
  mergerTrace.tensor('v_proj', v);

  // 4. Let o be the attention of q over all tokens of its segment, head by head; scale 1 / sqrt(d / heads) (compositional-embedder/C4).
  const size = d / heads;
  const R = e.shape[0]!;
  const [keys, values] = [k.reshape([R, heads, size]), v.reshape([R, heads, size])];
  let from = 0;
  const sequences = sizes.map((s, n): AttentionSequence => {
    const tokens = [from, from + s] as const;
    from += s;
    return { rows: [n, n + 1], keys: keys.rows(...tokens), values: values.rows(...tokens), visible: [s] };
  });
  const o = attentionOfSequences(kernels, q.reshape([N, heads, size]), sequences, mergerTrace).reshape([
    N,
    d,
  ]);
  mergerTrace.tensor('context', o);

  // 5. Let the output be m + (W_o o + b_o): a residual on the mean (compositional-embedder/C5).
  const projected = linear(kernels, o, out_proj);
  trace.tensor('out_proj', projected);
  return add(kernels, m, projected);
}
