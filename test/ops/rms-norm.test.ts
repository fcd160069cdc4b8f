import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { rmsNorm } from '../../lib/ops/rms-norm.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

describe.each(['f64', 'f32'] as const)('rms-norm, %s', (numerics) => {
  const kernels = referenceKernels(numerics);

  it.each(opCases('rms-norm', numerics))('golden $id', ({ input, output, params }) => {
    expectClose(rmsNorm(kernels, input('x'), input('weight'), params.eps), output('y'), agreement[numerics]);
  });

  it('rms-norm/C1: refuses a weight of another width', () => {
    const norm = () => rmsNorm(kernels, zeros(numerics, [2, 3]), zeros(numerics, [2]), 1e-5);
    expect(norm).toThrow(CallerError);
    expect(norm).toThrow('rms-norm/C1: shape of weight: expected [d = 3], found [2]');
  });

  it('rms-norm/C2: eps stands inside the root: a row of zeros gives zeros, a tiny row is damped', () => {
    const weight = tensorOf(numerics, [2], [1, 1]);
    expect([...rmsNorm(kernels, zeros(numerics, [1, 2]), weight, 1e-5).data]).toEqual([0, 0]);
    const [y] = rmsNorm(kernels, tensorOf(numerics, [1, 2], [1e-4, 1e-4]), weight, 1e-8).data;
    // mean square 1e-8: x / sqrt(2e-8); with eps outside the root it would be x / (1e-4 + 1e-8).
    expect(y).toBeCloseTo(Math.SQRT1_2, 6);
  });

  it('numerics/N6: a row does not feel its neighbours', () => {
    const weight = tensorOf(numerics, [3], [1, 2, 3]);
    const alone = rmsNorm(kernels, tensorOf(numerics, [1, 3], [1, 2, 4]), weight, 1e-5);
    const together = rmsNorm(kernels, tensorOf(numerics, [2, 3], [100, -5, 7, 1, 2, 4]), weight, 1e-5);
    expect(together.rows(1, 2).data).toEqual(alone.data);
  });
});
