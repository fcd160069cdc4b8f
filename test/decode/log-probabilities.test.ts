import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { logProbabilities } from '../../lib/decode/log-probabilities.ts';
import { tokenProbability } from '../../lib/decode/token-choice.ts';
import { exp } from '../../lib/math/exp.ts';

const goldens = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-sampling/sampling.json', import.meta.url), 'utf8'),
);

const logits = Float64Array.from([0.5, 2, -1, 2, 0]);

describe('logProbabilities', () => {
  it('is the logarithm of the probability, and alternatives come in falling order, the lower id first', () => {
    const { logProbability, alternatives } = logProbabilities(logits, 2, 3);
    expect(exp(logProbability)).toBeCloseTo(tokenProbability(logits, 2), 15);
    expect(alternatives.map(({ id }) => id)).toEqual([1, 3, 0]);
    for (const each of alternatives) {
      expect(exp(each.logProbability)).toBeCloseTo(tokenProbability(logits, each.id), 15);
    }
  });

  it('agrees with the definition at 60 digits, for tokens of any probability', () => {
    for (const { logits: x, tokens } of goldens.logProbabilities) {
      for (const [id, exact] of tokens) {
        const { logProbability } = logProbabilities(Float64Array.from(x), id, 0);
        // One part in 2^52 of each of the terms that are subtracted and added.
        const size = Math.max(1, Math.abs(exact), ...x.map(Math.abs));
        expect(Math.abs(logProbability - exact) / size).toBeLessThan(4 * 2 ** -53);
      }
    }
  });

  it('log-probabilities/C1: the chosen token is among the alternatives if it is likely enough, and counts', () => {
    expect(logProbabilities(logits, 1, 1).alternatives).toEqual([
      { id: 1, logProbability: logProbabilities(logits, 1, 0).logProbability },
    ]);
    expect(logProbabilities(logits, 1, 0).alternatives).toEqual([]);
    expect(logProbabilities(logits, 1, 99).alternatives).toHaveLength(5);
  });

  it('log-probabilities/C2: improbable tokens keep their digits, where the logarithm of a probability has none left', () => {
    const far = Float64Array.from([0, -800, -Infinity]);
    expect(tokenProbability(far, 1)).toBe(0);
    expect(logProbabilities(far, 1, 0).logProbability).toBe(-800);
    expect(logProbabilities(far, 2, 0).logProbability).toBe(-Infinity);
  });

  it('log-probabilities/C3: an infinite largest logit, or a NaN, is an error', () => {
    expect(() => logProbabilities(Float64Array.of(0, Infinity), 0, 1)).toThrow(
      'largest logit: expected a finite',
    );
    expect(() => logProbabilities(Float64Array.of(0, Number.NaN), 0, 1)).toThrow('token-choice/C2');
  });
});
