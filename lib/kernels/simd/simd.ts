/**
 * The fast kernel set: f32 in WebAssembly with 128-bit SIMD, one thread. SPEC #numerics fixes every bit of its results, so they
 * equal those of the reference kernels; only the payload of a NaN is left open.
 *
 * Kernels work in a WebAssembly memory, in which {@link Kernels.zeros} makes its tensors. Tensors from elsewhere give
 * the same results, but are copied in and out at every call.
 *
 * The arithmetic is in `assembly/`, compiled into `binary.ts` by `build.mjs`.
 *
 * @module
 */

import { assertInvariant, CallerError } from '../../errors.ts';
import { type Elements, type Matrix, sizeOf, Tensor } from '../../tensor/tensor.ts';
import type { Kernels, Visible, Workspace } from '../kernels.ts';
import { FIXED_BINARY, SHARED_BINARY } from './binary.ts';
import { Heap } from './heap.ts';
import { webAssembly } from './webassembly.ts';

/** Settings of {@link simdKernels}. */
export interface SimdOptions {
  /**
   * Bytes of a memory that never grows. By default the memory grows up to 4 GiB, except in an engine without
   * `SharedArrayBuffer` (a browser page that is not cross-origin isolated): there it has 256 MiB.
   */
  readonly fixedBytes?: number;
}

/** A block of a workspace and the tensor that was last put there. */
interface Slot {
  readonly start: number;
  readonly bytes: number;
  readonly tensor: Tensor;
}

/** A copy, in the memory, of elements that live outside. */
interface Copy {
  readonly start: number;
  readonly bytes: number;
  /** Where the elements are to be written back; `undefined` for an input. */
  readonly target: Float32Array | undefined;
}

/** What `assembly/index.ts` exports: pointers and strides in bytes, counts in elements. */
type Exports = Record<
  | 'add'
  | 'addRow'
  | 'attentionContext'
  | 'attentionScores'
  | 'clear'
  | 'columnSums'
  | 'divideColumn'
  | 'expDifferences'
  | 'matmulNN'
  | 'matmulNT'
  | 'multiply'
  | 'multiplyColumn'
  | 'multiplyRow'
  | 'rotateHalves'
  | 'rowMaxima'
  | 'rowSums'
  | 'rowSumsOfSquares'
  | 'scale'
  | 'sigmoid'
  | 'silu',
  (...values: number[]) => void
>;

/** Bytes of a binary32 number. */
const BYTES = 4;

/** A workspace slot that is outgrown is replaced by one with this much to spare, so that growing shapes rarely move. */
const SLACK = 1.5;

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Whether the engine has what {@link simdKernels} needs: WebAssembly with 128-bit SIMD and bulk memory operations. */
export function simdSupported(): boolean {
  return webAssembly?.validate(decode(FIXED_BINARY)) ?? false;
}

/**
 * The fast kernel set, with a memory of its own.
 *
 * @throws CallerError if the engine has no WebAssembly SIMD (see {@link simdSupported}) or `fixedBytes` is out of range
 */
export function simdKernels(options: SimdOptions = {}): Kernels {
  if (webAssembly === undefined || !simdSupported()) {
    throw new CallerError({
      subject: 'simd kernels',
      expected: 'an engine with WebAssembly SIMD',
      found: 'none',
      hint: 'Use the reference kernels; they give the same results',
    });
  }
  const heap = new Heap(webAssembly, options.fixedBytes);
  const module = new webAssembly.Module(decode(heap.shared ? SHARED_BINARY : FIXED_BINARY));
  const { exports } = new webAssembly.Instance(module, { env: { memory: heap.memory } });
  const wasm = exports as unknown as Exports;
  const operands = new Operands(heap);

  const tensorAt = (start: number, shape: readonly number[]): Tensor => {
    const size = sizeOf(shape);
    return new Tensor(new Float32Array(heap.buffer, start, size), shape);
  };

  const primitives = primitivesOver(wasm, operands);
  const workspace = (): Workspace => {
    const slots: Slot[] = [];
    let used = 0;
    return {
      ...primitives,
      workspace,
      zeros(shape) {
        const old = slots[used];
        if (old !== undefined && sameShape(old.tensor.shape, shape)) {
          used++;
          wasm.clear(old.start, old.tensor.data.length * BYTES);
          return old.tensor;
        }
        const bytes = bytesOf(shape);
        let { start, bytes: room } = old ?? { start: 0, bytes: -1 };
        if (room < bytes) {
          const larger = old === undefined ? bytes : Math.max(bytes, Math.ceil(room * SLACK));
          start = heap.allocate(larger);
          if (old !== undefined) heap.release(old.start, old.bytes);
          room = larger;
        }
        // In its place before anything can fail: the block must not be lost.
        const tensor = tensorAt(start, shape);
        slots[used++] = { start, bytes: room, tensor };
        wasm.clear(start, bytes);
        return tensor;
      },
      reset() {
        used = 0;
      },
      free() {
        used = 0;
        for (const { start, bytes } of slots) heap.release(start, bytes);
        slots.length = 0;
      },
    };
  };
  return {
    ...primitives,
    zeros(shape) {
      const bytes = bytesOf(shape);
      const start = heap.allocate(bytes);
      wasm.clear(start, bytes);
      return tensorAt(start, shape);
    },
    workspace,
  };
}

/** Bytes of a tensor. @throws CallerError if a dimension is not a non-negative integer */
function bytesOf(shape: readonly number[]): number {
  for (let axis = 0; axis < shape.length; axis++) {
    if (!(Number.isSafeInteger(shape[axis]) && shape[axis]! >= 0)) {
      throw new CallerError({
        subject: 'tensor shape',
        expected: 'non-negative integers',
        found: `[${shape.join(', ')}]`,
      });
    }
  }
  return sizeOf(shape) * BYTES;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Addresses of operands. Those that live outside the memory are copied in, and results copied out by {@link Operands.finish}. */
class Operands {
  readonly #heap: Heap;
  readonly #copies: Copy[] = [];
  /** Holds the `visible` of the call that runs. */
  #visible: Int32Array;
  #visibleStart: number;

  constructor(heap: Heap) {
    this.#heap = heap;
    this.#visibleStart = heap.allocate(1024 * BYTES);
    this.#visible = new Int32Array(heap.buffer, this.#visibleStart, 1024);
  }

  /** Address of the elements of an input. */
  input(t: Tensor): number {
    const { data } = t;
    return this.#heap.owns(data.buffer) ? data.byteOffset : this.#copyIn(data, 0, data.length, false);
  }

  /** Address of the elements of a result. */
  output(t: Tensor): number {
    const { data } = t;
    return this.#heap.owns(data.buffer) ? data.byteOffset : this.#copyIn(data, 0, data.length, true);
  }

  /** Address of the first element of a matrix. */
  matrix(m: Matrix, isOutput: boolean): number {
    const { data } = m;
    if (this.#heap.owns(data.buffer)) return data.byteOffset + m.offset * BYTES;
    // What lies between the rows is copied as well; it comes back as it went.
    const length = m.rows === 0 ? 0 : (m.rows - 1) * m.rowStride + m.columns;
    return this.#copyIn(data, m.offset, length, isOutput);
  }

  /** Address of `visible` as 32-bit integers, `rows` of them, each held within 0 and `width`. */
  visible(visible: Visible, rows: number, width: number): number {
    if (rows > this.#visible.length) {
      const count = 2 * rows;
      const start = this.#allocate(count * BYTES);
      this.#heap.release(this.#visibleStart, this.#visible.length * BYTES);
      this.#visibleStart = start;
      this.#visible = new Int32Array(this.#heap.buffer, start, count);
    }
    const numbers = this.#visible;
    for (let r = 0; r < rows; r++) {
      const count = visible[r]!;
      numbers[r] = count > width ? width : count > 0 ? count : 0;
    }
    return this.#visibleStart;
  }

  /** To be called after the kernel: copies results out and releases the copies. */
  finish(): void {
    if (this.#copies.length > 0) this.#finishCopies();
  }

  #finishCopies(): void {
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

/** Width of the rows of a tensor, as the reference kernels see it: a tensor `[n]` is one row. */
function widthOf(x: Tensor): number {
  const { shape } = x;
  return shape.length === 0 ? 1 : shape[shape.length - 1]!;
}

/** Number of rows; none if they are empty. */
function rowsOf(x: Tensor, width: number): number {
  return width === 0 ? 0 : x.data.length / width;
}

/** The kernels write where they are told to: operands of different sizes would overwrite another tensor. */
function checkLength(operation: string, t: Tensor, length: number): void {
  if (t.data.length === length) return;
  assertInvariant(false, operation, `an operand of ${length} elements`, `${t.data.length}`);
}

function primitivesOver(wasm: Exports, at: Operands): Omit<Kernels, 'zeros' | 'workspace'> {
  /** `[r,c]` elementwise with one number per row or column. */
  const withVector =
    (
      name: 'addRow' | 'divideColumn' | 'multiplyColumn' | 'multiplyRow',
      perRow: boolean,
    ): Kernels['addRow'] =>
    (x, vector, out) => {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength(name, vector, perRow ? rows : width);
      checkLength(name, out, x.data.length);
      wasm[name](at.input(x), at.input(vector), at.output(out), rows, width);
      at.finish();
    };

  return {
    name: 'simd',
    numerics: 'f32',
    round: Math.fround,

    matmulNT(a, b, out) {
      wasm.matmulNT(
        at.matrix(a, false),
        a.rowStride * BYTES,
        at.matrix(b, false),
        b.rowStride * BYTES,
        at.matrix(out, true),
        out.rowStride * BYTES,
        out.rows,
        out.columns,
        a.columns,
      );
      at.finish();
    },

    matmulNN(a, b, visible, out) {
      wasm.matmulNN(
        at.matrix(a, false),
        a.rowStride * BYTES,
        at.matrix(b, false),
        b.rowStride * BYTES,
        at.visible(visible, out.rows, a.columns),
        at.matrix(out, true),
        out.rowStride * BYTES,
        out.rows,
        out.columns,
      );
      at.finish();
    },

    attentionScores(queries, keys, out) {
      const [H, T, S] = out.shape as [number, number, number];
      wasm.attentionScores(
        at.input(queries),
        at.input(keys),
        at.output(out),
        H,
        keys.shape[1]!,
        T,
        S,
        queries.shape[2]!,
      );
      at.finish();
    },

    attentionContext(weights, values, visible, out) {
      const [H, T, S] = weights.shape as [number, number, number];
      wasm.attentionContext(
        at.input(weights),
        at.input(values),
        at.visible(visible, T, S),
        at.output(out),
        H,
        values.shape[1]!,
        T,
        S,
        out.shape[2]!,
      );
      at.finish();
    },

    rowSumsOfSquares(x, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength('rowSumsOfSquares', out, rows);
      wasm.rowSumsOfSquares(at.input(x), at.output(out), rows, width);
      at.finish();
    },

    rowSums(x, visible, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength('rowSums', out, rows);
      wasm.rowSums(at.input(x), at.visible(visible, rows, width), at.output(out), rows, width);
      at.finish();
    },

    rowMaxima(x, visible, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength('rowMaxima', out, rows);
      wasm.rowMaxima(at.input(x), at.visible(visible, rows, width), at.output(out), rows, width);
      at.finish();
    },

    columnSums(x, out) {
      const width = widthOf(x);
      checkLength('columnSums', out, width);
      wasm.columnSums(at.input(x), at.output(out), rowsOf(x, width), width);
      at.finish();
    },

    add(x, y, out) {
      const { length } = out.data;
      checkLength('add', x, length);
      checkLength('add', y, length);
      wasm.add(at.input(x), at.input(y), at.output(out), length);
      at.finish();
    },

    multiply(x, y, out) {
      const { length } = out.data;
      checkLength('multiply', x, length);
      checkLength('multiply', y, length);
      wasm.multiply(at.input(x), at.input(y), at.output(out), length);
      at.finish();
    },

    scale(x, factor, out) {
      const { length } = out.data;
      checkLength('scale', x, length);
      wasm.scale(at.input(x), factor, at.output(out), length);
      at.finish();
    },

    addRow: withVector('addRow', false),
    multiplyRow: withVector('multiplyRow', false),
    multiplyColumn: withVector('multiplyColumn', true),
    divideColumn: withVector('divideColumn', true),

    expDifferences(x, column, visible, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength('expDifferences', column, rows);
      checkLength('expDifferences', out, x.data.length);
      wasm.expDifferences(
        at.input(x),
        at.input(column),
        at.visible(visible, rows, width),
        at.output(out),
        rows,
        width,
      );
      at.finish();
    },

    silu(x, out) {
      const { length } = out.data;
      checkLength('silu', x, length);
      wasm.silu(at.input(x), at.output(out), length);
      at.finish();
    },

    sigmoid(x, out) {
      const { length } = out.data;
      checkLength('sigmoid', x, length);
      wasm.sigmoid(at.input(x), at.output(out), length);
      at.finish();
    },

    rotateHalves(x, cos, sin, out) {
      const [T, heads, size] = x.shape as [number, number, number];
      checkLength('rotateHalves', cos, (T * size) / 2);
      checkLength('rotateHalves', sin, (T * size) / 2);
      checkLength('rotateHalves', out, x.data.length);
      wasm.rotateHalves(at.input(x), at.input(cos), at.input(sin), at.output(out), T, heads, size / 2);
      at.finish();
    },
  };
}
