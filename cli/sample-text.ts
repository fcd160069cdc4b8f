/**
 * The text of a sample as it grows, up to a stop string.
 *
 * @module
 */

import { stopStringMatcher, type TextTokenizer } from '../lib/index.ts';
import { tokenText } from './token-text.ts';

/** What a token did to the text. */
export interface TextOfToken {
  /** What it adds to the text; may be empty. */
  readonly text: string;
  /** How many UTF-16 units of the output are certain with it and were not before; the first of them may be of tokens before it. */
  readonly certain: number;
}

/** The text of a sample. */
export interface SampleText {
  /** Of each token that was taken. */
  readonly tokens: readonly TextOfToken[];
  /** The output so far, as far as it is certain; all of it after `end`. */
  readonly text: string;
  /** The stop string that ended it; `null` if none has. */
  readonly stopString: string | null;
  /** Takes the next token. @returns whether it completes a stop string */
  take(id: number): boolean;
  /** Ends the text. @returns the bytes of a character that was never finished; they belong to the last token */
  end(): string;
}

/** Text that follows a prompt, without special tokens. @throws CallerError stop-strings/C2 */
export function sampleText(
  tokenizer: TextTokenizer,
  promptIds: readonly number[],
  stopStrings: readonly string[],
  keep: boolean,
): SampleText {
  const decoder = tokenText(tokenizer, promptIds);
  const matcher = stopStringMatcher(stopStrings, { keep });
  const tokens: TextOfToken[] = [];
  let output = '';
  let stopString: string | null = null;
  return {
    tokens,
    get text() {
      return output;
    },
    get stopString() {
      return stopString;
    },
    take(id) {
      const text = decoder.push(id);
      const { text: certain, found } = matcher.push(text);
      output += certain;
      stopString = found;
      tokens.push({ text, certain: certain.length });
      return found !== null;
    },
    end() {
      const rest = decoder.flush();
      if (stopString === null) output += matcher.flush() + rest;
      return rest;
    },
  };
}
