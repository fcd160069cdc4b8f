/**
 * How threads share a job: it is cut into chunks (`chunks.ts`), never inside a sum, and whoever is free takes the next one. So results do not
 * depend on the number of threads, nor on who did what; and a thread that is late, or never came, costs time only.
 *
 * The thread that starts a job writes down what it is, then the number of tickets. A ticket is taken by an atomic subtraction;
 * what it gives is the number of a chunk if it was positive. The job cannot change while a chunk of it is unfinished, and no ticket
 * can be had while it changes. Between jobs, helping threads look for tickets for a while and then sleep.
 */

import { threadCount } from './instance';
import { FINISHED, SLEEPERS, TICKETS } from './layout';

/** Looks at the tickets before a helping thread sleeps: some 400 µs, longer than the pauses within the decoding of a token and between two. */
const LOOKS: i32 = 400000;

/** Chunks for each thread: more than one, so that a thread that is held up leaves work to the others. */
const CHUNKS_PER_THREAD: i32 = 2;

/** Into how many chunks to cut. */
// @ts-ignore: decorator
@inline
export function chunkCount(): i32 {
  return threadCount() * CHUNKS_PER_THREAD;
}

/** First of `count` things that belong to a chunk; the chunk's last is before the first of the next. Multiples of four. */
// @ts-ignore: decorator
@inline
export function startOf(chunk: i32, chunks: i32, count: usize): usize {
  return chunk == chunks ? count : <usize>((<u64>count * chunk) / chunks) & ~3;
}

/** The chunk that this thread is to do next; -1 if there is none left. */
// @ts-ignore: decorator
@inline
export function takeChunk(): i32 {
  if (!ASC_FEATURE_THREADS) return -1;
  const ticket = atomic.sub<i32>(TICKETS, 1);
  return ticket > 0 ? ticket - 1 : -1;
}

/** Says that a chunk that was taken is done. */
// @ts-ignore: decorator
@inline
export function chunkDone(): void {
  if (ASC_FEATURE_THREADS) atomic.add<i32>(FINISHED, 1);
}

/** Makes the chunks of the job in memory available to all threads. */
// @ts-ignore: decorator
@inline
export function offer(chunks: i32): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(FINISHED, 0);
    atomic.store<i32>(TICKETS, chunks);
    if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(TICKETS, threadCount() - 1);
  }
}

/** Waits until all chunks are done. None is left to be taken, so this takes no longer than one. */
// @ts-ignore: decorator
@inline
export function waitForAll(chunks: i32): void {
  if (ASC_FEATURE_THREADS) while (atomic.load<i32>(FINISHED) < chunks) {}
}

/** Returns when there may be chunks to take. */
// @ts-ignore: decorator
@inline
export function waitForOffer(): void {
  if (ASC_FEATURE_THREADS) {
    for (let looks = LOOKS; looks > 0; looks--) if (atomic.load<i32>(TICKETS) > 0) return;
    // Counted first, compared after: whoever offers in between either sees the sleeper or prevents the sleep.
    atomic.add<i32>(SLEEPERS, 1);
    const seen = atomic.load<i32>(TICKETS);
    if (seen <= 0) atomic.wait<i32>(TICKETS, seen, -1);
    atomic.sub<i32>(SLEEPERS, 1);
  }
}
