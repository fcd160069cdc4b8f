/**
 * SPEC #generation — the state of one generation beside its {@link Sequence}: its limits, the segment that is being emitted, and how much has been. It
 * chooses and judges each token (MICRO, JUDGE), and decides after each macro-step (DECIDE); it runs nothing, so that one loop can run many.
 *
 * @module
 */

import type { Model } from '../model/model.ts';
import { checkTokenIds } from '../ops/embedding.ts';
import {
  checkLimits,
  generationEnd,
  type Limits,
  type MacroStepEnd,
  macroStepEnd,
  type StopReason,
} from './ends.ts';
import type { GeneratedToken, GenerateOptions, Generation } from './generate.ts';
import { checkAlternatives, logProbabilities } from './log-probabilities.ts';
import type { MicroStep } from './macro-step.ts';
import { trainProfile } from './profiles.ts';
import { type Sequence, startSequence } from './run.ts';
import { checkConfidenceThreshold, continueConfidence } from './termination.ts';
import { greedyChoice, tokenProbability } from './token-choice.ts';

/** A generation on its way. */
export interface GenerationState {
  readonly sequence: Sequence;
  /** Whether the macro-step goes on, and with which token. `null` where it has ended. */
  readonly goesOnWith: number | null;
  /**
   * MICRO and JUDGE: chooses a token of what a micro-step gave.
   *
   * @returns the token; `null` if it is not emitted, because a profile cuts it off
   */
  choose(microStep: MicroStep): GeneratedToken | null;
  /** DECIDE, before the first macro-step and after each: what the generation came to, or `null` if it goes on. */
  decide(): Generation | null;
}

/**
 * A generation about to begin; its sequence has to be ended.
 *
 * @throws CallerError generation/C1 (prompt or limit), base/C1 (an id outside the vocabulary), termination/C1 (confidence),
 *   log-probabilities/C1 (alternatives)
 */
export function startGeneration(model: Model, options: GenerateOptions): GenerationState {
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
  checkGeneration(model, options);
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
  const capacity = Math.min(maxPositions, prompt.length + maxTokens);
  const sequence = startSequence(model.kernels, model.config, prompt, profile, capacity);

  // Prompt and output, for the choice.
  const tokens = [...prompt];
  let outputTokens = 0;
  let emitted = 0;
  let segment: number[] = [];
  let sawEos = false;
  let stopped = false;
  let end: MacroStepEnd | null = null;
  const soFar = () => ({
    outputTokens,
    segmentTokens: segment.length,
    macroStep: sequence.macroSteps - 1,
    sawEos,
    stopped,
  });
  const generation = (stopReason: StopReason): Generation => ({
    stopReason,
    promptTokens: prompt.length,
    outputTokens: emitted,
    macroSteps: sequence.macroSteps,
    entryPositions: sequence.cache.positions,
  });

  return {
    sequence,
    get goesOnWith() {
      return end === null ? segment.at(-1)! : null;
    },
    choose({ logits, likeliest, stopProbability }) {
      // A token is emitted first and judged after (termination/C5).
      const microIndex = segment.length;
      const id = choice(logits.data, tokens, likeliest);
      tokens.push(id);
      segment.push(id);
      outputTokens += 1;
      sawEos ||= eosTokenIds.includes(id);
      const emits = profile.atMaxTokens !== 'cut' || outputTokens <= maxTokens;
      stopped = emits && stopAfter?.(id) === true;
      end = macroStepEnd(soFar(), stopProbability, limits);
      if (!emits) return null;
      emitted += 1;
      return {
        id,
        macroStep: sequence.macroSteps - 1,
        microIndex,
        probability: probabilities ? tokenProbability(logits.data, id) : null,
        logProbabilities: alternatives === undefined ? null : logProbabilities(logits.data, id, alternatives),
        stopProbability,
        confidence: stopProbability === null ? null : continueConfidence(stopProbability, stopRound),
        end,
      };
    },
    decide() {
      if (sequence.macroSteps === 0) return maxTokens === 0 ? generation('length') : null;
      // End the generation, or make the segment the next entry.
      const stopReason = generationEnd(soFar(), limits);
      if (stopReason !== null) return generation(stopReason);
      sequence.push(segment);
      segment = [];
      sawEos = false;
      return null;
    },
  };
}

/** Whether a generation can begin. @throws CallerError as {@link startGeneration} */
export function checkGeneration(
  model: Model,
  {
    prompt,
    maxTokens,
    maxPositions = model.config.maxPositionEmbeddings,
    confidence = null,
    alternatives,
  }: GenerateOptions,
): void {
  checkLimits(model, prompt, maxTokens, maxPositions);
  checkTokenIds(prompt, model.config.vocabSize);
  checkConfidenceThreshold(confidence, 'confidence');
  if (alternatives !== undefined) checkAlternatives(alternatives);
}
