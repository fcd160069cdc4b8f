import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { softmax } from '../../lib/ops/softmax.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

describe.each(['f64', 'f32'] as const)('softmax, %s', (numerics) => {
  const kernels = referenceKernels(numerics);
  const all = (x: { shape: readonly number[] }) => Array<number>(x.shape[0]!).fill(x.shape[1]!);

  it.each(opCases('softmax', numerics))('golden $id', ({ input, output }) => {
    const x = input('x');
    expectClose(softmax(kernels, x, all(x)), output('y'), agreement[numerics]);
  });

  it('does not overflow: the maximum is subtracted', () => {
    const x = tensorOf(numerics, [2, 2], [1000, 1000, -20000, -20001]);
    const y = softmax(kernels, x, [2, 2]);
    expect(y.get(0, 0)).toBe(0.5);
    expect(y.get(1, 0)).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
  });

  it('softmax/C1: refuses a tensor that is not two-dimensional', () => {
    expect(() => softmax(kernels, zeros(numerics, [3]), [3])).toThrow('softmax/C1: shape of x');
  });

  it('softmax/C2: refuses counts that are none, too many, or not one for each row', () => {
    const x = zeros(numerics, [2, 3]);
    for (const visible of [[0, 3], [3, 4], [3], [1.5, 3]]) {
      expect(() => softmax(kernels, x, visible), `${visible}`).toThrow(
        'softmax/C2: visible entries: expected 2 counts from 1 to 3',
      );
    }
  });

  it('softmax/C2: what is not visible changes nothing, whatever it is', () => {
    const values = fc.array(fc.float({ noNaN: true, min: -50, max: 50 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.constantFrom(0, 1e30, Number.NaN, Infinity), (row, padding) => {
        const alone = softmax(kernels, tensorOf(numerics, [1, row.length], row), [row.length]);
        const padded = softmax(kernels, tensorOf(numerics, [1, row.length + 2], [...row, padding, padding]), [
          row.length,
        ]);
        expect([...padded.data]).toEqual([...alone.data, 0, 0]);
        expect([...alone.data].reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      }),
      { seed: 1 },
    );
  });

  it('NaN shows in the whole row, and in no other', () => {
    const y = softmax(kernels, tensorOf(numerics, [2, 2], [1, Number.NaN, 1, 1]), [2, 2]);
    expect([...y.data]).toEqual([Number.NaN, Number.NaN, 0.5, 0.5]);
  });
});
