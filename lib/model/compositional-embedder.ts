/**
 * SPEC #compositional-embedder — one vector for the tokens of a segment: the token's own embedding for one token; for more, the mean of
 * the embeddings plus cross-attention from the mean to the tokens (the merger).
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { add } from '../ops/add.ts';
import { attention } from '../ops/attention.ts';
import { concatColumns } from '../ops/concat-columns.ts';
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
  const { kernels, config, weights } = model;
  const { maxSteps, numMergerHeads: heads } = config.hamburger;
  const { merger, out_proj } = weights.comp_embedder;
  const d = config.hiddenSize;
  const s = segment.length;
  if (s < 1 || s > maxSteps) {
    throw new CallerError({
      rule: 'compositional-embedder/C1',
      subject: 'segment',
      expected: `1 to ${maxSteps} tokens (max_steps)`,
      found: `${s}`,
    });
  }
  const mergerTrace = trace.part('merger');

  // 1. Let e be the embeddings of the tokens. A single token is its own embedding (compositional-embedder/C2).
  const e = tokenEmbeddings(model, segment);
  if (s === 1) {
    trace.tensor('output', e);
    return e;
  }
  trace.tensor('embeddings', e);

  // 2. Let m be the mean of the e_j, and the single query q be W_q m + b_q.
  const m = meanRows(kernels, e);
  trace.tensor('mean', m);
  const q = linear(kernels, m, merger.q_proj);
  mergerTrace.tensor('q_proj', q);

  // 3. Let c_j be [e_j ; P_j], row j of P for token j (compositional-embedder/C6), k_j be W_k c_j + b_k and v_j be W_v c_j + b_v.
  const c = concatColumns(kernels, e, merger.pos.rows(0, s));
  mergerTrace.tensor('positioned', c);
  const k = linear(kernels, c, merger.k_proj);
  const v = linear(kernels, c, merger.v_proj);
  mergerTrace.tensor('k_proj', k);
  mergerTrace.tensor('v_proj', v);

  // 4. Let o be the attention of q over all s tokens, head by head; scale 1 / sqrt(d / heads) (compositional-embedder/C4).
  const size = d / heads;
  const o = attention(
    kernels,
    {
      queries: q.reshape([1, heads, size]),
      keys: k.reshape([s, heads, size]),
      values: v.reshape([s, heads, size]),
      visible: [s],
    },
    mergerTrace,
  ).reshape([1, d]);
  mergerTrace.tensor('context', o);

  // 5. Let the output be m + (W_o o + b_o): a residual on the mean (compositional-embedder/C5).
  const projected = linear(kernels, o, out_proj);
  trace.tensor('out_proj', projected);
  const output = add(kernels, m, projected);
  trace.tensor('output', output);
  return output;
}
