/**
 * The fast kernel set: f32 in WebAssembly with 128-bit SIMD, on one or more threads. SPEC #numerics fixes every bit of its results, so
 * they equal those of the reference kernels; only the payload of a NaN is left open.
 *
 * Kernels work in a WebAssembly memory, in which {@link Kernels.empty} makes its tensors. What is asked for is done when someone looks at
 * elements (`commands.ts`). Tensors from elsewhere give the same results, but are copied in and out at every call, which is done at once.
 *
 * The arithmetic is in `assembly/`, compiled into `binary.ts` by `build.mjs`.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import type { Kernels } from '../kernels.ts';
import { Commands } from './commands.ts';
import { instantiate } from './instantiate.ts';
import { Operands } from './operands.ts';
import { primitivesOver } from './primitives.ts';
import { startThreads } from './threads.ts';
import { tensorsIn } from './workspace.ts';

/** Settings of {@link simdKernels}. */
export interface SimdOptions {
  /**
   * Bytes of a memory that never grows. By default the memory grows up to 4 GiB, except in an engine without
   * `SharedArrayBuffer` (a browser page that is not cross-origin isolated): there it has 256 MiB.
   */
  readonly fixedBytes?: number;
  /**
   * Threads that share the work, the caller's included; 1 by default. The results are the same for any number. More than one needs an
   * engine with workers and `SharedArrayBuffer`, and a memory that grows.
   */
  readonly threads?: number;
  /** Multiply-adds from which an operation is shared among the threads; by default where it begins to save time. */
  readonly leastSharedWork?: number;
}

/** Some 2.5 µs of one thread, from the cache: below that, waiting for each other, 0.8 µs, costs more than the others' help is worth. */
const LEAST_SHARED_WORK = 24576;

/** What of `assembly/index.ts` is used here. */
interface Exports {
  /** Does the commands at these addresses. */
  run(from: number, to: number): void;
  setThreads(count: number, leastSharedWork: number): void;
}

/** The fast kernel set. */
export interface SimdKernels extends Kernels {
  /** Threads that were started, the caller's included. */
  readonly threads: number;
  /** Has that many of the threads take part from now on. @throws CallerError if `count` is not from 1 to {@link threads} */
  useThreads(count: number): void;
  /** Ends the helping threads. The kernels can be used further, on one thread. */
  close(): void;
}

/**
 * The fast kernel set, with a memory of its own.
 *
 * @throws CallerError if the engine has no WebAssembly SIMD, or an option is out of range or needs what
 *   the engine has not
 */
export function simdKernels(options: SimdOptions = {}): SimdKernels {
  const { fixedBytes, threads = 1, leastSharedWork = LEAST_SHARED_WORK } = options;
  const { heap, module, exports } = instantiate('simd kernels', fixedBytes);
  const wasm = exports as Exports;
  const endThreads = startThreads(threads, heap.shared, { module, memory: heap.memory });
  wasm.setThreads(threads, leastSharedWork);

  const commands = new Commands(heap, wasm.run);
  const settle = () => commands.settle();
  const primitives = { ...primitivesOver(commands.operations, new Operands(heap, commands)), settle };
  return {
    ...primitives,
    ...tensorsIn(heap, primitives, commands),
    threads,
    useThreads(count) {
      if (!(Number.isInteger(count) && 1 <= count && count <= threads)) {
        throw new CallerError({
          subject: 'threads',
          expected: `an integer from 1 to ${threads}`,
          found: `${count}`,
        });
      }
      settle();
      wasm.setThreads(count, leastSharedWork);
    },
    close() {
      settle();
      wasm.setThreads(1, leastSharedWork);
      endThreads();
    },
  };
}
