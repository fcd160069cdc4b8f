/**
 * SPEC #generation — why a macro-step ends, and why a generation does: the states JUDGE and DECIDE, as functions of what has happened. The loop asks them,
 * and so does whoever judges the decisions of another implementation.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import { segmentPosition } from './positions.ts';
import type { Profile } from './profiles.ts';
import { type ConfidenceThreshold, endsByConfidence } from './termination.ts';

/** Why a macro-step ended; the first of these that holds (generation/C3). */
export type MacroStepEnd = 'eos' | 'stop-string' | 'limit' | 'max-steps' | 'confidence';

/** Why a generation ended (generation/C7). */
export type StopReason = 'eos' | 'stop-string' | 'length' | 'positions';

/** What a generation may not exceed, and how it is ended. */
export interface Limits {
  readonly profile: Profile;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly maxPositions: number;
  /** Most tokens of a macro-step. */
  readonly maxSteps: number;
  readonly confidence: ConfidenceThreshold;
  /** Rounding of the arithmetic of the tensors, for a profile whose stop test is done in it. */
  readonly round: (value: number) => number;
}

/** What has happened up to a token, which included. */
export interface SoFar {
  /** Tokens of all macro-steps, those included that a profile cuts off. */
  readonly outputTokens: number;
  /** Tokens of this macro-step. */
  readonly segmentTokens: number;
  /** Which macro-step this is, from 0. */
  readonly macroStep: number;
  /** Whether EOS is among the tokens of this macro-step. */
  readonly sawEos: boolean;
  /** Whether the token completed a stop string (stop-strings/C1); false when absent. */
  readonly stopped?: boolean;
}

/**
 * JUDGE: why the macro-step ends with the token just emitted; `null` if it goes on.
 *
 * @param stopProbability `null` for a plain base
 */
export function macroStepEnd(
  soFar: SoFar,
  stopProbability: number | null,
  limits: Limits,
): MacroStepEnd | null {
  const { profile, promptTokens, maxTokens, maxPositions, maxSteps, confidence } = limits;
  if (profile.eosEndsMacroStep && soFar.sawEos) return 'eos';
  if (soFar.stopped) return 'stop-string';
  // Beyond so many output tokens the last one could not become a KV entry any more (generation/C2).
  const most = Math.min(maxTokens, maxPositions - promptTokens + 1);
  if (profile.atMaxTokens === 'end-macro-step' && soFar.outputTokens >= most) return 'limit';
  if (soFar.segmentTokens >= maxSteps) return 'max-steps';
  const round = profile.stopArithmetic === 'mode' ? limits.round : (value: number) => value;
  if (stopProbability !== null && endsByConfidence(stopProbability, confidence, round)) return 'confidence';
  return null;
}

/** DECIDE: why the generation ends with the macro-step just ended; `null` if its segment becomes an entry. */
export function generationEnd(soFar: SoFar, limits: Limits): StopReason | null {
  const { profile, promptTokens, maxTokens, maxPositions } = limits;
  if (soFar.sawEos && (profile.eosInFirstMacroStep || soFar.macroStep > 0)) return 'eos';
  if (soFar.stopped) return 'stop-string';
  if (soFar.outputTokens >= maxTokens) return 'length';
  if (segmentPosition(promptTokens + soFar.outputTokens, profile) >= maxPositions) return 'positions';
  return null;
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
