/**
 * SPEC #optimiser — one step of training: the samples of the step one after the other, their gradients added up; then the optimiser.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { isHamburger, type Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { firstNonFinite, nonFiniteError } from './non-finite.ts';
import { type AdamW, clipGradients } from './optimiser.ts';
import {
  type Hits,
  type LossSample,
  type LossWeights,
  type SampleLoss,
  sampleLoss,
  tokenLoss,
} from './sample-loss.ts';
import type { TrainingPass } from './tape.ts';
import type { TrainableModel } from './trainable.ts';

/** What a training consists of. */
export interface Trainer {
  /** With HAMburger modules, or a base alone. */
  readonly trained: TrainableModel;
  readonly pass: TrainingPass;
  readonly optimiser: AdamW;
  readonly lossWeights: LossWeights;
  /** The most that the norm of all gradients may be. */
  readonly clip: number;
}

/** Means over response tokens; hits are counted. */
export interface MeanLoss extends SampleLoss {
  /** What is made small: the parts, weighted. */
  readonly loss: number;
}

/** What a step came to. */
export interface StepResult extends MeanLoss {
  /** The norm of all gradients before they were clipped. */
  readonly gradientNorm: number;
}

/** A sample and, where there is a teacher, what it says at each response token. */
export interface StepSample extends LossSample {
  /** Gives `[N, V]`, which may be overwritten when the next sample's turn has come. */
  readonly teacher: (() => Tensor) | null;
  /** Where it comes from, for messages. */
  readonly place?: string;
}

/**
 * One step. Activations of one sample at a time are in memory; how many samples there are is a matter of the step alone.
 *
 * @param learningRates one for each of the optimiser's groups
 * @throws CallerError optimiser/C6 (no samples), optimiser/C7 (a loss or a gradient is not finite), or as {@link sampleLoss}; the parameters
 *   are unchanged then
 */
export function trainingStep(
  trainer: Trainer,
  samples: readonly StepSample[],
  learningRates: readonly number[],
): StepResult {
  const steps = trainingStepBySample(trainer, samples, learningRates);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** As {@link trainingStep}; yields after each sample. Whoever breaks off leaves parameters and optimiser as they were. */
export function* trainingStepBySample(
  { trained, pass, optimiser, lossWeights, clip }: Trainer,
  samples: readonly StepSample[],
  learningRates: readonly number[],
): Generator<StepSample, StepResult> {
  const model = { ...trained.model, kernels: pass.kernels };
  if (samples.length === 0) {
    throw new CallerError({
      rule: 'optimiser/C6',
      subject: 'samples of a step',
      expected: 'at least one',
      found: 'none',
    });
  }
  const tokens = samples.reduce((sum, sample) => sum + sample.segments.flat().length, 0);
  const step = optimiser.steps + 1;
  // 1. Let all gradients be 0; add those of each sample, in order (optimiser/C6).
  trained.place.gradients.data.fill(0);
  const losses: SampleLoss[] = [];
  try {
    for (const [n, sample] of samples.entries()) {
      const loss = lossOf(model, sample, lossWeights, tokens);
      const { loss: value } = meanLoss([loss], lossWeights);
      if (!Number.isFinite(value)) {
        const first =
          firstNonFinite(trained.model, trained.parameters, sample) ?? 'none, but the loss itself';
        const { place = `sample ${n}` } = sample;
        throw nonFiniteError(`loss of ${place}`, value, step, `the first tensor not finite is ${first}`);
      }
      losses.push(loss);
      pass.backward();
      pass.reset();
      yield sample;
    }
  } finally {
    pass.reset();
  }
  // 2. Clip them, and let the optimiser change the parameters.
  const gradientNorm = clipped(trained, clip, step, samples);
  optimiser.step(learningRates);
  return { ...meanLoss(losses, lossWeights), gradientNorm };
}

/** The loss of a sample, with modules or of a base alone. */
export function lossOf(
  model: Model,
  sample: StepSample,
  weights: LossWeights,
  tokensOfStep: number,
): SampleLoss {
  return isHamburger(model)
    ? sampleLoss(model, sample, weights, tokensOfStep, sample.teacher?.() ?? null)
    : tokenLoss(model, sample, tokensOfStep);
}

/** Means over the tokens of several samples, at least one. */
export function meanLoss(losses: readonly SampleLoss[], weights: LossWeights): MeanLoss {
  const sum = (of: (loss: SampleLoss) => number) => losses.reduce((total, loss) => total + of(loss), 0);
  const tokens = sum((loss) => loss.tokens);
  const tokenCrossEntropy = sum((loss) => loss.tokenCrossEntropy);
  const stopCrossEntropy = sum((loss) => loss.stopCrossEntropy);
  const teacherDivergence = sum((loss) => loss.teacherDivergence);
  return {
    tokens,
    hits: losses.map(({ hits }) => hits).reduce(addHits),
    tokenCrossEntropy: tokenCrossEntropy / tokens,
    stopCrossEntropy: stopCrossEntropy / tokens,
    teacherDivergence: teacherDivergence / tokens,
    loss:
      (tokenCrossEntropy + weights.stop * stopCrossEntropy + weights.teacher * teacherDivergence) / tokens,
  };
}

function addHits(a: Hits, b: Hits): Hits {
  const longer = a.count.length > b.count.length ? a.count : b.count;
  const sums = (x: readonly number[], y: readonly number[]) =>
    longer.map((_, i) => (x[i] ?? 0) + (y[i] ?? 0));
  return {
    correct: sums(a.correct, b.correct),
    count: sums(a.count, b.count),
    stops: a.stops === null || b.stops === null ? null : a.stops + b.stops,
  };
}

/** Clips; where the norm is not finite, says whose gradient it was. */
function clipped(
  { model, parameters }: TrainableModel,
  limit: number,
  step: number,
  samples: readonly StepSample[],
): number {
  try {
    return clipGradients(model.kernels, parameters, limit);
  } catch (error) {
    if (!(error instanceof CallerError) || error.fault.rule !== 'optimiser/C3') throw error;
    const first = parameters.find(({ gradients }) => !gradients.data.every(Number.isFinite));
    const where = `the first gradient not finite is that of ${first?.name ?? 'none, but their norm overflows'}`;
    const places = samples.map(({ place }, n) => place ?? `sample ${n}`).join('; ');
    throw nonFiniteError(`norm of the gradients (${places})`, Number(error.fault.found), step, where);
  }
}
