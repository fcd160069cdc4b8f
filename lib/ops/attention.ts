/**
 * SPEC #attention — grouped-query attention: query head h reads key/value head g = floor(h / (H / Hkv)), and
 * `context[t,h] = Σ_j softmax_j( q[t,h] · k[j,g] / sqrt(size) ) * v[j,g]` over the entries j that row t sees.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { type Kernels, mostVisible, type Visible } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { checkCounts, softmaxBackwardInto } from './softmax.ts';

const checkShapes = shapeCheck(
  'attention/C1',
  ['queries', 'T', 'H', 'size'],
  ['keys', 'S', 'Hkv', 'size'],
  ['values', 'S', 'Hkv', 'size'],
);

/**
 * Query rows whose weights are in memory together: enough for whole tiles, few enough that a long prompt needs little room and that little
 * is computed of what rows do not see. The backward adds block by block, so there the number is part of the definition (#attention).
 */
const ROWS_AT_ONCE = 32;

/** What the attention of one sequence is computed from. */
export interface AttentionInputs extends AttentionEntries {
  /** `[T, H, size]` */
  readonly queries: Tensor;
}

/** What the rows of one sequence look at. */
export interface AttentionEntries {
  /** `[S, Hkv, size]`; there may be more than any row sees. */
  readonly keys: Tensor;
  /** `[S, Hkv, size]` */
  readonly values: Tensor;
  /** Row t sees entries `0 <= j < visible[t]`. Causality is stated by these counts alone (attention/C3). */
  readonly visible: Visible;
}

/** One of several sequences that go through attention together and do not see each other. */
export interface AttentionSequence extends AttentionEntries {
  /** Which rows of the queries are its own. */
  readonly rows: Range;
}

/** `from` up to but not including `to`. */
type Range = readonly [from: number, to: number];

/** The weights of a block of rows of one sequence, `[H, rows, keys]`, and the keys and values that some row of the block sees. */
interface BlockWeights {
  readonly rows: Range;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly visible: Visible;
  readonly weights: Tensor;
}

/**
 * @param trace receives `weights`, the softmax, `[H, T, n]` with n the most that a row sees; entries that a row does not see are 0
 * @returns `[T, H, size]`
 * @throws CallerError attention/C1 (shapes), attention/C2 (H is not a multiple of Hkv), softmax/C2 (a count outside 1 to S)
 */
export function attention(kernels: Kernels, { queries, ...entries }: AttentionInputs, trace: Trace): Tensor {
  return attentionOfSequences(kernels, queries, [{ rows: [0, queries.shape[0] ?? 0], ...entries }], trace);
}

/**
 * As {@link attention} for several sequences at once: the rows of each are what they are alone, to the bit (numerics/N6).
 *
 * @param queries `[T, H, size]`, the rows of all sequences
 */
export function attentionOfSequences(
  kernels: Kernels,
  queries: Tensor,
  sequences: readonly AttentionSequence[],
  trace: Trace,
): Tensor {
  const { tape } = kernels;
  for (const { keys, values } of sequences) checkSequence(queries, keys, values);
  const [, H, size] = queries.shape as [number, number, number];
  const context = kernels.empty(queries.shape);
  const scale = scaleOf(kernels, size);
  const kept: BlockWeights[] = [];
  for (const { rows, keys, values, visible } of sequences) {
    const count = rows[1] - rows[0];
    const S = keys.shape[0]!;
    checkCounts(visible, count, S);
    // Row by row the results are the same however many rows go together; only a trace wants to see all of them at once.
    const rowsAtOnce = trace.wanted ? count : Math.min(count, ROWS_AT_ONCE);
    for (let from = 0; from < count; from += rowsAtOnce) {
      const to = Math.min(count, from + rowsAtOnce);
      const visibleHere = to - from === count ? visible : visible.slice(from, to);
      const most = mostVisible(visibleHere);
      // A trace shows the weights, and the way back reads them; nobody else does.
      const weights = trace.wanted || tape !== undefined ? kernels.empty([H, to - from, most]) : null;
      const block = [rows[0] + from, rows[0] + to] as const;
      // 1. Let scores[h,t,j] be (q[t,h] · k[j,g]) * scale, with scale = 1 / sqrt(size) rounded to the mode.
      // 2. Let a be the softmax of each row, for every head, over the entries that the row sees.
      // 3. Let context[t,h] be the sum of a[h,t,j] * v[j,g] over the entries that row t sees.
      const operands = { queries: queries.rows(...block), keys, values, visible: visibleHere };
      kernels.attention(operands, scale, weights, context.rows(...block));
      if (weights === null) continue;
      trace.tensor('weights', weights);
      const seen = { keys: keys.rows(0, most), values: values.rows(0, most) };
      kept.push({ rows: block, ...seen, visible: visibleHere, weights });
    }
  }
  tape?.record(({ kernels, gradient }) =>
    attentionBackward(kernels, queries, kept, gradient(context), gradient),
  );
  return context;
}

/** The shapes of one sequence's operands. */
function checkSequence(queries: Tensor, keys: Tensor, values: Tensor): void {
  checkShapes(queries, keys, values);
  const [H, Hkv] = [queries.shape[1]!, keys.shape[1]!];
  if (H % Hkv === 0) return;
  throw new CallerError({
    rule: 'attention/C2',
    subject: 'query heads',
    expected: `a multiple of the ${Hkv} key/value heads`,
    found: `${H}`,
  });
}

/**
 * Adds to the gradients of queries, keys and values, given that of the context, `dcontext`; one block after the other. With
 * `da[h,t,j] = dcontext[t,h] · v[j,g]` and `ds` the gradient of the scaled scores, times the scale:
 * `dq[t,h] = Σ_j ds[h,t,j] * k[j,g]`, `dk[j,g] = Σ_h Σ_t ds[h,t,j] * q[t,h]`, `dv[j,g] = Σ_h Σ_t a[h,t,j] * dcontext[t,h]`, over
 * the heads h of group g in order.
 *
 * @param kept the weights a of the forward
 */
export function attentionBackward(
  kernels: Kernels,
  queries: Tensor,
  kept: readonly BlockWeights[],
  dcontext: Tensor,
  gradient: (t: Tensor) => Tensor,
): void {
  const [, H, size] = queries.shape as [number, number, number];
  for (const { rows, keys, values, visible, weights } of kept) {
    const dout = dcontext.rows(...rows);
    const q = queries.rows(...rows);
    // Forward step 3: context[t,h] = Σ_j a[h,t,j] * v[j,g].
    kernels.addAttentionTransposed(weights, dout, gradient(values));
    const da = kernels.empty(weights.shape);
    kernels.attentionScores(dout, values, da);
    // Forward step 2: a is the softmax of each row. Beyond what a row sees a is 0, and so is ds.
    const [, T, S] = weights.shape as [number, number, number];
    const ds = da.reshape([H * T, S]);
    softmaxBackwardInto(kernels, weights.reshape([H * T, S]), ds, ds);
    // Forward step 1: scores[h,t,j] = (q[t,h] · k[j,g]) * scale.
    kernels.scale(da, scaleOf(kernels, size), da);
    kernels.addAttentionContext(da, keys, visible, gradient(q));
    kernels.addAttentionTransposed(da, q, gradient(keys));
  }
}

/** The scale of scores: that of a head. */
function scaleOf(kernels: Kernels, size: number): number {
  return kernels.round(1 / Math.sqrt(size));
}
