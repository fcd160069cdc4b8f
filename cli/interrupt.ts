/**
 * Ctrl-C, while synchronous code is running.
 *
 * Node.js hears signals only between two turns of its event loop; one pass of a large model, or the filling of its
 * weights, can hold that up for minutes. {@link interruptibly} lets a signal end such code at once.
 *
 * @module
 */

import { createContext, Script } from 'node:vm';

/** Ctrl-C, and what `kill`, a shutdown or a batch system sends. */
export type InterruptSignal = 'SIGINT' | 'SIGTERM';

/** Exit code of a process that was interrupted: 128 + the number of the signal, as shells report it. */
export const INTERRUPTED_EXIT_CODES: Readonly<Record<InterruptSignal, number>> = {
  SIGINT: 130,
  SIGTERM: 143,
};

/** Thrown where the user's Ctrl-C, or another signal, took effect. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: InterruptSignal;

  constructor(signal: InterruptSignal, options?: ErrorOptions) {
    super(`interrupted by ${signal}`, options);
    this.signal = signal;
  }
}

/**
 * Runs `work`. On SIGINT it ends where it stands, wherever that is: neither its `catch` nor its `finally` blocks run, so it
 * must not hold anything that has to be given back.
 *
 * @throws Interrupted
 */
export type Interruptibly = <T>(work: () => T) => T;

/** Makes an {@link Interruptibly}; making one costs a millisecond, using it a quarter of one. */
export function interruptible(): Interruptibly {
  const script = new Script('run()');
  const sandbox = { run: (): void => {} };
  const context = createContext(sandbox);
  return <T>(work: () => T): T => {
    let result: { value: T } | undefined;
    sandbox.run = () => {
      result = { value: work() };
    };
    try {
      script.runInContext(context, { breakOnSigint: true, displayErrors: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') {
        throw new Interrupted('SIGINT', { cause: error });
      }
      throw error;
    }
    return result!.value;
  };
}

/** Work that takes no longer than this need not be ended where it stands: nobody waits for what comes after it. */
const QUICK_MS = 100;

/**
 * For many works of one kind, with turns of the event loop between them. Of works that have shown to be quick a signal waits for the next turn:
 * Node.js loses one that comes while it goes back from listening in {@link interruptible} to listening in the event loop, some tenth of a
 * millisecond, and among thousands of works that is no longer rare.
 */
export function oneAfterAnother(interruptibly: Interruptibly): Interruptibly {
  let took = Number.POSITIVE_INFINITY;
  return <T>(work: () => T): T => {
    const start = performance.now();
    const value = took < QUICK_MS ? work() : interruptibly(work);
    took = performance.now() - start;
    return value;
  };
}

/** Part of what a generator gave. */
export interface Slice<T, R> {
  readonly taken: readonly T[];
  /** What the generator returned, if it came to its end. */
  readonly result: R | undefined;
}

/** Takes from a generator for about so long, at least once. */
export function takeFor<T, R>(steps: Generator<T, R>, milliseconds: number): Slice<T, R> {
  const end = performance.now() + milliseconds;
  const taken: T[] = [];
  do {
    const { done, value } = steps.next();
    if (done) return { taken, result: value };
    taken.push(value);
  } while (performance.now() < end);
  return { taken, result: undefined };
}

/** Signals as a wish, for work that has something to finish first. */
export interface InterruptListener {
  /** The first that came. */
  readonly heard: InterruptSignal | null;
  /** From now on signals do what they did before. */
  stop(): void;
}

/** Listens for signals in place of everyone else; a second one ends the process. */
export function listenForInterrupt(): InterruptListener {
  const signals = Object.keys(INTERRUPTED_EXIT_CODES) as InterruptSignal[];
  const others = signals.map((signal) => process.listeners(signal));
  let heard: InterruptSignal | null = null;
  const listen = (signal: InterruptSignal): void => {
    if (heard !== null) process.exit(INTERRUPTED_EXIT_CODES[signal]);
    heard = signal;
  };
  for (const signal of signals) {
    process.removeAllListeners(signal);
    process.on(signal, listen as NodeJS.SignalsListener);
  }
  return {
    get heard() {
      return heard;
    },
    stop() {
      for (const [i, signal] of signals.entries()) {
        process.removeListener(signal, listen as NodeJS.SignalsListener);
        for (const other of others[i]!) process.on(signal, other as NodeJS.SignalsListener);
      }
    },
  };
}
