/**
 * SPEC #compositional-embedder — the mean of the rows of each group, `y[g,i] = (Σ_j x[j,i]) / s_g` over the rows j of group g.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShape = shapeCheck('compositional-embedder/C1', ['x', 'R', 'd']);

/**
 * @param x `[R, d]`, the rows of group 0, then those of group 1, ...
 * @param sizes the number of rows of each group, at least 1; by default all rows are one group
 * @returns `[sizes.length, d]`
 * @throws CallerError compositional-embedder/C1 (no rows, groups that are not the rows, or not two axes)
 */
export function meanRows(kernels: Kernels, x: Tensor, sizes: readonly number[] = [x.shape[0] ?? 0]): Tensor {
  checkShape(x);
  const [R, d] = x.shape as [number, number];
  if (!sizes.every((s) => s >= 1) || sizes.reduce((sum, s) => sum + s, 0) !== R) {
    throw new CallerError({
      rule: 'compositional-embedder/C1',
      subject: 'rows',
      expected: `at least 1 in each group, ${R} in all`,
      found: sizes.join(', '),
    });
  }
  const y = kernels.empty([sizes.length, d]);
  forEachGroup(sizes, (g, from, to) => kernels.columnSums(x.rows(from, to), y.rows(g, g + 1)));
  // Divided by the tokens that are there, not by max_steps (compositional-embedder/C3).
  const counts = kernels.empty([sizes.length]);
  counts.data.set(sizes);
  kernels.divideColumn(y, counts, y);
  kernels.tape?.record(({ kernels, gradient }) =>
    meanRowsBackward(kernels, sizes, gradient(y), { x: gradient(x) }),
  );
  return y;
}

/** Adds the gradient of x to `into`, given that of y, `dy`: each row of a group gets `dy[g] / s_g`. */
export function meanRowsBackward(
  kernels: Kernels,
  sizes: readonly number[],
  dy: Tensor,
  into: { readonly x: Tensor },
): void {
  // Forward: y[g,i] = (Σ_j x[j,i]) / s_g.
  const share = kernels.empty(dy.shape);
  const counts = kernels.empty([sizes.length]);
  counts.data.set(sizes);
  kernels.divideColumn(dy, counts, share);
  const d = dy.shape[1]!;
  forEachGroup(sizes, (g, from, to) => {
    const dx = into.x.rows(from, to);
    kernels.addRow(dx, share.rows(g, g + 1).reshape([d]), dx);
  });
}

/** Calls `visit` with each group and the range of its rows. */
function forEachGroup(sizes: readonly number[], visit: (g: number, from: number, to: number) => void): void {
  let from = 0;
  sizes.forEach((size, g) => {
    visit(g, from, from + size);
    from += size;
  });
}
