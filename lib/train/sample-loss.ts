/**
 * SPEC #losses — the loss of a sample: cross-entropy of its tokens, of the stop head, and the divergence from a teacher, weighted.
 *
 * @module
 */

import type { HamburgerModel, Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { predictNextTokens, predictSegments, type TrainingSample } from './forward.ts';
import { stopCrossEntropy, teacherDivergence, tokenCrossEntropy } from './losses.ts';

/** What each part of the loss counts; the cross-entropy of tokens counts 1. */
export interface LossWeights {
  /** Of the stop head's cross-entropy. */
  readonly stop: number;
  /** Of the divergence from the teacher; 0 for none. */
  readonly teacher: number;
}

/** The published weights. */
export const defaultLossWeights: LossWeights = { stop: 0.5, teacher: 0 };

/** Sums over the response tokens of a sample. */
export interface SampleLoss {
  readonly tokens: number;
  readonly tokenCrossEntropy: number;
  readonly stopCrossEntropy: number;
  /** 0 without a teacher. */
  readonly teacherDivergence: number;
}

/**
 * The loss of one sample, and its gradient on the tape, if there is one: that of
 * `(tokenCrossEntropy + stop * stopCrossEntropy + teacher * teacherDivergence) / tokensOfStep`.
 *
 * @param tokensOfStep response tokens of all samples of the optimiser's step, so that each counts the same (`losses/C3`)
 * @param teacher `[N, V]` what the teacher says at each response token; `null` for none
 */
export function sampleLoss(
  model: HamburgerModel,
  sample: TrainingSample,
  weights: LossWeights,
  tokensOfStep: number,
  teacher: Tensor | null,
): SampleLoss {
  const { kernels } = model;
  const { logits, stopLogits } = predictSegments(model, sample);
  const targets = sample.segments.flat();
  // The stop target is 1 at each segment's last token (losses/C2).
  const ends = sample.segments.flatMap((segment) => segment.map((_, i) => i === segment.length - 1));
  return {
    tokens: targets.length,
    tokenCrossEntropy: tokenCrossEntropy(kernels, logits, targets, 1 / tokensOfStep),
    stopCrossEntropy: stopCrossEntropy(kernels, stopLogits, ends, weights.stop / tokensOfStep),
    teacherDivergence:
      teacher === null ? 0 : teacherDivergence(kernels, logits, teacher, weights.teacher / tokensOfStep),
  };
}

/** The loss of a base alone: the cross-entropy of every token that has one before it, and its gradient, divided by `tokensOfStep`. */
export function nextTokenLoss(
  model: Model,
  sequences: readonly (readonly number[])[],
  tokensOfStep: number,
): Pick<SampleLoss, 'tokens' | 'tokenCrossEntropy'> {
  const logits = predictNextTokens(model, sequences);
  const targets = sequences.flatMap((ids) => ids.slice(1));
  return {
    tokens: targets.length,
    tokenCrossEntropy: tokenCrossEntropy(model.kernels, logits, targets, 1 / tokensOfStep),
  };
}
