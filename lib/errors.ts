/**
 * Errors, one class per blame. Every error says which thing is wrong, what was expected, what was found and,
 * where it helps, what to do; nothing in the project throws a bare `Error` on purpose.
 *
 * @module
 */

/** What an error message is made of. `found` is rendered by {@link show}; strings that are prose go in as they are. */
export interface Fault {
  /** The thing at fault: an option, a file and the place in it, an argument, a tensor. */
  readonly subject: string;
  /** What was expected there. */
  readonly expected: string;
  /** What was found instead. */
  readonly found: string;
  /** What to do about it, if that is not obvious. */
  readonly hint?: string;
  /** The SPEC rule that is broken, e.g. `rms-norm/C1`. */
  readonly rule?: string;
}

/** Renders a fault: `rule: subject: expected X, found Y. Hint.` */
function message({ subject, expected, found, hint, rule }: Fault): string {
  const prefix = rule === undefined ? '' : `${rule}: `;
  const suffix = hint === undefined ? '' : `. ${hint}`;
  return `${prefix}${subject}: expected ${expected}, found ${found}${suffix}`;
}

/** Common part of the three classes: carries the {@link Fault} beside its text. */
export abstract class HamburgerError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault, options?: ErrorOptions) {
    super(message(fault), options);
    this.fault = fault;
    this.name = new.target.name;
  }
}

/** The caller gave something impossible: an option, an argument, a prompt. */
export class CallerError extends HamburgerError {}

/** A data file is bad: missing, unreadable, malformed, or not what its own header says. */
export class DataError extends HamburgerError {}

/** A rule of our own is broken. Cannot happen with any input; if it does, it is a bug of this package. */
export class InvariantError extends HamburgerError {}

/**
 * Throws {@link InvariantError} unless `condition` holds. For what our own code guarantees, never for input.
 *
 * @param found what was found, or a function that says it, where writing it down would take time although all is well
 */
export function assertInvariant(
  condition: boolean,
  subject: string,
  expected: string,
  found: string | (() => string),
): asserts condition {
  if (condition) return;
  throw new InvariantError({ subject, expected, found: typeof found === 'string' ? found : found() });
}

/** Longest excerpt of a found value that a message shows; a value from a stranger's file can be megabytes. */
const SHOWN_CHARACTERS = 80;

/** Renders a found value for a message: JSON where possible, shortened, and without control characters. */
export function show(value: unknown): string {
  let text: string;
  if (typeof value === 'string') text = JSON.stringify(value);
  else if (typeof value === 'number' || typeof value === 'bigint' || value === undefined)
    text = String(value);
  else text = JSON.stringify(value) ?? String(value);
  // Control and format characters could drive a terminal; JSON escapes only those below U+0020.
  const safe = text.replace(/\p{C}/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return safe.length <= SHOWN_CHARACTERS ? safe : `${safe.slice(0, SHOWN_CHARACTERS)}…`;
}
