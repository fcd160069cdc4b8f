/**
 * SPEC #notation — `z = x + y`, elementwise; the residual connection.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * @param x `[T, d]`
 * @param y `[T, d]`
 * @returns `[T, d]`
 * @throws CallerError notation/C1 (shapes differ)
 */
export function add(kernels: Kernels, x: Tensor, y: Tensor): Tensor {
  bindShapes('notation/C1', { x: [x, 'T', 'd'], y: [y, 'T', 'd'] });
  const z = kernels.empty(x.shape);
  kernels.add(x, y, z);
  return z;
}
