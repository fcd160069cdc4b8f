import { describe, expect, it } from 'vitest';
import {
  checkConfidenceThreshold,
  continueConfidence,
  endsByConfidence,
} from '../../lib/decode/termination.ts';
import { CallerError } from '../../lib/errors.ts';

const exact = (x: number) => x;

describe('confidence-based termination', () => {
  it('termination/C2: a tie goes on (the comparison is <, not <=)', () => {
    expect(endsByConfidence(0.25, 0.75, exact)).toBe(false);
    expect(endsByConfidence(0.25, 0.75 + 2 ** -53, exact)).toBe(true);
    expect(endsByConfidence(0.25 + 2 ** -53, 0.75, exact)).toBe(true);
  });

  it('it is the continue confidence 1 - p that is compared, not p', () => {
    expect(endsByConfidence(0.1, 0.5, exact)).toBe(false);
    expect(endsByConfidence(0.9, 0.5, exact)).toBe(true);
  });

  it('termination/C3: without a threshold p = 0.5 goes on', () => {
    expect(endsByConfidence(0.5, null, exact)).toBe(false);
    expect(endsByConfidence(0.5 + 2 ** -53, null, exact)).toBe(true);
    expect(endsByConfidence(0.5, 0.5, exact)).toBe(false);
  });

  it('termination/C4: p = 0.1 in binary32 at 0.9 ends in binary64 and goes on in binary32', () => {
    const p = Math.fround(0.1);
    expect(continueConfidence(p, exact)).toBe(0.8999999985098839);
    expect(endsByConfidence(p, 0.9, exact)).toBe(true);
    expect(endsByConfidence(p, 0.9, Math.fround)).toBe(false);
  });

  it('at 0 confidence never ends a macro-step, at 1 it does unless 1 - p rounds to 1', () => {
    for (const p of [0, 0.5, 1]) expect(endsByConfidence(p, 0, exact)).toBe(false);
    expect(endsByConfidence(2 ** -53, 1, exact)).toBe(true);
    expect(endsByConfidence(2 ** -54, 1, exact)).toBe(false);
  });

  it('termination/C1: the threshold is in [0, 1]', () => {
    for (const threshold of [0, 1, 0.5, null])
      expect(() => checkConfidenceThreshold(threshold, 'confidence')).not.toThrow();
    for (const threshold of [-0.001, 1.001, Number.NaN, Infinity]) {
      expect(() => checkConfidenceThreshold(threshold, '--confidence'), `${threshold}`).toThrow(CallerError);
    }
    expect(() => checkConfidenceThreshold(2, '--confidence')).toThrow(
      'termination/C1: --confidence: expected a number from 0 to 1, or none, found 2',
    );
  });
});
