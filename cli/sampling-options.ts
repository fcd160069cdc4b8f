/**
 * The options that choose among likely tokens, for every command that samples.
 *
 * @module
 */

import type { Option } from 'commander';
import { integer, nonEmpty, number, option } from './options.ts';

/** Seed where none is given: fixed, so that a command gives the same text every time. */
export const DEFAULT_SEED = '0';

/** Values of {@link samplingOptions}. */
export interface SamplingOptions {
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: string;
}

/** `--temperature`, `--top-k`, `--top-p`, `--seed`; temperature 0 is greedy choice (token-choice/C3). */
export function samplingOptions(): readonly [Option, Option, Option, Option] {
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
    option('--seed <text>', `seed of the sampling (default: "${DEFAULT_SEED}")`, nonEmpty('a seed')),
  ];
}
