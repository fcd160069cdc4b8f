/**
 * SPEC #attention — grouped-query attention: query head h reads key/value head g = floor(h / (H / Hkv)), and
 * `context[t,h] = Σ_j softmax_j( q[t,h] · k[j,g] / sqrt(size) ) * v[j,g]` over the entries j that row t sees.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels, Visible } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { softmaxInto } from './softmax.ts';

/** Query rows whose weights are in memory together: enough for whole tiles, few enough that a long prompt needs little room. */
const ROWS_AT_ONCE = 32;

/** What attention is computed from. */
export interface AttentionInputs {
  /** `[T, H, size]` */
  readonly queries: Tensor;
  /** `[S, Hkv, size]` */
  readonly keys: Tensor;
  /** `[S, Hkv, size]` */
  readonly values: Tensor;
  /** Row t sees entries `0 <= j < visible[t]`. Causality is stated by these counts alone (attention/C3). */
  readonly visible: Visible;
}

/**
 * @param trace receives `weights` `[H, T, S]`, the softmax; entries that a row does not see are 0
 * @returns `[T, H, size]`
 * @throws CallerError attention/C1 (shapes), attention/C2 (H is not a multiple of Hkv)
 */
export function attention(kernels: Kernels, inputs: AttentionInputs, trace: Trace): Tensor {
  const { queries, keys, values, visible } = inputs;
  const { T, H, size, S, Hkv } = bindShapes('attention/C1', {
    queries: [queries, 'T', 'H', 'size'],
    keys: [keys, 'S', 'Hkv', 'size'],
    values: [values, 'S', 'Hkv', 'size'],
  });
  if (H % Hkv !== 0) {
    throw new CallerError({
      rule: 'attention/C2',
      subject: 'query heads',
      expected: `a multiple of the ${Hkv} key/value heads`,
      found: `${H}`,
    });
  }
  const context = kernels.empty([T, H, size]);
  // Row by row the results are the same however many rows go together; only a trace wants to see all of them at once.
  const rowsAtOnce = trace.wanted ? T : Math.min(T, ROWS_AT_ONCE);
  const room = kernels.empty([H * rowsAtOnce * S]);
  for (let from = 0; from < T; from += rowsAtOnce) {
    const to = Math.min(T, from + rowsAtOnce);
    const visibleHere = visible.slice(from, to);
    const seen = trace.wanted ? S : Math.max(...visibleHere);
    const weights = room.rows(0, H * (to - from) * seen).reshape([H, to - from, seen]);
    attentionWeights(kernels, queries.rows(from, to), keys.rows(0, seen), visibleHere, weights);
    trace.tensor('weights', weights);
    // 3. Let context[t,h] be the sum of a[h,t,j] * v[j,g] over the entries that row t sees.
    kernels.attentionContext(weights, values.rows(0, seen), visibleHere, context.rows(from, to));
  }
  return context;
}

/** Steps 1 and 2, into `weights` `[H, T, S]`. */
function attentionWeights(
  kernels: Kernels,
  queries: Tensor,
  keys: Tensor,
  visible: Visible,
  weights: Tensor,
): void {
  const [H, T, S] = weights.shape as [number, number, number];
  const size = queries.shape[2]!;
  // 1. Let scores[h,t,j] be (q[t,h] · k[j,g]) * scale, with scale = 1 / sqrt(size) rounded to the mode.
  kernels.attentionScores(queries, keys, weights);
  kernels.scale(weights, kernels.round(1 / Math.sqrt(size)), weights);
  // 2. Let a be the softmax of each row, for every head, over the entries that the row sees.
  const rows = weights.reshape([H * T, S]);
  const visibleOfRow: number[] = [];
  for (let h = 0; h < H; h++) for (const count of visible) visibleOfRow.push(count);
  softmaxInto(kernels, rows, visibleOfRow, rows);
}
