/**
 * Prompts and their responses from a file: JSON Lines, one object `{"prompt": ..., "response": ...}` a line.
 *
 * @module
 */

import { parseWith, z } from '../schema.ts';
import { parseJson } from './json.ts';

/** Keys by which judges know what a response is judged by; they mean nothing here. Others are refused: one could be a slip for "prompt". */
const KEYS_OF_JUDGES = ['id', 'family', 'unseen', 'check'] as const;

const PAIR = z.strictObject({
  prompt: z.string().optional(),
  response: z.string(),
  ...Object.fromEntries(KEYS_OF_JUDGES.map((key) => [key, z.unknown().optional()])),
});

/** A prompt and its response. */
export interface Pair {
  /** Empty where the line has none. */
  readonly prompt: string;
  readonly response: string;
  /** File and line, for messages. */
  readonly place: string;
}

/**
 * Reads all lines; empty ones are passed over.
 *
 * @param subject what messages call the text, e.g. the file's path
 * @throws DataError for the first line that is not JSON or not such an object
 */
export function parsePairs(text: string, subject: string): readonly Pair[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    const place = `${subject}, line ${i + 1}`;
    const { prompt = '', response } = parseWith(PAIR, parseLine(line, i, subject), place);
    return [{ prompt, response, place }];
  });
}

function parseLine(line: string, i: number, subject: string): unknown {
  try {
    return parseJson(line, subject);
  } catch {
    // Once more, at its place in the file, which the message then names.
    return parseJson(`${'\n'.repeat(i)}${line}`, subject);
  }
}
