/**
 * SPEC #attention — grouped-query attention: query head h reads key/value head g = floor(h / (H / Hkv)), and
 * `context[t,h] = Σ_j softmax_j( q[t,h] · k[j,g] / sqrt(size) ) * v[j,g]` over the entries j that row t sees.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels, Visible } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
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

/** What attention is computed from. */
export interface AttentionInputs {
  /** `[T, H, size]` */
  readonly queries: Tensor;
  /** `[S, Hkv, size]`; there may be more than any row sees. */
  readonly keys: Tensor;
  /** `[S, Hkv, size]` */
  readonly values: Tensor;
  /** Row t sees entries `0 <= j < visible[t]`. Causality is stated by these counts alone (attention/C3). */
  readonly visible: Visible;
  /**
   * Several sequences packed into one pass, which do not see each other: row t counts its `visible` from the first key of its own
   * sequence. By default all rows and keys are one sequence.
   */
  readonly sequences?: readonly AttentionSequence[];
}

/** The rows and the keys of one sequence, `from` up to but not including `to`. */
export interface AttentionSequence {
  readonly queries: Range;
  readonly keys: Range;
}

type Range = readonly [from: number, to: number];

/** The weights of a block of rows of one sequence, `[H, rows, keys]`, the keys being those that some row of the block sees. */
interface BlockWeights extends AttentionSequence {
  readonly weights: Tensor;
}

/**
 * @param trace receives `weights`, the softmax, `[H, T, n]` with n the most that a row sees; entries that a row does not see are 0
 * @returns `[T, H, size]`
 * @throws CallerError attention/C1 (shapes), attention/C2 (H is not a multiple of Hkv), softmax/C2 (a count outside 1 to S)
 */
export function attention(kernels: Kernels, inputs: AttentionInputs, trace: Trace): Tensor {
  const { queries, keys, values, visible } = inputs;
  const { tape } = kernels;
  checkShapes(queries, keys, values);
  const [T, H, size] = queries.shape as [number, number, number];
  const [S, Hkv] = keys.shape as [number, number, number];
  if (H % Hkv !== 0) {
    throw new CallerError({
      rule: 'attention/C2',
      subject: 'query heads',
      expected: `a multiple of the ${Hkv} key/value heads`,
      found: `${H}`,
    });
  }
  const context = kernels.empty(queries.shape);
  const scale = scaleOf(kernels, size);
  const kept: BlockWeights[] = [];
  const oneSequence: AttentionSequence = { queries: [0, T], keys: [0, S] };
  for (const { queries: rows, keys: entries } of inputs.sequences ?? [oneSequence]) {
    const count = rows[1] - rows[0];
    checkCounts(T === count ? visible : visible.slice(...rows), count, entries[1] - entries[0]);
    // Row by row the results are the same however many rows go together; only a trace wants to see all of them at once.
    const rowsAtOnce = trace.wanted ? count : Math.min(count, ROWS_AT_ONCE);
    // Several blocks take turns in one room. With a tape their weights are kept, so each has its own.
    const takeTurns = rowsAtOnce < count && tape === undefined;
    const room = takeTurns ? kernels.empty([H * rowsAtOnce * (entries[1] - entries[0])]) : undefined;
    for (let from = rows[0]; from < rows[1]; from += rowsAtOnce) {
      const to = Math.min(rows[1], from + rowsAtOnce);
      const visibleHere = to - from === T ? visible : visible.slice(from, to);
      const most = Math.max(...visibleHere);
      const shape = [H, to - from, most];
      const weights = room?.rows(0, sizeOf(shape)).reshape(shape) ?? kernels.empty(shape);
      const seen = [entries[0], entries[0] + most] as const;
      // 1. Let scores[h,t,j] be (q[t,h] · k[j,g]) * scale, with scale = 1 / sqrt(size) rounded to the mode.
      // 2. Let a be the softmax of each row, for every head, over the entries that the row sees.
      // 3. Let context[t,h] be the sum of a[h,t,j] * v[j,g] over the entries that row t sees.
      const operands = {
        queries: queries.rows(from, to),
        keys: keys.rows(entries[0], S),
        values: values.rows(entries[0], S),
        visible: visibleHere,
      };
      kernels.attention(operands, scale, weights, context.rows(from, to));
      trace.tensor('weights', weights);
      if (tape !== undefined) kept.push({ queries: [from, to], keys: seen, weights });
    }
  }
  tape?.record(({ kernels, gradient }) => {
    const into = { queries: gradient(queries), keys: gradient(keys), values: gradient(values) };
    attentionBackward(kernels, inputs, kept, gradient(context), into);
  });
  return context;
}

/**
 * Adds the gradients of queries, keys and values to `into`, given that of the context, `dcontext`; one block after the other. With
 * `da[h,t,j] = dcontext[t,h] · v[j,g]` and `ds` the gradient of the scaled scores, times the scale:
 * `dq[t,h] = Σ_j ds[h,t,j] * k[j,g]`, `dk[j,g] = Σ_h Σ_t ds[h,t,j] * q[t,h]`, `dv[j,g] = Σ_h Σ_t a[h,t,j] * dcontext[t,h]`, over
 * the heads h of group g in order.
 *
 * @param kept the weights a of the forward
 */
export function attentionBackward(
  kernels: Kernels,
  { queries, keys, values, visible }: AttentionInputs,
  kept: readonly BlockWeights[],
  dcontext: Tensor,
  into: { readonly queries: Tensor; readonly keys: Tensor; readonly values: Tensor },
): void {
  const [, H, size] = queries.shape as [number, number, number];
  for (const { queries: rows, keys: entries, weights } of kept) {
    const dout = dcontext.rows(...rows);
    // Forward step 3: context[t,h] = Σ_j a[h,t,j] * v[j,g].
    kernels.addAttentionTransposed(weights, dout, into.values.rows(...entries));
    const da = kernels.empty(weights.shape);
    kernels.attentionScores(dout, values.rows(...entries), da);
    // Forward step 2: a is the softmax of each row. Beyond what a row sees a is 0, and so is ds.
    const [, T, S] = weights.shape as [number, number, number];
    const ds = da.reshape([H * T, S]);
    softmaxBackwardInto(kernels, weights.reshape([H * T, S]), ds, ds);
    // Forward step 1: scores[h,t,j] = (q[t,h] · k[j,g]) * scale.
    kernels.scale(da, scaleOf(kernels, size), da);
    kernels.addAttentionContext(
      da,
      keys.rows(...entries),
      visible.slice(...rows),
      into.queries.rows(...rows),
    );
    kernels.addAttentionTransposed(da, queries.rows(...rows), into.keys.rows(...entries));
  }
}

/** The scale of scores: that of a head. */
function scaleOf(kernels: Kernels, size: number): number {
  return kernels.round(1 / Math.sqrt(size));
}
