import { describe, expect, it } from 'vitest';
import { evaluationLine, shownLoss, shownTime, stepLine, trainingCurves } from '../../cli/training-log.ts';

const mean = {
  tokens: 10,
  hits: { correct: [3, 0, 2], count: [6, 0, 4], stops: 9 },
  tokenCrossEntropy: 1.25,
  stopCrossEntropy: 0.5,
  teacherDivergence: 0,
  loss: 1.5,
};
const base = { ...mean, hits: { correct: [7], count: [10], stops: null } };
const step = {
  ...mean,
  step: 2,
  epoch: 1,
  samples: 3,
  gradientNorm: 0.75,
  learningRates: { base: 0.1, modules: 0.2 },
};

describe('what a training tells', () => {
  it('lines of the log: a step, an evaluation; no share of nothing, and no stop head of a base', () => {
    expect(stepLine(step)).toEqual({
      step: 2,
      epoch: 1,
      loss: 1.5,
      token_cross_entropy: 1.25,
      stop_cross_entropy: 0.5,
      teacher_divergence: 0,
      accuracy: [0.5, null, 0.5],
      stop_accuracy: 0.9,
      tokens: 10,
      samples: 3,
      gradient_norm: 0.75,
      learning_rate: { base: 0.1, modules: 0.2 },
    });
    expect(evaluationLine({ ...base, step: 4, samples: 1 })).toMatchObject({
      step: 4,
      held_out: { accuracy: [0.7], stop_accuracy: null, samples: 1 },
    });
  });

  it('for people', () => {
    expect(shownLoss(mean)).toBe('loss 1.5000  accuracy .500 - .500  stop .900');
    expect(shownLoss({ ...base, hits: { ...base.hits, correct: [10] } })).toBe('loss 1.5000  accuracy 1.00');
    expect([0, 59.6, 3599, 3600, 36_061].map(shownTime)).toEqual([
      '0:00',
      '1:00',
      '59:59',
      '1:00:00',
      '10:01:01',
    ]);
  });

  it('curves: of evaluations where there are any, with a stop head only if there is one', () => {
    const svg = trainingCurves([stepLine(step), evaluationLine({ ...mean, step: 2, samples: 1 })], 'a run');
    for (const text of ['held out', 'accuracy on held-out data', 'token, micro index 2', '>stop<'])
      expect(svg).toContain(text);
    const alone = trainingCurves([stepLine({ ...step, ...base })], 'a run');
    expect(alone).toContain('accuracy in training');
    expect(alone).not.toMatch(/held out|stop<|micro index/);
  });
});
