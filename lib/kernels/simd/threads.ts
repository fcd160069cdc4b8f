/**
 * Threads that help with the operations of one kernel set: each is a worker with an instance of the same WebAssembly on the same
 * memory, in which it looks for work; how they share it is in `assembly/threads.ts`.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import type { WebAssemblyMemory } from './webassembly.ts';

/** The most threads: `assembly/layout.ts` has room for as many. */
export const MOST_THREADS = 64;

/** What a worker is given. */
interface Share {
  readonly module: object;
  readonly memory: WebAssemblyMemory;
  readonly index: number;
}

/** The part of `node:worker_threads` that is used here; Bun and Deno have it, too. */
interface NodeThreads {
  readonly Worker: new (
    code: string,
    options: { readonly eval: true; readonly workerData: Share },
  ) => { unref(): void; terminate(): unknown };
}

/** The part of a browser's interface that is used here. */
interface Page {
  readonly Worker?: new (url: string) => { postMessage(share: Share): void; terminate(): void };
  readonly Blob?: new (parts: readonly string[], options: { readonly type: string }) => object;
  readonly URL?: { createObjectURL(blob: object): string; revokeObjectURL(url: string): void };
}

/** Instantiates the module on the memory and helps for ever. As text, because a file of its own would be a matter for every bundler. */
const HELP =
  '({ module, memory, index }) => new WebAssembly.Instance(module, { env: { memory } }).exports.serve(index)';

/** Starts one thread; returns what ends it. `undefined` if the engine has no threads. */
function starter(): ((share: Share) => () => void) | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
  };
  const node = process?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined;
  if (node !== undefined) {
    return (share) => {
      const code = `(${HELP})(require('node:worker_threads').workerData)`;
      const worker = new node.Worker(code, { eval: true, workerData: share });
      // A thread that waits for work does not keep the process alive.
      worker.unref();
      return () => void worker.terminate();
    };
  }
  const { Worker, Blob, URL } = globalThis as unknown as Page;
  if (Worker === undefined || Blob === undefined || URL === undefined) return undefined;
  return (share) => {
    const url = URL.createObjectURL(
      new Blob([`onmessage = (e) => (${HELP})(e.data)`], { type: 'text/javascript' }),
    );
    const worker = new Worker(url);
    worker.postMessage(share);
    return () => {
      worker.terminate();
      URL.revokeObjectURL(url);
    };
  };
}

/**
 * Starts `count - 1` helping threads. They may come later, or not at all: the work is done all the same.
 *
 * @returns what ends them
 * @throws CallerError if `count` is out of range, or more than one and the engine has no threads or the memory is not shared
 */
export function startThreads(
  count: number,
  shared: boolean,
  { module, memory }: Omit<Share, 'index'>,
): () => void {
  if (!(Number.isInteger(count) && 1 <= count && count <= MOST_THREADS)) {
    throw new CallerError({
      subject: 'threads',
      expected: `an integer from 1 to ${MOST_THREADS}`,
      found: `${count}`,
    });
  }
  if (count === 1) return () => {};
  const start = shared ? starter() : undefined;
  if (start === undefined) {
    throw new CallerError({
      subject: 'threads',
      expected: '1, in an engine without threads that share memory',
      found: `${count}`,
    });
  }
  const ends = Array.from({ length: count - 1 }, (_, i) => start({ module, memory, index: i + 1 }));
  return () => {
    for (const end of ends) end();
  };
}
