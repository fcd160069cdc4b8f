/**
 * Where the operands of a kernel lie in its memory.
 *
 * Those that live outside are copied in, and results copied out after the call: the same results, only slower.
 *
 * @module
 */

import { assertInvariant } from '../../errors.ts';
import type { Elements, Matrix, Pending, Tensor } from '../../tensor/tensor.ts';
import type { Visible } from '../kernels.ts';
import type { Heap } from './heap.ts';

/** Bytes of a binary32 number, and of a 32-bit integer. */
export const BYTES = 4;

/** Rows whose `visible` fits from the start: those of all commands that fit, when a token is decoded, several times over. */
const FIRST_ROWS = 1024;

/** Bytes of the room of a call from the start. */
const FIRST_ROOM = 16384;

/** A copy, in the memory, of elements that live outside. */
interface Copy {
  readonly start: number;
  readonly bytes: number;
  /** Where the elements are to be written back; `undefined` for an input. */
  readonly target: Float32Array | undefined;
}

/** The elements of a result that is copied in and out. What is stored in bf16 cannot be one: it would not come back. */
function resultIn(t: Tensor | Matrix): Elements {
  assertInvariant(
    t.storage !== 'bf16',
    'result of the simd kernels',
    'a tensor that is not stored in bf16',
    'bf16',
  );
  return t.data;
}

/** Addresses of the operands of one call at a time, which ends with {@link Operands.finish}. */
export class Operands {
  readonly #heap: Heap;
  readonly #pending: Pending;
  readonly #copies: Copy[] = [];
  /** Holds the `visible` of calls that are pending, one behind the other. */
  #visible: Int32Array;
  #visibleStart: number;
  #visibleUsed = 0;
  /** For what a call computes on its way; what is pending is done one after the other. */
  #room: { readonly start: number; readonly bytes: number };

  /** @param pending where the calls are written down */
  constructor(heap: Heap, pending: Pending) {
    this.#heap = heap;
    this.#pending = pending;
    this.#visibleStart = heap.allocate(FIRST_ROWS * BYTES);
    this.#visible = new Int32Array(heap.buffer, this.#visibleStart, FIRST_ROWS);
    this.#room = { start: heap.allocate(FIRST_ROOM), bytes: FIRST_ROOM };
  }

  /** Address of the elements of an input. */
  input(t: Tensor): number {
    return this.#isHere(t) ? t.byteOffset : this.#copyIn(t.data, 0, t.size, false);
  }

  /** Address of the elements of a result. */
  output(t: Tensor): number {
    return this.#isHere(t) ? t.byteOffset : this.#copyIn(resultIn(t), 0, t.size, true);
  }

  /** Whether the elements lie in the memory as bfloat16 numbers; {@link input} and {@link matrix} give the address of a copy in binary32. */
  isBf16(t: Tensor | Matrix): boolean {
    return t.storage === 'bf16' && this.#heap.owns(t.buffer);
  }

  /** Whether the elements lie in the memory as kernels take them. */
  #isHere(t: Tensor | Matrix): boolean {
    return this.#heap.owns(t.buffer) && t.storage !== 'bf16';
  }

  /** Address of the first element of a matrix. */
  matrix(m: Matrix, isOutput: boolean): number {
    if (this.#isHere(m)) return m.byteOffset;
    // What lies between the rows is copied as well; it comes back as it went.
    const length = m.rows === 0 ? 0 : (m.rows - 1) * m.rowStride + m.columns;
    return this.#copyIn(isOutput ? resultIn(m) : m.data, m.offset, length, isOutput);
  }

  /** Address of `visible` as 32-bit integers, `rows` of them, each held within 0 and `width`. */
  visible(visible: Visible, rows: number, width: number): number {
    const from = this.#roomForVisible(rows);
    const numbers = this.#visible;
    for (let r = 0; r < rows; r++) {
      const count = visible[r]!;
      numbers[from + r] = count > width ? width : count > 0 ? count : 0;
    }
    return this.#visibleStart + from * BYTES;
  }

  /** Index of room for so many more in {@link #visible}. */
  #roomForVisible(rows: number): number {
    if (this.#visibleUsed + rows > this.#visible.length) {
      // What is there has been read then.
      this.#pending.settle();
      this.#visibleUsed = 0;
    }
    if (rows > this.#visible.length) {
      const count = 2 * rows;
      const start = this.#allocate(count * BYTES);
      this.#heap.release(this.#visibleStart, this.#visible.length * BYTES);
      this.#visibleStart = start;
      this.#visible = new Int32Array(this.#heap.buffer, start, count);
    }
    const from = this.#visibleUsed;
    this.#visibleUsed += rows;
    return from;
  }

  /** Address of at least so many bytes that no other operand of the call has; there is one such room. */
  room(bytes: number): number {
    if (bytes > this.#room.bytes) {
      const larger = { start: this.#allocate(2 * bytes), bytes: 2 * bytes };
      this.#heap.release(this.#room.start, this.#room.bytes);
      this.#room = larger;
    }
    return this.#room.start;
  }

  /** To be called after the kernel: copies results out and releases the copies. */
  finish(): void {
    if (this.#copies.length > 0) this.#finishCopies();
  }

  #finishCopies(): void {
    this.#pending.settle();
    for (const { start, bytes, target } of this.#copies) {
      target?.set(new Float32Array(this.#heap.buffer, start, target.length));
      this.#heap.release(start, bytes);
    }
    this.#copies.length = 0;
  }

  #copyIn(data: Elements, offset: number, length: number, isOutput: boolean): number {
    if (!(data instanceof Float32Array)) {
      this.#abandon();
      assertInvariant(false, 'operand of the simd kernels', 'f32', 'f64');
    }
    // The block may be one that was given back and that what is pending still works in.
    this.#pending.settle();
    const source = data.subarray(offset, offset + length);
    const bytes = length * BYTES;
    const start = this.#allocate(bytes);
    this.#copies.push({ start, bytes, target: isOutput ? source : undefined });
    new Float32Array(this.#heap.buffer, start, length).set(source);
    return start;
  }

  #allocate(bytes: number): number {
    try {
      return this.#heap.allocate(bytes);
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  /** Ends a call that cannot run: what was copied for it is given back, and its results stay as they were. */
  #abandon(): void {
    for (const { start, bytes } of this.#copies) this.#heap.release(start, bytes);
    this.#copies.length = 0;
  }
}
