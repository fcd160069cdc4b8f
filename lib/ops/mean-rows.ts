/**
 * SPEC #compositional-embedder — the mean of the rows, `y[i] = (Σ_j x[j,i]) / s`.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * @param x `[s, d]`, s >= 1
 * @returns `[1, d]`
 * @throws CallerError compositional-embedder/C1 (no rows, or not two axes)
 */
export function meanRows(kernels: Kernels, x: Tensor): Tensor {
  const { s, d } = bindShapes('compositional-embedder/C1', { x: [x, 's', 'd'] });
  if (s < 1) {
    throw new CallerError({
      rule: 'compositional-embedder/C1',
      subject: 'rows',
      expected: 'at least 1',
      found: '0',
    });
  }
  const y = kernels.empty([1, d]);
  kernels.columnSums(x, y);
  // Divided by the tokens that are there, not by max_steps (compositional-embedder/C3).
  const count = kernels.empty([1]);
  count.data[0] = s;
  kernels.divideColumn(y, count, y);
  return y;
}
