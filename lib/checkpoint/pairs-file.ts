/**
 * Prompts and their responses from a file: JSON Lines, one object `{"prompt": ..., "response": ...}` a line.
 *
 * @module
 */

import { parseWith, z } from '../schema.ts';
import { parseJson } from './json.ts';

/** Keys by which judges know what a response is judged by; they mean nothing here. Others are refused: one could be a slip for "prompt". */
const KEYS_OF_JUDGES = ['id', 'family', 'unseen', 'check'] as const;

const keysOfJudges = Object.fromEntries(KEYS_OF_JUDGES.map((key) => [key, z.unknown().optional()]));

const PAIR = z.strictObject({ prompt: z.string().optional(), response: z.string(), ...keysOfJudges });

const PROMPT = z.strictObject({ prompt: z.string(), response: z.string().optional(), ...keysOfJudges });

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
  return parseLines(text, subject, PAIR).map(({ value: { prompt = '', response }, place }) => {
    return { prompt, response, place };
  });
}

/** Reads the prompts alone; responses may be there or not. @throws DataError as {@link parsePairs} */
export function parsePrompts(text: string, subject: string): readonly Omit<Pair, 'response'>[] {
  return parseLines(text, subject, PROMPT).map(({ value: { prompt }, place }) => ({ prompt, place }));
}

/** The value of each line and its place. */
function parseLines<T>(
  text: string,
  subject: string,
  schema: z.ZodType<T>,
): readonly { readonly value: T; readonly place: string }[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    const place = `${subject}, line ${i + 1}`;
    return [{ value: parseWith(schema, parseLine(line, i, subject), place), place }];
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
