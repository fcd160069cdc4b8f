/**
 * SPEC #recipe — which samples a step learns from. All of it follows from the seed and the lengths of the samples: a step can be
 * computed without those before it.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { namedUniforms } from '../math/random.ts';
import type { Duration } from './recipe.ts';

/** The numbers 0 to n - 1 in the order of an epoch (recipe/R3). */
export function shuffled(n: number, seed: string, epoch: number): readonly number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  const uniforms = namedUniforms(seed, 'order', epoch);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(uniforms.next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** What a step learns from. */
export interface Batch {
  /** From 0. */
  readonly step: number;
  readonly epoch: number;
  /** Numbers of samples, in the order in which they are learnt from. */
  readonly samples: readonly number[];
}

/** What batches are made of. */
export interface BatchOptions {
  /** Tokens of each sample. */
  readonly lengths: readonly number[];
  /** Most tokens of a batch, at least the largest length. */
  readonly batchTokens: number;
  readonly seed: string;
}

/** The batches of one epoch (recipe/R4). */
function epochBatches({ lengths, batchTokens, seed }: BatchOptions, epoch: number): number[][] {
  const batches: number[][] = [];
  let tokens = batchTokens;
  for (const n of shuffled(lengths.length, seed, epoch)) {
    if (tokens + lengths[n]! > batchTokens) {
      batches.push([]);
      tokens = 0;
    }
    batches.at(-1)!.push(n);
    tokens += lengths[n]!;
  }
  return batches;
}

/**
 * The batches of a run from a step on, without end.
 *
 * @throws CallerError recipe/R4 if there are no samples, or one has more tokens than a batch
 */
export function* batchesFrom(first: number, options: BatchOptions): Generator<Batch, never> {
  checkLengths(options);
  let step = 0;
  for (let epoch = 0; ; epoch++) {
    for (const samples of epochBatches(options, epoch)) {
      if (step >= first) yield { step, epoch, samples };
      step++;
    }
  }
}

/** Steps of a run in all. @throws CallerError as {@link batchesFrom} */
export function totalSteps(duration: Duration, options: BatchOptions): number {
  checkLengths(options);
  if ('steps' in duration) return duration.steps;
  let steps = 0;
  for (let epoch = 0; epoch < duration.epochs; epoch++) steps += epochBatches(options, epoch).length;
  return steps;
}

function checkLengths({ lengths, batchTokens }: BatchOptions): void {
  const bad = lengths.findIndex((length) => length > batchTokens);
  if (lengths.length > 0 && bad === -1) return;
  throw new CallerError({
    rule: 'recipe/R4',
    subject: 'samples',
    expected: `at least one, and none of more than ${batchTokens} tokens`,
    found: lengths.length === 0 ? 'none' : `sample ${bad} of ${lengths[bad]}`,
  });
}
