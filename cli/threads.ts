/**
 * How many threads the kernels use, where the user does not say: as many as are fastest on this machine, now.
 *
 * @module
 */

import { availableParallelism } from 'node:os';
import type { Model, ModelConfig, SimdKernels } from '../lib/index.ts';

/** The most threads that are tried: beyond, decoding waits for memory, not for arithmetic. */
const MOST_TRIED = 8;

/** Multiply-adds of the LM head, the largest product of a step, from which help is worth starting a thread for. */
const WORTH_THREADS = 1_000_000;

/** Runs of each number of threads; medians of so few are enough to see a thread that only waits. */
const RUNS = 7;

/** More threads must be faster by this much: they take time from others on the machine. */
const GAIN = 1.1;

/**
 * Threads to start for a model of that configuration, before it is known how many are fastest.
 *
 * @param rows that go through the model together: one in decoding, those of a sample in training
 */
export function threadsToStart({ vocabSize, hiddenSize }: ModelConfig, rows: number): number {
  return rows * vocabSize * hiddenSize < WORTH_THREADS ? 1 : Math.min(availableParallelism(), MOST_TRIED);
}

/** Has as many of the started threads take part as apply the LM head to so many rows fastest; returns how many. */
export function useFastest(kernels: SimdKernels, model: Model, rows: number): number {
  if (kernels.threads === 1) return 1;
  const { lm_head } = model.weights;
  const [vocabSize, hiddenSize] = lm_head.shape as [number, number];
  const space = kernels.workspace();
  const hidden = space.empty([rows, hiddenSize]);
  hidden.data.fill(1);
  const logits = space.empty([rows, vocabSize]);
  const time = (threads: number): number => {
    kernels.useThreads(threads);
    const start = performance.now();
    kernels.matmulNT(hidden.matrix(), lm_head.matrix(), logits.matrix());
    kernels.settle();
    return performance.now() - start;
  };
  const counts: number[] = [];
  for (let count = 1; count < kernels.threads; count *= 2) counts.push(count);
  counts.push(kernels.threads);
  // In turn, so that what else happens on the machine meets all of them.
  const times = counts.map((): number[] => []);
  for (let run = 0; run < RUNS; run++) {
    counts.forEach((count, i) => {
      times[i]!.push(time(count));
    });
  }
  space.free();
  const medians = times.map((list) => list.sort((a, b) => a - b)[RUNS >> 1]!);
  let best = 0;
  for (let i = 1; i < counts.length; i++) if (medians[i]! * GAIN < medians[best]!) best = i;
  const fastest = counts[best]!;
  kernels.useThreads(fastest);
  if (fastest === 1) kernels.close();
  return fastest;
}
