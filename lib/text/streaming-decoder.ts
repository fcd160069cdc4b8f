/**
 * Text of a growing list of ids, as it becomes certain.
 *
 * @module
 */

import { assertInvariant, CallerError } from '../errors.ts';
import type { DecodeOptions, TextTokenizer } from './tokenizer.ts';

/** Turns ids into text one by one. */
export interface StreamingDecoder {
  /**
   * Takes the next id.
   *
   * @returns the text that is certain now and has not been returned before; often a word, sometimes empty
   * @throws CallerError if the id is not in the vocabulary, or after `flush`
   */
  push(id: number): string;
  /** Ends the stream: returns what was held back, as it is. */
  flush(): string;
}

/** What stands for bytes that are not UTF-8. */
const REPLACEMENT = '\uFFFD';

/**
 * Ids that are decoded again with each new one are cut down to this many when they have become twice as many. A character
 * has at most four bytes, so four of them would do for vocabularies in which every token has at least a byte.
 */
const WINDOW_IDS = 16;

/**
 * Decodes what follows a prompt, id by id.
 *
 * What it returns, put together, is `decode(prompt and all ids)` without the text of the prompt. A token may end in the
 * middle of a character; its first bytes decode to one U+FFFD at the end of the text until the others come. So one
 * U+FFFD at the end is held back, also at the end of the prompt.
 *
 * Each id costs the decoding of at most `2 * WINDOW_IDS` ids, however long the text is: only the last ones are decoded
 * again. They are cut where the text falls into the same two parts when each is decoded by itself, that is, between
 * characters. What remains is never the beginning of the text, where a tokenizer may drop a space; it may be dropped there
 * all the same, but then from text that has been returned already, and by every later decoding alike.
 */
export function streamingDecoder(
  tokenizer: TextTokenizer,
  promptIds: readonly number[],
  options: DecodeOptions,
): StreamingDecoder {
  const decode = (ids: readonly number[]): string => tokenizer.decode(ids, options);
  const certainLength = (text: string): number => text.length - (text.endsWith(REPLACEMENT) ? 1 : 0);

  // The last ids, their text, and how much of the text has been returned or belongs to the prompt.
  let ids: number[] = promptIds.filter((id) => !options.skipSpecialTokens || !tokenizer.isSpecial(id));
  let text = decode(ids);
  let returned = certainLength(text);
  let ended = false;

  /** Drops ids from the front, if there are many. */
  const shorten = (): void => {
    if (ids.length < 2 * WINDOW_IDS) return;
    for (let cut = ids.length - WINDOW_IDS; cut < ids.length; cut++) {
      const dropped = decode(ids.slice(0, cut));
      const kept = decode(ids.slice(cut));
      const between = text.slice(dropped.length, text.length - kept.length);
      // Spaces between are what the tokenizer drops at the beginning of a text, or puts between tokens.
      const clean =
        kept.length > text.length - returned &&
        dropped.length + between.length + kept.length === text.length &&
        text.startsWith(dropped) &&
        text.endsWith(kept) &&
        /^ *$/.test(between);
      if (clean) {
        returned -= text.length - kept.length;
        ids = ids.slice(cut);
        text = kept;
        return;
      }
    }
  };

  /** The text up to `end` that has not been returned. */
  const take = (end: number): string => {
    assertInvariant(
      end >= returned,
      'streaming decoder',
      'a text that only grows',
      `${end} after ${returned}`,
    );
    const news = text.slice(returned, end);
    returned = end;
    return news;
  };

  shorten();
  return {
    push(id) {
      if (ended) {
        throw new CallerError({
          subject: 'streaming decoder',
          expected: 'no id after the end',
          found: String(id),
        });
      }
      // Asked first, because it refuses what is no id.
      const special = tokenizer.isSpecial(id);
      if (options.skipSpecialTokens && special) return '';
      ids.push(id);
      text = decode(ids);
      const news = take(certainLength(text));
      shorten();
      return news;
    },
    flush() {
      ended = true;
      return take(text.length);
    },
  };
}
