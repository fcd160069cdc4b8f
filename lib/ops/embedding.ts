/**
 * SPEC #base — rows of the embedding table, `y[t] = table[ids[t]]`. A copy: exact in every mode. Its way back is that of
 * {@link gatherRows}.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { gatherRows } from './gather-rows.ts';

const checkShape = shapeCheck('base/C1', ['table', 'V', 'd']);

/**
 * @param table `[V, d]`
 * @param ids token ids, each `0 <= id < V`
 * @returns `[ids.length, d]`
 * @throws CallerError base/C1 (an id outside the vocabulary)
 */
export function embedding(kernels: Kernels, table: Tensor, ids: readonly number[]): Tensor {
  checkShape(table);
  const [V, d] = table.shape as [number, number];
  checkTokenIds(ids, V);
  const rows = ids.map((row) => ({ tensor: table, row }));
  return gatherRows(kernels, d, rows);
}

/** @throws CallerError base/C1 (an id that is not one of V) */
export function checkTokenIds(ids: readonly number[], V: number): void {
  ids.forEach((id, t) => {
    if (Number.isInteger(id) && 0 <= id && id < V) return;
    throw new CallerError({
      rule: 'base/C1',
      subject: `token id at index ${t}`,
      expected: `an integer from 0 to ${V - 1}`,
      found: `${id}`,
    });
  });
}
