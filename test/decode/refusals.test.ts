/** What is said of options and runs that cannot be: rule, what it is about, what was expected and what was found, word by word. */

import { describe, expect, it } from 'vitest';
import { formulaCounts } from '../../lib/decode/accounting.ts';
import { checkForced } from '../../lib/decode/generate.ts';
import { generateBatch } from '../../lib/decode/generate-batch.ts';
import { freeRun, judgedRun } from '../../lib/decode/judged-drafts.ts';
import { createKvCache } from '../../lib/decode/kv-cache.ts';
import { checkAlternatives, logProbabilities } from '../../lib/decode/log-probabilities.ts';
import { profiles } from '../../lib/decode/profiles.ts';
import { adjustedGreedyChoice } from '../../lib/decode/token-choice.ts';
import { adjustLogits, tokenDistribution } from '../../lib/decode/token-distribution.ts';
import { lenientPolicy, typicalPolicy, verificationPolicy } from '../../lib/decode/verification-policy.ts';
import { verificationStatistics } from '../../lib/decode/verification-statistics.ts';
import { checkDraftAndTarget, checkVerification, generateVerified } from '../../lib/decode/verified.ts';
import { HamburgerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { discardTrace } from '../../lib/trace.ts';
import { modelOf, smallConfig } from '../helpers/models.ts';

const kernels = referenceKernels('f64');
const model = modelOf(smallConfig, 'f64');
const plain = modelOf({ ...smallConfig, hamburger: null }, 'f64');

/** All that an error says. */
function saidBy(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(HamburgerError);
    const { rule, subject, expected, found, hint } = (error as HamburgerError).fault;
    return `${rule ?? 'no rule'}: ${subject}: expected ${expected}, found ${found}${hint === undefined ? '' : ` (${hint})`}`;
  }
  return 'nothing';
}

const suiting = {
  policy: verificationPolicy('greedy'),
  target: true,
  sampling: false,
  draftSteps: 1,
  draftConfidence: 0,
};
const forced = { prompt: [1, 2], segments: [[3], [4, 5]] };
const typical = (threshold: number, entropyFactor: number) => () =>
  typicalPolicy({ threshold, entropyFactor });
const cacheOfTwo = () => {
  const cache = createKvCache(kernels, smallConfig, 1, 4);
  cache.complete([0, 1]);
  return cache;
};

describe('what is said of', () => {
  it.each<[what: string, call: () => unknown, words: string]>([
    [
      'a prompt that is no number of tokens',
      () => formulaCounts(smallConfig, 0.5, [1]),
      'cost/C4: prompt tokens: expected an integer of at least 1, found 0.5',
    ],
    [
      'a segment without tokens',
      () => formulaCounts(smallConfig, 1, [2, 0]),
      'cost/C4: tokens of macro-step 1: expected an integer from 1 to 4 (max_steps), found 0',
    ],
    [
      'half a token',
      () => formulaCounts(smallConfig, 1, [1.5]),
      'cost/C4: tokens of macro-step 0: expected an integer from 1 to 4 (max_steps), found 1.5',
    ],
    [
      'alternatives below 0',
      () => checkAlternatives(-1),
      'log-probabilities/C1: alternatives: expected an integer of at least 0, found -1',
    ],
    ['no alternatives', () => checkAlternatives(0), 'nothing'],
    [
      'an infinite logit',
      () => logProbabilities(Float64Array.of(0, Infinity), 0, 1),
      'log-probabilities/C3: largest logit: expected a finite number, found Infinity (The activations overflowed; try --numerics f64)',
    ],
    [
      'a temperature of 0',
      () => tokenDistribution({ temperature: 0 }),
      'token-distribution/C1: temperature: expected a positive number, found 0',
    ],
    [
      'a bias of no token',
      () => adjustLogits(Float64Array.of(1, 2), [], { logitBias: new Map([[2, 1]]) }),
      'token-distribution/C1: token of the logit bias: expected an integer from 0 to 1, found 2',
    ],
    [
      'an infinite logit that is drawn from',
      () => tokenDistribution({ temperature: 1 })(Float64Array.of(0, Infinity), []),
      'token-distribution/C2: largest logit: expected a finite number, found Infinity (The activations overflowed; try --numerics f64)',
    ],
    [
      'biases that leave no token',
      () =>
        tokenDistribution({ temperature: 1, logitBias: new Map([[0, -Infinity]]) })(Float64Array.of(0), []),
      'token-distribution/C2: largest logit: expected a finite number, found -Infinity (The logit bias forbids every token)',
    ],
    [
      'a penalty of 0, without sampling',
      () => adjustedGreedyChoice({ repetitionPenalty: 0 }),
      'token-distribution/C1: repetition penalty: expected a positive number, found 0',
    ],
    [
      'a threshold below 0',
      typical(-0.1, 1),
      'verification/C1: threshold of the policy typical: expected a number from 0 to 1, found -0.1',
    ],
    [
      'a threshold above 1',
      typical(1.1, 1),
      'verification/C1: threshold of the policy typical: expected a number from 0 to 1, found 1.1',
    ],
    [
      'an entropy factor below 0',
      typical(0.5, -1),
      'verification/C1: entropy factor of the policy typical: expected a finite number of at least 0, found -1',
    ],
    [
      'an infinite entropy factor',
      typical(0.5, Infinity),
      'verification/C1: entropy factor of the policy typical: expected a finite number of at least 0, found Infinity',
    ],
    ['thresholds at their bounds', () => [typical(0, 0)(), typical(1, 0)()], 'nothing'],
    [
      'k of 0',
      () => lenientPolicy(0),
      'verification/C1: k of the policy lenient: expected an integer of at least 1, found 0',
    ],
    [
      'a number that is only a space',
      () => verificationPolicy('typical: ,1'),
      'verification/C1: threshold of the policy typical: expected a number from 0 to 1, found NaN',
    ],
    [
      'two numbers of a policy that has one',
      () => verificationPolicy('lenient:1,2'),
      'verification/C1: policy: expected blind, greedy, sampling, typical, typical:THRESHOLD,FACTOR or lenient:K, found "lenient:1,2"',
    ],
    [
      'two numbers of a policy that there is not',
      () => verificationPolicy('typically:1,2'),
      'verification/C1: policy: expected blind, greedy, sampling, typical, typical:THRESHOLD,FACTOR or lenient:K, found "typically:1,2"',
    ],
    [
      'a target that nobody asks',
      () => checkVerification({ ...suiting, policy: verificationPolicy('blind') }),
      'verification/C1: policy blind: expected no target, found one',
    ],
    [
      'no target',
      () => checkVerification({ ...suiting, target: false }),
      'verification/C1: policy greedy: expected a target, found none',
    ],
    [
      'no draft',
      () => checkVerification({ ...suiting, draftSteps: 0 }),
      'verification/C2: draft steps: expected an integer of at least 1, found 0',
    ],
    [
      'a bound above 1',
      () => checkVerification({ ...suiting, draftConfidence: 1.5 }),
      'verification/C2: draft confidence: expected a number from 0 to 1, found 1.5',
    ],
    [
      'typical and lenient, drawn or not',
      () =>
        ['typical', 'lenient:2'].flatMap((name) =>
          [true, false].map((sampling) =>
            checkVerification({ ...suiting, policy: verificationPolicy(name), sampling }),
          ),
        ),
      'nothing',
    ],
    [
      'other ends of a text',
      () =>
        checkDraftAndTarget(
          { ...smallConfig, eosTokenIds: [12, 3] },
          { ...smallConfig, eosTokenIds: [4, 20] },
          { promptTokens: 1 },
        ),
      'verification/C3: tokens of the target that end a text: expected 3, 12, as the draft model has, found 4, 20',
    ],
    [
      'the same ends in another order',
      () =>
        checkDraftAndTarget(
          { ...smallConfig, eosTokenIds: [12, 3] },
          { ...smallConfig, eosTokenIds: [3, 12] },
          { promptTokens: 1 },
        ),
      'nothing',
    ],
    [
      'just enough positions',
      () =>
        checkDraftAndTarget(smallConfig, smallConfig, {
          promptTokens: 1,
          maxPositions: smallConfig.maxPositionEmbeddings,
        }),
      'nothing',
    ],
    [
      'a confidence above 1, verified',
      () =>
        generateVerified(model, plain, { prompt: [1], maxTokens: 1, draftSteps: 1, confidence: 2 }).next(),
      'termination/C1: confidence: expected a number from 0 to 1, or none, found 2',
    ],
    [
      'alternatives below 0, verified',
      () =>
        generateVerified(model, plain, { prompt: [1], maxTokens: 1, draftSteps: 1, alternatives: -1 }).next(),
      'log-probabilities/C1: alternatives: expected an integer of at least 0, found -1',
    ],
    [
      'a run of a base that is to be calibrated',
      () => judgedRun(plain, plain, { prompt: [1], maxTokens: 1, confidence: 0.5 }),
      'calibration/C3: model: expected HAMburger modules, whose stop head is calibrated, found none',
    ],
    [
      'a target of other tokens',
      () =>
        judgedRun(model, modelOf({ ...smallConfig, vocabSize: 24, hamburger: null }, 'f64'), {
          prompt: [1],
          maxTokens: 1,
          confidence: 0.5,
        }),
      'calibration/C3: vocabulary of the target: expected 23 tokens, as the model has, found 24',
    ],
    [
      'a target that is too short',
      () =>
        judgedRun(model, modelOf({ ...smallConfig, maxPositionEmbeddings: 10, hamburger: null }, 'f64'), {
          prompt: [1],
          maxTokens: 1,
          confidence: 0.5,
        }),
      'calibration/C3: positions of the target: expected at least 200, found 10',
    ],
    [
      'a free run without a prompt',
      () => freeRun(model, { prompt: [], maxTokens: 1, confidence: 0.5 }),
      'generation/C1: prompt: expected at least one token, found none',
    ],
    [
      'a free run of a confidence above 1',
      () => freeRun(model, { prompt: [1], maxTokens: 1, confidence: 2 }),
      'termination/C1: confidence: expected a number from 0 to 1, or none, found 2',
    ],
    [
      'a forced run without a prompt',
      () => checkForced(model, { ...forced, prompt: [] }),
      'generation/C1: prompt: expected at least one token, found none',
    ],
    [
      'a forced segment without tokens',
      () => checkForced(model, { ...forced, segments: [[3], []] }),
      'compositional-embedder/C1: segment 1: expected 1 to 4 tokens (max_steps), found 0',
    ],
    [
      'forced segments beyond the positions',
      () => checkForced(model, { prompt: [1], segments: Array(201).fill([3]) }),
      'generation/C1: segments: expected positions below 200, found 200',
    ],
    [
      'forced segments up to the last position',
      () => checkForced(model, { prompt: [1], segments: Array(200).fill([3]) }),
      'nothing',
    ],
    [
      'one forced segment after a prompt that fills all positions',
      () =>
        checkForced(model, {
          prompt: Array(200).fill(1),
          segments: [[3]],
          profile: profiles.get('hf-generate')!,
        }),
      'nothing',
    ],
    [
      'a batch without places',
      () => generateBatch(model, [], { places: 0 }).next(),
      'batching/C3: places of a batch: expected an integer of at least 1, found 0',
    ],
    ['a batch of one place', () => generateBatch(model, [], { places: 1 }).next(), 'nothing'],
    [
      'a trace of a batch',
      () => generateBatch(model, [{ prompt: [1], maxTokens: 1, trace: discardTrace } as never]).next(),
      'batching/C3: trace of request 0: expected none, found one (The tensors of a batch have rows of several sequences; alone, a sequence has the same bits and can be traced)',
    ],
    [
      'no trace, said in so many words',
      () => generateBatch(model, [{ prompt: [1], maxTokens: 1, trace: undefined } as never]).next(),
      'nothing',
    ],
    [
      'a cache that is to keep more than it has',
      () => cacheOfTwo().truncate(3),
      'no rule: KV cache: expected at most the 2 entries that it has, found 3 to be kept',
    ],
    [
      'a cache that is to keep less than nothing',
      () => cacheOfTwo().truncate(-1),
      'no rule: KV cache: expected at most the 2 entries that it has, found -1 to be kept',
    ],
    [
      'a cache that is to keep nothing, or all',
      () => [cacheOfTwo().truncate(0), cacheOfTwo().truncate(2)],
      'nothing',
    ],
  ])('%s', (_, call, words) => {
    expect(saidBy(call)).toBe(words);
  });

  it('a request of a batch that comes from a generator: with its number, when it is started', () => {
    function* requests() {
      yield { prompt: [1], maxTokens: 1 };
      yield { prompt: [], maxTokens: 1 };
    }
    expect(saidBy(() => Array.from(generateBatch(model, requests())))).toBe(
      'generation/C1: prompt of request 1: expected at least one token, found none',
    );
  });
});

describe('verification/C9: figures of drafted tokens', () => {
  const token = { round: 0, id: 1, draftedWith: null, targetChoice: 2 };
  it('count as judged what was accepted or rejected, not what came after a rejection; by micro index likewise', () => {
    const counted = { rounds: 2, draftMacroSteps: 2, resampled: 1, added: 0 };
    const tokens = [
      { ...token, microIndex: 0, fate: 'accepted' as const },
      { ...token, microIndex: 1, fate: 'rejected' as const },
      { ...token, microIndex: 0, fate: 'not-judged' as const },
    ];
    expect(verificationStatistics(counted, tokens)).toMatchObject({
      drafted: 3,
      accepted: 1,
      meanAcceptedLength: 0.5,
      byMicroIndex: [
        { drafted: 2, judged: 1, accepted: 1 },
        { drafted: 1, judged: 1, accepted: 0 },
      ],
    });
  });

  it('have no mean where there was no round', () => {
    const none = { rounds: 0, draftMacroSteps: 0, resampled: 0, added: 0 };
    expect(verificationStatistics(none, [])).toMatchObject({ meanAcceptedLength: null, byMicroIndex: [] });
  });
});
