/**
 * SPEC #termination — confidence-based termination of a macro-step.
 *
 * @module
 */

import { CallerError } from '../errors.ts';

/** The threshold on the continue confidence; `null` for none, which stops where stopping is likelier than not. */
export type ConfidenceThreshold = number | null;

/** @throws CallerError termination/C1 (not `null` and not in [0, 1]) */
export function checkConfidenceThreshold(threshold: ConfidenceThreshold, subject: string): void {
  if (threshold !== null && !(0 <= threshold && threshold <= 1)) {
    throw new CallerError({
      rule: 'termination/C1',
      subject,
      expected: 'a number from 0 to 1, or none',
      found: `${threshold}`,
    });
  }
}

/**
 * Whether the macro-step ends for lack of confidence: `1 - p < threshold`, strictly; without a threshold `p > 0.5`.
 *
 * @param stopProbability p as stored, a number of the mode
 * @param round the identity for binary64 arithmetic, the mode's rounding otherwise (termination/C4)
 */
export function endsByConfidence(
  stopProbability: number,
  threshold: ConfidenceThreshold,
  round: (value: number) => number,
): boolean {
  // 1. Without a threshold the macro-step ends iff p > 0.5 (termination/C3).
  if (threshold === null) return stopProbability > 0.5;
  // 2. Else let c be 1 - p; it ends iff c < threshold, so that a tie goes on (termination/C2).
  return continueConfidence(stopProbability, round) < round(threshold);
}

/** `c = 1 - p`. */
export function continueConfidence(stopProbability: number, round: (value: number) => number): number {
  return round(1 - stopProbability);
}
