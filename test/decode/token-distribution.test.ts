import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adjustedGreedyChoice } from '../../lib/decode/token-choice.ts';
import {
  adjustLogits,
  checkDistributionOptions,
  type DistributionOptions,
  drawToken,
  probabilitiesById,
  probabilityOf,
  tokenDistribution,
} from '../../lib/decode/token-distribution.ts';
import { exp } from '../../lib/math/exp.ts';

const goldens = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-sampling/sampling.json', import.meta.url), 'utf8'),
);

const logits = Float64Array.from([0.5, 2, -1, 2, 0]);

/** The definition, step by step, on plain lists; `exp` is the one whose bits are promised. */
function naive(
  given: readonly number[],
  previous: readonly number[],
  { temperature, topK, topP, minP, logitBias, repetitionPenalty: r }: DistributionOptions,
) {
  const x = given.map((logit, id) => {
    const biased = logit + (logitBias?.get(id) ?? 0);
    if (r === undefined || !previous.includes(id)) return biased;
    return biased > 0 ? biased / r : biased * r;
  });
  const largest = Math.max(...x);
  const total = (kept: readonly { w: number }[]) => kept.reduce((sum, { w }) => sum + w, 0);
  let kept = x
    .map((logit, id) => ({ id, logit, w: exp((logit - largest) / temperature) }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .slice(0, topK);
  if (topP !== undefined) {
    const bound = topP * total(kept);
    const n = kept.findIndex((_, i) => total(kept.slice(0, i + 1)) >= bound);
    kept = kept.slice(0, n + 1);
  }
  if (minP !== undefined) kept = kept.filter(({ w }) => w >= minP);
  return { ids: kept.map(({ id }) => id), weights: kept.map(({ w }) => w), total: total(kept) };
}

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Logits with ties, the tokens before, and options of every kind. */
const cases = fc
  .array(fc.oneof(fc.double({ min: -30, max: 30, noNaN: true }), fc.integer({ min: -2, max: 2 })), {
    minLength: 1,
    maxLength: 40,
  })
  .chain((values) => {
    const id = fc.integer({ min: 0, max: values.length - 1 });
    return fc.record({
      values: fc.constant(values),
      previous: fc.array(id, { maxLength: 12 }),
      options: fc.record({
        temperature: fc.constantFrom(0.05, 0.7, 1, 3),
        topK: optional(fc.integer({ min: 1, max: 50 })),
        topP: optional(fc.constantFrom(0.01, 0.5, 0.9, 1)),
        minP: optional(fc.constantFrom(0, 0.05, 0.5, 1)),
        logitBias: optional(
          fc.array(fc.tuple(id, fc.double({ min: -9, max: 9, noNaN: true }))).map((pairs) => new Map(pairs)),
        ),
        repetitionPenalty: optional(fc.constantFrom(0.5, 1, 1.3)),
      }),
    });
  });

describe('tokenDistribution', () => {
  it('token-distribution/C3: the bits of the definition, whatever the options', () => {
    fc.assert(
      fc.property(cases, ({ values, previous, options }) => {
        const { ids, weights, total } = tokenDistribution(options as DistributionOptions)(
          Float64Array.from(values),
          previous,
        );
        expect({ ids: [...ids], weights: [...weights], total }).toEqual(
          naive(values, previous, options as DistributionOptions),
        );
      }),
      { seed: 11, numRuns: 500 },
    );
  });

  it('token-distribution/C4: keeps what the processors of Transformers keep, in their order, with the same probabilities', () => {
    expect(goldens.distributions.length).toBeGreaterThan(100);
    for (const { logits: x, previous, options, ids, probabilities } of goldens.distributions) {
      const logitBias = new Map<number, number>(options.logitBias);
      const distribution = tokenDistribution({ ...options, logitBias })(Float64Array.from(x), previous);
      expect([...distribution.ids]).toEqual(ids);
      ids.forEach((id: number, i: number) => {
        expect(Math.abs(probabilityOf(distribution, id) / probabilities[i] - 1)).toBeLessThan(1e-12);
      });
    }
  });

  it('step 2: a token that occurs twice is penalised once, the prompt counts, and below zero the penalty multiplies', () => {
    expect([...adjustLogits(logits, [1, 1, 2, 4], { repetitionPenalty: 2 })]).toEqual([0.5, 1, -2, 2, 0]);
  });

  it('step 1 before step 2: the penalty sees the biased logit', () => {
    const logitBias = new Map([[2, 3]]);
    expect([...adjustLogits(logits, [2], { logitBias, repetitionPenalty: 2 })]).toEqual([0.5, 2, 1, 2, 0]);
  });

  it('the logits of the model are not written to', () => {
    const given = Float64Array.from(logits);
    adjustLogits(given, [1], { logitBias: new Map([[0, 1]]), repetitionPenalty: 2 });
    expect(given).toEqual(logits);
    expect(adjustLogits(given, [1], {})).toBe(given);
  });

  it('step 6: min-p is a share of the largest probability, and comes after top-p', () => {
    // Weights 1, 1/2, 1/4, 1/8.
    const x = Float64Array.from([3, 2, 1, 0], (i) => i * Math.LN2);
    const ids = (options: Partial<DistributionOptions>) => [
      ...tokenDistribution({ temperature: 1, ...options })(x, []).ids,
    ];
    expect(ids({ minP: 0.3 })).toEqual([0, 1]);
    expect(ids({ minP: 0.2 })).toEqual([0, 1, 2]);
    expect(ids({ minP: 0 })).toEqual([0, 1, 2, 3]);
    expect(ids({ minP: 1 })).toEqual([0]);
    // 0.6 of all 1.875 takes two; 0.6 of the 1.5 that min-p leaves would take one.
    expect(ids({ topP: 0.6, minP: 0.3 })).toEqual([0, 1]);
    expect(ids({ topP: 0.9, minP: 0.3 })).toEqual([0, 1]);
  });

  it('step 6: min-p is taken at the temperature, not at 1', () => {
    const x = Float64Array.from([0, -1]);
    expect([...tokenDistribution({ temperature: 1, minP: 0.5 })(x, []).ids]).toEqual([0]);
    expect([...tokenDistribution({ temperature: 2, minP: 0.5 })(x, []).ids]).toEqual([0, 1]);
  });

  it('probabilities: weight divided by total, 0 for what is not kept; they sum to 1', () => {
    const distribution = tokenDistribution({ temperature: 0.7, topK: 3 })(logits, []);
    const byId = probabilitiesById(distribution, logits.length);
    expect([...byId]).toEqual([...logits.keys()].map((id) => probabilityOf(distribution, id)));
    expect(byId[2]).toBe(0);
    expect(byId[4]).toBe(0);
    expect(byId.reduce((a, b) => a + b)).toBeCloseTo(1, 15);
  });

  it('a token is drawn exactly where the running sum passes u * total, and never one of weight 0', () => {
    const halves = tokenDistribution({ temperature: 1 })(Float64Array.from([1, 1, -Infinity]), []);
    expect(drawToken(halves, 0.5 - 2 ** -54)).toBe(0);
    expect(drawToken(halves, 0.5)).toBe(1);
    expect(drawToken(halves, 1 - 2 ** -53)).toBe(1);
  });

  it('a bias of -Infinity forbids a token', () => {
    const forbidden = { logitBias: new Map([[1, Number.NEGATIVE_INFINITY]]) };
    const distribution = tokenDistribution({ temperature: 1, ...forbidden })(logits, []);
    expect(probabilityOf(distribution, 1)).toBe(0);
    expect(adjustedGreedyChoice(forbidden)(logits, [])).toBe(3);
  });

  it('token-distribution/C2: an infinite largest logit is an error, not the last token', () => {
    const make = (values: number[], logitBias?: Map<number, number>) => () =>
      tokenDistribution({ temperature: 1, ...(logitBias && { logitBias }) })(Float64Array.from(values), []);
    expect(make([0, Infinity])).toThrow('largest logit: expected a finite number, found Infinity');
    expect(make([-Infinity])).toThrow('found -Infinity');
    expect(make([3], new Map([[0, -Infinity]]))).toThrow('The logit bias forbids every token');
  });

  it('token-choice/C2: NaN is an error, also one that a bias makes', () => {
    const logitBias = new Map([[0, Number.NEGATIVE_INFINITY]]);
    expect(() => tokenDistribution({ temperature: 1 })(Float64Array.from([0, Number.NaN]), [])).toThrow(
      'logit 1',
    );
    expect(() => adjustedGreedyChoice({ logitBias })(Float64Array.from([Infinity, 0]), [])).toThrow('NaN');
  });

  it('token-distribution/C1: refuses options out of range, naming them', () => {
    const check = (options: object, V?: number) => () =>
      checkDistributionOptions({ temperature: 1, ...options }, V);
    for (const minP of [-0.1, 1.1, Number.NaN])
      expect(check({ minP })).toThrow('min-p: expected a number from 0 to 1');
    for (const repetitionPenalty of [0, -1, Infinity, Number.NaN])
      expect(check({ repetitionPenalty })).toThrow('repetition penalty: expected a positive number');
    const bias = (id: number, value: number) => ({ logitBias: new Map([[id, value]]) });
    expect(check(bias(-1, 0))).toThrow('token of the logit bias: expected an integer from 0, found -1');
    expect(check(bias(1.5, 0))).toThrow('found 1.5');
    expect(check(bias(5, 0), 5)).toThrow('token of the logit bias: expected an integer from 0 to 4, found 5');
    for (const value of [Infinity, Number.NaN])
      expect(check(bias(1, value))).toThrow('logit bias of token 1: expected a number, or -Infinity');
    expect(() => tokenDistribution({ temperature: 1, ...bias(5, 1) })(logits, [])).toThrow(
      'from 0 to 4, found 5',
    );
    expect(check({ minP: 0, repetitionPenalty: 1, ...bias(0, -Infinity) })).not.toThrow();
  });
});

describe('adjustedGreedyChoice', () => {
  it('token-choice/C3: takes the largest of the adjusted logits, without a temperature', () => {
    expect(adjustedGreedyChoice({})(logits, [])).toBe(1);
    expect(adjustedGreedyChoice({ repetitionPenalty: 1.5 })(logits, [1])).toBe(3);
    expect(adjustedGreedyChoice({ repetitionPenalty: 8 })(logits, [1, 3])).toBe(0);
    expect(adjustedGreedyChoice({ logitBias: new Map([[2, 3.5]]) })(logits, [])).toBe(2);
  });
});
