/**
 * What lies at the bottom of the memory, below the blocks that `heap.ts` hands out (`FIRST_BLOCK` there): how threads talk to
 * each other, and room for each.
 */

import { threadIndex } from './instance';

/** Counts of {@link threads.ts}, each in a cache line of its own. */
export const TICKETS: usize = 64;
export const FINISHED: usize = 128;
export const SLEEPERS: usize = 192;

/** The job that all threads work on: addresses of its first command and behind its last, and the number of its chunks. */
export const JOB: usize = 256;

/** 512 bytes for each thread. */
const SCRATCH: usize = 1024;
const SCRATCH_SHIFT: usize = 9;

/** Address of the 512 bytes that only this thread uses. */
// @ts-ignore: decorator
@inline
export function threadScratch(): usize {
  return SCRATCH + (threadIndex() << SCRATCH_SHIFT);
}
