import { expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { concatColumns } from '../../lib/ops/concat-columns.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';

const kernels = referenceKernels('f64');

it('puts rows side by side, the first operand first', () => {
  const y = concatColumns(kernels, tensorOf('f64', [2, 2], [1, 2, 3, 4]), tensorOf('f64', [2, 1], [10, 20]));
  expect(y.shape).toEqual([2, 3]);
  expect([...y.data]).toEqual([1, 2, 10, 3, 4, 20]);
});

it('notation/C1: refuses different numbers of rows', () => {
  expect(() => concatColumns(kernels, zeros('f64', [2, 2]), zeros('f64', [3, 1]))).toThrow(
    'notation/C1: shape of b: expected [s = 2, n], found [3, 1]',
  );
});
