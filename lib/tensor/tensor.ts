/**
 * Checked tensors on `ndarray`. The only door to `ndarray` and `ndarray-ops`, because both answer a wrong index or a wrong
 * shape with a wrong number instead of an error: everything that reaches them from here is checked first.
 *
 * A {@link Tensor} is dense and row-major, and owns exactly the elements of its shape; operations return fresh ones.
 * A {@link Matrix} is a strided two-dimensional view, the form in which kernels take their operands.
 *
 * SPEC #notation, #numerics.
 *
 * @module
 */

import ndarray from 'ndarray';
import operations from 'ndarray-ops';
import { assertInvariant, CallerError, InvariantError, show } from '../errors.ts';

/** The numeric modes of SPEC #numerics: every stored tensor is binary64 (`f64`) or binary32 (`f32`). */
export type Numerics = 'f64' | 'f32';

/** Bytes of a number of each mode. */
export const MODE_BYTES: Readonly<Record<Numerics, number>> = { f32: 4, f64: 8 };

/** The elements of a tensor in one of the two modes. */
export type Elements = Float64Array | Float32Array;

/**
 * How the elements of a tensor lie in memory: in its mode, or, if all of them are bfloat16 numbers, as those, in half of the bytes of f32.
 * Either way they are the same numbers, so it shows in no result.
 */
export type Storage = Numerics | 'bf16';

/** Bytes of an element in each storage. */
export const STORAGE_BYTES: Readonly<Record<Storage, number>> = { ...MODE_BYTES, bf16: 2 };

/** Work that was asked for and may not have been done yet, so that what it changes may not be what it will be. */
export interface Pending {
  /** Does all of it. */
  settle(): void;
}

/** Number of elements of a shape: the product of its dimensions, 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (let axis = 0; axis < shape.length; axis++) size *= shape[axis]!;
  return size;
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Whether every dimension is a non-negative integer. */
function isShape(shape: readonly number[]): boolean {
  for (let axis = 0; axis < shape.length; axis++) {
    if (!(Number.isSafeInteger(shape[axis]) && shape[axis]! >= 0)) return false;
  }
  return true;
}

/** Renders a shape for messages: `[2, 3]`. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/**
 * A dense row-major array of numbers with a shape.
 *
 * The latest views of each kind are remembered: a loop that asks for the same view of the same tensor again and again, as decoding
 * does, makes it once.
 */
export class Tensor {
  readonly shape: readonly number[];
  /** Number of elements. */
  readonly size: number;
  /** Where the first element lies. The array is asked once, because an engine takes longer to answer than many an operation. */
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly storage: Storage;
  readonly #elements: Elements | Uint16Array;
  readonly #pending: Pending | undefined;
  #matrix: Matrix | undefined;
  #reshaped: Tensor | undefined;
  #rows: { readonly from: number; readonly to: number; readonly view: Tensor } | undefined;

  /**
   * Wraps `data`, without copying it, in `shape`.
   *
   * @param data the elements; in a Uint16Array, the bits of bfloat16 numbers
   * @param pending what is settled before anyone looks at the elements: whoever changes them later than asked to gives it
   * @throws CallerError if a dimension is not a non-negative integer or `data` has not exactly the elements of `shape`
   */
  constructor(data: Elements | Uint16Array, shape: readonly number[], pending?: Pending) {
    if (!isShape(shape)) {
      throw new CallerError({
        subject: 'tensor shape',
        expected: 'non-negative integers',
        found: showShape(shape),
      });
    }
    const size = sizeOf(shape);
    if (data.length !== size) {
      throw new CallerError({
        subject: `tensor of shape ${showShape(shape)}`,
        expected: `${size} elements`,
        found: `${data.length}`,
      });
    }
    this.#elements = data;
    this.storage = data instanceof Float32Array ? 'f32' : data instanceof Float64Array ? 'f64' : 'bf16';
    this.#pending = pending;
    this.shape = [...shape];
    this.size = size;
    this.buffer = data.buffer;
    this.byteOffset = data.byteOffset;
  }

  /**
   * The elements, as they are after all operations so far. Kernels may put operations off until someone looks here
   * ({@link Kernels.settle}), so whoever keeps the array asks again after further ones. Of bfloat16 numbers it is a copy in f32.
   */
  get data(): Elements {
    const { stored } = this;
    return stored instanceof Uint16Array ? widened(stored) : stored;
  }

  /** The elements as they lie in memory: as {@link data}, but of bfloat16 numbers the bits themselves. */
  get stored(): Elements | Uint16Array {
    this.#pending?.settle();
    return this.#elements;
  }

  /** The mode of the elements. */
  get numerics(): Numerics {
    return this.storage === 'f64' ? 'f64' : 'f32';
  }

  /** The element at `index`, one number per axis. @throws CallerError if the index is outside the shape */
  get(...index: number[]): number {
    this.#checkIndex(index);
    return arrayOf(this.data, this.shape).get(...index);
  }

  /** Sets the element at `index`; stored rounded to the tensor's mode. @throws CallerError as {@link get}, or of bfloat16 numbers */
  set(index: readonly number[], value: number): void {
    this.#checkIndex(index);
    if (this.storage === 'bf16') {
      throw new CallerError({
        subject: `tensor of shape ${showShape(this.shape)}`,
        expected: 'one that is not stored in bf16, to be changed',
        found: 'bf16',
      });
    }
    arrayOf(this.data, this.shape).set(...index, value);
  }

  /** The same elements in another shape of the same size; shares the data. */
  reshape(shape: readonly number[]): Tensor {
    if (this.#reshaped === undefined || !sameShape(this.#reshaped.shape, shape)) {
      this.#reshaped = new Tensor(this.#elements, shape, this.#pending);
    }
    return this.#reshaped;
  }

  /** Entries `from <= i < to` of the first axis; shares the data. @throws CallerError if the range is outside */
  rows(from: number, to: number): Tensor {
    if (from === 0 && to === this.shape[0]) return this;
    if (this.#rows === undefined || this.#rows.from !== from || this.#rows.to !== to) {
      this.#rows = { from, to, view: this.#rowsView(from, to) };
    }
    return this.#rows.view;
  }

  #rowsView(from: number, to: number): Tensor {
    const [count, ...rest] = this.shape;
    if (
      count === undefined ||
      !(Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from <= to && to <= count)
    ) {
      throw new CallerError({
        subject: `rows of a tensor of shape ${showShape(this.shape)}`,
        expected: `0 <= from <= to <= ${count ?? 'number of rows'}`,
        found: `from ${from} to ${to}`,
      });
    }
    const width = sizeOf(rest);
    const elements = this.#elements.subarray(from * width, to * width);
    return new Tensor(elements, [to - from, ...rest], this.#pending);
  }

  /** A fresh tensor with the axes in the given order. */
  transpose(...axes: number[]): Tensor {
    const valid =
      axes.length === this.shape.length && [...axes].sort((a, b) => a - b).every((axis, i) => axis === i);
    if (!valid) {
      throw new CallerError({
        subject: `transpose of a tensor of shape ${showShape(this.shape)}`,
        expected: `each axis 0 to ${this.shape.length - 1} once`,
        found: showShape(axes),
      });
    }
    const out = new Tensor(
      this.data.slice(),
      axes.map((axis) => this.shape[axis]!),
    );
    operations.assign(arrayOf(out.data, out.shape), arrayOf(this.data, this.shape).transpose(...axes));
    return out;
  }

  /** A fresh copy. */
  clone(): Tensor {
    return new Tensor(this.data.slice(), this.shape);
  }

  /** View of a `[rows, columns]` tensor as a matrix. */
  matrix(): Matrix {
    this.#matrix ??= this.#matrixView();
    return this.#matrix;
  }

  #matrixView(): Matrix {
    assertInvariant(
      this.shape.length === 2,
      'matrix view',
      'a tensor of rank 2',
      () => `shape ${showShape(this.shape)}`,
    );
    const [rows, columns] = this.shape as [number, number];
    return new Matrix(this, 0, rows, columns, columns);
  }

  /** View of head `head` of a `[rows, heads, size]` tensor as a `[rows, size]` matrix. */
  head(head: number): Matrix {
    assertInvariant(
      this.shape.length === 3 && 0 <= head && head < this.shape[1]!,
      'head of a tensor',
      'a tensor [rows, heads, size] with that head',
      () => `shape ${showShape(this.shape)}, head ${head}`,
    );
    const { offset, shape, stride } = arrayOf(this.#elements, this.shape).pick(null, head, null);
    return new Matrix(this, offset, shape[0]!, shape[1]!, stride[0]!);
  }

  #checkIndex(index: readonly number[]): void {
    const inside =
      index.length === this.shape.length &&
      index.every((i, axis) => Number.isInteger(i) && 0 <= i && i < this.shape[axis]!);
    if (!inside) {
      throw new CallerError({
        subject: `index of a tensor of shape ${showShape(this.shape)}`,
        expected: 'one integer inside each axis',
        found: show(index),
      });
    }
  }
}

/** `[rows, columns]` view into the elements of a tensor; columns are adjacent, rows are `rowStride` elements apart. */
export class Matrix {
  /** Where its first element lies; see {@link Tensor.buffer}. */
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly storage: Storage;
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly #tensor: Tensor;

  constructor(tensor: Tensor, offset: number, rows: number, columns: number, rowStride: number) {
    this.#tensor = tensor;
    this.buffer = tensor.buffer;
    this.storage = tensor.storage;
    this.byteOffset = tensor.byteOffset + offset * STORAGE_BYTES[tensor.storage];
    this.offset = offset;
    this.rows = rows;
    this.columns = columns;
    this.rowStride = rowStride;
  }

  /** See {@link Tensor.data}. */
  get data(): Elements {
    return this.#tensor.data;
  }
}

/** The numbers that bits stand for in bfloat16: those bits are the upper half of a binary32 number. In one go, as whole tables are; `bf16ToNumber` takes one. */
function widened(bits: Uint16Array): Float32Array {
  const whole = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) whole[i] = bits[i]! << 16;
  return new Float32Array(whole.buffer);
}

function arrayOf<T extends Elements | Uint16Array>(
  elements: T,
  shape: readonly number[],
): ndarray.NdArray<T> {
  return ndarray(elements, [...shape]);
}

/** A fresh tensor of zeros. @throws CallerError if there is no room for it */
export function zeros(numerics: Numerics, shape: readonly number[]): Tensor {
  const size = sizeOf(shape);
  return new Tensor(
    withRoom(shape, () => (numerics === 'f64' ? new Float64Array(size) : new Float32Array(size))),
    shape,
  );
}

/** Engines have a RangeError for an array that is too large for them or for the machine. */
function withRoom(shape: readonly number[], make: () => Elements): Elements {
  try {
    return make();
  } catch (cause) {
    if (!(cause instanceof RangeError && isShape(shape))) throw cause;
    throw new CallerError(
      {
        subject: 'memory',
        expected: `room for a tensor of shape ${showShape(shape)}`,
        found: 'none',
        hint: 'Use a smaller model, fewer positions, or f32',
      },
      { cause },
    );
  }
}

/** A fresh tensor of the given values, rounded to the mode (numerics/N1). @throws CallerError if their number does not fit the shape */
export function tensorOf(numerics: Numerics, shape: readonly number[], values: ArrayLike<number>): Tensor {
  return new Tensor(numerics === 'f64' ? Float64Array.from(values) : Float32Array.from(values), shape);
}

/** `out = a + b`, elementwise, each sum rounded once to the mode of `out`. Shapes are equal. */
export function addInto(out: Tensor, a: Tensor, b: Tensor): void {
  checkSameShape('add', out, a, b);
  operations.add(flat(out), flat(a), flat(b));
}

/** `out = a * b`, elementwise, each product rounded once to the mode of `out`. Shapes are equal. */
export function multiplyInto(out: Tensor, a: Tensor, b: Tensor): void {
  checkSameShape('multiply', out, a, b);
  operations.mul(flat(out), flat(a), flat(b));
}

/** One-dimensional, so that `ndarray-ops` compiles one loop for all shapes. */
function flat(t: Tensor): ndarray.NdArray<Elements> {
  return ndarray(t.data, [t.data.length]);
}

function checkSameShape(operation: string, ...tensors: Tensor[]): void {
  const [{ shape }] = tensors as [Tensor, ...Tensor[]];
  if (tensors.every((t) => sameShape(t.shape, shape))) return;
  throw new InvariantError({
    subject: operation,
    expected: 'operands of one shape',
    found: tensors.map((t) => showShape(t.shape)).join(', '),
  });
}
