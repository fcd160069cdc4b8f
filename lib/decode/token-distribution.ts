/**
 * SPEC #token-distribution — from logits and the tokens before to the distribution that a token is drawn from.
 *
 * All arithmetic is binary64 on the stored logits, in every mode (numerics/N8, token-distribution/C3), in the order of the steps (token-distribution/C4).
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { exp } from '../math/exp.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';
import { fallingOrder } from './falling-order.ts';

/** What changes logits before anything is made of them; greedy choice obeys it as well. */
export interface LogitAdjustments {
  /** Number added to the logit of a token, by id; finite, or -Infinity, which forbids the token. None when absent. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Makes the tokens of prompt and output less likely if above 1; > 0. 1 when absent. */
  readonly repetitionPenalty?: number;
}

/** What makes a distribution of logits. */
export interface DistributionOptions extends LogitAdjustments {
  /** Divides the logits; > 0. */
  readonly temperature: number;
  /** Keep the k largest logits; all when absent. */
  readonly topK?: number;
  /** Keep the shortest run of most probable tokens whose probability reaches this; all when absent. */
  readonly topP?: number;
  /** Keep the tokens that have at least this share of the largest probability; all when absent. */
  readonly minP?: number;
}

/** A distribution over the tokens that were kept. The probability of one is its weight divided by the total. */
export interface TokenDistribution {
  /** In falling order of the logits, the lower id first in a tie. */
  readonly ids: Uint32Array;
  /** One for each id, at least 0. */
  readonly weights: Float64Array;
  /** The weights summed left to right; above 0. */
  readonly total: number;
}

const RULE = 'token-distribution/C1';

function refuse(subject: string, expected: string, found: unknown): never {
  throw new CallerError({ rule: RULE, subject, expected, found: `${found}` });
}

/**
 * @param vocabularySize where it is known, ids of the logit bias have to lie below it
 * @throws CallerError token-distribution/C1 (an option out of range)
 */
export function checkLogitAdjustments(
  { logitBias, repetitionPenalty }: LogitAdjustments,
  vocabularySize = Number.POSITIVE_INFINITY,
): void {
  if (repetitionPenalty !== undefined && !(Number.isFinite(repetitionPenalty) && repetitionPenalty > 0))
    refuse('repetition penalty', 'a positive number', repetitionPenalty);
  for (const [id, bias] of logitBias ?? []) {
    if (!(Number.isSafeInteger(id) && 0 <= id && id < vocabularySize)) {
      const last = Number.isFinite(vocabularySize) ? ` to ${vocabularySize - 1}` : '';
      refuse('token of the logit bias', `an integer from 0${last}`, id);
    }
    if (!(bias < Number.POSITIVE_INFINITY))
      refuse(`logit bias of token ${id}`, 'a number, or -Infinity', bias);
  }
}

/**
 * @param vocabularySize where it is known, ids of the logit bias have to lie below it
 * @throws CallerError token-distribution/C1 (an option out of range)
 */
export function checkDistributionOptions(options: DistributionOptions, vocabularySize?: number): void {
  const { temperature, topK, topP, minP } = options;
  if (!(Number.isFinite(temperature) && temperature > 0))
    refuse('temperature', 'a positive number', temperature);
  if (topK !== undefined && !(Number.isInteger(topK) && topK >= 1))
    refuse('top-k', 'an integer of at least 1', topK);
  if (topP !== undefined && !(0 < topP && topP <= 1)) refuse('top-p', 'a number above 0 and up to 1', topP);
  if (minP !== undefined && !(0 <= minP && minP <= 1)) refuse('min-p', 'a number from 0 to 1', minP);
  checkLogitAdjustments(options, vocabularySize);
}

/**
 * Adjusts logits `[V]`, for options that were checked.
 *
 * @returns the logits themselves where nothing is adjusted, otherwise new numbers, binary64
 * @throws CallerError token-distribution/C1 (a bias for an id that the logits do not have)
 */
export function adjustLogits(
  logits: Elements,
  previousTokens: readonly number[],
  { logitBias, repetitionPenalty = 1 }: LogitAdjustments,
): Elements {
  if ((logitBias?.size ?? 0) === 0 && repetitionPenalty === 1) return logits;
  const adjusted = Float64Array.from(logits);
  // 1. Add the logit bias to the logits that have one.
  for (const [id, bias] of logitBias ?? []) {
    if (id >= adjusted.length)
      refuse('token of the logit bias', `an integer from 0 to ${adjusted.length - 1}`, id);
    adjusted[id]! += bias;
  }
  // 2. Let each token of prompt and output, however often it occurs, have its logit divided by the penalty if positive, multiplied otherwise.
  if (repetitionPenalty !== 1) {
    for (const id of new Set(previousTokens)) {
      const x = adjusted[id]!;
      adjusted[id] = x > 0 ? x / repetitionPenalty : x * repetitionPenalty;
    }
  }
  return adjusted;
}

/**
 * A function from logits `[V]` and the tokens of prompt and output so far to the distribution of the next token.
 *
 * @throws CallerError token-distribution/C1 (an option out of range); the function: token-choice/C2 (an adjusted logit is NaN),
 *   token-distribution/C2 (the largest is infinite)
 */
export function tokenDistribution(
  options: DistributionOptions,
): (logits: Elements, previousTokens: readonly number[]) => TokenDistribution {
  checkDistributionOptions(options);
  const { temperature, topK, topP, minP } = options;
  return (given, previousTokens) => {
    // 1., 2. Adjust the logits.
    const logits = adjustLogits(given, previousTokens, options);
    const largest = logits[argmax(logits)]!;
    if (!Number.isFinite(largest)) {
      throw new CallerError({
        rule: 'token-distribution/C2',
        subject: 'largest logit',
        expected: 'a finite number',
        found: `${largest}`,
        hint:
          largest > 0
            ? 'The activations overflowed; try --numerics f64'
            : 'The logit bias forbids every token',
      });
    }
    // 3. Order the tokens by falling logit; the lower id first in a tie. Keep the first top-k.
    let ids = fallingOrder(logits, Math.min(topK ?? logits.length, logits.length));
    // 4. Let w be exp((logit - largest) / temperature) of each.
    let weights = new Float64Array(ids.length);
    for (let i = 0; i < ids.length; i++) weights[i] = exp((logits[ids[i]!]! - largest) / temperature);
    // 5. With top-p, keep the shortest prefix whose sum reaches top-p times the sum of all, both left to right.
    if (topP !== undefined) {
      const kept = prefixReaching(weights, topP * sumOf(weights));
      ids = ids.subarray(0, kept);
      weights = weights.subarray(0, kept);
    }
    // 6. With min-p, keep those with w >= min-p; the largest w is 1.
    if (minP !== undefined) {
      const all = weights;
      ids = ids.filter((_, i) => all[i]! >= minP);
      weights = weights.filter((w) => w >= minP);
    }
    // 7. Let total be the sum of what is left.
    return { ids, weights, total: sumOf(weights) };
  };
}

/** The probability of a token; 0 if it was not kept. */
export function probabilityOf({ ids, weights, total }: TokenDistribution, id: number): number {
  const at = ids.indexOf(id);
  return at === -1 ? 0 : weights[at]! / total;
}

/** The probabilities of all tokens, by id: `[V]`, 0 for those that were not kept. */
export function probabilitiesById(
  { ids, weights, total }: TokenDistribution,
  vocabularySize: number,
): Float64Array {
  const probabilities = new Float64Array(vocabularySize);
  for (let i = 0; i < ids.length; i++) probabilities[ids[i]!] = weights[i]! / total;
  return probabilities;
}

/** The first token whose running sum of weights exceeds `uniform * total`. @param uniform in [0, 1) */
export function drawToken({ ids, weights, total }: TokenDistribution, uniform: number): number {
  const bound = uniform * total;
  let sum = 0;
  for (let i = 0; i < ids.length; i++) {
    sum += weights[i]!;
    if (sum > bound) return ids[i]!;
  }
  // Not reached from a distribution of this module, whose total is this very sum; in one made otherwise a sum may round below it.
  return ids.at(-1)!;
}

/** Left to right. */
function sumOf(weights: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += weights[i]!;
  return sum;
}

/** How many weights, from the left, it takes for their sum to reach `bound`. */
function prefixReaching(weights: Float64Array, bound: number): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!;
    if (sum >= bound) return i + 1;
  }
  return weights.length;
}
