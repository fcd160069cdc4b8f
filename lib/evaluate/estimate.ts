/**
 * SPEC #evaluation — figures that are estimated from samples, with their standard errors.
 *
 * @module
 */

/** A figure, with the names that it has in a report. */
export interface Estimate {
  readonly value: number;
  /** `null` where one sample says nothing about it. */
  readonly standard_error: number | null;
}

/** The mean of all; `null` of none. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}

/** The middle of the values, or the mean of the two in the middle; `null` of none. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return mean(sorted.slice(sorted.length % 2 === 1 ? middle : Math.max(middle - 1, 0), middle + 1));
}

/** The share of `true`, p, with the binomial standard error `sqrt(p (1 - p) / n)` (evaluation/C1); `null` of none. */
export function estimatedShare(outcomes: readonly boolean[]): Estimate | null {
  const p = mean(outcomes.map(Number));
  return p === null ? null : { value: p, standard_error: Math.sqrt((p * (1 - p)) / outcomes.length) };
}

/** The mean of n values, with the standard error `sqrt(sum (x - mean)^2 / (n - 1) / n)` (evaluation/C2); `null` of none. */
export function estimatedMean(values: readonly number[]): Estimate | null {
  const centre = mean(values);
  if (centre === null) return null;
  const n = values.length;
  const squares = sum(values.map((value) => (value - centre) * (value - centre)));
  return { value: centre, standard_error: n === 1 ? null : Math.sqrt(squares / (n - 1) / n) };
}

/** Of one of n independent units, such as a prompt: how many things it has, and how many of them are so. */
export interface UnitCount {
  readonly of: number;
  readonly are: number;
}

/**
 * The share p of all things that are so, where those of one unit are not independent: with the standard error
 * `sqrt(n / (n - 1) * sum (are - p of)^2) / sum of` (calibration/C4); `null` of no things. Units without things have no part in it.
 */
export function estimatedRatio(units: readonly UnitCount[]): Estimate | null {
  const having = units.filter((unit) => unit.of > 0);
  const all = sum(having.map((unit) => unit.of));
  if (all === 0) return null;
  const p = sum(having.map(({ are }) => are)) / all;
  const n = having.length;
  const squares = sum(having.map((unit) => (unit.are - p * unit.of) * (unit.are - p * unit.of)));
  return { value: p, standard_error: n === 1 ? null : Math.sqrt((n / (n - 1)) * squares) / all };
}

/**
 * The mean of independent estimates, each counting the same, with the standard error `sqrt(sum se^2) / k` (evaluation/C5); `null` where
 * one is missing or there is none.
 */
export function meanOfEstimates(estimates: readonly (Estimate | null)[]): Estimate | null {
  const known = estimates.filter((estimate) => estimate !== null);
  const value = mean(known.map((estimate) => estimate.value));
  if (value === null || known.length < estimates.length) return null;
  const errors = known.map((estimate) => estimate.standard_error);
  const whole = errors.filter((error) => error !== null);
  const squares = sum(whole.map((error) => error * error));
  return {
    value,
    standard_error: whole.length < errors.length ? null : Math.sqrt(squares) / known.length,
  };
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
