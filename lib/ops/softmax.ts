/**
 * SPEC #softmax — over the visible entries of each row, `y[t,j] = exp(x[t,j] - max_j) / Σ_j exp(x[t,j] - max_j)`
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels, Visible } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShape = shapeCheck('softmax/C1', ['x', 'T', 'S']);

/**
 * @param x `[T, S]`
 * @param visible `T` counts: row t is taken over its first `visible[t]` entries, 1 to S
 * @returns `[T, S]`; entries that are not visible are 0
 * @throws CallerError softmax/C1 (shape), softmax/C2 (a count outside 1 to S)
 */
export function softmax(kernels: Kernels, x: Tensor, visible: Visible): Tensor {
  checkShape(x);
  const [T, S] = x.shape as [number, number];
  checkCounts(visible, T, S);
  // 1. Let m[t] be the largest visible entry.
  // 2. Let y[t,j] be exp(x[t,j] - m[t]); 0 where j is not visible.
  // 3. Let z[t] be the sum of the visible y[t,j].
  // 4. Divide y[t,j] by z[t].
  const y = kernels.empty(x.shape);
  kernels.softmax(x, visible, y);
  kernels.tape?.record(({ kernels, gradient }) => {
    const dx = kernels.empty(x.shape);
    softmaxBackwardInto(kernels, y, gradient(y), dx);
    kernels.add(gradient(x), dx, gradient(x));
  });
  return y;
}

/** @throws CallerError softmax/C2 (other than T counts, each from 1 to S) */
export function checkCounts(visible: Visible, T: number, S: number): void {
  let fits = visible.length === T;
  for (let t = 0; t < visible.length; t++) {
    const count = visible[t]!;
    if (!(Number.isInteger(count) && 1 <= count && count <= S)) fits = false;
  }
  if (fits) return;
  throw new CallerError({
    rule: 'softmax/C2',
    subject: 'visible entries',
    expected: `${T} counts from 1 to ${S}`,
    found: `[${visible.join(', ')}]`,
  });
}

/**
 * The gradient of x, given y and its gradient `dy`: `dx[t,j] = y[t,j] * (dy[t,j] - Σ_k y[t,k] * dy[t,k])`. Written, not added, into `dx`,
 * which may be `dy`. What is not visible has y = 0, so it takes no part in the sum and gets 0.
 */
export function softmaxBackwardInto(kernels: Kernels, y: Tensor, dy: Tensor, dx: Tensor): void {
  // Forward steps 2 to 4: y[t,j] = e[t,j] / Σ_k e[t,k] with e[t,j] = exp(x[t,j] - m[t]). m cancels.
  const inner = kernels.empty([y.shape[0]!]);
  kernels.rowDots(y, dy, inner);
  kernels.subtractColumn(dy, inner, dx);
  kernels.multiply(y, dx, dx);
}
