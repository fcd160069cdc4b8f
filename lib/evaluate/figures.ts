/**
 * SPEC #evaluation — what the answers of a model to the samples of a family come to.
 *
 * @module
 */

import {
  type Estimate,
  estimatedMean,
  estimatedShare,
  mean,
  meanOfEstimates,
  median,
  sum,
} from './estimate.ts';

/** What one answer came to. */
export interface AnswerCount {
  readonly correct: boolean;
  /** Whether the model ended it; otherwise a limit cut it short. */
  readonly ended: boolean;
  readonly promptTokens: number;
  /** At least one. */
  readonly outputTokens: number;
  readonly macroSteps: number;
  /** KV entries that were held at the end. */
  readonly entries: number;
}

/** The share of KV entries that a plain decoder would hold and this one did not; `null` where that would hold none. */
export interface EntriesSaved {
  /** Of the entries of the answers. */
  readonly response: number | null;
  /** Of the entries of prompts and answers. */
  readonly with_prompt: number | null;
}

/** Figures of several families. */
export interface MeanFigures {
  readonly score: Estimate | null;
  readonly tokens_per_macro_step: Estimate | null;
  readonly kv_entries_saved: EntriesSaved;
}

/** Figures of one family, as a report names them. */
export interface Figures extends MeanFigures {
  readonly samples: number;
  /** Answers that the model ended itself. */
  readonly ended: number;
  readonly output_tokens: number;
  readonly macro_steps: number;
}

/** The figures of a family. They do not depend on the order of the answers, but for the rounding of sums. */
export function figuresOf(answers: readonly AnswerCount[]): Figures {
  const total = (value: (answer: AnswerCount) => number): number => sum(answers.map(value));
  const promptEntries = total(({ promptTokens }) => promptTokens);
  const held = total(({ entries }) => entries);
  // The last token of an answer is never fed back.
  const plain = total(({ promptTokens, outputTokens }) => promptTokens + outputTokens - 1);
  return {
    samples: answers.length,
    ended: answers.filter(({ ended }) => ended).length,
    output_tokens: total(({ outputTokens }) => outputTokens),
    macro_steps: total(({ macroSteps }) => macroSteps),
    score: estimatedShare(answers.map(({ correct }) => correct)),
    tokens_per_macro_step: estimatedMean(
      answers.map(({ outputTokens, macroSteps }) => outputTokens / macroSteps),
    ),
    // evaluation/C3
    kv_entries_saved: {
      response: saved(held - promptEntries, plain - promptEntries),
      with_prompt: saved(held, plain),
    },
  };
}

function saved(held: number, plain: number): number | null {
  return plain === 0 ? null : 1 - held / plain;
}

/** The means over families, each of which counts the same (evaluation/C5). */
export function meanFigures(families: readonly MeanFigures[]): MeanFigures {
  return {
    score: meanOfEstimates(families.map(({ score }) => score)),
    tokens_per_macro_step: meanOfEstimates(families.map((figures) => figures.tokens_per_macro_step)),
    kv_entries_saved: {
      response: meanOfAll(families.map((figures) => figures.kv_entries_saved.response)),
      with_prompt: meanOfAll(families.map((figures) => figures.kv_entries_saved.with_prompt)),
    },
  };
}

/** The mean; `null` where one is missing. */
function meanOfAll(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : mean(known);
}

/** How long one answer took, in seconds. */
export interface AnswerTime {
  /** Until the first token: the pass over the prompt, and the choice of that token. */
  readonly firstTokenSeconds: number;
  /** From the end of the first macro-step on, and the tokens emitted then; 0 if there was only one macro-step. */
  readonly decodeSeconds: number;
  readonly decodeTokens: number;
  /** All of it. */
  readonly seconds: number;
}

/** How fast a model was, as a report names it. */
export interface MeanSpeed {
  /** Tokens/s of decoding; `null` where no answer had a second macro-step. */
  readonly median_tokens_per_second: number | null;
  readonly overall_tokens_per_second: number | null;
  readonly median_first_token_seconds: number | null;
  /** Tokens/s by those of the base, sample by sample: the mean. `null` for the base, or without one. */
  readonly ratio: Estimate | null;
  /** The same of all tokens by all seconds. */
  readonly overall_ratio: number | null;
}

/** How fast a model was in one family. */
export interface Speed extends MeanSpeed {
  readonly decode_tokens: number;
  readonly decode_seconds: number;
  /** With the prompts' passes. */
  readonly seconds: number;
}

/** Tokens/s of decoding one answer; `null` if there was no decoding. */
function rate({ decodeTokens, decodeSeconds }: AnswerTime): number | null {
  return decodeTokens > 0 && decodeSeconds > 0 ? decodeTokens / decodeSeconds : null;
}

function overall(times: readonly AnswerTime[]): number | null {
  const seconds = sum(times.map(({ decodeSeconds }) => decodeSeconds));
  return seconds > 0 ? sum(times.map(({ decodeTokens }) => decodeTokens)) / seconds : null;
}

/**
 * The speed of a model in a family (evaluation/C4).
 *
 * @param baseTimes of the base for the same samples, in the same order; `null` if there is nothing to compare with
 */
export function speedOf(times: readonly AnswerTime[], baseTimes: readonly AnswerTime[] | null): Speed {
  const ratios = times.flatMap((time, i) => {
    const [own, base] = [rate(time), baseTimes === null ? null : rate(baseTimes[i]!)];
    return own === null || base === null ? [] : [own / base];
  });
  const [own, base] = [overall(times), baseTimes === null ? null : overall(baseTimes)];
  return {
    decode_tokens: sum(times.map(({ decodeTokens }) => decodeTokens)),
    decode_seconds: sum(times.map(({ decodeSeconds }) => decodeSeconds)),
    seconds: sum(times.map(({ seconds }) => seconds)),
    median_tokens_per_second: median(times.map(rate).filter((value) => value !== null)),
    overall_tokens_per_second: own,
    median_first_token_seconds: median(times.map(({ firstTokenSeconds }) => firstTokenSeconds)),
    ratio: estimatedMean(ratios),
    overall_ratio: own === null || base === null ? null : own / base,
  };
}

/** The means over families, each of which counts the same (evaluation/C5). */
export function meanSpeed(families: readonly MeanSpeed[]): MeanSpeed {
  const of = (value: (speed: MeanSpeed) => number | null) => meanOfAll(families.map(value));
  return {
    median_tokens_per_second: of((speed) => speed.median_tokens_per_second),
    overall_tokens_per_second: of((speed) => speed.overall_tokens_per_second),
    median_first_token_seconds: of((speed) => speed.median_first_token_seconds),
    ratio: meanOfEstimates(families.map(({ ratio }) => ratio)),
    overall_ratio: of((speed) => speed.overall_ratio),
  };
}
