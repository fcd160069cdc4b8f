import { expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { meanRows } from '../../lib/ops/mean-rows.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';

const kernels = referenceKernels('f32');

it('compositional-embedder/C3: divides by the rows that are there', () => {
  expect([...meanRows(kernels, tensorOf('f32', [2, 2], [1, 10, 3, 30])).data]).toEqual([2, 20]);
  expect([...meanRows(kernels, tensorOf('f32', [3, 1], [1, 2, 4])).data]).toEqual([Math.fround(7 / 3)]);
});

it('sums first and divides once: thirds added up would not be 1', () => {
  expect(meanRows(kernels, tensorOf('f32', [3, 1], [1, 1, 1])).get(0, 0)).toBe(1);
  // 49 * (1/49) is not 1 in binary64.
  expect(meanRows(referenceKernels('f64'), tensorOf('f64', [49, 1], Array(49).fill(1))).get(0, 0)).toBe(1);
});

it('compositional-embedder/C1: refuses no rows, whose mean would be NaN', () => {
  expect(() => meanRows(kernels, zeros('f32', [0, 2]))).toThrow(
    'compositional-embedder/C1: rows: expected at least 1 in each group, 0 in all, found 0',
  );
});

it('compositional-embedder/C1: refuses groups that are not the rows', () => {
  const x = tensorOf('f32', [3, 1], [1, 2, 3]);
  for (const sizes of [
    [3, 0],
    [0, 3],
    [2, 2],
    [1, 1],
  ])
    expect(() => meanRows(kernels, x, sizes)).toThrow(
      `compositional-embedder/C1: rows: expected at least 1 in each group, 3 in all, found ${sizes.join(', ')}`,
    );
});

it('compositional-embedder/C1: refuses what is not rows', () => {
  expect(() => meanRows(kernels, tensorOf('f32', [2], [1, 2]))).toThrow(
    'compositional-embedder/C1: shape of x: expected [R, d], found [2]',
  );
});
