/**
 * SPEC #token-choice — from logits to a token: the likeliest, or one drawn from the distribution that the options of sampling make.
 *
 * The stop head is not consulted and not affected (token-choice/C5).
 *
 * @module
 */

import { exp } from '../math/exp.ts';
import { namedUniforms, seededUniforms, type UniformSource } from '../math/random.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';
import {
  adjustLogits,
  checkLogitAdjustments,
  type DistributionOptions,
  drawToken,
  type LogitAdjustments,
  tokenDistribution,
} from './token-distribution.ts';

/**
 * Chooses a token.
 *
 * @param logits `[V]`
 * @param previousTokens prompt and output so far
 * @param likeliest the token of the largest logit, the lowest id of a tie, where that is known
 */
export type TokenChoice = (
  logits: Elements,
  previousTokens: readonly number[],
  likeliest?: number | null,
) => number;

/** The token of the largest logit; the lowest id of a tie (token-choice/C1). */
export const greedyChoice: TokenChoice = (logits, _previousTokens, likeliest) => likeliest ?? argmax(logits);

/**
 * The token of the largest adjusted logit; the lowest id of a tie (token-choice/C1).
 *
 * @throws CallerError token-distribution/C1 (an option out of range); the choice: token-choice/C2 (an adjusted logit is NaN)
 */
export function adjustedGreedyChoice(adjustments: LogitAdjustments): TokenChoice {
  checkLogitAdjustments(adjustments);
  return (logits, previousTokens) => argmax(adjustLogits(logits, previousTokens, adjustments));
}

/** How to sample. Greedy choice is not a temperature but {@link greedyChoice}. */
export interface SamplingOptions extends DistributionOptions {
  /** One uniform is drawn for every token (token-choice/C4). */
  readonly uniforms: UniformSource;
}

/**
 * A sampler that draws one uniform per token.
 *
 * @throws CallerError as {@link tokenDistribution}
 */
export function samplingChoice({ uniforms, ...options }: SamplingOptions): TokenChoice {
  const distribution = tokenDistribution(options);
  return (logits, previousTokens) => drawToken(distribution(logits, previousTokens), uniforms.next());
}

/**
 * The random stream of one of several samples (token-choice/C6): it depends on seed and number alone, so a sample is the same however many there are.
 *
 * @param n from 0; sample 0 has the stream of the seed itself
 */
export function sampleUniforms(seed: string, n: number): UniformSource {
  return n === 0 ? seededUniforms(seed) : namedUniforms(seed, 'sample', n);
}

/**
 * The probability of a token under the model, `softmax(logits)[id]`, at temperature 1 and over the whole vocabulary whatever the
 * sampling; summed left to right by id. For reports, never for decisions.
 */
export function tokenProbability(logits: Elements, id: number): number {
  const largest = logits[argmax(logits)]!;
  let total = 0;
  for (const logit of logits) total += exp(logit - largest);
  return exp(logits[id]! - largest) / total;
}
