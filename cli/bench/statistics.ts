/**
 * What becomes of repeated measurements. Repetitions are interleaved: each runs everything once, so that figures of one repetition
 * were taken close together, and a machine that is busy for a while does not make one of the things compared look slow.
 *
 * @module
 */

/** Repeated measurements of one figure. */
export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** The middle of the values, or the mean of the two in the middle. `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Median and extremes of a figure, one value for each repetition. */
export function summarise(values: readonly number[]): Summary {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** How one figure relates to another, repetition by repetition. */
export function pairedRatios(values: readonly number[], others: readonly number[]): number[] {
  return values.map((value, repetition) => value / others[repetition]!);
}
