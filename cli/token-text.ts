/**
 * What each token adds to the text that a run prints.
 *
 * @module
 */

import { type DecodeOptions, streamingDecoder, type TextTokenizer } from '../lib/index.ts';

/** Turns output tokens into text one by one. */
export interface TokenText {
  /** The text that a token makes certain; may be empty. */
  push(id: number): string;
  /** What is left at the end: the bytes of a character that was never finished. */
  flush(): string;
}

/** Text that follows a prompt; special tokens are left out by default. */
export function tokenText(
  tokenizer: TextTokenizer,
  promptIds: readonly number[],
  options: DecodeOptions = { skipSpecialTokens: true },
): TokenText {
  const known = (id: number): boolean => id < tokenizer.vocabularySize;
  const decoder = streamingDecoder(tokenizer, promptIds.filter(known), options);
  return {
    // A table of embeddings may be longer than the vocabulary, rounded up to a size that suits the hardware.
    push: (id) => (known(id) ? decoder.push(id) : `<${id}>`),
    flush: () => decoder.flush(),
  };
}
