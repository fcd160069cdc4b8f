/**
 * SPEC #stop-strings — the end of a text that comes in pieces: where a stop string is complete, and what may be shown before that is decided.
 *
 * @module
 */

import { CallerError, show } from '../errors.ts';

/** What stands for bytes that are no character. */
const REPLACEMENT = '\uFFFD';

/** What has become certain with a piece of text. */
export interface StopStringProgress {
  /** Text that is certain now, belongs to the output, and has not been returned before (stop-strings/C4). */
  readonly text: string;
  /** The stop string that has been found; `null` if none has. */
  readonly found: string | null;
}

/** Looks for stop strings in a text that comes in pieces. */
export interface StopStringMatcher {
  /**
   * Takes the next piece.
   *
   * @throws CallerError after a stop string was found, and after `flush`
   */
  push(piece: string): StopStringProgress;
  /** Ends the text: returns what was held back because a stop string might have begun there. Empty after one was found. */
  flush(): string;
}

/** How {@link stopStringMatcher} ends a text. */
export interface StopStringOptions {
  /** Whether the stop string is part of the output. Default false. */
  readonly keep?: boolean;
}

/** @throws CallerError stop-strings/C2 (a stop string that is empty, not well-formed, or holds U+FFFD) */
export function checkStopStrings(stopStrings: readonly string[]): void {
  for (const text of stopStrings) {
    if (typeof text === 'string' && text !== '' && !LONE_SURROGATE.test(text) && !text.includes(REPLACEMENT))
      continue;
    throw new CallerError({
      rule: 'stop-strings/C2',
      subject: 'stop string',
      expected: 'a text of at least one character, none of them U+FFFD or half of one',
      found: show(text),
    });
  }
}

/** Half a character; with the flag `u` the halves of a whole one do not match. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A matcher. It finds what it would find if the text came character by character, so where pieces begin and end does not matter
 * (stop-strings/C3).
 *
 * @throws CallerError stop-strings/C2
 */
export function stopStringMatcher(
  stopStrings: readonly string[],
  { keep = false }: StopStringOptions = {},
): StopStringMatcher {
  checkStopStrings(stopStrings);
  // Of those that are complete at the same place the longest counts, which begins first.
  const longestFirst = [...stopStrings].sort((a, b) => b.length - a.length);
  // What has not been returned yet: the longest end of the text with which a stop string begins.
  let held = '';
  let ended = false;

  return {
    push(piece) {
      if (ended) {
        throw new CallerError({
          subject: 'stop strings',
          expected: 'no text after the end',
          found: show(piece),
        });
      }
      const text = held + piece;
      // 1. Find the first place at which a stop string is complete. What was held back holds no whole one.
      for (let end = held.length + 1; end <= text.length; end++) {
        const found = longestFirst.find((stop) => text.endsWith(stop, end));
        if (found === undefined) continue;
        ended = true;
        held = '';
        return { text: text.slice(0, keep ? end : end - found.length), found };
      }
      // 2. Otherwise hold back the longest end with which a stop string begins; what stands before it is certain.
      const longest = Math.min(text.length, (longestFirst[0]?.length ?? 1) - 1);
      let length = longest;
      while (length > 0 && !longestFirst.some((stop) => stop.startsWith(text.slice(text.length - length))))
        length--;
      held = text.slice(text.length - length);
      return { text: text.slice(0, text.length - length), found: null };
    },
    flush() {
      ended = true;
      const rest = held;
      held = '';
      return rest;
    },
  };
}
