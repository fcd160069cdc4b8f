/**
 * SPEC #losses — the loss of a sample: cross-entropy of its tokens, of the stop head, and the divergence from a teacher, weighted.
 *
 * @module
 */

import type { HamburgerModel, Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { predictSegments, predictTokens, type TrainingSample } from './forward.ts';
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

/** A sample and what the stop head is to say of it. */
export interface LossSample extends TrainingSample {
  /** For each response token, whether *stop* is the target; by default at the last token of each segment (losses/C2). */
  readonly stops?: readonly boolean[];
}

/** How often the likelier answer was the right one. */
export interface Hits {
  /** By micro index: response tokens that had the largest logit. */
  readonly correct: readonly number[];
  /** By micro index: response tokens. */
  readonly count: readonly number[];
  /** Tokens at which p > 0.5 told whether to stop; `null` for a base alone, which has no stop head. */
  readonly stops: number | null;
}

/** Sums over the response tokens of a sample. */
export interface SampleLoss {
  readonly tokens: number;
  readonly hits: Hits;
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
  sample: LossSample,
  weights: LossWeights,
  tokensOfStep: number,
  teacher: Tensor | null,
): SampleLoss {
  const { kernels } = model;
  const { logits, stopLogits } = predictSegments(model, sample);
  const targets = sample.segments.flat();
  const ends =
    sample.stops ?? sample.segments.flatMap((segment) => segment.map((_, i) => i === segment.length - 1));
  const microIndices = sample.segments.flatMap((segment) => segment.map((_, i) => i));
  return {
    tokens: targets.length,
    hits: hitsOf(logits, targets, microIndices, stopLogits, ends),
    tokenCrossEntropy: tokenCrossEntropy(kernels, logits, targets, 1 / tokensOfStep),
    stopCrossEntropy: stopCrossEntropy(kernels, stopLogits, ends, weights.stop / tokensOfStep),
    teacherDivergence:
      teacher === null ? 0 : teacherDivergence(kernels, logits, teacher, weights.teacher / tokensOfStep),
  };
}

/** The loss of a base alone: the cross-entropy of the response's tokens, none merged, and its gradient, divided by `tokensOfStep`. */
export function tokenLoss(model: Model, sample: TrainingSample, tokensOfStep: number): SampleLoss {
  const logits = predictTokens(model, sample);
  const targets = sample.segments.flat();
  return {
    tokens: targets.length,
    hits: hitsOf(logits, targets, Array(targets.length).fill(0), null, []),
    tokenCrossEntropy: tokenCrossEntropy(model.kernels, logits, targets, 1 / tokensOfStep),
    stopCrossEntropy: 0,
    teacherDivergence: 0,
  };
}

/** @param stopLogits `[N, 1]`; `null` for a base alone, which has none to hit */
function hitsOf(
  logits: Tensor,
  targets: readonly number[],
  microIndices: readonly number[],
  stopLogits: Tensor | null,
  stops: readonly boolean[],
): Hits {
  const V = logits.shape[1]!;
  const count: number[] = [];
  const correct: number[] = [];
  let right = stopLogits === null ? null : 0;
  targets.forEach((id, n) => {
    const i = microIndices[n]!;
    count[i] = (count[i] ?? 0) + 1;
    correct[i] = (correct[i] ?? 0) + (likeliest(logits, n, V) === id ? 1 : 0);
    // p > 0.5 iff its logit is above 0.
    if (right !== null && stopLogits!.data[n]! > 0 === stops[n]) right += 1;
  });
  return { correct, count, stops: right };
}

/** The lowest id with the largest logit of row n; -1 where there is none but NaN, which the loss then shows. */
function likeliest({ data }: Tensor, n: number, V: number): number {
  let best = -1;
  let largest = Number.NEGATIVE_INFINITY;
  for (let v = 0; v < V; v++) {
    const logit = data[n * V + v]!;
    if (logit > largest) {
      largest = logit;
      best = v;
    }
  }
  return best;
}
