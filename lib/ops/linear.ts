/**
 * SPEC #linear — `y[t,o] = Σ_i x[t,i] * weight[o,i] (+ bias[o])`
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('linear/C1', ['x', 'T', 'in'], ['weight', 'out', 'in']);
const checkBias = shapeCheck('linear/C2', ['y', 'T', 'out'], ['bias', 'out']);

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
  checkShapes(x, weight);
  const y = kernels.empty([x.shape[0]!, weight.shape[0]!]);
  // 1. Let y[t,o] be the dot product of x[t,:] and weight[o,:].
  kernels.matmulNT(x.matrix(), weight.matrix(), y.matrix());
  // 2. If there is a bias, add it to every row: after the sum, not as its first term.
  if (bias !== undefined) {
    checkBias(y, bias);
    kernels.addRow(y, bias, y);
  }
  kernels.tape?.record(({ kernels, gradient }) => {
    const into = { x: gradient(x), weight: gradient(weight), bias: bias && gradient(bias) };
    linearBackward(kernels, { x, weight }, gradient(y), into);
  });
  return y;
}

/**
 * Adds the gradients to `into`, given that of y, `dy`:
 * `dx[t,i] = Σ_o dy[t,o] * weight[o,i]`, `dweight[o,i] = Σ_t dy[t,o] * x[t,i]`, `dbias[o] = Σ_t dy[t,o]`.
 */
export function linearBackward(
  kernels: Kernels,
  { x, weight }: { readonly x: Tensor; readonly weight: Tensor },
  dy: Tensor,
  into: { readonly x: Tensor; readonly weight: Tensor; readonly bias: Tensor | undefined },
): void {
  // Forward step 2: y[t,o] = y[t,o] + bias[o].
  if (into.bias !== undefined) {
    const sums = kernels.empty(into.bias.shape);
    kernels.columnSums(dy, sums);
    kernels.add(into.bias, sums, into.bias);
  }
  // Forward step 1: y[t,o] = Σ_i x[t,i] * weight[o,i]. Both sums go on from what is there (numerics/N10).
  kernels.addMatmulNN(dy.matrix(), weight.matrix(), into.x.matrix());
  kernels.addMatmulTN(dy.matrix(), x.matrix(), into.weight.matrix());
}
