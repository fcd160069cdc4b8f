/**
 * How threads share one operation: it is cut into chunks, by rows, columns or heads but never inside a sum, and whoever is free takes the
 * next one. So results do not depend on the number of threads, nor on who did what; and a thread that is late, or never came,
 * costs time only.
 *
 * The thread that starts an operation writes the job, then the number of tickets. A ticket is taken by an atomic subtraction;
 * what it gives is the number of a chunk if it was positive. The job cannot change while a chunk of it is unfinished, and no ticket
 * can be had while it changes. Between jobs, helping threads look for tickets for a while and then sleep.
 */

import { FINISHED, SLEEPERS, TICKETS } from './layout.ts';

/** Looks at the tickets before a helping thread sleeps: some 100 µs, longer than the pauses within the decoding of a token. */
const LOOKS: i32 = 100000;

/** Chunks for each thread: more than one, so that a thread that is held up leaves work to the others. */
const CHUNKS_PER_THREAD: i32 = 2;

/** How many threads there are, this one included. */
let threads: i32 = 1;

/** Multiply-adds, or as much work as that, below which an operation is not shared. */
let leastWork: u64 = 0;

export function setThreads(count: i32, least: f64): void {
  threads = count;
  leastWork = <u64>least;
}

/** Whether an operation of that much work is to be shared. */
// @ts-ignore: decorator
@inline
export function worthSharing(work: u64): bool {
  return threads > 1 && work >= leastWork;
}

/** Into how many chunks to cut. */
// @ts-ignore: decorator
@inline
export function chunkCount(): i32 {
  return threads * CHUNKS_PER_THREAD;
}

/** First of `count` things that belong to a chunk; the chunk's last is before the first of the next. Multiples of four. */
// @ts-ignore: decorator
@inline
export function startOf(chunk: i32, chunks: i32, count: usize): usize {
  return chunk == chunks ? count : <usize>((<u64>count * chunk) / chunks) & ~3;
}

/** Does chunks until there are no more. `perform` does one, of the job in memory. */
// @ts-ignore: decorator
@inline
export function work(perform: (chunk: i32) => void): void {
  if (ASC_FEATURE_THREADS) {
    for (;;) {
      const ticket = atomic.sub<i32>(TICKETS, 1);
      if (ticket <= 0) return;
      perform(ticket - 1);
      atomic.add<i32>(FINISHED, 1);
    }
  }
}

/** Has all threads do the job in memory, which has that many chunks; returns when it is done. */
// @ts-ignore: decorator
@inline
export function share(chunks: i32, perform: (chunk: i32) => void): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(FINISHED, 0);
    atomic.store<i32>(TICKETS, chunks);
    if (atomic.load<i32>(SLEEPERS) > 0) atomic.notify(TICKETS, threads - 1);
    work(perform);
    while (atomic.load<i32>(FINISHED) < chunks) {}
  }
}

/** The life of a helping thread. */
// @ts-ignore: decorator
@inline
export function help(perform: (chunk: i32) => void): void {
  if (ASC_FEATURE_THREADS) {
    let looks = LOOKS;
    for (;;) {
      const tickets = atomic.load<i32>(TICKETS);
      if (tickets > 0) {
        work(perform);
        looks = LOOKS;
      } else if (--looks == 0) {
        // Counted first, compared after: whoever hands out tickets in between either sees the sleeper or prevents the sleep.
        atomic.add<i32>(SLEEPERS, 1);
        const seen = atomic.load<i32>(TICKETS);
        if (seen <= 0) atomic.wait<i32>(TICKETS, seen, -1);
        atomic.sub<i32>(SLEEPERS, 1);
        looks = LOOKS;
      }
    }
  }
}
