/**
 * SPEC #rms-norm — `y[t,i] = weight[i] * (x[t,i] / sqrt(mean_i(x[t,i]^2) + eps))`
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * @param x `[T, d]`
 * @param weight `[d]` gain
 * @param eps added to the mean of squares, inside the root; rounded to the mode
 * @returns `[T, d]`
 * @throws CallerError rms-norm/C1 (shapes)
 */
export function rmsNorm(kernels: Kernels, x: Tensor, weight: Tensor, eps: number): Tensor {
  const { T, d } = bindShapes('rms-norm/C1', { x: [x, 'T', 'd'], weight: [weight, 'd'] });
  const { round } = kernels;
  const epsRounded = round(eps);
  // 1. Let ss[t] be the sum of the squares of row t.
  const ss = kernels.empty([T]);
  kernels.rowSumsOfSquares(x, ss);
  // 2. Let r[t] be 1 / sqrt(ss[t] / d + eps); eps inside the root (rms-norm/C2), each operation rounded.
  const r = kernels.empty([T]);
  for (let t = 0; t < T; t++) {
    r.data[t] = 1 / round(Math.sqrt(round(round(ss.data[t]! / d) + epsRounded)));
  }
  // 3. Let y[t,i] be weight[i] * (x[t,i] * r[t]).
  const y = kernels.empty([T, d]);
  kernels.multiplyColumn(x, r, y);
  kernels.multiplyRow(y, weight, y);
  return y;
}
