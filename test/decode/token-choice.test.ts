import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  greedyChoice,
  sampleUniforms,
  samplingChoice,
  tokenProbability,
} from '../../lib/decode/token-choice.ts';
import { CallerError } from '../../lib/errors.ts';
import { recordedUniforms, replayedUniforms, seededUniforms } from '../../lib/math/random.ts';

const logits = Float64Array.from([0.5, 2, -1, 2, 0]);

/** The token drawn at u. */
const drawn = (
  u: number,
  options: { temperature?: number; topK?: number; topP?: number } = {},
  from = logits,
) => samplingChoice({ temperature: 1, ...options, uniforms: replayedUniforms([u]) })(from, []);

describe('greedy choice', () => {
  it('token-choice/C1: the lowest id of a tie', () => {
    expect(greedyChoice(logits, [])).toBe(1);
    expect(greedyChoice(Float64Array.from([3, 3, 3]), [])).toBe(0);
  });

  it('works below zero and at -Infinity', () => {
    expect(greedyChoice(Float64Array.from([-5, -2, -3]), [])).toBe(1);
    expect(greedyChoice(Float64Array.from([-Infinity, -1e300]), [])).toBe(1);
  });

  it('token-choice/C1: the same wherever the largest stands: most logits are passed over four at a time', () => {
    const logit = fc.constantFrom(-Infinity, -1, -0, 0, 2, 3, Number.NaN);
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 19 }), (values) => {
        const choose = () => greedyChoice(Float32Array.from(values), []);
        if (values.some(Number.isNaN)) expect(choose).toThrow(`logit ${values.findIndex(Number.isNaN)}:`);
        else expect(choose()).toBe(values.indexOf(Math.max(...values)));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('token-choice/C2: NaN is an error wherever it stands; ndarray-ops would pass over it', () => {
    for (const values of [
      [Number.NaN, 1],
      [1, Number.NaN],
      [1, Number.NaN, 2],
    ]) {
      expect(() => greedyChoice(Float64Array.from(values), [])).toThrow('expected a number, found NaN');
    }
    expect(() => greedyChoice(new Float32Array(0), [])).toThrow('logits: expected at least one, found none');
  });
});

describe('sampling', () => {
  it('step 4: in order of probability, the lower id first in a tie', () => {
    // Weights 1, 1, e^-1.5, e^-2, e^-3 for ids 1, 3, 0, 4, 2.
    const total = 2 + Math.exp(-1.5) + Math.exp(-2) + Math.exp(-3);
    expect(drawn(0)).toBe(1);
    expect(drawn(0.999 / total)).toBe(1);
    expect(drawn(1.001 / total)).toBe(3);
    expect(drawn(2.001 / total)).toBe(0);
    expect(drawn((2.001 + Math.exp(-1.5)) / total)).toBe(4);
    expect(drawn(1 - 2 ** -53)).toBe(2);
  });

  it('temperature divides the logits (it does not multiply them)', () => {
    expect(drawn(0.999, { temperature: 0.01 })).toBe(3);
    expect(drawn(0.99, { temperature: 100 })).toBe(2);
  });

  it('top-k keeps exactly k, the lower ids of a tie', () => {
    expect(drawn(0.999999, { topK: 1 })).toBe(1);
    expect(drawn(0.999999, { topK: 2 })).toBe(3);
    expect(drawn(0.999999, { topK: 99 })).toBe(2);
  });

  it('top-p keeps the shortest prefix that reaches it, the token that crosses included', () => {
    expect(drawn(0.999999, { topP: 0.01 })).toBe(1);
    expect(drawn(0.999999, { topP: 0.5 })).toBe(3);
    expect(drawn(0.999999, { topP: 1 })).toBe(2);
    // Equal halves: 0.5 is reached by the first.
    expect(drawn(0.999999, { topP: 0.5 }, Float64Array.from([1, 1]))).toBe(0);
  });

  it('token-choice/C4: one uniform for every token', () => {
    const uniforms = recordedUniforms(seededUniforms('7'));
    const choice = samplingChoice({ temperature: 1, topK: 3, topP: 0.9, uniforms });
    for (let i = 0; i < 5; i++) choice(logits, []);
    expect(uniforms.drawn.length).toBe(5);
  });

  it('draws each token as often as its probability says', () => {
    const uniforms = seededUniforms('frequency');
    const choice = samplingChoice({ temperature: 0.7, uniforms });
    const counts = new Float64Array(logits.length);
    for (let i = 0; i < 20000; i++) counts[choice(logits, [])]! += 1;
    const weights = [...logits].map((logit) => Math.exp(logit / 0.7));
    const total = weights.reduce((a, b) => a + b);
    counts.forEach((count, id) => {
      expect(count / 20000).toBeCloseTo(weights[id]! / total, 1);
    });
  });

  it('never draws a token outside top-k, whatever the logits', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 1, max: 5 }),
        (values, u, topK) => {
          const id = drawn(u, { topK }, Float64Array.from(values));
          expect(values.filter((value) => value > values[id]!).length).toBeLessThan(topK);
        },
      ),
      { seed: 4 },
    );
  });

  it('token-choice/C3: refuses options out of range, naming them', () => {
    const make = (options: object) => () =>
      samplingChoice({ temperature: 1, uniforms: replayedUniforms([]), ...options });
    for (const temperature of [0, -1, Number.NaN, Infinity])
      expect(make({ temperature })).toThrow(CallerError);
    expect(make({ topK: 0 })).toThrow('top-k: expected an integer of at least 1, found 0');
    expect(make({ topK: 1.5 })).toThrow('top-k');
    expect(make({ topP: 0 })).toThrow('top-p: expected a number above 0 and up to 1, found 0');
    expect(make({ topP: 1.1 })).toThrow('top-p');
  });
});

describe('sampleUniforms', () => {
  it('token-choice/C6: samples have streams of their own, the first that of the seed', () => {
    const first = (seed: string, n: number) => sampleUniforms(seed, n).next();
    expect(first('7', 0)).toBe(seededUniforms('7').next());
    expect(first('7', 2)).toBe(seededUniforms('["7","sample",2]').next());
    const all = [0, 1, 2, 3].flatMap((n) => [first('7', n), first('8', n)]);
    expect(new Set(all).size).toBe(8);
  });
});

describe('tokenProbability', () => {
  it('is the softmax over the whole vocabulary, and sums to 1', () => {
    const sum = [...logits.keys()].reduce((total, id) => total + tokenProbability(logits, id), 0);
    expect(sum).toBeCloseTo(1, 14);
    expect(tokenProbability(Float64Array.from([0, Math.log(3)]), 1)).toBeCloseTo(0.75, 14);
    expect(tokenProbability(Float64Array.from([-20000, -20000]), 1)).toBe(0.5);
  });
});
