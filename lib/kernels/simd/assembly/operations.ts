/**
 * The operations that may be shared among threads: each is done at once if it is small, or else written down as the job and done in
 * chunks. What a chunk is, {@link perform} says.
 */

import { attentionOfHeads, contextOfHead, scoresOfHead, transposedOfGroup } from './attention';
import * as dotProducts from './dot-products';
import * as elementwise from './elementwise';
import { setThreadIndex } from './instance';
import { JOB } from './layout';
import * as leftToRight from './left-to-right';
import { chunkCount, chunkDone, offer, startOf, takeChunk, waitForAll, waitForOffer, worthSharing } from './threads';

/** Work of an exponential, in multiply-adds. */
const EXPONENTIAL: u64 = 16;

const NT = 0;
const PRODUCT = 1;
const SCORES = 2;
const ATTENTION = 3;
const EXP_DIFFERENCES = 4;
const SILU = 5;
const SIGMOID = 6;
const SILU_GRADIENT = 7;
const ADD_PRODUCT = 8;
const ADD_CONTEXT = 9;
const ADD_TRANSPOSED = 10;
const SOFTMAX = 11;
const GATED_SILU = 12;

// @ts-ignore: decorator
@inline
function operand(i: usize): usize {
  return load<usize>(JOB + (i << 2));
}

// @ts-ignore: decorator
@inline
function setOperand(i: usize, value: usize): void {
  store<usize>(JOB + (i << 2), value);
}

/** Writes the job, the operation with up to twelve operands, and does it in chunks together with the other threads. */
function share(
  operation: usize, chunks: i32, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize = 0, h: usize = 0,
  i: usize = 0, j: usize = 0, k: usize = 0, l: usize = 0,
): void {
  setOperand(0, operation);
  setOperand(1, chunks);
  setOperand(2, a);
  setOperand(3, b);
  setOperand(4, c);
  setOperand(5, d);
  setOperand(6, e);
  setOperand(7, f);
  setOperand(8, g);
  setOperand(9, h);
  setOperand(10, i);
  setOperand(11, j);
  setOperand(12, k);
  setOperand(13, l);
  offer(chunks);
  work();
  waitForAll(chunks);
}

/** Does chunks until there are no more. */
function work(): void {
  for (let chunk = takeChunk(); chunk >= 0; chunk = takeChunk()) {
    perform(chunk);
    chunkDone();
  }
}

/** Does one chunk of the job. */
function perform(chunk: i32): void {
  const operation = operand(0);
  const chunks = <i32>operand(1);
  if (operation == NT || operation == PRODUCT || operation == ADD_PRODUCT) {
    // Rows or columns of the result, whichever there are more of.
    const M = operand(8), N = operand(9);
    const byRows = M > N;
    const from = startOf(chunk, chunks, byRows ? M : N), to = startOf(chunk + 1, chunks, byRows ? M : N);
    if (operation == NT) {
      const a = operand(2), aStride = operand(3), b = operand(4), bStride = operand(5);
      const out = operand(6), outStride = operand(7), K = operand(10);
      if (byRows) {
        dotProducts.dots(a + from * aStride, aStride, b, bStride, out + from * outStride, outStride, to - from, N, K);
      } else {
        dotProducts.dots(a, aStride, b + from * bStride, bStride, out + (from << 2), outStride, M, to - from, K);
      }
    } else {
      const a = operand(2), aRow = operand(3), aStep = operand(11), b = operand(4), bStride = operand(5);
      const out = operand(6), outStride = operand(7), K = operand(10);
      const resume = operation == ADD_PRODUCT;
      if (byRows) {
        leftToRight.product(
          a + from * aRow, aRow, aStep, b, bStride, out + from * outStride, outStride, to - from, N, K,
          resume,
        );
      } else {
        leftToRight.product(
          a, aRow, aStep, b + (from << 2), bStride, out + (from << 2), outStride, M, to - from, K, resume,
        );
      }
    }
  } else if (operation == SCORES) {
    scoresOfHead(
      <usize>chunk, operand(2), operand(3), operand(4), operand(5), operand(6), operand(7), operand(8), operand(9),
    );
  } else if (operation == ATTENTION) {
    const H = operand(9);
    attentionOfHeads(
      (chunk * H) / chunks, ((chunk + 1) * H) / chunks, operand(2), operand(3), operand(4), operand(5),
      reinterpret<f32>(<u32>operand(6)), operand(7), operand(8), H, operand(10), operand(11), operand(12), operand(13),
    );
  } else if (operation == ADD_CONTEXT) {
    contextOfHead(
      <usize>chunk, operand(2), operand(3), operand(4), operand(5), operand(6), operand(7), operand(8), operand(9),
      operand(10), true,
    );
  } else if (operation == ADD_TRANSPOSED) {
    transposedOfGroup(
      <usize>chunk, operand(2), operand(3), operand(4), operand(5), operand(6), operand(7), operand(8), operand(9),
    );
  } else if (operation == EXP_DIFFERENCES) {
    const x = operand(2), column = operand(3), visible = operand(4), out = operand(5), rows = operand(6);
    const width = operand(7), from = startOf(chunk, chunks, rows), to = startOf(chunk + 1, chunks, rows);
    const skipped = from * (width << 2);
    elementwise.expDifferences(
      x + skipped, column + (from << 2), visible + (from << 2), out + skipped, to - from, width,
    );
  } else if (operation == SOFTMAX) {
    const x = operand(2), visible = operand(3), out = operand(4), rows = operand(5), width = operand(6);
    const from = startOf(chunk, chunks, rows), to = startOf(chunk + 1, chunks, rows);
    const skipped = from * (width << 2);
    elementwise.softmax(x + skipped, visible + (from << 2), out + skipped, to - from, width);
  } else if (operation == GATED_SILU) {
    const gate = operand(2), up = operand(3), out = operand(4), count = operand(5);
    const from = startOf(chunk, chunks, count), skipped = from << 2, length = startOf(chunk + 1, chunks, count) - from;
    elementwise.gatedSilu(gate + skipped, up + skipped, out + skipped, length);
  } else {
    const x = operand(2), out = operand(3), count = operand(4);
    const from = startOf(chunk, chunks, count), skipped = from << 2, length = startOf(chunk + 1, chunks, count) - from;
    if (operation == SILU) elementwise.silu(x + skipped, out + skipped, length);
    else if (operation == SILU_GRADIENT) elementwise.siluGradient(x + skipped, out + skipped, length);
    else elementwise.sigmoid(x + skipped, out + skipped, length);
  }
}

/** Makes this instance thread `index` and has it help for ever. */
export function serve(index: usize): void {
  setThreadIndex(index);
  for (;;) {
    waitForOffer();
    work();
  }
}

/** `out[m,n] = Σ_k a[m,k] * b[n,k]`. */
export function matmulNT(
  a: usize, aStride: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize, K: usize,
): void {
  if (worthSharing(<u64>M * N * K)) share(NT, chunkCount(), a, aStride, b, bStride, out, outStride, M, N, K);
  else dotProducts.dots(a, aStride, b, bStride, out, outStride, M, N, K);
}

/** `out[m,n] = Σ_k a[m,k] * b[k,n]`, or `+=` to resume, left to right; element (m, k) of `a` lies at `a + m * aRow + k * aStep`. */
export function matmulLeftToRight(
  a: usize, aRow: usize, aStep: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize,
  K: usize, resume: bool,
): void {
  if (worthSharing(<u64>M * N * K)) {
    const operation = resume ? ADD_PRODUCT : PRODUCT;
    share(operation, chunkCount(), a, aRow, b, bStride, out, outStride, M, N, K, aStep);
  } else leftToRight.product(a, aRow, aStep, b, bStride, out, outStride, M, N, K, resume);
}

/** All heads: queries `[T, H, size]`, keys `[S, Hkv, size]`, out `[H, T, S]`. */
export function attentionScores(
  queries: usize, keys: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  if (worthSharing(<u64>H * T * S * size)) share(SCORES, <i32>H, queries, keys, out, H, Hkv, T, S, size);
  else for (let h: usize = 0; h < H; h++) scoresOfHead(h, queries, keys, out, H, Hkv, T, S, size);
}

/** All heads: weights `[H, T, S]`, values `[S, Hkv, size]`, out `[T, H, size]`, which is added to. */
export function addAttentionContext(
  weights: usize, values: usize, visible: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  if (worthSharing(<u64>H * T * S * size)) {
    share(ADD_CONTEXT, <i32>H, weights, values, visible, out, H, Hkv, T, S, size);
  } else {
    for (let h: usize = 0; h < H; h++) contextOfHead(h, weights, values, visible, out, H, Hkv, T, S, size, true);
  }
}

/** All heads: queries `[T, H, size]`, keys and values `[S, Hkv, size]`, weights `[H, T, S]`, out `[T, H, size]`. */
export function attention(
  queries: usize, keys: usize, values: usize, visible: usize, scale: f32, weights: usize, out: usize, H: usize,
  Hkv: usize, T: usize, S: usize, size: usize,
): void {
  if (worthSharing(<u64>H * T * S * (2 * size + EXPONENTIAL))) {
    const bits = <usize>reinterpret<u32>(scale);
    const chunks = T == 1 ? min<i32>(chunkCount(), <i32>H) : <i32>H;
    share(ATTENTION, chunks, queries, keys, values, visible, bits, weights, out, H, Hkv, T, S, size);
  } else attentionOfHeads(0, H, queries, keys, values, visible, scale, weights, out, H, Hkv, T, S, size);
}

/** All groups: weights `[H, T, S]`, rows `[T, H, size]`, out `[S, Hkv, size]`, which is added to. */
export function addAttentionTransposed(
  weights: usize, rows: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  if (worthSharing(<u64>H * T * S * size)) share(ADD_TRANSPOSED, <i32>Hkv, weights, rows, out, H, Hkv, T, S, size);
  else for (let g: usize = 0; g < Hkv; g++) transposedOfGroup(g, weights, rows, out, H, Hkv, T, S, size);
}

/** `exp(x[r,c] - column[r])` for `c < visible[r]`, otherwise 0. */
export function expDifferences(x: usize, column: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  if (worthSharing(<u64>rows * width * EXPONENTIAL)) {
    share(EXP_DIFFERENCES, chunkCount(), x, column, visible, out, rows, width);
  } else elementwise.expDifferences(x, column, visible, out, rows, width);
}

/** The softmax of the first `visible[r]` entries of each row; the others are 0. */
export function softmax(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  if (worthSharing(<u64>rows * width * EXPONENTIAL)) {
    share(SOFTMAX, chunkCount(), x, visible, out, rows, width, 0);
  } else elementwise.softmax(x, visible, out, rows, width);
}

/** `silu(gate) * up`. */
export function gatedSilu(gate: usize, up: usize, out: usize, count: usize): void {
  if (worthSharing(<u64>count * EXPONENTIAL)) share(GATED_SILU, chunkCount(), gate, up, out, count, 0, 0);
  else elementwise.gatedSilu(gate, up, out, count);
}

export function silu(x: usize, out: usize, count: usize): void {
  if (worthSharing(<u64>count * EXPONENTIAL)) share(SILU, chunkCount(), x, out, count, 0, 0, 0);
  else elementwise.silu(x, out, count);
}

export function siluGradient(x: usize, out: usize, count: usize): void {
  if (worthSharing(<u64>count * EXPONENTIAL)) share(SILU_GRADIENT, chunkCount(), x, out, count, 0, 0, 0);
  else elementwise.siluGradient(x, out, count);
}

export function sigmoid(x: usize, out: usize, count: usize): void {
  if (worthSharing(<u64>count * EXPONENTIAL)) share(SIGMOID, chunkCount(), x, out, count, 0, 0, 0);
  else elementwise.sigmoid(x, out, count);
}
