import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { HamburgerModel } from '../../lib/model/model.ts';
import { adamWDefaults, createAdamW } from '../../lib/train/optimiser.ts';
import { sampleLoss } from '../../lib/train/sample-loss.ts';
import { type StepSample, type Trainer, trainingStep } from '../../lib/train/step.ts';
import { sample, trainingModel } from '../helpers/training.ts';

const samples: readonly StepSample[] = [
  { ...sample, teacher: null },
  { prompt: [2, 7], segments: [[1, 8], [2]], teacher: null },
];
const groups = [
  { prefixes: ['comp_embedder.', 'micro_step_decoder.'], weightDecay: 0.01 },
  { prefixes: [''], weightDecay: 0.01 },
];

function trainer(kernels = referenceKernels('f64'), clip = 1): Trainer {
  const { trained, pass, model } = trainingModel(kernels);
  return {
    trained: { ...trained, model: model as HamburgerModel },
    pass,
    optimiser: createAdamW(kernels, trained.parameters, { groups, ...adamWDefaults }),
    lossWeights: { stop: 0.5, teacher: 0 },
    clip,
  };
}

describe('training step', () => {
  it('makes the loss smaller', () => {
    const t = trainer();
    const losses = Array.from({ length: 12 }, () => trainingStep(t, samples, [0.01, 0.005]).loss);
    expect(losses[11]).toBeLessThan(0.6 * losses[0]!);
    expect(t.optimiser.steps).toBe(12);
  });

  it('optimiser/C6, losses/C3: gradients of the samples add up, each token counting the same; those of the step before are gone', () => {
    const t = trainer(referenceKernels('f64'), 1e9);
    const { trained, pass } = t;
    trained.place.gradients.data.fill(7);
    // A learning rate of 0: the parameters stay, the gradients can be looked at.
    const result = trainingStep(t, samples, [0, 0]);
    const together = [...trained.place.gradients.data];
    const model = { ...trained.model, kernels: pass.kernels } as HamburgerModel;
    const separate = samples.map((each) => {
      trained.place.gradients.data.fill(0);
      const loss = sampleLoss(model, each, t.lossWeights, 1, null);
      pass.backward();
      pass.reset();
      return { loss, gradients: [...trained.place.gradients.data] };
    });
    expect(separate.map(({ loss }) => loss.tokens)).toEqual([12, 3]);
    together.forEach((value, i) => {
      expect(value).toBeCloseTo((separate[0]!.gradients[i]! + separate[1]!.gradients[i]!) / 15, 10);
    });
    const [a, b] = separate.map(({ loss }) => loss.tokenCrossEntropy + 0.5 * loss.stopCrossEntropy);
    expect(result.loss).toBeCloseTo((a! + b!) / 15, 12);
  });

  it('numerics/N9, N10: three steps with simd, on one thread or two, have the bits of the reference', () => {
    const run = (kernels: ReturnType<typeof referenceKernels>) => {
      const t = trainer(kernels);
      const results = [1, 2, 3].map(() => trainingStep(t, samples, [0.01, 0.005]));
      return { results, values: [...t.trained.place.values.data] };
    };
    const want = run(referenceKernels('f32'));
    const threads = simdKernels({ threads: 2, leastSharedWork: 0 });
    for (const kernels of [simdKernels(), threads]) expect(run(kernels)).toEqual(want);
    threads.close();
  });

  it('a sample that is refused leaves the parameters as they were', () => {
    const t = trainer();
    const before = [...t.trained.place.values.data];
    const bad = { prompt: [1], segments: [[99]], teacher: null };
    expect(() => trainingStep(t, [samples[0]!, bad], [0.1, 0.1])).toThrow(/base\/C1|losses\/C1/);
    expect(() => trainingStep(t, [], [0.1, 0.1])).toThrow(/optimiser\/C6/);
    expect([...t.trained.place.values.data]).toEqual(before);
    expect(trainingStep(t, samples, [0, 0]).tokens).toBe(15);
  });
});
