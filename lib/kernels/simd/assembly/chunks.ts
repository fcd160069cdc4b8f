/**
 * The operations that threads may share, each in chunks: chunk `chunk` of `chunks` of the command at `c`, and chunk 0 of 1 is all of it. Chunks are
 * rows, columns, heads or elements of the result, never parts of a sum.
 */

import { attentionOfHeads, contextOfHead, scoresOfHead, transposedOfGroup } from './attention';
import * as command from './command';
import { operationOf, u, x } from './command';
import { dots } from './dot-products';
import * as elementwise from './elementwise';
import { product } from './left-to-right';
import { startOf } from './threads';

/** Work of an exponential, in multiply-adds. */
const EXPONENTIAL: u64 = 16;

/** How much there is to be shared of the command at `c`, in multiply-adds; 0 for operations that are done by one thread. */
export function workOf(c: usize): u64 {
  switch (operationOf(c)) {
    case command.ADD_ATTENTION_CONTEXT: return <u64>u(c, 4) * u(c, 6) * u(c, 7) * u(c, 8);
    case command.ADD_ATTENTION_TRANSPOSED: return <u64>u(c, 3) * u(c, 5) * u(c, 6) * u(c, 7);
    case command.ATTENTION: return <u64>u(c, 7) * u(c, 9) * u(c, 10) * (2 * u(c, 11) + EXPONENTIAL);
    case command.ATTENTION_SCORES: return <u64>u(c, 3) * u(c, 5) * u(c, 6) * u(c, 7);
    case command.EXP_DIFFERENCES: return EXPONENTIAL * u(c, 4) * u(c, 5);
    case command.GATED_SILU: return EXPONENTIAL * u(c, 3);
    case command.MATMUL_LEFT_TO_RIGHT: return <u64>u(c, 7) * u(c, 8) * u(c, 9);
    case command.MATMUL_NT: return <u64>u(c, 6) * u(c, 7) * u(c, 8);
    case command.SIGMOID:
    case command.SILU:
    case command.SILU_GRADIENT: return EXPONENTIAL * u(c, 2);
    case command.SOFTMAX: return EXPONENTIAL * u(c, 3) * u(c, 4);
    default: return 0;
  }
}

/** First of `count` heads that belong to a chunk. */
// @ts-ignore: decorator
@inline
function firstHead(chunk: i32, chunks: i32, count: usize): usize {
  return (<usize>chunk * count) / <usize>chunks;
}

/** `out[m,n] = Σ_k a[m,k] * b[n,k]`, b in binary32 or in bfloat16; by rows or columns of the result, whichever there are more of. */
export function matmulNT(c: usize, chunk: i32, chunks: i32): void {
  if (u(c, 9) == sizeof<u16>()) matmulNTOf<u16>(c, chunk, chunks);
  else matmulNTOf<f32>(c, chunk, chunks);
}

function matmulNTOf<B>(c: usize, chunk: i32, chunks: i32): void {
  const a = u(c, 0), aStride = u(c, 1), b = u(c, 2), bStride = u(c, 3), out = u(c, 4), outStride = u(c, 5);
  const M = u(c, 6), N = u(c, 7), K = u(c, 8);
  if (M > N) {
    const from = startOf(chunk, chunks, M), rows = startOf(chunk + 1, chunks, M) - from;
    dots<B>(a + from * aStride, aStride, b, bStride, out + from * outStride, outStride, rows, N, K);
  } else {
    const from = startOf(chunk, chunks, N), columns = startOf(chunk + 1, chunks, N) - from;
    dots<B>(a, aStride, b + from * bStride, bStride, out + (from << 2), outStride, M, columns, K);
  }
}

/** `out[m,n] = Σ_k a[m,k] * b[k,n]`, or `+=` to resume, left to right; element (m, k) of `a` lies at `a + m * aRow + k * aStep`. */
export function matmulLeftToRight(c: usize, chunk: i32, chunks: i32): void {
  const a = u(c, 0), aRow = u(c, 1), aStep = u(c, 2), b = u(c, 3), bStride = u(c, 4), out = u(c, 5), outStride = u(c, 6);
  const M = u(c, 7), N = u(c, 8), K = u(c, 9), resume = u(c, 10) != 0;
  if (M > N) {
    const from = startOf(chunk, chunks, M), rows = startOf(chunk + 1, chunks, M) - from;
    product(a + from * aRow, aRow, aStep, b, bStride, out + from * outStride, outStride, rows, N, K, resume);
  } else {
    const from = startOf(chunk, chunks, N), columns = startOf(chunk + 1, chunks, N) - from;
    product(a, aRow, aStep, b + (from << 2), bStride, out + (from << 2), outStride, M, columns, K, resume);
  }
}

/** Queries `[T, H, size]`, keys `[S, Hkv, size]`, out `[H, T, S]`; by heads. */
export function attentionScores(c: usize, chunk: i32, chunks: i32): void {
  const H = u(c, 3);
  for (let h = firstHead(chunk, chunks, H), to = firstHead(chunk + 1, chunks, H); h < to; h++) {
    scoresOfHead(h, u(c, 0), u(c, 1), u(c, 2), H, u(c, 4), u(c, 5), u(c, 6), u(c, 7));
  }
}

/** Weights `[H, T, S]`, values `[S, Hkv, size]`, out `[T, H, size]`, which is added to; by heads. */
export function addAttentionContext(c: usize, chunk: i32, chunks: i32): void {
  const H = u(c, 4);
  for (let h = firstHead(chunk, chunks, H), to = firstHead(chunk + 1, chunks, H); h < to; h++) {
    contextOfHead(h, u(c, 0), u(c, 1), u(c, 2), u(c, 3), H, u(c, 5), u(c, 6), u(c, 7), u(c, 8), true);
  }
}

/** Queries `[T, H, size]`, keys and values `[S, Hkv, size]`, weights `[H, T, S]`, out `[T, H, size]`; by heads. */
export function attention(c: usize, chunk: i32, chunks: i32): void {
  const H = u(c, 7), from = firstHead(chunk, chunks, H), to = firstHead(chunk + 1, chunks, H);
  if (from == to) return;
  attentionOfHeads(
    from, to, u(c, 0), u(c, 1), u(c, 2), u(c, 3), x(c, 4), u(c, 5), u(c, 6), H, u(c, 8), u(c, 9), u(c, 10), u(c, 11),
  );
}

/** Weights `[H, T, S]`, rows `[T, H, size]`, out `[S, Hkv, size]`, which is added to; by groups of heads. */
export function addAttentionTransposed(c: usize, chunk: i32, chunks: i32): void {
  const groups = u(c, 4);
  for (let g = firstHead(chunk, chunks, groups), to = firstHead(chunk + 1, chunks, groups); g < to; g++) {
    transposedOfGroup(g, u(c, 0), u(c, 1), u(c, 2), u(c, 3), groups, u(c, 5), u(c, 6), u(c, 7));
  }
}

/** `exp(x[r,c] - column[r])` for `c < visible[r]`, otherwise 0; by rows. */
export function expDifferences(c: usize, chunk: i32, chunks: i32): void {
  const rows = u(c, 4), width = u(c, 5), from = startOf(chunk, chunks, rows), skipped = from * (width << 2);
  elementwise.expDifferences(
    u(c, 0) + skipped, u(c, 1) + (from << 2), u(c, 2) + (from << 2), u(c, 3) + skipped,
    startOf(chunk + 1, chunks, rows) - from, width,
  );
}

/** The softmax of the first `visible[r]` entries of each row; the others are 0. By rows. */
export function softmax(c: usize, chunk: i32, chunks: i32): void {
  const rows = u(c, 3), width = u(c, 4), from = startOf(chunk, chunks, rows), skipped = from * (width << 2);
  elementwise.softmax(
    u(c, 0) + skipped, u(c, 1) + (from << 2), u(c, 2) + skipped, startOf(chunk + 1, chunks, rows) - from, width,
  );
}

/** `silu(gate) * up`, by elements. */
export function gatedSilu(c: usize, chunk: i32, chunks: i32): void {
  const count = u(c, 3), from = startOf(chunk, chunks, count), skipped = from << 2;
  elementwise.gatedSilu(
    u(c, 0) + skipped, u(c, 1) + skipped, u(c, 2) + skipped, startOf(chunk + 1, chunks, count) - from,
  );
}

/** {@link command.SILU}, {@link command.SILU_GRADIENT} or {@link command.SIGMOID}, by elements. */
export function activation(c: usize, chunk: i32, chunks: i32): void {
  const count = u(c, 2), from = startOf(chunk, chunks, count), skipped = from << 2;
  const x = u(c, 0) + skipped, out = u(c, 1) + skipped, length = startOf(chunk + 1, chunks, count) - from;
  if (operationOf(c) == command.SILU) elementwise.silu(x, out, length);
  else if (operationOf(c) == command.SILU_GRADIENT) elementwise.siluGradient(x, out, length);
  else elementwise.sigmoid(x, out, length);
}
