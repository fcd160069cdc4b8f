/**
 * SPEC #recipe — samples: prompts and responses as token ids, and those that are too long.
 *
 * @module
 */

import type { Pair } from '../checkpoint/pairs-file.ts';
import { DataError } from '../errors.ts';
import { encodeConversation, encodePair, type PromptAndResponse } from '../text/prompt-and-response.ts';
import type { TextTokenizer } from '../text/tokenizer.ts';

/** What a model learns from: a response to a prompt. */
export interface Sample {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** Token ids, at least one; the loss is of these. */
  readonly response: readonly number[];
  /** Where it comes from, for messages. */
  readonly place: string;
}

/** How texts become samples. */
export interface EncodingOptions {
  readonly tokenizer: TextTokenizer;
  /** The chat template, or `null` to take the texts as they are. */
  readonly template: string | null;
  /** Ends a response that no template ends; `null` for none. */
  readonly eosTokenId: number | null;
  /** The most tokens of a prompt that are kept, the last ones; `null` for all. */
  readonly promptTokens: number | null;
  /** Whether the response is everything but the first token, as for a base that learns whole texts (recipe/R2). */
  readonly whole: boolean;
}

/**
 * A prompt and its response as a sample (recipe/R2).
 *
 * @throws DataError if the text has fewer than two tokens, or the template or the tokenizer refuses it
 */
export function encodeSample(
  pair: Pair,
  { tokenizer, template, eosTokenId, promptTokens, whole }: EncodingOptions,
): Sample {
  const encoded =
    template === null
      ? withEnd(encodePair(tokenizer, pair.prompt, pair.response), eosTokenId)
      : idsOf(encodeConversation(tokenizer, template, pair, spellings(tokenizer), pair.place));
  const prompt = lastOf(encoded.prompt, promptTokens);
  const all = [...prompt, ...encoded.response];
  const first = whole ? 1 : prompt.length;
  if (first === 0 || all.length === first) {
    throw new DataError({
      rule: 'recipe/R2',
      subject: pair.place,
      expected: 'a prompt and a response of at least one token each',
      found: `${first} and ${all.length - first}`,
    });
  }
  return { prompt: all.slice(0, first), response: all.slice(first), place: pair.place };
}

/** The last ids of a prompt; `null` for all. */
export const lastOf = (ids: readonly number[], most: number | null): readonly number[] =>
  most === null ? ids : ids.slice(-most);

interface Ids {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
}

const idsOf = ({ prompt, response }: PromptAndResponse): Ids => ({
  prompt: prompt.ids,
  response: response.ids,
});

const withEnd = ({ prompt, response }: PromptAndResponse, eos: number | null): Ids => ({
  prompt: prompt.ids,
  response: eos === null ? response.ids : [...response.ids, eos],
});

const spellings = ({ bosToken, eosToken }: TextTokenizer) => ({
  bosToken: bosToken?.text ?? null,
  eosToken: eosToken?.text ?? null,
});

/** Tokens of a sample. */
export function tokensOf({ prompt, response }: Sample): number {
  return prompt.length + response.length;
}

/** What {@link fitting} leaves, and how many samples it left out. */
export interface Fitting {
  readonly samples: readonly Sample[];
  readonly skipped: number;
}

/**
 * The samples that are short enough: none is ever cut (recipe/R4).
 *
 * @param most tokens of a sample
 * @throws DataError recipe/R4 for the first one that is too long, unless they are to be skipped
 */
export function fitting(samples: readonly Sample[], most: number, tooLong: 'refuse' | 'skip'): Fitting {
  const short = samples.filter((sample) => tokensOf(sample) <= most);
  const first = samples.find((sample) => tokensOf(sample) > most);
  if (first !== undefined && tooLong === 'refuse') {
    throw new DataError({
      rule: 'recipe/R4',
      subject: first.place,
      expected: `at most ${most} tokens, for which there is room in a batch and in the model`,
      found: `${tokensOf(first)} (${samples.length - short.length} of ${samples.length} samples are too long)`,
      hint: 'With "too_long": "skip" such samples are left out',
    });
  }
  return { samples: short, skipped: samples.length - short.length };
}
