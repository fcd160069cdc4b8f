/**
 * Errors of the library, told in the words of the command line.
 *
 * @module
 */

import { CallerError } from '../lib/index.ts';

/** What the library calls something → the option that it came from. Subjects that only begin so keep the rest. */
export type OptionNames = Readonly<Record<string, string>>;

/** Runs `work`; where the caller's input is at fault, the error names the option. */
export function namingOptions<T>(names: OptionNames, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    const { subject } = error.fault;
    const known = Object.hasOwn(names, subject)
      ? subject
      : Object.keys(names).find((name) => subject.startsWith(name));
    if (known === undefined) throw error;
    const option = names[known]!;
    const renamed = subject === known ? option : `${option}: ${subject}`;
    throw new CallerError({ ...error.fault, subject: renamed }, { cause: error });
  }
}
