/**
 * SPEC #notation — `z = x + y`, elementwise; the residual connection.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('notation/C1', ['x', 'T', 'd'], ['y', 'T', 'd']);

/**
 * @param x `[T, d]`
 * @param y `[T, d]`
 * @returns `[T, d]`
 * @throws CallerError notation/C1 (shapes differ)
 */
export function add(kernels: Kernels, x: Tensor, y: Tensor): Tensor {
  checkShapes(x, y);
  const z = kernels.empty(x.shape);
  kernels.add(x, y, z);
  kernels.tape?.record(({ kernels, gradient }) =>
    addBackward(kernels, gradient(z), { x: gradient(x), y: gradient(y) }),
  );
  return z;
}

/** Adds the gradients of x and y to `into`, given that of z, `dz`. */
export function addBackward(
  kernels: Kernels,
  dz: Tensor,
  into: { readonly x: Tensor; readonly y: Tensor },
): void {
  // Forward: z = x + y.
  kernels.add(into.x, dz, into.x);
  kernels.add(into.y, dz, into.y);
}
