/**
 * SPEC #token-choice — from logits to a token: greedy, or sampled with temperature, top-k and top-p.
 *
 * All arithmetic is binary64 on the stored logits, in every mode (numerics/N8). The stop head is not consulted and not
 * affected (token-choice/C5).
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { exp } from '../math/exp.ts';
import type { UniformSource } from '../math/random.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';

/** Chooses a token from logits `[V]`. */
export type TokenChoice = (logits: Elements) => number;

/** The token of the largest logit; the lowest id of a tie (token-choice/C1). */
export const greedyChoice: TokenChoice = argmax;

/** How to sample. */
export interface SamplingOptions {
  /** Divides the logits; > 0. Greedy choice is not a temperature but {@link greedyChoice}. */
  readonly temperature: number;
  /** Keep the k largest logits; all when absent. */
  readonly topK?: number;
  /** Keep the shortest run of most probable tokens whose probability reaches this; all when absent. */
  readonly topP?: number;
  /** One uniform is drawn for every token (token-choice/C4). */
  readonly uniforms: UniformSource;
}

/** @throws CallerError token-choice/C3 (an option out of range) */
export function checkSamplingOptions({ temperature, topK, topP }: Omit<SamplingOptions, 'uniforms'>): void {
  const rule = 'token-choice/C3';
  if (!(Number.isFinite(temperature) && temperature > 0)) {
    throw new CallerError({
      rule,
      subject: 'temperature',
      expected: 'a positive number',
      found: `${temperature}`,
    });
  }
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1)) {
    throw new CallerError({ rule, subject: 'top-k', expected: 'an integer of at least 1', found: `${topK}` });
  }
  if (topP !== undefined && !(0 < topP && topP <= 1)) {
    throw new CallerError({
      rule,
      subject: 'top-p',
      expected: 'a number above 0 and up to 1',
      found: `${topP}`,
    });
  }
}

/**
 * A sampler that draws one uniform per token.
 *
 * @throws CallerError token-choice/C3 (an option out of range); the sampler: token-choice/C2 (a logit is NaN)
 */
export function samplingChoice(options: SamplingOptions): TokenChoice {
  checkSamplingOptions(options);
  const { temperature, topK, topP, uniforms } = options;
  return (logits) => {
    const largest = logits[argmax(logits)]!;
    // 1. Order the tokens by descending logit; the lower id first in a tie. Keep the first top-k.
    const order = Array.from(logits.keys())
      .sort((a, b) => logits[b]! - logits[a]! || a - b)
      .slice(0, topK);
    // 2. Let w be exp((logit - largest) / temperature) of each, and total their sum, left to right.
    const weights = order.map((id) => exp((logits[id]! - largest) / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    // 3. With top-p, keep the shortest prefix whose sum reaches top-p * total.
    const kept = topP === undefined ? order.length : prefixReaching(weights, topP * total) + 1;
    const keptTotal = weights.slice(0, kept).reduce((sum, weight) => sum + weight, 0);
    // 4. Draw u; take the first token whose running sum exceeds u times the sum of those kept.
    return order[Math.min(prefixExceeding(weights, uniforms.next() * keptTotal), kept - 1)]!;
  };
}

/** Index of the first weight with which the running sum reaches `bound`; the last index if none does. */
function prefixReaching(weights: readonly number[], bound: number): number {
  let sum = 0;
  const index = weights.findIndex((weight) => {
    sum += weight;
    return sum >= bound;
  });
  return index === -1 ? weights.length - 1 : index;
}

/** Index of the first weight with which the running sum exceeds `bound`; the last index if none does. */
function prefixExceeding(weights: readonly number[], bound: number): number {
  let sum = 0;
  const index = weights.findIndex((weight) => {
    sum += weight;
    return sum > bound;
  });
  return index === -1 ? weights.length - 1 : index;
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
