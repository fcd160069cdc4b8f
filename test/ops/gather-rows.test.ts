import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { gatherRows } from '../../lib/ops/gather-rows.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';

describe.each(['f64', 'f32'] as const)('gather-rows, %s', (numerics) => {
  const kernels = referenceKernels(numerics);
  const first = tensorOf(numerics, [2, 3], [1, 2, 3, 4, 5, 6]);
  const second = tensorOf(numerics, [1, 3], [7, 8, 9]);

  it('puts rows in the order of the sources, not of the tensors; one may come twice', () => {
    const rows = [
      { tensor: second, row: 0 },
      { tensor: first, row: 1 },
      { tensor: first, row: 1 },
    ];
    const y = gatherRows(kernels, 3, rows);
    expect(y.shape).toEqual([3, 3]);
    expect([...y.data]).toEqual([7, 8, 9, 4, 5, 6, 4, 5, 6]);
  });

  it('notation/C1: refuses a source of another width, whose rows would be cut at the wrong places', () => {
    const rows = [{ tensor: tensorOf(numerics, [3, 2], [1, 2, 3, 4, 5, 6]), row: 1 }];
    expect(() => gatherRows(kernels, 3, rows)).toThrow('notation/C1');
  });
});
