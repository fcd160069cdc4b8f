import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generate } from '../../lib/decode/generate.ts';
import { createKvCache, type EntryCache } from '../../lib/decode/kv-cache.ts';
import { profiles } from '../../lib/decode/profiles.ts';
import { samplingChoice } from '../../lib/decode/token-choice.ts';
import {
  blindPolicy,
  greedyPolicy,
  lenientPolicy,
  samplingPolicy,
  typicalPolicy,
} from '../../lib/decode/verification-policy.ts';
import {
  generateVerified,
  startVerifiedRun,
  type VerifiedOptions,
  type VerifiedToken,
} from '../../lib/decode/verified.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { seededUniforms } from '../../lib/math/random.ts';
import { baseLayers, tokenEmbeddings } from '../../lib/model/base.ts';
import { segmentEmbeddings } from '../../lib/model/compositional-embedder.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { baseOf, isHamburger, type Model } from '../../lib/model/model.ts';
import { discardTrace } from '../../lib/trace.ts';
import { finish, hamburgerOf, modelOf, naiveOf, randomWeights, segmentsOf } from '../helpers/models.ts';
import { naiveVerified, resembling, targetConfigOf } from '../helpers/verified.ts';

/** Few tokens, so that models agree by chance, and few layers, so that many runs are made. */
const config: ModelConfig = {
  vocabSize: 5,
  hiddenSize: 12,
  intermediateSize: 10,
  numHiddenLayers: 2,
  numAttentionHeads: 3,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 60,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosTokenId: null,
  eosTokenIds: [],
  hamburger: { maxSteps: 3, numMergerHeads: 2, featureLayerIndices: [0, 1], numMicroLayers: 1 },
};
const prompt = [3, 1, 4, 1, 2];

const draft = hamburgerOf(config, 'f64');
const target = modelOf(targetConfigOf(config), 'f64', resembling(0.5));
const seed = { seed: 20438 };

const tokenId = fc.integer({ min: 0, max: config.vocabSize - 1 });
const prompts = fc.array(tokenId, { minLength: 1, maxLength: 6 });
const confidences = fc.constantFrom(null, 0, 0, 0.2, 0.4, 0.6);
const draftBounds = fc.record({
  draftSteps: fc.integer({ min: 1, max: 4 }),
  draftConfidence: fc.constantFrom(0, 0, 0.2, 0.5),
});
const eosLists = fc.constantFrom<number[]>([], [], [0], [2, 4]);

const run = (options: Partial<VerifiedOptions> = {}, models: { draft?: Model; target?: Model | null } = {}) =>
  finish(
    generateVerified(models.draft ?? draft, models.target === undefined ? target : models.target, {
      prompt,
      maxTokens: 12,
      draftSteps: 2,
      confidence: 0.3,
      ...options,
    }),
  );
const idsOf = (tokens: readonly { readonly id: number }[]) => tokens.map(({ id }) => id);

describe('verification against the naive implementation', () => {
  const naiveDraft = naiveOf(config);
  const naiveTarget = naiveOf(targetConfigOf(config), resembling(0.5));

  it('same segments, same counts of every round, whatever is accepted', () => {
    let broken = 0;
    let whole = 0;
    fc.assert(
      fc.property(
        prompts,
        draftBounds,
        confidences,
        eosLists,
        fc.constantFrom(1, 1, 2),
        (start, bounds, confidence, eos, k) => {
          const options = { prompt: start, maxTokens: 9, ...bounds, confidence };
          const { tokens, result } = run({ ...options, eosTokenIds: eos, policy: lenientPolicy(k) });
          const expected = naiveVerified(naiveDraft, naiveTarget, { ...options, eos, k });
          expect(segmentsOf(tokens)).toEqual(expected.segments);
          const rounds = expected.rounds.map((_, r) => {
            const own = result.statistics.tokens.filter(({ round }) => round === r);
            return { drafted: own.length, accepted: own.filter(({ fate }) => fate === 'accepted').length };
          });
          expect(rounds).toEqual(expected.rounds);
          broken += rounds.filter(({ drafted, accepted }) => accepted < drafted).length;
          whole += rounds.filter(({ drafted, accepted }) => accepted === drafted && drafted > 1).length;
        },
      ),
      { ...seed, numRuns: 40 },
    );
    // The test would prove little if drafts were never accepted, or never rejected.
    expect(broken).toBeGreaterThan(20);
    expect(whole).toBeGreaterThan(20);
  });
});

describe('verification', () => {
  const likenesses = fc.constantFrom(0, 0.5, 0.8, 0.95, 1);
  const targets = new Map(
    [0, 0.5, 0.8, 0.95, 1].map((likeness) => [
      likeness,
      modelOf(targetConfigOf(config), 'f64', resembling(likeness)),
    ]),
  );

  it("verification/C8: greedy is the target's own greedy text, whatever the draft, the profile and the limits", () => {
    fc.assert(
      fc.property(
        fc.record({ start: prompts, likeness: likenesses, confidence: confidences, eos: eosLists }),
        draftBounds,
        fc.constantFrom(...profiles.values()),
        fc.integer({ min: 0, max: 14 }),
        fc.constantFrom(undefined, 6, 9, 12),
        ({ start, likeness, confidence, eos }, bounds, profile, maxTokens, maxPositions) => {
          const judge = targets.get(likeness)!;
          const limits = {
            maxTokens,
            eosTokenIds: eos,
            ...(maxPositions === undefined ? {} : { maxPositions }),
          };
          const own = finish(generate(judge, { prompt: start, ...limits }));
          const verified = run(
            { prompt: start, ...limits, ...bounds, confidence, profile },
            { target: judge },
          );
          expect(idsOf(verified.tokens)).toEqual(idsOf(own.tokens));
          expect(verified.result.stopReason).toBe(own.result.stopReason);
          expect(verified.result.outputTokens).toBe(own.tokens.length);
        },
      ),
      { ...seed, numRuns: 150 },
    );
  });

  it('verification/C8: greedy in f32 on the fast kernels, where a pass over many rows must be one over each', () => {
    const kernels = simdKernels();
    const [fastDraft, fastTarget] = [
      hamburgerOf(config, 'f32', randomWeights(), kernels),
      modelOf(targetConfigOf(config), 'f32', resembling(0.9), kernels),
    ];
    for (let first = 0; first < config.vocabSize; first++) {
      const options = { prompt: [first, 2], maxTokens: 40 };
      const verified = run({ ...options, draftSteps: 5 }, { draft: fastDraft, target: fastTarget });
      expect(idsOf(verified.tokens)).toEqual(idsOf(finish(generate(fastTarget, options)).tokens));
      expect(verified.result.statistics.accepted).toBeGreaterThan(0);
    }
  });

  it("verification/C8: blind is HAMburger's own text, in its segments, drawn or not", () => {
    fc.assert(
      fc.property(
        prompts,
        draftBounds,
        confidences,
        eosLists,
        fc.boolean(),
        (start, bounds, confidence, eos, drawn) => {
          const options = { prompt: start, maxTokens: 11, eosTokenIds: eos, confidence };
          const uniforms = () => seededUniforms('blind');
          const own = finish(
            generate(draft, {
              ...options,
              ...(drawn ? { choice: samplingChoice({ temperature: 1, uniforms: uniforms() }) } : {}),
            }),
          );
          const verified = run(
            {
              ...options,
              draftSteps: bounds.draftSteps,
              policy: blindPolicy,
              ...(drawn ? { sampling: { temperature: 1, uniforms: uniforms() } } : {}),
            },
            { target: null },
          );
          const shown = (
            tokens: readonly Pick<VerifiedToken, 'id' | 'macroStep' | 'microIndex' | 'end' | 'confidence'>[],
          ) =>
            tokens.map(({ id, macroStep, microIndex, end, confidence }) => [
              id,
              macroStep,
              microIndex,
              end,
              confidence,
            ]);
          expect(shown(verified.tokens)).toEqual(shown(own.tokens));
          expect(verified.result.entryPositions).toEqual(own.result.entryPositions);
          expect(verified.result.stopReason).toBe(own.result.stopReason);
        },
      ),
      { ...seed, numRuns: 60 },
    );
  });

  it('the draft model as its own target accepts everything', () => {
    const plain = baseOf(draft);
    const { result } = run({ maxTokens: 13, draftSteps: 3 }, { draft: plain, target: plain });
    expect(result.statistics).toMatchObject({ rounds: 4, drafted: 9, accepted: 9, resampled: 0, added: 4 });
    // Entries of single tokens are those of the target, so that at temperature 1, too, nothing is rejected.
    const sampling = { temperature: 1, uniforms: seededUniforms('same') };
    const sampled = run({ maxTokens: 13, draftSteps: 3, sampling }, { draft: plain, target: plain });
    expect(sampled.result.statistics).toMatchObject({ drafted: 9, accepted: 9, resampled: 0 });
  });

  it('works with max_steps 1, and a prompt of one token', () => {
    const narrow = { ...config, hamburger: { ...config.hamburger!, maxSteps: 1 } };
    const { tokens } = run({ prompt: [2], maxTokens: 9 }, { draft: hamburgerOf(narrow, 'f64') });
    expect(idsOf(tokens)).toEqual(idsOf(finish(generate(target, { prompt: [2], maxTokens: 9 })).tokens));
    expect(tokens.every(({ microIndex }) => microIndex === 0)).toBe(true);
  });
});

/** Feeds entries one by one into a new cache. */
function fedCache(
  model: Model,
  entries: readonly (readonly number[])[],
  positions: readonly number[],
): EntryCache {
  const cache = createKvCache(model.kernels, model.config, model.config.numHiddenLayers, entries.length);
  entries.forEach((tokens, i) => {
    const rows = isHamburger(model)
      ? segmentEmbeddings(model, [tokens], discardTrace)
      : tokenEmbeddings(model, tokens);
    baseLayers(model, rows, { positions: [positions[i]!], cache, outputRows: 1 }, discardTrace);
  });
  return cache;
}

/** The bits of all numbers that a cache holds; compared as a text, which is quicker than number by number. */
const contents = (cache: EntryCache) =>
  [0, 1].map((layer) => {
    const { keys, values } = cache.entries(layer);
    return [keys, values].map(
      ({ shape, data }) => `${shape}: ${Buffer.from(data.slice().buffer).toString('hex')}`,
    );
  });

describe('rolling back', () => {
  const stranger = modelOf(targetConfigOf(config), 'f64', resembling(0.3));
  const policies = fc.oneof(
    fc.constant(greedyPolicy),
    fc.integer({ min: 1, max: 4 }).map(lenientPolicy),
    fc.constantFrom(samplingPolicy, typicalPolicy(), typicalPolicy({ threshold: 0.3, entropyFactor: 1 })),
  );

  it('verification/C4, C5: after every round both caches are those of a run that never saw what was rejected', () => {
    const seen = { rejected: 0, kept: 0, survivors: 0, wholeDrafts: 0 };
    fc.assert(
      fc.property(
        fc.record({
          start: prompts,
          confidence: confidences,
          policy: policies,
          drawSeed: fc.string({ minLength: 1 }),
        }),
        draftBounds,
        fc.constantFrom(...profiles.values()),
        fc.constantFrom<[number, number]>([1, 1], [2, 1], [3, 1], [4, 1]),
        ({ start, confidence, policy, drawSeed }, bounds, given, [maxSteps]) => {
          // A table of sines of lower precision is another base; it is tested elsewhere.
          const profile = { ...given, ropeTable: 'mode' as const };
          const model = hamburgerOf({ ...config, hamburger: { ...config.hamburger!, maxSteps } }, 'f64');
          const drawn = policy.sampling !== 'refused';
          const verified = startVerifiedRun(model, stranger, {
            prompt: start,
            maxTokens: 12,
            ...bounds,
            confidence,
            profile,
            policy,
            ...(drawn ? { sampling: { temperature: 1.5, uniforms: seededUniforms(drawSeed) } } : {}),
          });
          const tokens: VerifiedToken[] = [];
          for (let stopReason = null as string | null; stopReason === null; ) {
            const round = verified.round();
            tokens.push(...round.tokens);
            stopReason = round.stopReason;

            // HAMburger: an entry for each token of the prompt, then one for each segment, but for those that are pending.
            const segments = segmentsOf(tokens);
            const { positions } = verified.draft.cache;
            const entries = [...start.map((id) => [id]), ...segments].slice(0, positions.length);
            const fresh = fedCache(model, entries, positions);
            expect(contents(verified.draft.cache)).toEqual(contents(fresh));
            if (profile.afterVerification === 'merged') {
              const ends = entries.map((_, i) => entries.slice(0, i + 1).flat().length - 1);
              expect(positions).toEqual(ends);
            }

            // The target: an entry for each token but the last.
            const text = [...start, ...idsOf(tokens)];
            const own = text.slice(0, -1);
            const plain = fedCache(
              stranger,
              own.map((id) => [id]),
              own.map((_, i) => i),
            );
            expect(verified.target!.cache.positions).toEqual(own.map((_, i) => i));
            expect(contents(verified.target!.cache)).toEqual(contents(plain));

            const records = verified
              .result('length')
              .statistics.tokens.filter(({ round: r }) => r === round.tokens[0]!.round);
            const accepted = records.filter(({ fate }) => fate === 'accepted').length;
            seen.rejected += Number(accepted < records.length);
            seen.wholeDrafts += Number(accepted === records.length);
            seen.survivors += Number((records[accepted]?.microIndex ?? 0) > 0);
            seen.kept += Number(accepted > 1);
          }
          verified.end();
        },
      ),
      { ...seed, numRuns: 50 },
    );
    console.log(seen);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(15);
  });
});
