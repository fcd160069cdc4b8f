import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { createKvCache, type EntryCache } from '../../lib/decode/kv-cache.ts';
import { logProbabilities } from '../../lib/decode/log-probabilities.ts';
import { profiles } from '../../lib/decode/profiles.ts';
import { adjustedGreedyChoice, samplingChoice, tokenProbability } from '../../lib/decode/token-choice.ts';
import {
  blindPolicy,
  greedyPolicy,
  lenientPolicy,
  samplingPolicy,
  typicalPolicy,
} from '../../lib/decode/verification-policy.ts';
import { countAcceptance } from '../../lib/decode/verification-statistics.ts';
import {
  generateVerified,
  startVerifiedRun,
  type VerifiedOptions,
  type VerifiedToken,
} from '../../lib/decode/verified.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { recordedUniforms, replayedUniforms, seededUniforms } from '../../lib/math/random.ts';
import { baseLayers, tokenEmbeddings } from '../../lib/model/base.ts';
import { segmentEmbeddings } from '../../lib/model/compositional-embedder.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { baseOf, isHamburger, type Model } from '../../lib/model/model.ts';
import { discardTrace, namedTrace, recordTrace } from '../../lib/trace.ts';
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

  it('verification/C8: with a repetition penalty each place of a draft is judged after the tokens before it, and no others', () => {
    const adjustments = { repetitionPenalty: 1.8 };
    const own = finish(
      generate(target, { prompt, maxTokens: 30, confidence: 0, choice: adjustedGreedyChoice(adjustments) }),
    );
    for (const draftSteps of [1, 2, 4])
      expect(idsOf(run({ maxTokens: 30, draftSteps, adjustments, confidence: 0 }).tokens)).toEqual(
        idsOf(own.tokens),
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

describe('what a verified generation is asked for', () => {
  const sampling = () => ({ temperature: 1, uniforms: seededUniforms('x') });

  it('verification/C1: policy, target and sampling suit each other', () => {
    expect(() => run({ policy: greedyPolicy, sampling: sampling() })).toThrow(
      'verification/C1: policy greedy: expected that no token is drawn, found options of sampling',
    );
    expect(() => run({ policy: samplingPolicy })).toThrow(
      'verification/C1: policy sampling: expected options of sampling, found none',
    );
    expect(() => run({ policy: blindPolicy })).toThrow('verification/C1: policy blind: expected no target');
    expect(() => run({}, { target: null })).toThrow('verification/C1: policy greedy: expected a target');
    // By default what suits the options.
    expect(run({ sampling: sampling() }).tokens.length).toBe(12);
    expect(() => run({ sampling: { ...sampling(), temperature: 0 } })).toThrow('token-distribution/C1');
  });

  it('verification/C2: a draft has a macro-step at least, and its bound is a confidence', () => {
    for (const draftSteps of [0, 1.5, Number.NaN])
      expect(() => run({ draftSteps })).toThrow(
        'verification/C2: draft steps: expected an integer of at least 1',
      );
    for (const draftConfidence of [-0.1, 1.1, Number.NaN])
      expect(() => run({ draftConfidence })).toThrow(
        'verification/C2: draft confidence: expected a number from 0',
      );
    expect(() => run({ confidence: 2 })).toThrow('termination/C1');
  });

  it('verification/C2: the product is of the confidences that let a macro-step go on, and of no others', () => {
    // Confidence 0 never ends a macro-step, so that all but the last token of each goes on.
    const all = run({ draftSteps: 4, confidence: 0, maxTokens: 40, policy: lenientPolicy(5) });
    const first = all.tokens.filter(({ round, origin }) => round === 0 && origin === 'draft');
    expect(first.map(({ end }) => end)).toEqual(Array(4).fill([null, null, 'max-steps']).flat());
    const products: number[] = [];
    let product = 1;
    for (const { confidence, end } of first) {
      if (end === null) product *= confidence!;
      products.push(product);
    }
    // A bound just above the product after the second macro-step's first token ends the draft there.
    const bounded = (draftConfidence: number) =>
      run({
        draftSteps: 4,
        confidence: 0,
        maxTokens: 40,
        policy: lenientPolicy(5),
        draftConfidence,
      }).tokens.filter(({ round, origin }) => round === 0 && origin === 'draft');
    const at = products[3]!;
    expect(bounded(at * (1 + 1e-12)).map(({ end }) => end)).toEqual([
      null,
      null,
      'max-steps',
      'draft-confidence',
    ]);
    expect(bounded(at).length).toBeGreaterThan(4);
    expect(bounded(1).length).toBe(1);
  });

  it('verification/C3: models that do not go together are named before anything is computed', () => {
    const unlike = (change: Partial<ModelConfig>) =>
      modelOf({ ...targetConfigOf(config), ...change }, 'f64', resembling(0.5));
    const asked = (change: Partial<ModelConfig>, options: Partial<VerifiedOptions> = {}) => {
      const trace = namedTrace(() => expect.unreachable('something was computed'));
      return () => run({ ...options, trace }, { target: unlike(change) });
    };
    expect(asked({ vocabSize: 6 })).toThrow(
      'verification/C3: vocabulary of the target: expected 5 tokens, as the draft model has, found 6',
    );
    expect(asked({ eosTokenIds: [3] })).toThrow(
      'verification/C3: tokens of the target that end a text: expected none, as the draft model has, found 3',
    );
    expect(asked({ maxPositionEmbeddings: 4 })).toThrow(
      'verification/C3: positions of the target: expected at least 5, for the prompt and the positions asked for, found 4',
    );
    expect(asked({ maxPositionEmbeddings: 20 }, { maxPositions: 30 })).toThrow('expected at least 30');
    expect(asked({}, { prompt: [] })).toThrow('generation/C1: prompt');
    // By default the positions that both have.
    const { tokens, result } = run({ maxTokens: 100 }, { target: unlike({ maxPositionEmbeddings: 20 }) });
    expect([prompt.length + tokens.length, result.stopReason]).toEqual([21, 'positions']);
  });

  it('verification/C6: a draft leaves room for the word of the target', () => {
    const one = run({ maxTokens: 1 });
    expect(one.tokens.map(({ origin }) => origin)).toEqual(['target']);
    expect(one.result.statistics).toMatchObject({ rounds: 1, drafted: 0, draftMacroSteps: 0, added: 1 });
    const two = run({ maxTokens: 2, policy: lenientPolicy(5) });
    expect(two.tokens.map(({ origin, end }) => [origin, end])).toEqual([
      ['draft', 'limit'],
      ['target', 'verification'],
    ]);
    expect(run({ maxTokens: 0 }).tokens).toEqual([]);
  });

  it('verification/C6: nothing follows EOS, whoever says it, and nothing a stop string', () => {
    const free = idsOf(run({ policy: lenientPolicy(5), confidence: 0 }).tokens);
    for (const [i, id] of free.entries()) {
      const first = free.indexOf(id);
      if (first !== i) continue;
      const ended = run({ policy: lenientPolicy(5), confidence: 0, eosTokenIds: [id] });
      expect(idsOf(ended.tokens)).toEqual(free.slice(0, i + 1));
      expect(ended.result.stopReason).toBe('eos');
      const stopped = run({ policy: lenientPolicy(5), confidence: 0, stopAfter: (each) => each === id });
      expect(idsOf(stopped.tokens)).toEqual(free.slice(0, i + 1));
      expect([stopped.result.stopReason, stopped.tokens.at(-1)!.end]).toEqual(['stop-string', 'stop-string']);
    }
  });

  it('verification/C7: uniforms are drawn for the draft, for its judgement, for the word of the target, in this order', () => {
    // Both models say every token with the same probability: a draw of u is token floor(5 u), and q = p.
    const even = { ...config, hamburger: { ...config.hamburger!, maxSteps: 2 } };
    const flat = (name: string) => (/norm\.weight$/.test(name) ? 1 : 0);
    const models = {
      draft: hamburgerOf(even, 'f64', flat),
      target: modelOf(targetConfigOf(even), 'f64', flat),
    };
    const draws = [0.1, 0.3, 0.5, 0.9, 0, 0.999, 0.7, 0.5, 0.2, 0.4];
    const uniforms = recordedUniforms(replayedUniforms(draws));
    const { tokens, result } = run(
      { maxTokens: 4, draftSteps: 1, confidence: 0, sampling: { temperature: 1, uniforms } },
      models,
    );
    // Round 0: tokens 0 and 1 drafted, both judged (0.5, 0.9), the target's is 0. Round 1: room for none, so it is the target's 4.
    expect(tokens.map(({ id, origin }) => [id, origin])).toEqual([
      [0, 'draft'],
      [1, 'draft'],
      [0, 'target'],
      [4, 'target'],
    ]);
    expect(uniforms.drawn).toEqual(draws.slice(0, 6));
    expect(result.statistics.rounds).toBe(2);
  });

  it('verification/C9: what became of every drafted token', () => {
    const { tokens, result } = run({ draftSteps: 3, maxTokens: 40, confidence: 0 });
    const { statistics } = result;
    const own = tokens.filter(({ origin }) => origin === 'draft');
    expect(statistics.accepted).toBe(own.length);
    expect(statistics.resampled + statistics.added).toBe(tokens.length - own.length);
    expect(statistics.rounds).toBe(tokens.at(-1)!.round + 1);
    expect(statistics.meanAcceptedLength).toBe(own.length / statistics.rounds);
    expect(statistics.drafted).toBe(statistics.tokens.length);
    for (let r = 0; r < statistics.rounds; r++) {
      const round = statistics.tokens.filter((each) => each.round === r);
      const fates = round.map(({ fate }) => fate);
      const accepted = fates.filter((fate) => fate === 'accepted').length;
      expect(fates).toEqual([
        ...Array(accepted).fill('accepted'),
        ...(accepted < fates.length ? ['rejected'] : []),
        ...Array(Math.max(fates.length - accepted - 1, 0)).fill('not-judged'),
      ]);
      // The target's choices are its words, as far as the draft was accepted, and so is the token behind.
      const said = tokens.filter((each) => each.round === r);
      const choices = round.slice(0, accepted + 1).map(({ targetChoice }) => targetChoice);
      expect(choices).toEqual(idsOf(said).slice(0, choices.length));
    }
    for (const { microIndex, draftedWith } of statistics.tokens) {
      expect(draftedWith === null).toBe(microIndex === 0);
    }
    const sums = statistics.byMicroIndex.map(({ drafted }) => drafted);
    expect(sums.reduce((a, b) => a + b, 0)).toBe(statistics.drafted);
    expect(statistics.byMicroIndex[1]).toEqual(
      countAcceptance(statistics.tokens.filter(({ microIndex }) => microIndex === 1)),
    );
    // The confidence with which a token was drafted is that of the token before it.
    const all = run({ confidence: 0, policy: lenientPolicy(5) });
    expect(all.result.statistics.tokens[1]).toMatchObject({
      microIndex: 1,
      draftedWith: all.tokens[0]!.confidence,
    });
  });

  it('probabilities and log-probabilities are those of the target', () => {
    const { tokens } = run({ probabilities: true, alternatives: 2 });
    const segments = idsOf(tokens).map((id) => [id]);
    const forced = teacherForced(target, { prompt, segments });
    forced.forEach(([each], i) => {
      expect(tokens[i]!.probability).toBe(tokenProbability(each!.logits.data, each!.id));
      expect(tokens[i]!.logProbabilities).toEqual(logProbabilities(each!.logits.data, each!.id, 2));
    });
    expect(run().tokens[0]).toMatchObject({ probability: null, logProbabilities: null });
  });

  it('trace/T1: each tensor of both models has a name of its own, and a trace changes nothing', () => {
    const { trace, tensors } = recordTrace();
    const traced = run({ trace, confidence: 0 });
    expect(traced).toEqual(run({ confidence: 0 }));
    const { statistics } = traced.result;
    const names = [...tensors.keys()];
    expect(tensors.get('target.0.model.layers.0.output')!.shape[0]).toBeGreaterThan(prompt.length);
    expect(names).toContain(`target.${statistics.rounds - 1}.logits`);
    expect(names).toContain(`draft.macro.${statistics.draftMacroSteps - 1}.micro.0.logits`);
    const k = statistics.tokens.filter(({ round }) => round === 0).length;
    expect(tensors.get('target.0.logits')!.shape).toEqual([k + 1, config.vocabSize]);
    expect(tensors.get('target.0.model.norm')!.shape).toEqual([k + 1, config.hiddenSize]);
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
    baseLayers(model, rows, [{ positions: [positions[i]!], cache, outputRows: 1 }], discardTrace);
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

    expect(Math.min(...Object.values(seen))).toBeGreaterThan(15);
  });
});
