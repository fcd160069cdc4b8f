/**
 * SPEC #generation — runs of one sequence, free ({@link generate}) or with the tokens and segments given ({@link teacherForced}). With segments of one token it is the base, to the bit (generation/C9): nothing but the
 * number of tokens in a segment tells the two apart.
 *
 * @module
 */

import { assertInvariant, CallerError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { checkLimits, type MacroStepEnd, type StopReason } from './ends.ts';
import { generateTogether } from './generate-batch.ts';
import { startGeneration } from './generation-state.ts';
import type { LogProbabilities } from './log-probabilities.ts';
import { segmentPosition } from './positions.ts';
import { type Profile, trainProfile } from './profiles.ts';
import { startRun } from './run.ts';
import type { ConfidenceThreshold } from './termination.ts';
import type { TokenChoice } from './token-choice.ts';

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
 * Generates, one token at a time: a batch of one (#batching).
 *
 * Its memory is given back with the last token, or where a loop over it is left; who takes tokens by `next()` and stops calls `return()`.
 *
 * @throws CallerError generation/C1 (prompt or limit), base/C1 (an id outside the vocabulary), termination/C1 (confidence),
 *   log-probabilities/C1 (alternatives)
 */
export function* generate(model: Model, options: GenerateOptions): Generator<GeneratedToken, Generation> {
  const start = () => startGeneration(model, options);
  for (const event of generateTogether(model, [start], 1, options.trace)) {
    if (event.kind === 'end') return event.generation;
    yield event.token;
  }
  assertInvariant(false, 'generation', 'an end', 'none');
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
