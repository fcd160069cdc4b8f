/**
 * SPEC #softmax — over the visible entries of each row, `y[t,j] = exp(x[t,j] - max_j) / Σ_j exp(x[t,j] - max_j)`
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels, Visible } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('softmax/C1', ['x', 'T', 'S'], ['y', 'T', 'S']);

/**
 * @param x `[T, S]`
 * @param visible `T` counts: row t is taken over its first `visible[t]` entries, 1 to S
 * @returns `[T, S]`; entries that are not visible are 0
 * @throws CallerError softmax/C1 (shape), softmax/C2 (a count outside 1 to S)
 */
export function softmax(kernels: Kernels, x: Tensor, visible: Visible): Tensor {
  const y = kernels.empty(x.shape);
  softmaxInto(kernels, x, visible, y);
  kernels.tape?.record(({ kernels, gradient }) => {
    const dx = kernels.empty(x.shape);
    softmaxBackwardInto(kernels, y, gradient(y), dx);
    kernels.add(gradient(x), dx, gradient(x));
  });
  return y;
}

/** As {@link softmax}, into `y` `[T, S]`, which may be `x`. */
export function softmaxInto(kernels: Kernels, x: Tensor, visible: Visible, y: Tensor): void {
  checkShapes(x, y);
  const [T, S] = x.shape as [number, number];
  if (!areCounts(visible, T, S)) {
    throw new CallerError({
      rule: 'softmax/C2',
      subject: 'visible entries',
      expected: `${T} counts from 1 to ${S}`,
      found: `[${visible.join(', ')}]`,
    });
  }
  // 1. Let m[t] be the largest visible entry.
  const m = kernels.empty([T]);
  kernels.rowMaxima(x, visible, m);
  // 2. Let y[t,j] be exp(x[t,j] - m[t]); 0 where j is not visible.
  kernels.expDifferences(x, m, visible, y);
  // 3. Let z[t] be the sum of the visible y[t,j].
  const z = kernels.empty([T]);
  kernels.rowSums(y, visible, z);
  // 4. Divide y[t,j] by z[t].
  kernels.divideColumn(y, z, y);
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

/** Whether there are T counts, each from 1 to S. */
function areCounts(visible: Visible, T: number, S: number): boolean {
  for (const n of visible) if (!(Number.isInteger(n) && 1 <= n && n <= S)) return false;
  return visible.length === T;
}
