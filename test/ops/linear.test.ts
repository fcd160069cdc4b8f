import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { linear } from '../../lib/ops/linear.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

describe.each(['f64', 'f32'] as const)('linear, %s', (numerics) => {
  const kernels = referenceKernels(numerics);

  it.each(opCases('linear', numerics))('golden $id', ({ input, has, output }) => {
    const weights = has('bias')
      ? { weight: input('weight'), bias: input('bias') }
      : { weight: input('weight') };
    expectClose(linear(kernels, input('x'), weights), output('y'), agreement[numerics]);
  });

  it('linear/C1: a weight lies as [out, in]; one that lies as [in, out] is refused', () => {
    const apply = () => linear(kernels, zeros(numerics, [2, 3]), { weight: zeros(numerics, [3, 5]) });
    expect(apply).toThrow('linear/C1: shape of weight: expected [out = 3, in = 3], found [3, 5]');
  });

  it('linear/C2: refuses a bias of the width of the input', () => {
    const weights = { weight: zeros(numerics, [4, 3]), bias: zeros(numerics, [3]) };
    expect(() => linear(kernels, zeros(numerics, [2, 3]), weights)).toThrow(
      'linear/C2: shape of bias: expected [out = 4], found [3]',
    );
  });

  it('the bias is added after the sum, not as its first term', () => {
    // 1 + 2^-24 rounds back to 1 in f32, twice; 2^-24 + 2^-24 first would survive.
    const [x, w, b] = [
      tensorOf(numerics, [1, 2], [1, 2 ** -24]),
      tensorOf(numerics, [1, 2], [1, 1]),
      tensorOf(numerics, [1], [2 ** -24]),
    ];
    expect(linear(kernels, x, { weight: w, bias: b }).get(0, 0) - 1).toBe(numerics === 'f32' ? 0 : 2 ** -23);
  });
});
