import { expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { embedding } from '../../lib/ops/embedding.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';

const kernels = referenceKernels('f32');
const table = tensorOf('f32', [3, 2], [0, 1, 10, 11, 20, 21]);

it('takes rows, in the order of the ids, as often as they come', () => {
  expect([...embedding(kernels, table, [2, 0, 2]).data]).toEqual([20, 21, 0, 1, 20, 21]);
});

it('base/C1: refuses what is not an id of the vocabulary', () => {
  for (const id of [-1, 3, 0.5, Number.NaN]) {
    expect(() => embedding(kernels, table, [0, id])).toThrow(
      `base/C1: token id at index 1: expected an integer from 0 to 2, found ${id}`,
    );
  }
});

it('is a copy: changing it does not change the table', () => {
  embedding(kernels, table, [1]).set([0, 0], 99);
  expect(table.get(1, 0)).toBe(10);
});

it('refuses a table that has not two axes', () => {
  expect(() => embedding(kernels, tensorOf('f32', [4], [0, 1, 2, 3]), [1])).toThrow('table');
});
