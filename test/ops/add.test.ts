import { expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { add } from '../../lib/ops/add.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';

it.each(['f64', 'f32'] as const)('adds without changing its operands, %s', (numerics) => {
  const kernels = referenceKernels(numerics);
  const [x, y] = [tensorOf(numerics, [1, 2], [1, 0.1]), tensorOf(numerics, [1, 2], [10, 0.2])];
  expect([...add(kernels, x, y).data]).toEqual([11, kernels.round(x.get(0, 1) + y.get(0, 1))]);
  expect(x.get(0, 0)).toBe(1);
});

it('notation/C1: refuses to spread a row over a batch', () => {
  const kernels = referenceKernels('f64');
  expect(() => add(kernels, zeros('f64', [2, 3]), zeros('f64', [1, 3]))).toThrow(
    'notation/C1: shape of y: expected [T = 2, d = 3], found [1, 3]',
  );
});
