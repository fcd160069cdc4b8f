/**
 * SPEC #optimiser — one step of training: the samples of the step one after the other, their gradients added up; then the optimiser.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { TrainingSample } from './forward.ts';
import { type AdamW, clipGradients } from './optimiser.ts';
import { type LossWeights, type SampleLoss, sampleLoss } from './sample-loss.ts';
import type { TrainingPass } from './tape.ts';
import type { TrainableModel } from './trainable.ts';

/** What a training consists of. */
export interface Trainer {
  readonly trained: TrainableModel & { readonly model: HamburgerModel };
  readonly pass: TrainingPass;
  readonly optimiser: AdamW;
  readonly lossWeights: LossWeights;
  /** The most that the norm of all gradients may be. */
  readonly clip: number;
}

/** What a step came to: means over its response tokens. */
export interface StepResult extends SampleLoss {
  /** The loss that was differentiated. */
  readonly loss: number;
  /** The norm of all gradients before they were clipped. */
  readonly gradientNorm: number;
}

/** A sample and, where there is a teacher, what it says at each response token. */
export interface StepSample extends TrainingSample {
  /** `[N, V]` */
  readonly teacher: Tensor | null;
}

/**
 * One step. Activations of one sample at a time are in memory; how many samples there are is a matter of the step alone.
 *
 * @param learningRates one for each of the optimiser's groups
 * @throws CallerError optimiser/C6 (no samples), and as {@link sampleLoss} and {@link clipGradients}; the parameters are unchanged then
 */
export function trainingStep(
  { trained, pass, optimiser, lossWeights, clip }: Trainer,
  samples: readonly StepSample[],
  learningRates: readonly number[],
): StepResult {
  const model = { ...trained.model, kernels: pass.kernels };
  if (samples.length === 0) {
    throw new CallerError({
      rule: 'optimiser/C6',
      subject: 'samples of a step',
      expected: 'at least one',
      found: 'none',
    });
  }
  const tokens = samples.reduce((sum, { segments }) => sum + segments.flat().length, 0);
  // 1. Let all gradients be 0; add those of each sample, in order (optimiser/C6).
  trained.place.gradients.data.fill(0);
  const sums = { tokenCrossEntropy: 0, stopCrossEntropy: 0, teacherDivergence: 0 };
  try {
    for (const sample of samples) {
      const loss = sampleLoss(model, sample, lossWeights, tokens, sample.teacher);
      sums.tokenCrossEntropy += loss.tokenCrossEntropy;
      sums.stopCrossEntropy += loss.stopCrossEntropy;
      sums.teacherDivergence += loss.teacherDivergence;
      pass.backward();
      pass.reset();
    }
  } finally {
    pass.reset();
  }
  // 2. Clip them, and let the optimiser change the parameters.
  const gradientNorm = clipGradients(trained.model.kernels, trained.parameters, clip);
  optimiser.step(learningRates);
  const { tokenCrossEntropy, stopCrossEntropy, teacherDivergence } = sums;
  return {
    tokens,
    tokenCrossEntropy: tokenCrossEntropy / tokens,
    stopCrossEntropy: stopCrossEntropy / tokens,
    teacherDivergence: teacherDivergence / tokens,
    loss:
      (tokenCrossEntropy + lossWeights.stop * stopCrossEntropy + lossWeights.teacher * teacherDivergence) /
      tokens,
    gradientNorm,
  };
}
