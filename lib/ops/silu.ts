/**
 * SPEC #elementary-functions — `y = x / (1 + exp(-x))`, elementwise.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * @param x any shape
 * @returns the same shape
 */
export function silu(kernels: Kernels, x: Tensor): Tensor {
  const y = kernels.empty(x.shape);
  kernels.silu(x, y);
  kernels.tape?.record(({ kernels, gradient }) => siluBackward(kernels, x, gradient(y), { x: gradient(x) }));
  return y;
}

/** Adds the gradient of x to `into`, given that of y, `dy`. */
export function siluBackward(kernels: Kernels, x: Tensor, dy: Tensor, into: { readonly x: Tensor }): void {
  // Forward: y = silu(x).
  const slope = kernels.empty(x.shape);
  kernels.siluGradient(x, slope);
  kernels.addProduct(dy, slope, into.x);
}
