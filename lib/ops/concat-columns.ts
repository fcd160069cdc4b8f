/**
 * SPEC #compositional-embedder — rows side by side, `y[j] = [a[j] ; b[j]]`. A copy: exact in every mode.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('notation/C1', ['a', 's', 'm'], ['b', 's', 'n']);

/**
 * @param a `[s, m]`
 * @param b `[s, n]`
 * @returns `[s, m + n]`
 * @throws CallerError notation/C1 (different numbers of rows)
 */
export function concatColumns(kernels: Kernels, a: Tensor, b: Tensor): Tensor {
  checkShapes(a, b);
  const [s, m] = a.shape as [number, number];
  const n = b.shape[1]!;
  const y = kernels.empty([s, m + n]);
  for (let j = 0; j < s; j++) {
    y.data.set(a.rows(j, j + 1).data, j * (m + n));
    y.data.set(b.rows(j, j + 1).data, j * (m + n) + m);
  }
  kernels.tape?.record(({ gradient }) =>
    concatColumnsBackward(gradient(y), { a: gradient(a), b: gradient(b) }),
  );
  return y;
}

/** Adds the gradients of a and b to `into`, given that of y, `dy`. */
export function concatColumnsBackward(dy: Tensor, into: { readonly a: Tensor; readonly b: Tensor }): void {
  const [s, width] = dy.shape as [number, number];
  const m = into.a.shape[1]!;
  const n = width - m;
  for (let j = 0; j < s; j++) {
    // Forward: y[j] = [a[j] ; b[j]].
    const [a, b, from] = [into.a.data, into.b.data, j * width];
    for (let c = 0; c < m; c++) a[j * m + c] = a[j * m + c]! + dy.data[from + c]!;
    for (let c = 0; c < n; c++) b[j * n + c] = b[j * n + c]! + dy.data[from + m + c]!;
  }
}
