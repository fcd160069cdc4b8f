/**
 * SPEC #linear — `y[t,o] = Σ_i x[t,i] * weight[o,i] (+ bias[o])`
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { bindShapes } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A linear layer. Weights lie as PyTorch stores them: `[out, in]`. */
export interface LinearWeights {
  /** `[out, in]` */
  readonly weight: Tensor;
  /** `[out]`; the base has none, the grafted modules do. */
  readonly bias?: Tensor;
}

/**
 * @param x `[T, in]`
 * @returns `[T, out]`
 * @throws CallerError linear/C1 (x or weight), linear/C2 (bias)
 */
export function linear(kernels: Kernels, x: Tensor, { weight, bias }: LinearWeights): Tensor {
  const { T, out } = bindShapes('linear/C1', { x: [x, 'T', 'in'], weight: [weight, 'out', 'in'] });
  const y = kernels.empty([T, out]);
  // 1. Let y[t,o] be the dot product of x[t,:] and weight[o,:].
  kernels.matmulNT(x.matrix(), weight.matrix(), y.matrix());
  // 2. If there is a bias, add it to every row: after the sum, not as its first term.
  if (bias !== undefined) {
    bindShapes('linear/C2', { y: [y, 'T', 'out'], bias: [bias, 'out'] });
    kernels.addRow(y, bias, y);
  }
  return y;
}
