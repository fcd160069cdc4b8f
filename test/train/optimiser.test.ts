import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { type Numerics, tensorOf } from '../../lib/tensor/tensor.ts';
import { adamWDefaults, clipGradients, createAdamW, gradientNorm } from '../../lib/train/optimiser.ts';
import { someNumbers } from '../helpers/gradients.ts';

interface GoldenCase {
  readonly id: string;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weight_decay: number;
  readonly start: number[];
  readonly learning_rates: number[];
  readonly gradients: number[][];
  readonly after: number[][];
}

const goldens: GoldenCase[] = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-training/optimiser.json', import.meta.url), 'utf8'),
).adamw;

/** A parameter of one row. */
function parameter(
  name: string,
  values: readonly number[],
  gradients: readonly number[],
  mode: Numerics = 'f64',
) {
  return {
    name,
    values: tensorOf(mode, [values.length], values),
    gradients: tensorOf(mode, [values.length], gradients),
  };
}

const everything = (weightDecay: number) => [{ prefixes: [''], weightDecay }];

describe('AdamW', () => {
  it.each(goldens)('agrees with PyTorch: $id', (golden) => {
    const p = parameter('w', golden.start, golden.start);
    const optimiser = createAdamW(referenceKernels('f64'), [p], {
      groups: everything(golden.weight_decay),
      beta1: golden.beta1,
      beta2: golden.beta2,
      eps: golden.eps,
    });
    golden.gradients.forEach((gradient, step) => {
      p.gradients.data.set(gradient);
      optimiser.step([golden.learning_rates[step]!]);
      golden.after[step]!.forEach((want, i) => {
        expect(Math.abs(p.values.data[i]! - want), `step ${step}, element ${i}`).toBeLessThan(1e-14);
      });
    });
    expect(optimiser.steps).toBe(4);
  });

  it('optimiser/C4: in f32 every operation is rounded, and the corrections are binary64 before they are', () => {
    const { fround } = Math;
    const [start, gradients] = [
      someNumbers(1, 7).map(fround),
      [2, 3, 4].map((s) => someNumbers(s, 7).map(fround)),
    ];
    const p = parameter('w', start, start, 'f32');
    const optimiser = createAdamW(referenceKernels('f32'), [p], {
      groups: everything(0.1),
      ...adamWDefaults,
    });
    const state = start.map((w) => ({ w, m: 0, v: 0 }));
    gradients.forEach((gradient, step) => {
      p.gradients.data.set(gradient);
      optimiser.step([0.01]);
      const [first, second] = [1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)];
      state.forEach((s, i) => {
        const g = gradient[i]!;
        s.w = fround(s.w * fround(1 - 0.01 * 0.1));
        s.m = fround(s.m + fround(fround(g - s.m) * fround(1 - 0.9)));
        s.v = fround(fround(s.v * fround(0.999)) + fround(fround(g * g) * fround(1 - 0.999)));
        const root = fround(fround(fround(Math.sqrt(s.v)) / fround(Math.sqrt(second))) + fround(1e-8));
        s.w = fround(s.w - fround(fround(0.01 / first) * fround(s.m / root)));
      });
      expect([...p.values.data]).toEqual(state.map(({ w }) => w));
    });
  });

  it('optimiser/C2: each group has its learning rate and weight decay; the first that takes a parameter counts', () => {
    const names = ['model.a', 'comp_embedder.b', 'micro_step_decoder.c'];
    const list = names.map((name) => parameter(name, [1], [0]));
    const groups = [
      { prefixes: ['comp_embedder.', 'micro_step_decoder.'], weightDecay: 0.5 },
      { prefixes: [''], weightDecay: 0.25 },
    ];
    const optimiser = createAdamW(referenceKernels('f64'), list, { groups, ...adamWDefaults });
    optimiser.step([0.5, 0.125]);
    expect(list.map(({ values }) => values.data[0])).toEqual([1 - 0.125 * 0.25, 0.75, 0.75]);
    expect(() =>
      createAdamW(referenceKernels('f64'), list, { groups: groups.slice(0, 1), ...adamWDefaults }),
    ).toThrow('optimiser/C2: parameter "model.a": expected a group that takes it, found none');
    expect(() => optimiser.step([1])).toThrow(/optimiser\/C2: learning rates: expected 2/);
  });

  it('optimiser/C1: refuses settings out of range', () => {
    const make = (settings: object) =>
      createAdamW(referenceKernels('f64'), [parameter('w', [1], [1])], {
        groups: everything(0),
        ...adamWDefaults,
        ...settings,
      });
    expect(() => make({ beta1: 1 })).toThrow(/optimiser\/C1: beta1/);
    expect(() => make({ beta2: -0.1 })).toThrow(/optimiser\/C1: beta2/);
    expect(() => make({ eps: 0 })).toThrow(/optimiser\/C1: eps/);
    expect(() => make({ groups: everything(-1) })).toThrow(/optimiser\/C1: weight decay/);
    expect(() => make({}).step([Number.NaN])).toThrow(/optimiser\/C1: learning rate/);
    expect(() => make({}).resume(1.5)).toThrow(/optimiser\/C1: steps taken/);
  });

  it('a training that goes on with the moments and steps of another gives the same bits', () => {
    const options = { groups: everything(0.1), ...adamWDefaults };
    const kernels = referenceKernels('f32');
    const whole = parameter('w', someNumbers(1, 5), someNumbers(2, 5), 'f32');
    const first = createAdamW(kernels, [whole], options);
    first.step([0.1]);
    const part = parameter('w', [...whole.values.data], someNumbers(3, 5), 'f32');
    const second = createAdamW(kernels, [part], options);
    second.moments[0]!.first.data.set(first.moments[0]!.first.data);
    second.moments[0]!.second.data.set(first.moments[0]!.second.data);
    second.resume(first.steps);
    whole.gradients.data.set(someNumbers(3, 5));
    first.step([0.1]);
    second.step([0.1]);
    expect([...part.values.data]).toEqual([...whole.values.data]);
  });
});

describe('clipping', () => {
  const list = () => [parameter('a', [0, 0], [3, 0]), parameter('b', [0], [4])];

  it('scales all gradients by one factor, to the limit', () => {
    const parameters = list();
    expect(clipGradients(referenceKernels('f64'), parameters, 2.5)).toBe(5);
    expect(parameters.map(({ gradients }) => [...gradients.data])).toEqual([[1.5, 0], [2]]);
  });

  it('leaves gradients within the limit alone', () => {
    const parameters = list();
    expect(clipGradients(referenceKernels('f64'), parameters, 5)).toBe(5);
    expect(parameters.map(({ gradients }) => [...gradients.data])).toEqual([[3, 0], [4]]);
  });

  it.each([Number.NaN, Infinity])(
    'optimiser/C3: a norm that is %s is an error, and nothing is changed',
    (bad) => {
      const parameters = list();
      parameters[1]!.gradients.data[0] = bad;
      expect(() => clipGradients(referenceKernels('f64'), parameters, 1)).toThrow(/optimiser\/C3.*diverged/);
      expect([...parameters[0]!.gradients.data]).toEqual([3, 0]);
    },
  );

  it('the norm has the same bits with simd', () => {
    const parameters = [
      parameter('a', someNumbers(3, 77), someNumbers(1, 77), 'f32'),
      parameter('b', someNumbers(4, 5), someNumbers(2, 5), 'f32'),
    ];
    expect(gradientNorm(simdKernels(), parameters)).toBe(gradientNorm(referenceKernels('f32'), parameters));
  });
});
