/**
 * SPEC #calibration — the drafts of a free run, and whether a target would have said the same.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { isHamburger, type Model } from '../model/model.ts';
import { argmax } from '../ops/argmax.ts';
import { checkLimits, generationEnd, type Limits, type MacroStepEnd, macroStepEnd } from './ends.ts';
import type { MicroStep } from './macro-step.ts';
import { trainProfile } from './profiles.ts';
import { startRun } from './run.ts';
import { startTarget } from './target.ts';
import { checkConfidenceThreshold, continueConfidence } from './termination.ts';
import { greedyChoice } from './token-choice.ts';

/** A token that the micro-step decoder drafted: one at micro index 1 or later. */
export interface JudgedDraft {
  readonly microIndex: number;
  /** The continue confidence with which it was drafted: that of the token before it. */
  readonly draftedWith: number;
  /** Whether the threshold held it back: it was looked at, and not emitted (calibration/C2). */
  readonly heldBack: boolean;
  /** Whether the target, given the same tokens before, would have said it. */
  readonly agrees: boolean;
}

/** A free run whose drafts have been judged. */
export interface JudgedRun {
  readonly outputTokens: number;
  readonly macroSteps: number;
  /** In the order of the text. */
  readonly drafts: readonly JudgedDraft[];
  /** Whether the target agrees with the tokens at micro index 0, which no draft is. */
  readonly firsts: readonly boolean[];
}

/** A prompt, and how it is answered. */
export interface JudgedRunOptions {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** At most, and by default, those of the model. */
  readonly maxPositions?: number;
  readonly confidence: number;
}

/** A token of a free run. */
export interface FreeToken {
  readonly id: number;
  readonly microIndex: number;
  /** Its continue confidence. */
  readonly confidence: number;
  /** Why the macro-step ended with it; `null` if it went on. */
  readonly end: MacroStepEnd | null;
  /** Where the threshold ended the macro-step with this token: which one would have come next. */
  readonly heldBack: number | null;
}

/** A greedy generation, which also looks at what its threshold holds back (calibration/C2). */
export interface FreeRun {
  readonly tokens: readonly FreeToken[];
  readonly macroSteps: number;
}

/** The greedy choice of a micro-step. */
function likeliestOf({ logits, likeliest }: MicroStep): number {
  return greedyChoice(logits.data, [], likeliest);
}

/**
 * Generates greedily, as `generate` does. Where the threshold ends a macro-step, one more micro-step is run and forgotten.
 *
 * @throws CallerError generation/C1 (prompt or limit), base/C1 (an id outside the vocabulary), termination/C1 (confidence)
 */
export function freeRun(model: Model, options: JudgedRunOptions): FreeRun {
  const { prompt, maxTokens, maxPositions = model.config.maxPositionEmbeddings, confidence } = options;
  checkLimits(model, prompt, maxTokens, maxPositions);
  checkConfidenceThreshold(confidence, 'confidence');
  const limits: Limits = {
    profile: trainProfile,
    promptTokens: prompt.length,
    maxTokens,
    maxPositions,
    maxSteps: model.config.hamburger?.maxSteps ?? 1,
    confidence,
    round: model.kernels.round,
  };
  const tokens: FreeToken[] = [];
  const run = startRun(model, prompt, trainProfile, Math.min(maxPositions, prompt.length + maxTokens));
  try {
    for (let ended = maxTokens === 0; !ended; ) {
      const macroStep = run.next();
      const segment: number[] = [];
      for (let end: MacroStepEnd | null = null; end === null; ) {
        const microStep = macroStep.microStep(segment.at(-1));
        const { stopProbability } = microStep;
        const id = likeliestOf(microStep);
        segment.push(id);
        const soFar = {
          outputTokens: tokens.length + 1,
          segmentTokens: segment.length,
          macroStep: run.macroSteps - 1,
          sawEos: model.config.eosTokenIds.includes(id),
          stopped: false,
        };
        end = macroStepEnd(soFar, stopProbability, limits);
        ended = end !== null && generationEnd(soFar, limits) !== null;
        tokens.push({
          id,
          microIndex: segment.length - 1,
          confidence: continueConfidence(stopProbability!, (value) => value),
          end,
          heldBack: end === 'confidence' ? likeliestOf(macroStep.microStep(id)) : null,
        });
      }
      if (!ended) run.push(segment);
    }
    return { tokens, macroSteps: run.macroSteps };
  } finally {
    run.end();
  }
}

/**
 * Lets a HAMburger answer a prompt greedily with a threshold, and asks a target about every draft of this very text (calibration/C1).
 *
 * @param target its modules, if it has any, are not used
 * @throws CallerError calibration/C3 (a model without modules, another vocabulary, too few positions), and as {@link freeRun}
 */
export function judgedRun(model: Model, target: Model, options: JudgedRunOptions): JudgedRun {
  checkModels(model, target, options.maxPositions ?? model.config.maxPositionEmbeddings);
  // 1. to 3. A free run; where the threshold ends a macro-step, the token that it held back.
  const { tokens, macroSteps } = freeRun(model, options);
  // 4. A draft agrees if it is what the target would have said in its place.
  const ids = tokens.map(({ id }) => id);
  const choices = targetChoices(target, options.prompt, ids);
  const drafts: JudgedDraft[] = [];
  const firsts: boolean[] = [];
  tokens.forEach(({ id, microIndex }, n) => {
    const agrees = id === choices[n];
    const before = tokens[n - 1];
    // The macro-step before would have gone on with another token in this place, or with the same.
    if (before !== undefined && before.heldBack !== null)
      drafts.push({
        microIndex: before.microIndex + 1,
        draftedWith: before.confidence,
        heldBack: true,
        agrees: before.heldBack === choices[n],
      });
    if (microIndex === 0) firsts.push(agrees);
    else drafts.push({ microIndex, draftedWith: before!.confidence, heldBack: false, agrees });
  });
  return { outputTokens: tokens.length, macroSteps, drafts, firsts };
}

/** Output tokens that the target is asked about in one pass: enough for fast products, few enough for their logits. */
const TOKENS_AT_ONCE = 64;

/**
 * The target's likeliest token in the place of each output token, given all tokens before it, each an entry of its own.
 *
 * @returns as many as there are output tokens
 */
export function targetChoices(
  given: Model,
  prompt: readonly number[],
  output: readonly number[],
): readonly number[] {
  const target = startTarget(given, prompt, prompt.length + output.length);
  const choices: number[] = [];
  try {
    while (choices.length < output.length) {
      const from = choices.length;
      const to = Math.min(from + TOKENS_AT_ONCE, output.length);
      // The last of them need not be seen: the logits of the one before it are those that predict it.
      const logits = target.score(output.slice(from, to - 1));
      for (let n = from; n < to; n++) choices.push(argmax(logits.rows(n - from, n - from + 1).data));
      target.settle(to - 1 - from, output[to - 1]!);
    }
  } finally {
    target.end();
  }
  return choices;
}

function checkModels(model: Model, target: Model, maxPositions: number): void {
  const refuse = (subject: string, expected: string, found: string): never => {
    throw new CallerError({ rule: 'calibration/C3', subject, expected, found });
  };
  if (!isHamburger(model)) refuse('model', 'HAMburger modules, whose stop head is calibrated', 'none');
  const { vocabSize } = model.config;
  if (target.config.vocabSize !== vocabSize) {
    refuse('vocabulary of the target', `${vocabSize} tokens, as the model has`, `${target.config.vocabSize}`);
  }
  const { maxPositionEmbeddings } = target.config;
  if (maxPositionEmbeddings < maxPositions) {
    refuse('positions of the target', `at least ${maxPositions}`, `${maxPositionEmbeddings}`);
  }
}
