/**
 * SPEC #notation — rows of several tensors, one below the other: `y[r] = row of source r`. A copy: exact in every mode.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkShapes = shapeCheck('notation/C1', ['y', 'r', 'd'], ['source', 'rows', 'd']);

/** One row of a tensor `[rows, d]`. */
export interface RowSource {
  readonly tensor: Tensor;
  readonly row: number;
}

/**
 * @param d width of every row
 * @param sources where each row comes from
 * @returns `[sources.length, d]`
 * @throws CallerError notation/C1 (a source of another width)
 */
export function gatherRows(kernels: Kernels, d: number, sources: readonly RowSource[]): Tensor {
  const y = kernels.empty([sources.length, d]);
  sources.forEach(({ tensor, row }, r) => {
    checkShapes(y, tensor);
    kernels.copyRows(tensor, row, row + 1, y, r);
  });
  kernels.tape?.record(({ gradient }) => {
    const into = new Map<Tensor, Tensor>();
    for (const { tensor } of sources) if (!into.has(tensor)) into.set(tensor, gradient(tensor));
    gatherRowsBackward(
      gradient(y),
      sources.map(({ tensor, row }) => ({ tensor: into.get(tensor)!, row })),
    );
  });
  return y;
}

/** Adds each row of `dy` to the row that it came from, in order; a row that was taken twice gets two shares. */
export function gatherRowsBackward(dy: Tensor, into: readonly RowSource[]): void {
  const d = dy.shape[1]!;
  // Forward: y[r] = sources[r].tensor[sources[r].row].
  const shares = dy.data;
  into.forEach(({ tensor: { data }, row }, r) => {
    // Plain additions: a Float32Array rounds each as it is stored.
    for (let i = 0; i < d; i++) data[row * d + i] = data[row * d + i]! + shares[r * d + i]!;
  });
}
