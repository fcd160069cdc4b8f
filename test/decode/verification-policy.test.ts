import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { probabilitiesById, tokenDistribution } from '../../lib/decode/token-distribution.ts';
import {
  blindPolicy,
  type DraftEvidence,
  entropyOf,
  greedyPolicy,
  lenientPolicy,
  samplingPolicy,
  typicalPolicy,
  type VerificationPolicy,
  verificationPolicy,
} from '../../lib/decode/verification-policy.ts';

const drawnFrom = (logits: readonly number[]) =>
  tokenDistribution({ temperature: 1 })(Float64Array.from(logits), []);

/** What is known of token `id`, whose target has the logits `z` and whose draft model has `y`. */
const evidence = (id: number, z: readonly number[], y: readonly number[] = z, u = 0): DraftEvidence => ({
  id,
  logits: Float64Array.from(z),
  target: () => drawnFrom(z),
  draft: () => drawnFrom(y),
  uniform: () => u,
});
const accepted = (policy: VerificationPolicy, z: readonly number[], y?: readonly number[], u?: number) =>
  z.map((_, id) => policy.accepts(evidence(id, z, y, u)));
const ln = Math.log;

describe('verification policies', () => {
  it('greedy takes the likeliest, the lowest id of a tie', () => {
    expect(accepted(greedyPolicy, [1, 3, 3])).toEqual([false, true, false]);
  });

  it('lenient counts what is before a token: larger logits, and equal ones of a lower id', () => {
    const z = [2, 5, 2, 1, 2];
    expect(accepted(lenientPolicy(1), z)).toEqual([false, true, false, false, false]);
    expect(accepted(lenientPolicy(3), z)).toEqual([true, true, true, false, false]);
    expect(accepted(lenientPolicy(5), z)).toEqual([true, true, true, true, true]);
  });

  it('sampling accepts with probability q / p, at most 1', () => {
    const [q, p] = [
      [0.25, 0.5, 0.25],
      [0.5, 0.25, 0.25],
    ];
    const at = (u: number) => accepted(samplingPolicy, q!.map(ln), p!.map(ln), u);
    expect(at(0)).toEqual([true, true, true]);
    expect(at(0.499)).toEqual([true, true, true]);
    expect(at(0.501)).toEqual([false, true, true]);
    expect(at(1 - 2 ** -53)).toEqual([false, true, true]);
  });

  it('a token that the target never says is never accepted, whatever the uniform', () => {
    expect(accepted(samplingPolicy, [0, -Infinity], [0, 0], 0)).toEqual([true, false]);
  });

  it('after a rejection the probability that is missing is drawn from, in the order of q', () => {
    const q = [0.1, 0.2, 0.3, 0.4].map(ln);
    const p = [0.4, 0.3, 0.2, 0.1].map(ln);
    const { ids, weights, total } = samplingPolicy.afterRejection(evidence(0, q, p));
    expect([...ids]).toEqual([3, 2, 1, 0]);
    expect(weights[0]! / total).toBeCloseTo(0.75, 12);
    expect(weights[1]! / total).toBeCloseTo(0.25, 12);
    expect([weights[2], weights[3]]).toEqual([0, 0]);
  });

  it('verification/C7: where nothing is missing, q itself', () => {
    const q = [0, 1, 2];
    expect(samplingPolicy.afterRejection(evidence(0, q, q))).toEqual(drawnFrom(q));
  });

  it('sampling: what comes out, accepted or drawn after a rejection, is q', () => {
    const logits = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(logits, logits, (z, y) => {
        const [q, p] = [drawnFrom(z), drawnFrom(y)].map((each) => probabilitiesById(each, 4)) as [
          Float64Array,
          Float64Array,
        ];
        const rest = probabilitiesById(samplingPolicy.afterRejection(evidence(0, z, y)), 4);
        const acceptance = z.map((_, id) => Math.min(1, q[id]! / p[id]!));
        const rejection = acceptance.reduce((sum, a, id) => sum + p[id]! * (1 - a), 0);
        for (let id = 0; id < 4; id++) {
          expect(p[id]! * acceptance[id]! + rejection * rest[id]!).toBeCloseTo(q[id]!, 12);
        }
      }),
      { seed: 20438, numRuns: 50 },
    );
  });

  it('typical asks the less, the less sure the target is', () => {
    const typical = typicalPolicy({ threshold: 0.2, entropyFactor: 0.5 });
    // Sure: H is near 0, so the threshold counts. Of four equal tokens H is ln 4, and the bound 0.5 / 4.
    expect(accepted(typical, [0.75, 0.15, 0.05, 0.05].map(ln))).toEqual([true, false, false, false]);
    expect(accepted(typical, [0, 0, 0, 0])).toEqual([true, true, true, true]);
    expect(accepted(typicalPolicy({ threshold: 0.25, entropyFactor: 2 }), [0, 0, 0, 0])).toEqual(
      Array(4).fill(true),
    );
    expect(entropyOf(drawnFrom([0, 0, 0, 0]))).toBeCloseTo(ln(4), 14);
    expect(entropyOf(drawnFrom([0, -800]))).toBe(0);
  });

  it('the names of the command line', () => {
    expect(verificationPolicy('blind')).toBe(blindPolicy);
    expect(verificationPolicy('greedy')).toBe(greedyPolicy);
    expect(verificationPolicy('sampling')).toBe(samplingPolicy);
    expect(verificationPolicy('typical').name).toBe('typical:0.09,0.3');
    expect(verificationPolicy('typical:0.2,1').name).toBe('typical:0.2,1');
    expect(verificationPolicy('lenient:3').name).toBe('lenient:3');
  });

  it.each([
    [
      'lenient',
      'policy: expected blind, greedy, sampling, typical, typical:THRESHOLD,FACTOR or lenient:K, found',
    ],
    ['strict', 'policy: expected blind'],
    ['lenient:', 'k of the policy lenient: expected an integer of at least 1, found NaN'],
    ['lenient:0', 'found 0'],
    ['lenient:1.5', 'found 1.5'],
    ['lenient:1:2', 'policy: expected blind'],
    ['greedy:2', 'policy: expected blind'],
    ['typical:2,1', 'threshold of the policy typical: expected a number from 0 to 1, found 2'],
    ['typical:0.1', 'policy: expected blind'],
    [
      'typical:0.1,-1',
      'entropy factor of the policy typical: expected a finite number of at least 0, found -1',
    ],
    ['typical:0.1,', 'found NaN'],
    ['', 'policy: expected blind'],
  ])('verification/C1: refuses %j', (name, message) => {
    expect(() => verificationPolicy(name)).toThrow(
      `verification/C1: ${message.startsWith('found') ? '' : message}`,
    );
    expect(() => verificationPolicy(name)).toThrow(message);
  });
});
