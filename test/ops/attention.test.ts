import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { attention } from '../../lib/ops/attention.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

describe.each(['f64', 'f32'] as const)('attention, %s', (numerics) => {
  const kernels = referenceKernels(numerics);

  it.each(opCases('attention', numerics))('golden $id', ({ input, output }) => {
    const [queries, keys, values] = [input('q'), input('k'), input('v')];
    const [T, S] = [queries.shape[0]!, keys.shape[0]!];
    const visible = Array.from({ length: T }, (_, t) => S - T + t + 1);
    const { trace, tensors } = recordTrace();
    const context = attention(kernels, { queries, keys, values, visible }, trace);
    expectClose(context.reshape(output('context').shape), output('context'), agreement[numerics]);
    expectClose(tensors.get('weights')!, output('weights'), agreement[numerics]);
  });

  it('attention/C1: refuses keys and values that do not belong together', () => {
    const inputs = {
      queries: zeros(numerics, [1, 4, 2]),
      keys: zeros(numerics, [3, 2, 2]),
      values: zeros(numerics, [2, 2, 2]),
      visible: [3],
    };
    expect(() => attention(kernels, inputs, discardTrace)).toThrow(
      'attention/C1: shape of values: expected [S = 3, Hkv = 2, size = 2], found [2, 2, 2]',
    );
  });

  it('attention/C2: refuses heads that cannot be grouped', () => {
    const inputs = {
      queries: zeros(numerics, [1, 4, 2]),
      keys: zeros(numerics, [1, 3, 2]),
      values: zeros(numerics, [1, 3, 2]),
      visible: [1],
    };
    expect(() => attention(kernels, inputs, discardTrace)).toThrow(
      'attention/C2: query heads: expected a multiple of the 3 key/value heads, found 4',
    );
  });

  it.each([
    ['none', [1, 0]],
    ['more than there are', [4, 1]],
  ])('softmax/C2: refuses a row that sees %s of the entries', (_, visible) => {
    const inputs = {
      queries: zeros(numerics, [2, 4, 2]),
      keys: zeros(numerics, [3, 2, 2]),
      values: zeros(numerics, [3, 2, 2]),
      visible,
    };
    expect(() => attention(kernels, inputs, discardTrace)).toThrow('softmax/C2');
  });

  it('query head h reads key/value head floor(h / (H / Hkv)), not h mod Hkv', () => {
    const values = tensorOf(numerics, [1, 2, 2], [1, 1, 2, 2]);
    const context = attention(
      kernels,
      { queries: zeros(numerics, [1, 4, 2]), keys: zeros(numerics, [1, 2, 2]), values, visible: [1] },
      discardTrace,
    );
    expect([0, 1, 2, 3].map((h) => context.get(0, h, 0))).toEqual([1, 1, 2, 2]);
  });

  it('attention/C3: a later entry, even NaN, changes no bit of an earlier row', () => {
    const random = (n: number) => Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 2);
    const run = (extra: number) => {
      const rows = (values: number[]) =>
        tensorOf(numerics, [3, 1, 4], [...values.slice(0, 8), extra, extra, extra, extra]);
      return attention(
        kernels,
        {
          queries: tensorOf(numerics, [2, 2, 4], random(16)),
          keys: rows(random(8)),
          values: rows(random(8)),
          visible: [1, 2],
        },
        discardTrace,
      ).data;
    };
    expect(run(Number.NaN)).toEqual(run(0));
  });

  it('numerics/N6: a long prompt, whose rows go in blocks, gives the bits of all rows at once', () => {
    const random = (n: number, step: number) => Array.from({ length: n }, (_, i) => Math.sin(i * step) * 2);
    const [T, S] = [77, 80];
    const inputs = {
      queries: tensorOf(numerics, [T, 4, 6], random(T * 24, 1.7)),
      keys: tensorOf(numerics, [S, 2, 6], random(S * 12, 0.9)),
      values: tensorOf(numerics, [S, 2, 6], random(S * 12, 2.3)),
      visible: Array.from({ length: T }, (_, t) => S - T + t + 1),
    };
    const whole = attention(kernels, inputs, recordTrace().trace);
    expect(attention(kernels, inputs, discardTrace).data).toEqual(whole.data);
  });
});
