/**
 * The primitives of the fast kernel set: each finds the addresses of its operands and gives one operation to WebAssembly.
 *
 * @module
 */

import { assertInvariant } from '../../errors.ts';
import { type Matrix, STORAGE_BYTES, type Tensor } from '../../tensor/tensor.ts';
import { type Kernels, mostVisible, type TensorMaker } from '../kernels.ts';
import type { Operations } from './commands.ts';
import { BYTES, type Operands } from './operands.ts';

/** Where a sum starts: from +0, or from what is in the result. */
const FROM_ZERO = 0;
const ON = 1;
type Resume = typeof FROM_ZERO | typeof ON;

/** Width of the rows of a tensor, as the reference kernels see it: a tensor `[n]` is one row. */
function widthOf(x: Tensor): number {
  const { shape } = x;
  return shape.length === 0 ? 1 : shape[shape.length - 1]!;
}

/** Number of rows; none if they are empty. */
function rowsOf(x: Tensor, width: number): number {
  return width === 0 ? 0 : x.size / width;
}

/** The kernels write where they are told to: operands of different sizes would overwrite another tensor. */
function checkLength(operation: string, t: Tensor, length: number): void {
  if (t.size === length) return;
  assertInvariant(false, operation, `an operand of ${length} elements`, `${t.size}`);
}

/** Nothing may be copied from or to where a tensor has no rows. */
function checkRows(operation: string, t: Tensor, from: number, to: number): void {
  const count = t.shape[0]!;
  if (0 <= from && from <= to && to <= count) return;
  assertInvariant(false, operation, `some of ${count} rows`, `${from} to ${to}`);
}

/** All of {@link Kernels} but its memory. */
export function primitivesOver(wasm: Operations, at: Operands): Omit<Kernels, TensorMaker | 'settle'> {
  /** `[r,c]` elementwise with one number per row or column. */
  const withVector =
    (
      name: 'addRow' | 'divideColumn' | 'multiplyColumn' | 'multiplyRow' | 'subtractColumn',
      perRow: boolean,
    ): Kernels['addRow'] =>
    (x, vector, out) => {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength(name, vector, perRow ? rows : width);
      checkLength(name, out, x.size);
      wasm[name](at.input(x), at.input(vector), at.output(out), rows, width);
      at.finish();
    };

  /** One number of each row. */
  const ofRows =
    (name: 'rowArgmax' | 'rowSumsOfSquares'): Kernels['rowArgmax'] =>
    (x, out) => {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength(name, out, rows);
      wasm[name](at.input(x), at.output(out), rows, width);
      at.finish();
    };

  /** One number of what is visible of each row. */
  const ofVisible =
    (name: 'rowMaxima' | 'rowSums'): Kernels['rowMaxima'] =>
    (x, visible, out) => {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength(name, out, rows);
      wasm[name](at.input(x), at.visible(visible, rows, width), at.output(out), rows, width);
      at.finish();
    };

  /** Element (m, k) of `a` lies `m * aRow + k * aStep` bytes behind its first. */
  const leftToRight = (
    a: Matrix,
    aRow: number,
    aStep: number,
    b: Matrix,
    out: Matrix,
    resume: Resume,
  ): void => {
    wasm.matmulLeftToRight(
      at.matrix(a, false),
      aRow,
      aStep,
      at.matrix(b, false),
      b.rowStride * BYTES,
      at.matrix(out, true),
      out.rowStride * BYTES,
      out.rows,
      out.columns,
      b.rows,
      resume,
    );
    at.finish();
  };

  return {
    name: 'simd',
    numerics: 'f32',
    round: Math.fround,

    copyRows(x, from, to, out, row) {
      if (to === from) return;
      const width = x.size / x.shape[0]!;
      checkLength('copyRows', out, out.shape[0]! * width);
      checkRows('copyRows', x, from, to);
      checkRows('copyRows', out, row, row + to - from);
      const bytes = width * BYTES;
      const target = at.output(out) + row * bytes;
      if (at.isBf16(x))
        wasm.widen(x.byteOffset + from * width * STORAGE_BYTES.bf16, target, (to - from) * width);
      else wasm.copy(at.input(x) + from * bytes, target, (to - from) * width);
      at.finish();
    },

    matmulNT(a, b, out) {
      const isBf16 = at.isBf16(b);
      const bytes = isBf16 ? STORAGE_BYTES.bf16 : BYTES;
      wasm.matmulNT(
        at.matrix(a, false),
        a.rowStride * BYTES,
        isBf16 ? b.byteOffset : at.matrix(b, false),
        b.rowStride * bytes,
        at.matrix(out, true),
        out.rowStride * BYTES,
        out.rows,
        out.columns,
        a.columns,
        bytes,
      );
      at.finish();
    },

    matmulNN: (a, b, out) => leftToRight(a, a.rowStride * BYTES, BYTES, b, out, FROM_ZERO),
    matmulTN: (a, b, out) => leftToRight(a, BYTES, a.rowStride * BYTES, b, out, FROM_ZERO),
    addMatmulNN: (a, b, out) => leftToRight(a, a.rowStride * BYTES, BYTES, b, out, ON),
    addMatmulTN: (a, b, out) => leftToRight(a, BYTES, a.rowStride * BYTES, b, out, ON),

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

    attention({ queries, keys, values, visible }, scale, weights, out) {
      const [T, H, size] = queries.shape as [number, number, number];
      const S = weights === null ? mostVisible(visible) : weights.shape[2]!;
      if (weights !== null) checkLength('attention', weights, H * T * S);
      checkLength('attention', out, queries.size);
      wasm.attention(
        at.input(queries),
        at.input(keys),
        at.input(values),
        at.visible(visible, T, S),
        scale,
        weights === null ? at.room(H * T * S * BYTES) : at.output(weights),
        at.output(out),
        H,
        keys.shape[1]!,
        T,
        S,
        size,
      );
      at.finish();
    },

    addAttentionContext(weights, values, visible, out) {
      const [H, T, S] = weights.shape as [number, number, number];
      const [, Hkv, size] = values.shape as [number, number, number];
      wasm.addAttentionContext(
        at.input(weights),
        at.input(values),
        at.visible(visible, T, S),
        at.output(out),
        H,
        Hkv,
        T,
        S,
        size,
      );
      at.finish();
    },

    addAttentionTransposed(weights, rows, out) {
      const [H, T, S] = weights.shape as [number, number, number];
      const [, Hkv, size] = out.shape as [number, number, number];
      wasm.addAttentionTransposed(at.input(weights), at.input(rows), at.output(out), H, Hkv, T, S, size);
      at.finish();
    },

    rowDots(x, y, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      checkLength('rowDots', y, x.size);
      if (rows > 0) checkLength('rowDots', out, rows);
      wasm.rowDots(at.input(x), at.input(y), at.output(out), rows, width);
      at.finish();
    },

    rowSumsOfSquares: ofRows('rowSumsOfSquares'),
    rowArgmax: ofRows('rowArgmax'),
    rowSums: ofVisible('rowSums'),
    rowMaxima: ofVisible('rowMaxima'),

    columnSums(x, out) {
      const width = widthOf(x);
      checkLength('columnSums', out, width);
      wasm.columnSums(at.input(x), at.output(out), rowsOf(x, width), width);
      at.finish();
    },

    add(x, y, out) {
      const { size: length } = out;
      checkLength('add', x, length);
      checkLength('add', y, length);
      wasm.add(at.input(x), at.input(y), at.output(out), length);
      at.finish();
    },

    multiply(x, y, out) {
      const { size: length } = out;
      checkLength('multiply', x, length);
      checkLength('multiply', y, length);
      wasm.multiply(at.input(x), at.input(y), at.output(out), length);
      at.finish();
    },

    addProduct(x, y, out) {
      const { size: length } = out;
      checkLength('addProduct', x, length);
      checkLength('addProduct', y, length);
      wasm.addProduct(at.input(x), at.input(y), at.output(out), length);
      at.finish();
    },

    scale(x, factor, out) {
      const { size: length } = out;
      checkLength('scale', x, length);
      wasm.scale(at.input(x), factor, at.output(out), length);
      at.finish();
    },

    addRow: withVector('addRow', false),
    multiplyRow: withVector('multiplyRow', false),
    multiplyColumn: withVector('multiplyColumn', true),
    divideColumn: withVector('divideColumn', true),
    subtractColumn: withVector('subtractColumn', true),

    expDifferences(x, column, visible, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      if (rows > 0) checkLength('expDifferences', column, rows);
      checkLength('expDifferences', out, x.size);
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

    softmax(x, visible, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      checkLength('softmax', out, x.size);
      wasm.softmax(at.input(x), at.visible(visible, rows, width), at.output(out), rows, width);
      at.finish();
    },

    rmsNorm(x, weight, eps, r, out) {
      const width = widthOf(x);
      const rows = rowsOf(x, width);
      checkLength('rmsNorm', weight, width);
      if (rows > 0) checkLength('rmsNorm', r, rows);
      checkLength('rmsNorm', out, x.size);
      wasm.rmsNorm(at.input(x), at.input(weight), eps, at.output(r), at.output(out), rows, width);
      at.finish();
    },

    gatedSilu(gate, up, out) {
      const { size: length } = out;
      checkLength('gatedSilu', gate, length);
      checkLength('gatedSilu', up, length);
      wasm.gatedSilu(at.input(gate), at.input(up), at.output(out), length);
      at.finish();
    },

    silu(x, out) {
      const { size: length } = out;
      checkLength('silu', x, length);
      wasm.silu(at.input(x), at.output(out), length);
      at.finish();
    },

    siluGradient(x, out) {
      const { size: length } = out;
      checkLength('siluGradient', x, length);
      wasm.siluGradient(at.input(x), at.output(out), length);
      at.finish();
    },

    sigmoid(x, out) {
      const { size: length } = out;
      checkLength('sigmoid', x, length);
      wasm.sigmoid(at.input(x), at.output(out), length);
      at.finish();
    },

    adamW(values, gradients, first, second, numbers) {
      const { size: length } = values;
      for (const t of [gradients, first, second]) checkLength('adamW', t, length);
      const { keep, towards, secondDecay, secondShare, secondCorrection, eps, size } = numbers;
      wasm.adamW(
        at.output(values),
        at.input(gradients),
        at.output(first),
        at.output(second),
        length,
        keep,
        towards,
        secondDecay,
        secondShare,
        secondCorrection,
        eps,
        size,
      );
      at.finish();
    },

    rotateHalves(x, cos, sin, out) {
      const [T, heads, size] = x.shape as [number, number, number];
      checkLength('rotateHalves', cos, (T * size) / 2);
      checkLength('rotateHalves', sin, (T * size) / 2);
      checkLength('rotateHalves', out, x.size);
      wasm.rotateHalves(at.input(x), at.input(cos), at.input(sin), at.output(out), T, heads, size / 2);
      at.finish();
    },
  };
}
