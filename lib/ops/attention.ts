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
import { softmax } from './softmax.ts';

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
  // 1. Let scores[h,t,j] be (q[t,h] · k[j,g]) * scale, with scale = 1 / sqrt(size) rounded to the mode.
  const scores = kernels.empty([H, T, S]);
  kernels.attentionScores(queries, keys, scores);
  kernels.scale(scores, kernels.round(1 / Math.sqrt(size)), scores);
  // 2. Let a be the softmax of each row, for every head, over the entries that the row sees.
  const rows = H * T;
  const visibleRows = Array.from({ length: rows }, (_, r) => visible[r % T]!);
  const a = softmax(kernels, scores.reshape([rows, S]), visibleRows).reshape([H, T, S]);
  trace.tensor('weights', a);
  // 3. Let context[t,h] be the sum of a[h,t,j] * v[j,g] over the entries that row t sees.
  const context = kernels.empty([T, H, size]);
  kernels.attentionContext(a, values, visible, context);
  return context;
}
