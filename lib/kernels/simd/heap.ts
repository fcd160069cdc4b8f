/**
 * Blocks of a WebAssembly memory: handed out, taken back, and merged with free neighbours.
 *
 * The memory is shared where the engine has `SharedArrayBuffer`, for threads and because a shared memory grows without
 * detaching the arrays that look into it. Otherwise its size is fixed at the start.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import { MOST_THREADS } from './threads.ts';
import type { WebAssemblyInterface, WebAssemblyMemory } from './webassembly.ts';

/** Bytes of a WebAssembly page. */
const PAGE = 65536;

/** The most pages that 32-bit addresses reach: 4 GiB. */
const MOST_PAGES = 65536;

/** Blocks start at multiples of this: a cache line. */
const ALIGNMENT = 64;

/** Below this, `assembly/layout.ts` has what threads share and the room of each: 512 bytes for {@link MOST_THREADS}. */
const FIRST_BLOCK = 1024 + MOST_THREADS * 512;

/** Never handed out, at the end of the memory: the kernels read up to 64 bytes beyond a row, and pointers must not wrap. */
const RESERVE = PAGE;

/** The most that a heap can hand out, all blocks together. */
export const MOST_HEAP_BYTES = MOST_PAGES * PAGE - FIRST_BLOCK - RESERVE;

/** A growing memory grows by at least this many pages (16 MiB), because growing is a system call. */
const LEAST_GROWTH = 256;

/** Size of a memory that cannot grow, if the caller names none: 256 MiB. */
const FIXED_BYTES = 268435456;

/** Whether the engine lets a memory grow under living arrays. */
function canShare(): boolean {
  return typeof SharedArrayBuffer !== 'undefined';
}

/** A memory and the blocks in it. First fit over a list of free blocks sorted by address. */
export class Heap {
  readonly memory: WebAssemblyMemory;
  /** Whether the memory is shared, and so can grow. */
  readonly shared: boolean;
  /** The newest buffer of the memory. Tensors made before it last grew have an older one; see {@link owns}. */
  buffer: ArrayBufferLike;
  readonly #buffers = new Set<ArrayBufferLike>();
  /** Start and size of the free blocks, by rising address; no two are adjacent. */
  readonly #free: { start: number; size: number }[] = [];

  /** @param fixedBytes size of a memory that never grows; `undefined` for one that grows if the engine can */
  constructor(engine: WebAssemblyInterface, fixedBytes: number | undefined) {
    this.shared = fixedBytes === undefined && canShare();
    const pages = this.shared ? 2 : Math.ceil(((fixedBytes ?? FIXED_BYTES) + FIRST_BLOCK) / PAGE) + 1;
    if (!(pages >= 2 && pages <= MOST_PAGES)) {
      throw new CallerError({
        subject: 'fixedBytes of the simd kernels',
        expected: `1 to ${(MOST_PAGES - 1) * PAGE}`,
        found: String(fixedBytes),
      });
    }
    this.memory = new engine.Memory(
      this.shared
        ? { initial: pages, maximum: MOST_PAGES, shared: true }
        : { initial: pages, maximum: pages },
    );
    this.buffer = this.memory.buffer;
    this.#buffers.add(this.buffer);
    this.#free.push({ start: FIRST_BLOCK, size: this.buffer.byteLength - RESERVE - FIRST_BLOCK });
  }

  /** Bytes that are free now, without growing. */
  get freeBytes(): number {
    return this.#free.reduce((sum, block) => sum + block.size, 0);
  }

  /** Whether `buffer` is this memory: growing gives the same memory a new buffer object. */
  owns(buffer: ArrayBufferLike): boolean {
    return buffer === this.buffer || this.#buffers.has(buffer);
  }

  /** What {@link allocate} really takes for `bytes`, and {@link release} expects back. */
  static sizeFor(bytes: number): number {
    return Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
  }

  /** Address of a block of at least `bytes` bytes, its contents unspecified. @throws CallerError if the memory is exhausted */
  allocate(bytes: number): number {
    const size = Heap.sizeFor(bytes);
    for (let i = 0; i < this.#free.length; i++) {
      const block = this.#free[i]!;
      if (block.size < size) continue;
      const { start } = block;
      if (block.size === size) this.#free.splice(i, 1);
      else {
        block.start += size;
        block.size -= size;
      }
      return start;
    }
    this.#grow(size);
    return this.allocate(bytes);
  }

  /** Takes back a block that {@link allocate} gave for `bytes`. */
  release(start: number, bytes: number): void {
    this.#insert(start, Heap.sizeFor(bytes));
  }

  #insert(start: number, size: number): void {
    let i = this.#free.length;
    while (i > 0 && this.#free[i - 1]!.start > start) i--;
    const before = this.#free[i - 1];
    const after = this.#free[i];
    const joinsBefore = before !== undefined && before.start + before.size === start;
    const joinsAfter = after !== undefined && start + size === after.start;
    if (joinsBefore) {
      before.size += size + (joinsAfter ? after.size : 0);
      if (joinsAfter) this.#free.splice(i, 1);
    } else if (joinsAfter) {
      after.start = start;
      after.size += size;
    } else this.#free.splice(i, 0, { start, size });
  }

  #grow(size: number): void {
    const oldBytes = this.buffer.byteLength;
    const last = this.#free.at(-1);
    const atEnd = last !== undefined && last.start + last.size === oldBytes - RESERVE ? last.size : 0;
    const needed = Math.ceil((size - atEnd) / PAGE);
    const pages = Math.max(needed, Math.min(LEAST_GROWTH, MOST_PAGES - oldBytes / PAGE));
    try {
      if (!this.shared) throw new RangeError('fixed size');
      this.memory.grow(pages);
    } catch (cause) {
      throw new CallerError(
        {
          subject: 'memory of the simd kernels',
          expected: `room for ${size} bytes more`,
          found: `${oldBytes} bytes, ${this.shared ? 'which cannot grow that far' : 'of fixed size'}`,
          hint: this.shared ? 'Use a smaller model or the reference kernels' : 'Give a larger fixedBytes',
        },
        { cause },
      );
    }
    this.buffer = this.memory.buffer;
    this.#buffers.add(this.buffer);
    this.#insert(oldBytes - RESERVE, pages * PAGE);
  }
}
