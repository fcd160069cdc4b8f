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
 * Ids that are decoded again with each new one are cut down to this many when they have become twice as many. Sixteen
 * tokens of a byte or more are at least {@link WINDOW_UNITS} long, since no three bytes decode to less than one unit.
 */
const WINDOW_IDS = 16;

/**
 * The least text, in UTF-16 units, that has to be left after a cut: one that may be held back, for at most three bytes, and
 * four before it, which are four bytes or more. So the bytes held back never lie at the cut. Only tokens that
 * are spelled with nothing can make it less; then more ids are kept.
 */
const WINDOW_UNITS = 5;

/**
 * Decodes what follows a prompt, id by id.
 *
 * What it returns, put together, is `decode(prompt and all ids)` without the text of the prompt. A token may end in the
 * middle of a character; its first bytes decode to one U+FFFD at the end of the text until the others come. So one
 * U+FFFD at the end is held back, also at the end of the prompt.
 *
 * Each id costs the decoding of fewer than `2 * WINDOW_IDS` ids at a time, however long the text is: only the last ones are
 * decoded again. By themselves they may begin with half a character, or lose a space that a tokenizer drops at the
 * beginning of a text; but every later decoding begins in the same way, and what differs has been returned long before.
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
    const last = ids.slice(-WINDOW_IDS);
    const kept = decode(last);
    if (kept.length < WINDOW_UNITS) return;
    returned += kept.length - text.length;
    ids = last;
    text = kept;
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
