/**
 * SPEC #rms-norm — `y[t,i] = weight[i] * (x[t,i] / sqrt(mean_i(x[t,i]^2) + eps))`
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('rms-norm/C1', ['x', 'T', 'd'], ['weight', 'd']);

/**
 * @param x `[T, d]`
 * @param weight `[d]` gain
 * @param eps added to the mean of squares, inside the root; rounded to the mode
 * @returns `[T, d]`
 * @throws CallerError rms-norm/C1 (shapes)
 */
export function rmsNorm(kernels: Kernels, x: Tensor, weight: Tensor, eps: number): Tensor {
  checkShapes(x, weight);
  // 1. Let ss[t] be the sum of the squares of row t.
  // 2. Let r[t] be 1 / sqrt(ss[t] / d + eps); eps inside the root (rms-norm/C2).
  // 3. Let y[t,i] be weight[i] * (x[t,i] * r[t]).
  const r = kernels.empty([x.shape[0]!]);
  const y = kernels.empty(x.shape);
  kernels.rmsNorm(x, weight, kernels.round(eps), r, y);
  kernels.tape?.record(({ kernels, gradient }) =>
    rmsNormBackward(kernels, { x, weight, r }, gradient(y), { x: gradient(x), weight: gradient(weight) }),
  );
  return y;
}

/**
 * Adds the gradients to `into`, given that of y, `dy`. With `g[t,i] = dy[t,i] * weight[i]`:
 * `dx[t,i] = g[t,i] * r[t] - x[t,i] * (Σ_k g[t,k] * x[t,k]) * r[t]^3 / d`, `dweight[i] = Σ_t dy[t,i] * (x[t,i] * r[t])`.
 *
 * @param r `[T]` of forward step 2
 */
export function rmsNormBackward(
  kernels: Kernels,
  { x, weight, r }: { readonly x: Tensor; readonly weight: Tensor; readonly r: Tensor },
  dy: Tensor,
  into: { readonly x: Tensor; readonly weight: Tensor },
): void {
  const { round } = kernels;
  const [T, d] = x.shape as [number, number];
  // Forward step 3: y[t,i] = weight[i] * (x[t,i] * r[t]).
  const share = kernels.empty([T, d]);
  kernels.multiplyColumn(x, r, share);
  kernels.multiply(dy, share, share);
  const dweight = kernels.empty([d]);
  kernels.columnSums(share, dweight);
  kernels.add(into.weight, dweight, into.weight);
  const g = kernels.empty([T, d]);
  kernels.multiplyRow(dy, weight, g);
  kernels.multiplyColumn(g, r, share);
  kernels.add(into.x, share, into.x);
  // Forward steps 1 and 2: r[t] = (Σ_i x[t,i]^2 / d + eps)^(-1/2), so dr[t]/dx[t,i] = -r[t]^3 * x[t,i] / d.
  const factor = kernels.empty([T]);
  kernels.rowDots(g, x, factor);
  for (let t = 0; t < T; t++) {
    const cube = round(round(r.data[t]! * r.data[t]!) * r.data[t]!);
    factor.data[t] = -round(round(factor.data[t]! * cube) / d);
  }
  kernels.multiplyColumn(x, factor, share);
  kernels.add(into.x, share, into.x);
}
