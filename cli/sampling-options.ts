/**
 * The options that choose among likely tokens, for every command that samples.
 *
 * @module
 */

import type { Option } from 'commander';
import {
  adjustedGreedyChoice,
  type DistributionOptions,
  samplingChoice,
  type TokenChoice,
  type UniformSource,
} from '../lib/index.ts';
import type { OptionNames } from './option-names.ts';
import { integer, logitBias, nonEmpty, number, option } from './options.ts';

/** Seed where none is given: fixed, so that a command gives the same text every time. */
export const DEFAULT_SEED = '0';

/** Values of {@link samplingOptions}. */
export interface SamplingOptions extends DistributionOptions {
  /** 0 for greedy choice (token-choice/C3). */
  readonly temperature: number;
  readonly seed?: string;
}

/** What the options are called where their values have other names. */
export const samplingOptionNames: OptionNames = {
  temperature: '--temperature',
  'top-k': '--top-k',
  'top-p': '--top-p',
  'min-p': '--min-p',
  'repetition penalty': '--repetition-penalty',
  'token of the logit bias': '--logit-bias',
  'logit bias': '--logit-bias',
};

/** `--temperature`, `--top-k`, `--top-p`, `--min-p`, `--repetition-penalty`, `--logit-bias`, `--seed`. */
export function samplingOptions(): readonly Option[] {
  return [
    option(
      '--temperature <t>',
      '0 for the likeliest token, above 0 to sample',
      number('a number of at least 0', (value) => value >= 0),
      { value: 0 },
    ),
    option('--top-k <k>', 'sample from the k likeliest tokens', integer(1)),
    option(
      '--top-p <p>',
      'sample from the likeliest tokens that together have probability p',
      number('a number above 0 and up to 1', (value) => 0 < value && value <= 1),
    ),
    option(
      '--min-p <p>',
      'sample from the tokens that are at least p times as likely as the likeliest',
      number('a number from 0 to 1', (value) => 0 <= value && value <= 1),
    ),
    option(
      '--repetition-penalty <r>',
      'divide positive logits of tokens that have occurred by r, multiply others',
      number('a number above 0', (value) => value > 0),
    ),
    option(
      '--logit-bias <id=value>',
      'add a number to the logit of a token, -inf to forbid it; repeatable',
      logitBias,
    ),
    option('--seed <text>', `seed of the sampling (default: "${DEFAULT_SEED}")`, nonEmpty('a seed')),
  ];
}

/** The options of the distribution, and nothing beside them. */
export function distributionOf(options: SamplingOptions): DistributionOptions {
  const { temperature, topK, topP, minP, repetitionPenalty, logitBias: bias } = options;
  return {
    temperature,
    ...(topK === undefined ? {} : { topK }),
    ...(topP === undefined ? {} : { topP }),
    ...(minP === undefined ? {} : { minP }),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
    ...(bias === undefined ? {} : { logitBias: bias }),
  };
}

/** The choice that the options ask for; greedy choice draws nothing. */
export function choiceOf(options: SamplingOptions, uniforms: UniformSource): TokenChoice {
  const distribution = distributionOf(options);
  return options.temperature === 0
    ? adjustedGreedyChoice(distribution)
    : samplingChoice({ ...distribution, uniforms });
}

/** Options that say how to draw and were given, although nothing is drawn. */
export function uselessOptions(options: SamplingOptions & { readonly uniforms?: string }): readonly string[] {
  if (options.temperature > 0) return [];
  const { topK, topP, minP, seed, uniforms } = options;
  return Object.entries({
    '--top-k': topK,
    '--top-p': topP,
    '--min-p': minP,
    '--seed': seed,
    '--uniforms': uniforms,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}

/** The options as reports name them; `null` for what has no effect. */
export function samplingSettings(options: SamplingOptions) {
  const { temperature, topK, topP, minP, repetitionPenalty, logitBias: bias } = options;
  const sampled = temperature > 0;
  return {
    temperature,
    top_k: sampled ? (topK ?? null) : null,
    top_p: sampled ? (topP ?? null) : null,
    min_p: sampled ? (minP ?? null) : null,
    repetition_penalty: repetitionPenalty ?? null,
    logit_bias: Object.fromEntries(
      // JSON has no infinity.
      [...(bias ?? [])].map(([id, value]) => [id, Number.isFinite(value) ? value : '-inf']),
    ),
  };
}
