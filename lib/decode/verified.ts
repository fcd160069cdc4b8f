/**
 * SPEC #verification — HAMburger drafts, a target judges: the loop that owns both caches.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { UniformSource } from '../math/random.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Model } from '../model/model.ts';
import type { Elements } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { type DraftEnd, type DraftedToken, draftSegments } from './drafting.ts';
import { checkLimits, generationEnd, type Limits, type StopReason } from './ends.ts';

import { checkAlternatives, type LogProbabilities, logProbabilities } from './log-probabilities.ts';
import { type Profile, trainProfile } from './profiles.ts';
import { type RolledBackDraft, rolledBack } from './roll-back.ts';
import { type PendingEntry, type Run, startRun } from './run.ts';
import { startTarget, type Target } from './target.ts';
import { type ConfidenceThreshold, checkConfidenceThreshold } from './termination.ts';
import { tokenProbability } from './token-choice.ts';
import type { DistributionOptions, LogitAdjustments } from './token-distribution.ts';
import { chooseToken, choosing, rowOf, verdictOn } from './verdict.ts';
import { greedyPolicy, samplingPolicy, type VerificationPolicy } from './verification-policy.ts';
import {
  type DraftedTokenRecord,
  type VerificationStatistics,
  verificationStatistics,
} from './verification-statistics.ts';

/** What to generate, and how drafts are made and judged. Only the prompt, the limit and `draftSteps` are required. */
export interface VerifiedOptions {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** The most output tokens; 0 gives none. */
  readonly maxTokens: number;
  /** No KV entry of either model stands at this position or beyond; by default the smaller `max_position_embeddings` of the two. */
  readonly maxPositions?: number;
  /** The most macro-steps of a draft, at least 1. */
  readonly draftSteps: number;
  /** A draft ends before the product of the continue confidences of its tokens falls below this; from 0, the default: never, to 1. */
  readonly draftConfidence?: number;
  /** What is accepted; by default `sampling` where tokens are drawn, `greedy` otherwise. */
  readonly policy?: VerificationPolicy;
  /** Confidence threshold of the draft model; the profile's by default. */
  readonly confidence?: ConfidenceThreshold;
  /** Of the draft model; {@link trainProfile} by default. What it says of the end of a text has no effect (verification/C6). */
  readonly profile?: Profile;
  /** How both models draw tokens. By default none is drawn: each takes its likeliest. */
  readonly sampling?: DistributionOptions & { readonly uniforms: UniformSource };
  /** What changes the logits of both models where nothing is drawn. */
  readonly adjustments?: LogitAdjustments;
  /** Tokens that end the generation; those of the target, or without one of the draft model, by default. */
  readonly eosTokenIds?: readonly number[];
  /** Whether to compute the probability of each token. Default false. */
  readonly probabilities?: boolean;
  /** So many most probable tokens are told with the log-probability of each token; none of it when absent (log-probabilities). */
  readonly alternatives?: number;
  /**
   * Asked once after each token that is emitted, with its id: true ends the generation with that token; the rest of the round is not emitted
   * (stop-strings/C1).
   */
  readonly stopAfter?: (id: number) => boolean;
  /** Receives every tensor of the draft model below `draft.macro.{m}`, and of the target below `target.{r}`. */
  readonly trace?: Trace;
}

/** One output token. */
export interface VerifiedToken {
  readonly id: number;
  /** Who said it. */
  readonly origin: 'draft' | 'target';
  /** In which round, from 0. */
  readonly round: number;
  /** Which segment of the output it belongs to, from 0: a run that is forced to these segments predicts it in that macro-step ... */
  readonly macroStep: number;
  /** ... and at that micro index. */
  readonly microIndex: number;
  /** Its probability under the target, or without one under the draft model; `null` unless asked for. */
  readonly probability: number | null;
  /** Its log-probability under the same model, and those of the most probable tokens; `null` unless asked for. */
  readonly logProbabilities: LogProbabilities | null;
  /** p of the stop head when it was drafted; `null` for a token of the target, and for a plain base as draft model. */
  readonly stopProbability: number | null;
  /** c = 1 - p; `null` likewise. */
  readonly confidence: number | null;
  /** Why its segment ends with this token; `null` if it goes on. `verification`: because the target's word follows, or this is it. */
  readonly end: DraftEnd | 'verification' | null;
}

/** What a verified generation came to. */
export interface VerifiedGeneration {
  readonly stopReason: StopReason;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Segments of the output. */
  readonly macroSteps: number;
  /** RoPE position of every KV entry that the draft model holds at the end, in cache order. */
  readonly entryPositions: readonly number[];
  /** KV entries that the target holds at the end. */
  readonly targetEntries: number;
  readonly statistics: VerificationStatistics;
}

/**
 * Generates with drafts that a target verifies; tokens come a round at a time. With {@link greedyPolicy} they are the target's own greedy text, with
 * {@link samplingPolicy} they have its distribution, with `blindPolicy` they are those of `generate` (verification/C8).
 *
 * @param draft a HAMburger, or a plain base, which drafts a token in each macro-step
 * @param target of the same tokens; its modules, if it has any, are not used. `null` with the policy `blind` alone
 * @throws CallerError verification/C1 (policy and options), C3 (models that do not go together), generation/C1 (prompt or limit), base/C1
 *   (an id outside the vocabulary), termination/C1 (confidence), token-distribution/C1 (sampling)
 */
export function* generateVerified(
  draft: Model,
  target: Model | null,
  options: VerifiedOptions,
): Generator<VerifiedToken, VerifiedGeneration> {
  const run = startVerifiedRun(draft, target, options);
  try {
    let stopReason: StopReason | null = options.maxTokens === 0 ? 'length' : null;
    while (stopReason === null) {
      const round = run.round();
      yield* round.tokens;
      stopReason = round.stopReason;
    }
    return run.result(stopReason);
  } finally {
    // Also where the caller breaks off.
    run.end();
  }
}

/** A draft, its verdict, and what came of both. */
export interface Round {
  /** What was drafted, a segment for each macro-step; none where the target went on alone. */
  readonly segments: readonly (readonly DraftedToken[])[];
  /** How many of the drafted tokens were accepted: the first ones. */
  readonly accepted: number;
  /** The target's token behind them; `null` without a target, and behind EOS. */
  readonly next: number | null;
  /** At each place of the draft, and behind it, the target's likeliest token; `null` without a target. */
  readonly choices: readonly number[] | null;
  /** What enters the draft model's base in the next round. */
  readonly pending: readonly PendingEntry[];
  readonly tokens: readonly VerifiedToken[];
  /** Why the generation ends with it; `null` if it goes on. */
  readonly stopReason: StopReason | null;
}

/** A verified generation between two rounds. */
export interface VerifiedRun {
  readonly draft: Run;
  readonly target: Target | null;
  /** The next round; not after one with a stop reason. */
  round(): Round;
  result(stopReason: StopReason): VerifiedGeneration;
  end(): void;
}

/** What computes: the state of the draft model and that of the target. */
export interface VerifiedStates {
  readonly draft: Run;
  readonly target: Target | null;
}

/**
 * @param start gives the states, of so many entries at most; by default those of the two models
 * @throws CallerError as {@link generateVerified}
 */
export function startVerifiedRun(
  draftModel: Model,
  targetModel: Model | null,
  options: VerifiedOptions,
  start?: (capacity: number) => VerifiedStates,
): VerifiedRun {
  const {
    prompt,
    maxTokens,
    draftSteps,
    draftConfidence = 0,
    profile = trainProfile,
    confidence = profile.confidence,
    sampling,
    policy = sampling === undefined ? greedyPolicy : samplingPolicy,
    probabilities = false,
    alternatives,
    stopAfter,
    trace,
  } = options;
  const eosTokenIds = options.eosTokenIds ?? (targetModel ?? draftModel).config.eosTokenIds;
  checkVerification({
    policy,
    target: targetModel !== null,
    sampling: sampling !== undefined,
    draftSteps,
    draftConfidence,
  });
  if (targetModel !== null) {
    const needed = { promptTokens: prompt.length, maxPositions: options.maxPositions };
    checkDraftAndTarget(draftModel.config, targetModel.config, needed);
  }
  const { maxPositions = commonPositions(draftModel, targetModel) } = options;
  checkLimits(draftModel, prompt, maxTokens, maxPositions);
  checkConfidenceThreshold(confidence, 'confidence');
  if (alternatives !== undefined) checkAlternatives(alternatives);
  const how = choosing(sampling, options.adjustments ?? {});

  // Nothing is emitted after EOS or beyond a limit, whatever the profile (verification/C6).
  const limits: Limits = {
    profile: { ...profile, eosEndsMacroStep: true, eosInFirstMacroStep: true, atMaxTokens: 'end-macro-step' },
    promptTokens: prompt.length,
    maxTokens,
    maxPositions,
    maxSteps: draftModel.config.hamburger?.maxSteps ?? 1,
    confidence,
    round: draftModel.kernels.round,
  };
  const most = Math.min(maxTokens, maxPositions - prompt.length + 1);
  // The target always adds a token of its own, for which a draft leaves room.
  const draftLimits = { ...limits, maxTokens: targetModel === null ? most : most - 1 };
  // An entry of the target stands at the index of its token.
  const endLimits: Limits =
    targetModel === null ? limits : { ...limits, profile: { ...limits.profile, entryPositionOffset: 0 } };

  const capacity = Math.min(maxPositions, prompt.length + maxTokens);
  const { draft, target } = start?.(capacity) ?? {
    draft: startRun(draftModel, prompt, profile, capacity, trace?.part('draft')),
    target: targetModel === null ? null : startTarget(targetModel, prompt, capacity, trace),
  };
  const tokens = [...prompt];
  const records: DraftedTokenRecord[] = [];
  let rounds = 0;
  let segmentsDone = 0;
  let resampled = 0;
  let added = 0;

  /** What is told of a token on request. */
  const reported = (logits: Elements, id: number) => ({
    probability: probabilities ? tokenProbability(logits, id) : null,
    logProbabilities: alternatives === undefined ? null : logProbabilities(logits, id, alternatives),
  });

  /** What is left of a draft, in both caches; returns the accepted tokens and the target's in segments, and what is pending. */
  const settle = (
    segments: readonly (readonly number[])[],
    accepted: number,
    next: number | null,
  ): Pick<RolledBackDraft, 'segments' | 'pending'> => {
    // Everything was accepted, and nothing follows: without a target, or at the end of the text.
    if (next === null) {
      draft.push(segments.at(-1)!);
      return { segments, pending: [] };
    }
    target?.settle(accepted, next);
    // Where nothing could be drafted, nothing will be: the draft model is left as it is (verification/C6).
    if (segments.length === 0) return { segments: [[next]], pending: [] };
    const left = rolledBack({ tokensBefore: tokens.length, segments, accepted, next }, profile);
    const dropped = segments.length - 1 - left.entriesKept;
    draft.rollBack(draft.cache.length - dropped, left.pending, tokens.length + accepted + 1);
    return left;
  };

  return {
    draft,
    target,
    round() {
      // 1. DRAFT: a few macro-steps of the draft model.
      const segments = draftSegments(
        draft,
        tokens,
        { draftSteps, draftConfidence, eosTokenIds, limits: draftLimits },
        (logits, previousTokens) => {
          const chosen = chooseToken(how, logits, previousTokens);
          return { ...chosen, ...reported(logits, chosen.id) };
        },
      );
      const drafted = segments.flat();
      const ids = drafted.map(({ id }) => id);

      // 2. SCORE and JUDGE: one pass of the target over what it has not seen and the draft; without one everything is accepted.
      const scores = target === null ? null : target.score(ids);
      const { accepted, next, choices } =
        scores === null
          ? { accepted: drafted.length, next: null, choices: null }
          : verdictOn(drafted, tokens, scores, policy, how, eosTokenIds);

      drafted.forEach(({ id, microIndex, draftedWith }, i) => {
        const fate = i < accepted ? 'accepted' : i === accepted ? 'rejected' : 'not-judged';
        records.push({
          round: rounds,
          id,
          microIndex,
          draftedWith,
          fate,
          targetChoice: choices?.[i] ?? null,
        });
      });
      if (next !== null && accepted < drafted.length) resampled += 1;
      else if (next !== null) added += 1;

      // 3. ROLL BACK both caches to what was accepted.
      const said = next === null ? ids : [...ids.slice(0, accepted), next];
      const left = settle(
        segments.map((segment) => segment.map(({ id }) => id)),
        accepted,
        next,
      );

      // 4. EMIT, but nothing behind a stop string; and DECIDE.
      const stoppedAt = stopAfter === undefined ? -1 : said.findIndex((id) => stopAfter(id));
      const emitted = stoppedAt === -1 ? said : said.slice(0, stoppedAt + 1);
      const result = left.segments
        .flatMap((segment, m) =>
          segment.map((id, microIndex) => ({ id, microIndex, m, length: segment.length })),
        )
        .slice(0, emitted.length)
        .map(({ id, microIndex, m, length }, i): VerifiedToken => {
          const own = i < accepted ? drafted[i]! : null;
          const report = scores === null ? own! : reported(rowOf(scores, i), id);
          const end = microIndex === length - 1 ? (own?.end ?? 'verification') : null;
          return {
            id,
            origin: own === null ? 'target' : 'draft',
            round: rounds,
            macroStep: segmentsDone + m,
            microIndex,
            probability: report.probability,
            logProbabilities: report.logProbabilities,
            stopProbability: own?.stopProbability ?? null,
            confidence: own?.confidence ?? null,
            end: i === stoppedAt && end !== 'eos' ? 'stop-string' : end,
          };
        });
      tokens.push(...emitted);
      segmentsDone = result.at(-1)!.macroStep + 1;
      rounds += 1;
      const stopReason = generationEnd(
        {
          outputTokens: tokens.length - prompt.length,
          segmentTokens: result.at(-1)!.microIndex + 1,
          macroStep: segmentsDone - 1,
          sawEos: eosTokenIds.includes(tokens.at(-1)!),
          stopped: stoppedAt !== -1,
        },
        endLimits,
      );
      return { segments, accepted, next, choices, pending: left.pending, tokens: result, stopReason };
    },
    result: (stopReason) => ({
      stopReason,
      promptTokens: prompt.length,
      outputTokens: tokens.length - prompt.length,
      macroSteps: segmentsDone,
      entryPositions: draft.cache.positions,
      targetEntries: target?.cache.length ?? 0,
      statistics: verificationStatistics(
        { rounds, draftMacroSteps: draft.macroSteps, resampled, added },
        records,
      ),
    }),
    end() {
      draft.end();
      target?.end();
    },
  };
}

/** The most positions that both models have. */
function commonPositions(draft: Model, target: Model | null): number {
  const own = draft.config.maxPositionEmbeddings;
  return target === null ? own : Math.min(own, target.config.maxPositionEmbeddings);
}

/**
 * Whether policy, target and options suit each other.
 *
 * @throws CallerError verification/C1, C2
 */
export function checkVerification({
  policy,
  target,
  sampling,
  draftSteps,
  draftConfidence,
}: {
  readonly policy: VerificationPolicy;
  /** Whether there is a target. */
  readonly target: boolean;
  /** Whether tokens are drawn. */
  readonly sampling: boolean;
  readonly draftSteps: number;
  readonly draftConfidence: number;
}): void {
  const refuse = (rule: string, subject: string, expected: string, found: string): never => {
    throw new CallerError({ rule, subject, expected, found });
  };
  const subject = `policy ${policy.name}`;
  if (policy.sampling === 'refused' && sampling)
    refuse('verification/C1', subject, 'that no token is drawn', 'options of sampling');
  if (policy.sampling === 'required' && !sampling)
    refuse('verification/C1', subject, 'options of sampling', 'none');
  if (policy.asksTarget && !target) refuse('verification/C1', subject, 'a target', 'none');
  if (!policy.asksTarget && target) refuse('verification/C1', subject, 'no target', 'one');
  if (!(Number.isSafeInteger(draftSteps) && draftSteps >= 1))
    refuse('verification/C2', 'draft steps', 'an integer of at least 1', `${draftSteps}`);
  if (!(0 <= draftConfidence && draftConfidence <= 1))
    refuse('verification/C2', 'draft confidence', 'a number from 0 to 1', `${draftConfidence}`);
}

/**
 * Whether a target can judge a draft model, as far as their configurations say.
 *
 * @throws CallerError verification/C3 (another vocabulary, other tokens that end a text, too few positions)
 */
export function checkDraftAndTarget(
  draft: ModelConfig,
  target: ModelConfig,
  needed: { readonly promptTokens: number; readonly maxPositions?: number | undefined },
): void {
  const refuse = (subject: string, expected: string, found: string): never => {
    throw new CallerError({ rule: 'verification/C3', subject, expected, found });
  };
  if (target.vocabSize !== draft.vocabSize)
    refuse(
      'vocabulary of the target',
      `${draft.vocabSize} tokens, as the draft model has`,
      `${target.vocabSize}`,
    );
  const [own, other] = [draft, target].map(
    ({ eosTokenIds }) => eosTokenIds.toSorted((a, b) => a - b).join(', ') || 'none',
  );
  if (own !== other) refuse('tokens of the target that end a text', `${own}, as the draft model has`, other!);
  for (const [name, { maxPositionEmbeddings }] of [
    ['draft model', draft],
    ['target', target],
  ] as const) {
    const most = Math.max(needed.promptTokens, needed.maxPositions ?? 0);
    if (maxPositionEmbeddings < most)
      refuse(
        `positions of the ${name}`,
        `at least ${most}, for the prompt and the positions asked for`,
        `${maxPositionEmbeddings}`,
      );
  }
}
