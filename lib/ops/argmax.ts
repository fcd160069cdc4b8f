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
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    // An equal one does not replace it, so that the first of equal logits stays. A NaN is not less, not equal and not greater.
    if (logit <= largest) continue;
    if (Number.isNaN(logit)) {
      throw new CallerError({
        rule: 'token-choice/C2',
        subject: `logit ${i}`,
        expected: 'a number',
        found: 'NaN',
        hint: 'The activations overflowed; try --numerics f64',
      });
    }
    best = i;
    largest = logit;
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
