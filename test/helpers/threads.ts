/** Whether helping threads of the simd kernels really help: without them all results would be right, too. */

import type { Tensor } from '../../lib/tensor/tensor.ts';

/** Counts, and the last job, in `assembly/layout.ts`. */
const [TICKETS, FINISHED, JOB] = [64, 128, 256];

/** The count of chunks that are finished, in the memory of `x`; its place is {@link FINISHED_INDEX}. */
export const countsOf = (x: Tensor) => new Int32Array(x.data.buffer as SharedArrayBuffer);

/** Addresses of the first command of the last job, and behind its last. */
export const jobOf = (x: Tensor): [from: number, to: number] => {
  const numbers = new Int32Array(x.data.buffer as SharedArrayBuffer);
  return [numbers[JOB / 4]!, numbers[JOB / 4 + 1]!];
};

/** Where {@link countsOf} has the number of finished chunks. */
export const FINISHED_INDEX = FINISHED / 4;

/**
 * Offers the chunks of the last job once more, with which a helper is alone, as the caller takes none.
 *
 * @param x a tensor in the memory of the kernels
 * @param chunks at most as many as the last job had
 * @returns how many of them were done soon after
 */
export function chunksDoneByHelpers(x: Tensor, chunks: number): Promise<number> {
  const counts = countsOf(x);
  Atomics.store(counts, FINISHED_INDEX, 0);
  Atomics.store(counts, TICKETS / 4, chunks);
  Atomics.notify(counts, TICKETS / 4);
  return new Promise((resolve) => {
    setTimeout(() => resolve(Atomics.load(counts, FINISHED_INDEX)), 50);
  });
}
