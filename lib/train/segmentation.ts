/**
 * SPEC #segmentation — which tokens of a response share a macro-step: from what a base says of each token to the sizes of the segments.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { log } from '../math/log.ts';
import type { TokenMetrics } from './token-metrics.ts';

/** Most tokens of a segment where the caller gives none; that of the published models. */
export const DEFAULT_MAX_STEPS = 4;

/** What measures how uncertain the base is of a token, in nats. */
export interface Metric {
  readonly name: string;
  /** 4. u: the uncertainty of a token. */
  uncertainty(token: TokenMetrics): number;
  /** 5. The uncertainty that a confidence c stands for; segmentation/C6. */
  threshold(confidence: number, vocabularySize: number): number;
}

/** How uncertain the base is before it sees the token: the entropy of what it predicts. */
export const entropyMetric: Metric = {
  name: 'entropy',
  uncertainty: ({ entropy }) => entropy,
  threshold: theta,
};

/** How much the token itself surprises the base: `-ln` of its probability. */
export const probabilityMetric: Metric = {
  name: 'probability',
  uncertainty: ({ probability }) => surprisal(probability),
  threshold: surprisal,
};

/** All metrics, by name. */
export const metrics: ReadonlyMap<string, Metric> = new Map(
  [entropyMetric, probabilityMetric].map((metric) => [metric.name, metric]),
);

/** `-ln p`; +0 for p = 1. */
function surprisal(p: number): number {
  return 0 - log(p);
}

/**
 * `theta(c)`: the entropy of a distribution with top probability c and the rest uniform over the other V - 1 tokens,
 * `-(c ln c + (1 - c) ln((1 - c) / (V - 1)))` nats. The larger c above 1/V, the smaller theta; `theta(1) = 0`.
 *
 * @param confidence c, above 0 and up to 1
 * @param vocabularySize V, at least 2
 */
export function theta(confidence: number, vocabularySize: number): number {
  // 1 * ln 1 + 0 * ln 0, whose second term no arithmetic gives.
  if (confidence === 1) return 0;
  const rest = 1 - confidence;
  return -(confidence * log(confidence) + rest * log(rest / (vocabularySize - 1)));
}

/** All that the strategies know of earlier tokens: the segment that the next one may join (segmentation/C9). It has at least one token. */
export interface RunningSegment {
  readonly size: number;
  /** u of its first token. */
  readonly first: number;
  /** u of its last token. */
  readonly last: number;
  /** The largest u of its tokens. */
  readonly largest: number;
}

/** Whether a token of uncertainty u joins the running segment, if that has room. What happens in a tie differs (segmentation/C8). */
export type Joins = (u: number, running: RunningSegment) => boolean;

/** All thresholds that there are; a strategy reads some of them. */
export interface Thresholds {
  /** Nats, at least 0. */
  readonly minThreshold: number;
  /** At least 0. */
  readonly ratioThreshold: number;
  /** c, above 0 and up to 1; becomes nats by {@link Metric.threshold}. */
  readonly confidence: number;
}

/** A way to cut a response. */
export interface Strategy {
  readonly name: string;
  /** The thresholds that it reads, with their published values. */
  readonly defaults: Partial<Thresholds>;
  /** @param inNats what a confidence means as an uncertainty */
  joins(given: Partial<Thresholds>, inNats: (confidence: number) => number): Joins;
}

function defineStrategy<Read extends keyof Thresholds>(
  name: string,
  defaults: Pick<Thresholds, Read>,
  joins: (thresholds: Pick<Thresholds, Read>, inNats: (confidence: number) => number) => Joins,
): Strategy {
  return { name, defaults, joins: (given, inNats) => joins({ ...defaults, ...given }, inNats) };
}

/** Groups what is certain, and what is much more certain than the most uncertain token before it in the segment. */
export const decreasingV2Strategy: Strategy = defineStrategy(
  'decreasing_v2',
  { minThreshold: 0.05, ratioThreshold: 0.3 },
  ({ minThreshold, ratioThreshold }) =>
    (u, { largest }) =>
      u < minThreshold || u < ratioThreshold * largest,
);

/** Groups what is much more certain than the first token of the segment. */
export const decreasingStrategy: Strategy = defineStrategy(
  'decreasing',
  { ratioThreshold: 0.3 },
  ({ ratioThreshold }) =>
    (u, { first }) =>
      u <= ratioThreshold * first,
);

/** Lets every token that is certain enough join what stands before it. */
export const slidingStrategy: Strategy = defineStrategy(
  'sliding',
  { confidence: 0.7 },
  ({ confidence }, inNats) => {
    const threshold = inNats(confidence);
    return (u) => u < threshold;
  },
);

/** Groups tokens that are certain enough with each other; the others stand alone. */
export const smallGroupStrategy: Strategy = defineStrategy(
  'small_group',
  { confidence: 0.95 },
  ({ confidence }, inNats) => {
    const threshold = inNats(confidence);
    return (u, { last }) => u <= threshold && last <= threshold;
  },
);

/** All strategies, by name. */
export const strategies: ReadonlyMap<string, Strategy> = new Map(
  [decreasingV2Strategy, decreasingStrategy, slidingStrategy, smallGroupStrategy].map((strategy) => [
    strategy.name,
    strategy,
  ]),
);

/** How to cut. Only the vocabulary is required. */
export interface SegmentationOptions extends Partial<Thresholds> {
  /** V of the base, at least 2: what a confidence means as an entropy depends on it. */
  readonly vocabularySize: number;
  /** {@link decreasingV2Strategy} by default. Thresholds that it does not read have no effect. */
  readonly strategy?: Strategy;
  /** Of which metric the uncertainties are; {@link entropyMetric} by default. */
  readonly metric?: Metric;
  /** Most tokens of a segment; 4 by default. */
  readonly maxSteps?: number;
}

/**
 * Cuts a response into segments.
 *
 * @param uncertainties u of each token of the response, at least 0 each
 * @returns the number of tokens of each segment; they sum to the number of tokens, and each is from 1 to `maxSteps` (segmentation/C5)
 * @throws CallerError segmentation/C7 (an option out of range), segmentation/C3 (an uncertainty that is none)
 */
export function segmentSizes(
  uncertainties: readonly number[],
  options: SegmentationOptions,
): readonly number[] {
  checkSegmentationOptions(options);
  const {
    vocabularySize,
    strategy = decreasingV2Strategy,
    metric = entropyMetric,
    maxSteps,
    ...given
  } = options;
  const joins = strategy.joins(given, (confidence) => metric.threshold(confidence, vocabularySize));
  return cut(uncertainties, maxSteps ?? DEFAULT_MAX_STEPS, joins);
}

function cut(uncertainties: readonly number[], maxSteps: number, joins: Joins): readonly number[] {
  // 6. Let the first token begin a segment, and each later one join it or begin the next.
  const sizes: number[] = [];
  let running: RunningSegment | undefined;
  uncertainties.forEach((u, t) => {
    if (!(u >= 0)) {
      throw new CallerError({
        rule: 'segmentation/C3',
        subject: `uncertainty of token ${t}`,
        expected: 'a number of at least 0',
        found: `${u}`,
      });
    }
    if (running !== undefined && running.size < maxSteps && joins(u, running)) {
      const { size, first, largest } = running;
      running = { size: size + 1, first, last: u, largest: Math.max(largest, u) };
    } else {
      if (running !== undefined) sizes.push(running.size);
      running = { size: 1, first: u, last: u, largest: u };
    }
  });
  if (running !== undefined) sizes.push(running.size);
  return sizes;
}

/** @throws CallerError segmentation/C7 */
function checkSegmentationOptions(options: SegmentationOptions): void {
  const { vocabularySize, maxSteps, minThreshold, ratioThreshold, confidence } = options;
  const check = (holds: boolean, subject: string, expected: string, found: number | undefined): void => {
    if (!holds) throw new CallerError({ rule: 'segmentation/C7', subject, expected, found: `${found}` });
  };
  const atLeast = (least: number, value: number): boolean => Number.isSafeInteger(value) && value >= least;
  const notNegative = (value: number): boolean => Number.isFinite(value) && value >= 0;
  check(atLeast(2, vocabularySize), 'vocabulary size', 'an integer of at least 2', vocabularySize);
  if (maxSteps !== undefined) check(atLeast(1, maxSteps), 'max steps', 'an integer of at least 1', maxSteps);
  if (minThreshold !== undefined)
    check(notNegative(minThreshold), 'min threshold', 'a number of at least 0', minThreshold);
  if (ratioThreshold !== undefined)
    check(notNegative(ratioThreshold), 'ratio threshold', 'a number of at least 0', ratioThreshold);
  if (confidence !== undefined)
    check(0 < confidence && confidence <= 1, 'confidence', 'a number above 0 and up to 1', confidence);
}
