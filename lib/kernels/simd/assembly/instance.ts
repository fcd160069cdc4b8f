/**
 * What an instance of this module is told once, and keeps. Globals of WebAssembly belong to the instance: they are not shared with other
 * kernel sets, nor with the threads of this one.
 */

let thread: usize = 0;
let threads: i32 = 1;
let leastWork: u64 = 0;

/** Which thread this instance runs in; 0 is the one that starts operations. */
// @ts-ignore: decorator
@inline
export function threadIndex(): usize {
  return thread;
}

export function setThreadIndex(index: usize): void {
  thread = index;
}

/** How many threads there are, this one included. */
// @ts-ignore: decorator
@inline
export function threadCount(): i32 {
  return threads;
}

/** Multiply-adds, or as much work as that, from which an operation is shared. */
// @ts-ignore: decorator
@inline
export function leastSharedWork(): u64 {
  return leastWork;
}

export function setThreads(count: i32, least: f64): void {
  threads = count;
  leastWork = <u64>least;
}
