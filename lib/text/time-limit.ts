/**
 * Time limits on work that is given to a stranger's pattern. Breaking off running code is a matter of the platform, so it comes as a parameter.
 *
 * @module
 */

/**
 * Runs work, and breaks it off after so many milliseconds.
 *
 * @throws OutOfTime if it was broken off; what the work throws
 */
export type TimeLimit = <T>(work: () => T, milliseconds: number) => T;

/** Thrown where work was broken off. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/** For platforms that cannot break off work: it runs to its end. */
export const noTimeLimit: TimeLimit = (work) => work();
