/**
 * What this machine and engine can do at most with the instructions that the fast kernels use: to be timed beside the kernels, in the
 * same run. On one thread.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import { instantiate } from './instantiate.ts';

/** Numbers in a row of the inner loop: six such rows are well within a first-level cache, and the loop is long. */
const ROW = 512;

/** Room for those rows, a cache line between them, and for the sums that a walk gives. */
const ROWS_BYTES = 6 * (4 * ROW + 64);
const SUMS_BYTES = 128;

/** Floating-point operations of a walk: a multiplication and an addition for one in four elements of eight dot products. */
const WALK_OPERATIONS = 2 * 8 * (ROW / 4);

/** The region is a multiple of this: whole steps of four streams. */
const STEP = 256;

/** Work to be timed by the caller: the library has no clock. */
export interface SimdCeilings {
  /** Bytes that {@link SimdCeilings.read} reads. */
  readonly bytes: number;
  /** What it reads. */
  readonly region: Int32Array;
  /**
   * Runs the inner loop of the matrix products `walks` times, on operands in the first-level cache.
   *
   * @returns how many floating-point operations that was
   */
  multiplyAdd(walks: number): number;
  /**
   * Reads the region once: from first to last, or as four streams side by side, each along a quarter of it.
   *
   * @returns exclusive or of every fourth number: without a result, nothing would have to be read
   */
  read(streams: 1 | 4): number;
}

/**
 * @param bytes size of the region to be read, as much as the kernels read that it is compared with; rounded up to a multiple of 256
 * @throws CallerError if the engine has no WebAssembly SIMD, or `bytes` is no size that it can have
 */
export function simdCeilings(bytes: number): SimdCeilings {
  if (!(Number.isSafeInteger(bytes) && bytes >= 1)) {
    throw new CallerError({
      subject: 'bytes to be read',
      expected: 'a positive integer',
      found: `${bytes}`,
    });
  }
  const { heap, exports } = instantiate('ceilings of the simd kernels');
  const wasm = exports as Record<
    'multiplyAdds' | 'readFourStreams' | 'readOneStream',
    (...values: number[]) => number
  >;
  const size = Math.ceil(bytes / STEP) * STEP;
  const rows = heap.allocate(ROWS_BYTES);
  const sums = heap.allocate(SUMS_BYTES);
  const start = heap.allocate(size);
  new Float32Array(heap.buffer, rows, ROWS_BYTES / 4).fill(1);
  // Memory that was never written may all be one page of zeros, which is read from the cache.
  const region = new Int32Array(heap.buffer, start, size / 4).fill(1);
  return {
    bytes: size,
    region,
    multiplyAdd(walks) {
      wasm.multiplyAdds(rows, ROW, walks, sums);
      return walks * WALK_OPERATIONS;
    },
    read(streams) {
      return streams === 1 ? wasm.readOneStream(start, size) : wasm.readFourStreams(start, size);
    },
  };
}
