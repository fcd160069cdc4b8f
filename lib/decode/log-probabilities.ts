/**
 * SPEC #log-probabilities — what the model says of a token, and what else it might have said. For reports, never for decisions.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { exp } from '../math/exp.ts';
import { log } from '../math/log.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';
import { fallingOrder } from './falling-order.ts';

/** A token and the natural logarithm of its probability; `-Infinity` for a token that cannot come. */
export interface TokenLogProbability {
  readonly id: number;
  readonly logProbability: number;
}

/** The log-probability of a token, and of the most probable ones. */
export interface LogProbabilities {
  /** Of the token itself. */
  readonly logProbability: number;
  /** The most probable tokens, the token itself among them if it is one; falling, the lower id first in a tie. */
  readonly alternatives: readonly TokenLogProbability[];
}

/** @throws CallerError log-probabilities/C1 (no integer, or below 0) */
export function checkAlternatives(alternatives: number): void {
  if (Number.isSafeInteger(alternatives) && alternatives >= 0) return;
  throw new CallerError({
    rule: 'log-probabilities/C1',
    subject: 'alternatives',
    expected: 'an integer of at least 0',
    found: `${alternatives}`,
  });
}

/**
 * Of the model's own distribution, that of the logits `[V]` as they are, at temperature 1 and over the whole vocabulary, whatever the sampling
 * (log-probabilities/C2).
 *
 * @param alternatives how many; all if there are not so many
 * @throws CallerError token-choice/C2 (a logit is NaN), log-probabilities/C3 (the largest is infinite)
 */
export function logProbabilities(logits: Elements, id: number, alternatives: number): LogProbabilities {
  // 1. Let m be the largest logit, and Z the sum of exp(x - m), left to right by id.
  const m = logits[argmax(logits)]!;
  if (!Number.isFinite(m)) {
    throw new CallerError({
      rule: 'log-probabilities/C3',
      subject: 'largest logit',
      expected: 'a finite number',
      found: `${m}`,
      hint: 'The activations overflowed; try --numerics f64',
    });
  }
  let Z = 0;
  for (let i = 0; i < logits.length; i++) Z += exp(logits[i]! - m);
  // 2. Let the log-probability of a token be (x - m) - ln Z.
  const logZ = log(Z);
  const of = (token: number): number => logits[token]! - m - logZ;
  const most = fallingOrder(logits, Math.min(alternatives, logits.length));
  return {
    logProbability: of(id),
    alternatives: Array.from(most, (token) => ({ id: token, logProbability: of(token) })),
  };
}
