/**
 * SPEC #verification — drafting: HAMburger writes a few macro-steps ahead, which a target judges afterwards.
 *
 * @module
 */

import type { Elements } from '../tensor/tensor.ts';
import { type Limits, type MacroStepEnd, macroStepEnd } from './ends.ts';
import type { LogProbabilities } from './log-probabilities.ts';
import { segmentPosition } from './positions.ts';
import type { Run } from './run.ts';
import { continueConfidence } from './termination.ts';
import type { TokenDistribution } from './token-distribution.ts';

/** Why a macro-step of a draft ended; `draft-confidence`: the draft as a whole has become too unsure to go on. */
export type DraftEnd = MacroStepEnd | 'draft-confidence';

/** What a token was chosen from. */
export interface ChosenToken {
  readonly id: number;
  /** `null` where nothing is drawn. */
  readonly distribution: TokenDistribution | null;
}

/** A token of a draft. */
export interface DraftedToken extends ChosenToken {
  /** Its probability under the draft model; `null` unless asked for. */
  readonly probability: number | null;
  /** The same as a logarithm, with alternatives; `null` unless asked for. */
  readonly logProbabilities: LogProbabilities | null;
  /** Which macro-step of the draft model drafted it, from 0, those counted that were rolled back. */
  readonly macroStep: number;
  readonly microIndex: number;
  /** p of the stop head at this token; `null` for a plain base. */
  readonly stopProbability: number | null;
  /** c = 1 - p; `null` for a plain base. */
  readonly confidence: number | null;
  /** The continue confidence with which the token was drafted: c of the token before it; `null` at micro index 0. */
  readonly draftedWith: number | null;
  /** Why the macro-step ended with this token; `null` if it went on. */
  readonly end: DraftEnd | null;
}

/** How far a draft may go. */
export interface DraftBounds {
  /** Most macro-steps. */
  readonly draftSteps: number;
  /** Drafting ends before the product of the continue confidences with which its tokens were drafted falls below this. */
  readonly draftConfidence: number;
  readonly eosTokenIds: readonly number[];
  /** Whose `maxTokens` counts the tokens that may be drafted. */
  readonly limits: Limits;
}

/**
 * Drafts from what is pending in `run`. Its last segment is not fed back.
 *
 * @param tokens prompt and output so far
 * @param choose from the logits `[V]` of the draft model and all tokens before
 * @returns the tokens of each macro-step; none where the limits leave room for none
 */
export function draftSegments(
  run: Run,
  tokens: readonly number[],
  { draftSteps, draftConfidence, eosTokenIds, limits }: DraftBounds,
  choose: (
    logits: Elements,
    previousTokens: readonly number[],
  ) => Pick<DraftedToken, 'id' | 'distribution' | 'probability' | 'logProbabilities'>,
): readonly (readonly DraftedToken[])[] {
  const { profile, promptTokens, maxTokens, maxPositions } = limits;
  const round = profile.stopArithmetic === 'mode' ? limits.round : (value: number) => value;
  const written = [...tokens];
  const segments: (readonly DraftedToken[])[] = [];
  let product = 1;

  for (let ended = false; !ended && segments.length < draftSteps; ) {
    if (written.length - promptTokens >= maxTokens) break;
    const last = segments.at(-1);
    if (last === undefined) {
      if (run.lastPosition >= maxPositions) break;
    } else {
      // A segment that could not become an entry ends the draft (generation/C2).
      if (segmentPosition(written.length, profile) >= maxPositions) break;
      run.push(last.map(({ id }) => id));
    }
    const macroStep = run.next();
    const segment: DraftedToken[] = [];
    for (let end: DraftEnd | null = null; end === null; ) {
      const before = segment.at(-1);
      const { logits, stopProbability } = macroStep.microStep(before?.id);
      const chosen = choose(logits.data, written);
      written.push(chosen.id);
      const soFar = {
        outputTokens: written.length - promptTokens,
        segmentTokens: segment.length + 1,
        macroStep: run.macroSteps - 1,
        sawEos: eosTokenIds.includes(chosen.id),
      };
      const confidence = stopProbability === null ? null : continueConfidence(stopProbability, round);
      end = macroStepEnd(soFar, stopProbability, limits);
      if (end === null && confidence !== null) {
        // The macro-step would go on with this confidence; what ends it by itself has no part in the product (verification/C2).
        product *= confidence;
        if (product < draftConfidence) end = 'draft-confidence';
      }
      ended = end === 'eos' || end === 'limit' || end === 'draft-confidence';
      segment.push({
        ...chosen,
        macroStep: run.macroSteps - 1,
        microIndex: segment.length,
        stopProbability,
        confidence,
        draftedWith: before?.confidence ?? null,
        end,
      });
    }
    segments.push(segment);
  }
  return segments;
}
