/**
 * SPEC #generation — the loop that owns the state of a run: cache, positions, pending segment; free ({@link generate}) or with the tokens
 * and segments given ({@link teacherForced}). With segments of one token it is the base, to the bit (generation/C9): nothing but the
 * number of tokens in a segment tells the two apart.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import {
  generationEnd,
  type Limits,
  type MacroStepEnd,
  macroStepEnd,
  type SoFar,
  type StopReason,
} from './ends.ts';
import { checkAlternatives, type LogProbabilities, logProbabilities } from './log-probabilities.ts';
import { segmentPosition } from './positions.ts';
import { type Profile, trainProfile } from './profiles.ts';
import { startRun } from './run.ts';
import { type ConfidenceThreshold, checkConfidenceThreshold, continueConfidence } from './termination.ts';
import { greedyChoice, type TokenChoice, tokenProbability } from './token-choice.ts';

/** What to generate. Only the prompt and the limit are required. */
export interface GenerateOptions {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** The most output tokens; 0 gives none. */
  readonly maxTokens: number;
  /** No KV entry stands at this position or beyond; at most, and by default, `max_position_embeddings`. */
  readonly maxPositions?: number;
  /** Confidence threshold; the profile's by default. */
  readonly confidence?: ConfidenceThreshold;
  /** {@link trainProfile} by default. */
  readonly profile?: Profile;
  /** {@link greedyChoice} by default. */
  readonly choice?: TokenChoice;
  /** Tokens that end the generation; the configuration's by default. */
  readonly eosTokenIds?: readonly number[];
  /** Whether to compute the probability of each token: an exponential for every entry of the vocabulary. Default false. */
  readonly probabilities?: boolean;
  /** So many most probable tokens are told with the log-probability of each token; none of it when absent (log-probabilities). */
  readonly alternatives?: number;
  /**
   * Asked once after each token that is emitted, with its id: true ends the generation with that token, whatever the macro-step would
   * still have emitted; the token stays in the output (stop-strings/C5). Stop strings come in here: text is decoded by the caller (stop-strings/C1).
   */
  readonly stopAfter?: (id: number) => boolean;
  /** Receives every intermediate tensor. */
  readonly trace?: Trace;
}

/** One output token. */
export interface GeneratedToken {
  readonly id: number;
  /** Which macro-step emitted it, from 0. */
  readonly macroStep: number;
  /** Its place in the macro-step, from 0. */
  readonly microIndex: number;
  /** Its probability under the model; `null` unless asked for. */
  readonly probability: number | null;
  /** Its log-probability, and those of the most probable tokens; `null` unless asked for. */
  readonly logProbabilities: LogProbabilities | null;
  /** p of the stop head; `null` for a plain base. */
  readonly stopProbability: number | null;
  /** c = 1 - p; `null` for a plain base. */
  readonly confidence: number | null;
  /** Why the macro-step ends with this token; `null` if it goes on. */
  readonly end: MacroStepEnd | null;
}

/** What a generation came to. */
export interface Generation {
  readonly stopReason: StopReason;
  readonly promptTokens: number;
  /** Output tokens that were emitted. */
  readonly outputTokens: number;
  /** Macro-steps, which is passes of the base. */
  readonly macroSteps: number;
  /** RoPE position of every KV entry held at the end, in cache order. */
  readonly entryPositions: readonly number[];
}

/**
 * Generates, one token at a time.
 *
 * @throws CallerError generation/C1 (prompt or limit), base/C1 (an id outside the vocabulary), termination/C1 (confidence),
 *   log-probabilities/C1 (alternatives)
 */
export function* generate(model: Model, options: GenerateOptions): Generator<GeneratedToken, Generation> {
  const {
    prompt,
    maxTokens,
    maxPositions = model.config.maxPositionEmbeddings,
    profile = trainProfile,
    confidence = profile.confidence,
    choice = greedyChoice,
    eosTokenIds = model.config.eosTokenIds,
    probabilities = false,
    alternatives,
    stopAfter,
  } = options;
  checkLimits(model, prompt, maxTokens, maxPositions);
  checkConfidenceThreshold(confidence, 'confidence');
  if (alternatives !== undefined) checkAlternatives(alternatives);
  const run = startRun(
    model,
    prompt,
    profile,
    Math.min(maxPositions, prompt.length + maxTokens),
    options.trace,
  );
  const limits: Limits = {
    profile,
    promptTokens: prompt.length,
    maxTokens,
    maxPositions,
    maxSteps: model.config.hamburger?.maxSteps ?? 1,
    confidence,
    round: model.kernels.round,
  };
  const stopRound = profile.stopArithmetic === 'mode' ? limits.round : (value: number) => value;

  // Prompt and output, for the choice.
  const tokens = [...prompt];
  let outputTokens = 0;
  let emitted = 0;
  const result = (stopReason: StopReason): Generation => ({
    stopReason,
    promptTokens: prompt.length,
    outputTokens: emitted,
    macroSteps: run.macroSteps,
    entryPositions: run.cache.positions,
  });

  try {
    if (maxTokens === 0) return result('length');
    for (;;) {
      // BASE: one pass over the prompt or over the entry of the last segment.
      const macroStep = run.next();
      const macroIndex = run.macroSteps - 1;
      const segment: number[] = [];
      let sawEos = false;
      let soFar: SoFar = { outputTokens, segmentTokens: 0, macroStep: macroIndex, sawEos };
      let end: MacroStepEnd | null = null;

      // MICRO: emit tokens until the macro-step ends. A token is emitted first and judged after (termination/C5).
      while (end === null) {
        const microIndex = segment.length;
        const { logits, stopProbability } = macroStep.microStep(segment.at(-1));
        const id = choice(logits.data, tokens);
        tokens.push(id);
        segment.push(id);
        outputTokens += 1;
        sawEos ||= eosTokenIds.includes(id);

        const emits = profile.atMaxTokens !== 'cut' || outputTokens <= maxTokens;
        const stopped = emits && stopAfter?.(id) === true;
        soFar = { outputTokens, segmentTokens: segment.length, macroStep: macroIndex, sawEos, stopped };
        end = macroStepEnd(soFar, stopProbability, limits);

        if (emits) {
          emitted += 1;
          yield {
            id,
            macroStep: macroIndex,
            microIndex,
            probability: probabilities ? tokenProbability(logits.data, id) : null,
            logProbabilities:
              alternatives === undefined ? null : logProbabilities(logits.data, id, alternatives),
            stopProbability,
            confidence: stopProbability === null ? null : continueConfidence(stopProbability, stopRound),
            end,
          };
        }
      }

      // DECIDE: end the generation, or make the segment the next entry.
      const stopReason = generationEnd(soFar, limits);
      if (stopReason !== null) return result(stopReason);
      run.push(segment);
    }
  } finally {
    // Also where the caller breaks off.
    run.end();
  }
}

/** A run whose tokens and segments are given. */
export interface TeacherForcedOptions {
  readonly prompt: readonly number[];
  /** The tokens of each macro-step, 1 to `max_steps` each. */
  readonly segments: readonly (readonly number[])[];
  readonly profile?: Profile;
  readonly trace?: Trace;
}

/** What the model says at one forced token. */
export interface ForcedToken {
  readonly id: number;
  /** `[1, V]` the logits that predict the token. */
  readonly logits: Tensor;
  readonly stopProbability: number | null;
}

/**
 * Runs the model over given segments: macro-step m predicts segment m, whatever the model would have chosen.
 *
 * @returns for every segment, what the model says at each of its tokens
 * @throws CallerError generation/C1 (prompt), compositional-embedder/C1 (a segment's size), base/C1 (an id outside the vocabulary)
 */
export function teacherForced(
  model: Model,
  options: TeacherForcedOptions,
): readonly (readonly ForcedToken[])[] {
  const { prompt, segments, profile = trainProfile } = options;
  checkForced(model, options);
  const run = startRun(model, prompt, profile, prompt.length + segments.length, options.trace);
  try {
    return segments.map((segment, m) => {
      if (m > 0) run.push(segments[m - 1]!);
      const macroStep = run.next();
      return segment.map((id, i) => {
        const { logits, stopProbability } = macroStep.microStep(segment[i - 1]);
        // The next macro-step overwrites the tensors of this one.
        return { id, logits: logits.clone(), stopProbability };
      });
    });
  } finally {
    run.end();
  }
}

/** Whether a run can be forced to these segments. @throws CallerError as {@link teacherForced} */
export function checkForced(
  model: Model,
  { prompt, segments, profile = trainProfile }: TeacherForcedOptions,
): void {
  const maxSteps = model.config.hamburger?.maxSteps ?? 1;
  const tokens = segments.reduce((sum, segment) => sum + segment.length, 0);
  const maxPositions = model.config.maxPositionEmbeddings;
  checkLimits(model, prompt, tokens, maxPositions);
  segments.forEach((segment, m) => {
    if (segment.length < 1 || segment.length > maxSteps) {
      throw new CallerError({
        rule: 'compositional-embedder/C1',
        subject: `segment ${m}`,
        expected: `1 to ${maxSteps} tokens (max_steps)`,
        found: `${segment.length}`,
      });
    }
  });
  // The last segment is predicted, but never becomes an entry.
  const fedBack = tokens - (segments.at(-1)?.length ?? 0);
  const lastPosition = segmentPosition(prompt.length + fedBack, profile);
  if (segments.length > 1 && lastPosition >= maxPositions) {
    throw new CallerError({
      rule: 'generation/C1',
      subject: 'segments',
      expected: `positions below ${maxPositions}`,
      found: `${lastPosition}`,
    });
  }
}

/** @throws CallerError generation/C1 (prompt, max tokens or max positions that a model cannot have) */
export function checkLimits(
  model: Model,
  prompt: readonly number[],
  maxTokens: number,
  maxPositions: number,
): void {
  const rule = 'generation/C1';
  const most = model.config.maxPositionEmbeddings;
  if (!(Number.isSafeInteger(maxTokens) && maxTokens >= 0)) {
    throw new CallerError({
      rule,
      subject: 'max tokens',
      expected: 'an integer of at least 0',
      found: `${maxTokens}`,
    });
  }
  if (!(Number.isSafeInteger(maxPositions) && 1 <= maxPositions && maxPositions <= most)) {
    throw new CallerError({
      rule,
      subject: 'max positions',
      expected: `an integer from 1 to ${most} (max_position_embeddings)`,
      found: `${maxPositions}`,
    });
  }
  if (prompt.length === 0) {
    throw new CallerError({ rule, subject: 'prompt', expected: 'at least one token', found: 'none' });
  }
  if (prompt.length > maxPositions) {
    throw new CallerError({
      rule,
      subject: 'prompt',
      expected: `at most ${maxPositions} tokens, one for each position`,
      found: `${prompt.length}`,
    });
  }
}
