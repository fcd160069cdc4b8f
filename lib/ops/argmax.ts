/**
 * SPEC #token-choice — index of the largest element; the lowest index of a tie.
 *
 * Our own, because `ndarray-ops` passes over a NaN at the end of an array and takes one at its start for the maximum.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Elements } from '../tensor/tensor.ts';

/**
 * @param logits at least one number
 * @throws CallerError token-choice/C2 (no element, or one that is NaN)
 */
export function argmax(logits: Elements): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) {
      throw new CallerError({
        rule: 'token-choice/C2',
        subject: `logit ${i}`,
        expected: 'a number',
        found: 'NaN',
        hint: 'The activations overflowed; try --numerics f64',
      });
    }
    // Strictly greater, so that the first of equal logits stays.
    if (logits[i]! > logits[best]!) best = i;
  }
  if (logits.length === 0) {
    throw new CallerError({
      rule: 'token-choice/C2',
      subject: 'logits',
      expected: 'at least one',
      found: 'none',
    });
  }
  return best;
}
