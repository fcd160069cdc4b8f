/**
 * SPEC #compositional-embedder — rows side by side, `y[j] = [a[j] ; b[j]]`. A copy: exact in every mode.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * @param a `[s, m]`
 * @param b `[s, n]`
 * @returns `[s, m + n]`
 * @throws CallerError notation/C1 (different numbers of rows)
 */
export function concatColumns(kernels: Kernels, a: Tensor, b: Tensor): Tensor {
  const { s, m, n } = bindShapes('notation/C1', { a: [a, 's', 'm'], b: [b, 's', 'n'] });
  const y = kernels.empty([s, m + n]);
  for (let j = 0; j < s; j++) {
    y.data.set(a.rows(j, j + 1).data, j * (m + n));
    y.data.set(b.rows(j, j + 1).data, j * (m + n) + m);
  }
  return y;
}
