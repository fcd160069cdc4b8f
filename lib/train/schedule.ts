/**
 * SPEC #optimiser — the learning rate of each step: up in a straight line, then down along a cosine.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { cos } from '../math/trigonometric.ts';

/** A schedule. */
export interface CosineSchedule {
  /** The highest learning rate. */
  readonly peak: number;
  /** What it falls to. */
  readonly floor: number;
  /** Steps of warm-up; 0 for none. */
  readonly warmUp: number;
  /** All steps of the training, those of the warm-up included. */
  readonly steps: number;
}

/**
 * The learning rate of step t, from 0; binary64.
 *
 * @throws CallerError optimiser/C5 (numbers that make no schedule)
 */
export function learningRateAt({ peak, floor, warmUp, steps }: CosineSchedule, t: number): number {
  const integers = [warmUp, steps, t].every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!(integers && warmUp <= steps && 0 <= floor && floor <= peak && Number.isFinite(peak))) {
    throw new CallerError({
      rule: 'optimiser/C5',
      subject: 'schedule',
      expected: '0 <= floor <= peak, 0 <= warm-up <= steps, and a step from 0',
      found: `floor ${floor}, peak ${peak}, warm-up ${warmUp}, steps ${steps}, step ${t}`,
    });
  }
  // 1. In the warm-up let it rise in equal parts; its last step has the peak.
  if (t < warmUp) return (peak * (t + 1)) / warmUp;
  // 2. Then let it fall along half a cosine, which would reach the floor one step after the last.
  if (t >= steps) return floor;
  const progress = (t - warmUp) / (steps - warmUp);
  return floor + (peak - floor) * (0.5 * (1 + cos(Math.PI * progress)));
}
