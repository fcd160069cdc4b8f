import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { swiglu } from '../../lib/ops/swiglu.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

describe.each(['f64', 'f32'] as const)('swiglu, %s', (numerics) => {
  const kernels = referenceKernels(numerics);

  it.each(opCases('swiglu', numerics))('golden $id', ({ input, output }) => {
    const weights = {
      gate_proj: { weight: input('gate') },
      up_proj: { weight: input('up') },
      down_proj: { weight: input('down') },
    };
    expectClose(swiglu(kernels, input('x'), weights, discardTrace), output('y'), agreement[numerics]);
  });

  it('swiglu/C1: SiLU is on the gate: a closed gate (large negative) lets nothing through, a negative up does', () => {
    const scalar = (value: number) => ({ weight: tensorOf(numerics, [1, 1], [value]) });
    const run = (gate: number, up: number) =>
      swiglu(
        kernels,
        tensorOf(numerics, [1, 1], [1]),
        { gate_proj: scalar(gate), up_proj: scalar(up), down_proj: scalar(1) },
        discardTrace,
      ).get(0, 0);
    expect(Math.abs(run(-50, 5))).toBeLessThan(1e-18);
    expect(run(5, -50)).toBeLessThan(-200);
  });

  it('trace/T1: shows gate, up, activation and result by these names, none of them for another', () => {
    const [x, gate, up, down] = [[1], [2], [3], [5]].map((value) => tensorOf(numerics, [1, 1], value));
    const { trace, tensors } = recordTrace();
    swiglu(
      kernels,
      x!,
      { gate_proj: { weight: gate! }, up_proj: { weight: up! }, down_proj: { weight: down! } },
      trace,
    );
    const activation = tensors.get('activation')!.get(0, 0);
    expect(activation).toBeCloseTo((2 / (1 + Math.exp(-2))) * 3, 5);
    expect([...tensors].map(([name, tensor]) => [name, tensor.get(0, 0)])).toEqual([
      ['gate_proj', 2],
      ['up_proj', 3],
      ['activation', activation],
      ['down_proj', kernels.round(activation * 5)],
    ]);
  });
});
