import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax } from '../../lib/ops/argmax.ts';

/** The naive one: looks at every element, in order. */
function naive(logits: readonly number[]): number {
  let best = 0;
  logits.forEach((logit, i) => {
    if (logit > logits[best]!) best = i;
  });
  return best;
}

/** Few different values, so that ties and runs of smaller ones are frequent; infinities and both zeros among them. */
const logits = fc.array(fc.constantFrom(-Infinity, -1, -0, 0, 1, 2, 3, Infinity), {
  minLength: 1,
  maxLength: 23,
});

describe('token-choice/C1', () => {
  it('is the first of the largest, at every place and length: what is passed over four at a time hides none', () => {
    fc.assert(
      fc.property(logits, (values) => {
        expect(argmax(Float32Array.from(values))).toBe(naive(values));
        expect(argmax(Float64Array.from(values))).toBe(naive(values));
      }),
      { numRuns: 500 },
    );
  });

  it('a single larger element is found wherever it stands among smaller ones', () => {
    for (let length = 1; length <= 13; length++)
      for (let at = 0; at < length; at++) {
        const values = new Float32Array(length).fill(-2);
        values[at] = 5;
        expect(argmax(values), `${at} of ${length}`).toBe(at);
      }
  });

  it('an equal one that comes later does not replace it', () => {
    for (let later = 1; later <= 9; later++) {
      const values = new Float32Array(10).fill(-2);
      values[0] = 5;
      values[later] = 5;
      expect(argmax(values), `${later}`).toBe(0);
    }
  });

  it('nothing but negative infinities: the first', () => {
    expect(argmax(Float32Array.of(-Infinity, -Infinity))).toBe(0);
  });
});

describe('token-choice/C2', () => {
  it('a NaN is refused wherever it stands, also behind a larger number, with its index', () => {
    for (let length = 1; length <= 13; length++)
      for (let at = 0; at < length; at++) {
        const values = Float32Array.from({ length }, (_, i) => -i);
        values[at] = Number.NaN;
        expect(() => argmax(values), `${at} of ${length}`).toThrow(
          `token-choice/C2: logit ${at}: expected a number, found NaN. The activations overflowed; try --numerics f64`,
        );
      }
  });

  it('no logits are refused', () => {
    expect(() => argmax(new Float32Array(0))).toThrow(
      'token-choice/C2: logits: expected at least one, found none',
    );
  });
});
