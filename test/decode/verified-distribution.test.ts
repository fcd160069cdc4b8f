/**
 * verification/C8: with the policy `sampling` the output has the target's distribution. A model of three tokens, so small that the exact
 * probability of every text can be counted; chi-square of the texts that came out, up to the first, second, third and fourth token. Two wrong rules of acceptance,
 * which a reader of the formula could write, have to fail the same test.
 *
 * `VERIFICATION_SAMPLES=200000` (`npm run verification:samples`) asks for more; p-values are printed.
 */

import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import {
  type DistributionOptions,
  probabilitiesById,
  probabilityOf,
  tokenDistribution,
} from '../../lib/decode/token-distribution.ts';
import { samplingPolicy, type VerificationPolicy } from '../../lib/decode/verification-policy.ts';
import { generateVerified } from '../../lib/decode/verified.ts';
import { seededUniforms } from '../../lib/math/random.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { chiSquareProbability } from '../helpers/chi-square.ts';
import { finish, hamburgerOf, modelOf, randomWeights } from '../helpers/models.ts';
import { resembling, targetConfigOf } from '../helpers/verified.ts';

const samples = Number(process.env.VERIFICATION_SAMPLES ?? 1000);
const LENGTH = 4;
const EOS = 2;
const PROMPT = [0, 1];

const config: ModelConfig = {
  vocabSize: 3,
  hiddenSize: 4,
  intermediateSize: 4,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 16,
  rmsNormEps: 1e-5,
  ropeTheta: 100,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosTokenId: null,
  eosTokenIds: [EOS],
  hamburger: { maxSteps: 2, numMergerHeads: 2, featureLayerIndices: [0], numMicroLayers: 1 },
};
const draft = hamburgerOf(config, 'f64', randomWeights(0.8));
const target = modelOf(targetConfigOf(config), 'f64', resembling(0.2, 0.8));

/** Text of up to `length` tokens → its probability under the target; a text that has ended counts as it is. */
function exactProbabilities(options: DistributionOptions, length: number): Map<string, number> {
  const distributionOf = tokenDistribution(options);
  const result = new Map<string, number>();
  const walk = (text: readonly number[], probability: number): void => {
    if (text.length === length || text.at(-1) === EOS) {
      result.set(`${text}`, probability);
      return;
    }
    const segments = [...text, 0].map((id) => [id]);
    const logits = teacherForced(target, { prompt: PROMPT, segments }).at(-1)![0]!.logits.data;
    const q = probabilitiesById(distributionOf(logits, [...PROMPT, ...text]), config.vocabSize);
    q.forEach((each, id) => {
      if (each > 0) walk([...text, id], probability * each);
    });
  };
  walk([], 1);
  return result;
}

/** p-values of the texts of a policy, up to each length, and how many drafted tokens were accepted and rejected. */
function probabilitiesOf(policy: VerificationPolicy, options: DistributionOptions) {
  const uniforms = seededUniforms('verified distribution');
  const counts = Array.from({ length: LENGTH }, () => new Map<string, number>());
  const seen = { accepted: 0, rejected: 0, acrossSegments: 0 };
  for (let n = 0; n < samples; n++) {
    const { tokens, result } = finish(
      generateVerified(draft, target, {
        prompt: PROMPT,
        maxTokens: LENGTH,
        draftSteps: 2,
        confidence: 0.5,
        policy,
        sampling: { ...options, uniforms },
      }),
    );
    const { accepted, resampled } = result.statistics;
    seen.accepted += accepted;
    seen.rejected += resampled;
    // Accepted tokens of two macro-steps of one draft.
    seen.acrossSegments += Number(
      tokens.some((each) => each.round === 0 && each.macroStep > 0 && each.origin === 'draft'),
    );
    counts.forEach((count, i) => {
      const text = `${tokens.slice(0, i + 1).map(({ id }) => id)}`;
      count.set(text, (count.get(text) ?? 0) + 1);
    });
  }
  const pValues = counts.map((count, i) => {
    const expected = exactProbabilities(options, i + 1);
    // A text that cannot come makes the statistic infinite.
    let statistic = [...count.keys()].every((text) => expected.has(text)) ? 0 : Number.POSITIVE_INFINITY;
    for (const [text, probability] of expected) {
      const mean = probability * samples;
      statistic += ((count.get(text) ?? 0) - mean) ** 2 / mean;
    }
    return chiSquareProbability(statistic, expected.size - 1);
  });
  return { pValues, seen };
}

const temperature1 = { temperature: 1 };
const cut = { temperature: 0.8, topK: 2, repetitionPenalty: 1.2 };

describe('distribution of verified samples', { timeout: 3_600_000 }, () => {
  it.each<[string, DistributionOptions]>([
    ['temperature 1', temperature1],
    ['temperature 0.8, top-k 2, repetition penalty 1.2', cut],
  ])('verification/C8: is that of the target, at every length (%s)', (_, options) => {
    const { pValues, seen } = probabilitiesOf(samplingPolicy, options);
    if (process.env.VERIFICATION_SAMPLES !== undefined)
      console.log(JSON.stringify({ samples, options, pValues, seen }));
    for (const p of pValues) expect(p).toBeGreaterThan(1e-3);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(samples / 50);
  });

  it.each<[string, VerificationPolicy]>([
    [
      'p / q instead of q / p',
      {
        ...samplingPolicy,
        accepts: ({ id, target: q, draft: p, uniform }) =>
          uniform() * probabilityOf(q(), id) < probabilityOf(p(), id),
      },
    ],
    [
      'after a rejection drawn from q instead of what is missing',
      { ...samplingPolicy, afterRejection: ({ target: q }) => q() },
    ],
  ])('a wrong rule is caught at every length: %s', (name, policy) => {
    const { pValues } = probabilitiesOf(policy, temperature1);
    if (process.env.VERIFICATION_SAMPLES !== undefined)
      console.log(JSON.stringify({ samples, name, pValues }));
    for (const p of pValues) expect(p).toBeLessThan(1e-6);
  });
});
