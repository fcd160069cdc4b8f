/**
 * What errors mean for the user: what is said about them, and the exit code.
 *
 * @module
 */

import { CallerError, DataError } from '../lib/index.ts';

/** Bad usage or bad input. */
export const BAD_INPUT_EXIT_CODE = 2;

/** A bug of ours: EX_SOFTWARE of BSD's sysexits. */
const OUR_BUG_EXIT_CODE = 70;

/** What an error means for the user. */
export function errorReport(error: unknown): { code: number; lines: readonly string[] } {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CallerError || error instanceof DataError) {
    return { code: BAD_INPUT_EXIT_CODE, lines: [`hamburger: ${message}`] };
  }
  // What V8 says when there is no room for an array.
  if (error instanceof RangeError && /allocation failed|array length|array buffer/i.test(message)) {
    return { code: BAD_INPUT_EXIT_CODE, lines: [`hamburger: not enough memory (${message})`] };
  }
  const report =
    'This is a bug of hamburger-oracle. Please report it, with the command and what --debug prints.';
  return { code: OUR_BUG_EXIT_CODE, lines: [`hamburger: ${message}`, report] };
}
