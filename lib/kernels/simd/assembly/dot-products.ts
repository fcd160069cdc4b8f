/**
 * Products whose every element is one dot product of two rows, and sums of rows. SPEC numerics/N3, N4.
 *
 * A dot product of length K has its last `K mod 16` terms in vectors that are filled up with +0. That adds +0 * +0 = +0 to
 * accumulators that the definition leaves alone, and changes no bit: x + (+0) is x for every x but -0, and an accumulator is
 * never -0. It starts as +0; a sum is -0 only if both its operands are -0 (x + (-x) is +0 when rounding to nearest,
 * and a sum of binary32 numbers that is not exactly 0 does not round to 0).
 *
 * The sixteen accumulators are four vectors: vector w holds accumulators 4w to 4w + 3. Several dot products are computed
 * side by side: as many as have their accumulators in registers, or more of them that are walked several times, one of the four
 * vectors at a time. What is side by side, and in which walk, shows in the speed only.
 */

import { threadScratch } from './layout';
import {
  fourTrees, loadLeading, multiplyAdd, storeEight, storeLanes, tree, vector0, vector1, vector2, vector3,
} from './vectors';

/** Bytes of the rows of `a` that go together with all rows of `b`: they stay in the second-level cache. */
const BLOCK_BYTES: usize = 1 << 18;

/** Bytes of `b` along which four streams go: further apart, they are read 2 % more slowly where they come from beyond the caches. */
const STREAMS_BYTES: usize = 1 << 21;

/** Rows of each stream along `b` that go together with all rows of `a` of a block. */
const TOGETHER: usize = 4;

/** Rows of `a` that go together however long they are: so many that reading `b` takes less than computing. */
const LEAST_OF_BLOCK: usize = 8;

/** The most elements of a row that are walked before another row is: so few that a processor sees all rows being read. */
const MOST_OF_PART: usize = 160;

/** One dot product. */
export function dot<B>(a: usize, b: usize, K: usize): f32 {
  const end = a + ((K & ~15) << 2);
  const rest: i32 = <i32>(K & 15);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; a < end; a += 64, b += 16 * sizeof<B>()) {
    s0 = multiplyAdd(s0, vector0<f32>(a), vector0<B>(b));
    s1 = multiplyAdd(s1, vector1<f32>(a), vector1<B>(b));
    s2 = multiplyAdd(s2, vector2<f32>(a), vector2<B>(b));
    s3 = multiplyAdd(s3, vector3<f32>(a), vector3<B>(b));
  }
  if (rest) {
    s0 = multiplyAdd(s0, loadLeading<f32>(a, rest), loadLeading<B>(b, rest));
    s1 = multiplyAdd(s1, loadLeading<f32>(a + 16, rest - 4), loadLeading<B>(b + 4 * sizeof<B>(), rest - 4));
    s2 = multiplyAdd(s2, loadLeading<f32>(a + 32, rest - 8), loadLeading<B>(b + 8 * sizeof<B>(), rest - 8));
    s3 = multiplyAdd(s3, loadLeading<f32>(a + 48, rest - 12), loadLeading<B>(b + 12 * sizeof<B>(), rest - 12));
  }
  return tree(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));
}

/**
 * A part of one row of `a` and of two rows at `q` and `r`. Goes on (`resume`) from accumulators in `sums`, the four vectors of one row and then
 * those of the other, and leaves them there; a part that is not the `last` is a multiple of sixteen long. After the last, `sums` has two vectors:
 * the four of each row, as the first two steps of the tree add them.
 *
 * All four vectors at once, of two rows: memory is read without a pause, which walking four rows twice, two vectors at a time, would leave.
 * Where the rows are in the caches, that has fewer loads and is faster; over a whole model it is not.
 */
// @ts-ignore: decorator
@inline
function twoRows<B>(a: usize, q: usize, r: usize, K: usize, sums: usize, resume: bool, last: bool): void {
  let q0 = f32x4.splat(0), q1 = q0, q2 = q0, q3 = q0, r0 = q0, r1 = q0, r2 = q0, r3 = q0;
  if (resume) {
    q0 = v128.load(sums);
    q1 = v128.load(sums, 16);
    q2 = v128.load(sums, 32);
    q3 = v128.load(sums, 48);
    r0 = v128.load(sums, 64);
    r1 = v128.load(sums, 80);
    r2 = v128.load(sums, 96);
    r3 = v128.load(sums, 112);
  }
  for (const end = a + ((K & ~15) << 2); a < end; a += 64, q += 16 * sizeof<B>(), r += 16 * sizeof<B>()) {
    const x0 = vector0<f32>(a);
    q0 = multiplyAdd(q0, x0, vector0<B>(q));
    r0 = multiplyAdd(r0, x0, vector0<B>(r));
    const x1 = vector1<f32>(a);
    q1 = multiplyAdd(q1, x1, vector1<B>(q));
    r1 = multiplyAdd(r1, x1, vector1<B>(r));
    const x2 = vector2<f32>(a);
    q2 = multiplyAdd(q2, x2, vector2<B>(q));
    r2 = multiplyAdd(r2, x2, vector2<B>(r));
    const x3 = vector3<f32>(a);
    q3 = multiplyAdd(q3, x3, vector3<B>(q));
    r3 = multiplyAdd(r3, x3, vector3<B>(r));
  }
  if (!last) {
    storeEight(sums, q0, q1, q2, q3, r0, r1, r2, r3);
    return;
  }
  const rest: i32 = <i32>(K & 15);
  if (rest) {
    const x0 = loadLeading<f32>(a, rest);
    q0 = multiplyAdd(q0, x0, loadLeading<B>(q, rest));
    r0 = multiplyAdd(r0, x0, loadLeading<B>(r, rest));
    const x1 = loadLeading<f32>(a + 16, rest - 4);
    q1 = multiplyAdd(q1, x1, loadLeading<B>(q + 4 * sizeof<B>(), rest - 4));
    r1 = multiplyAdd(r1, x1, loadLeading<B>(r + 4 * sizeof<B>(), rest - 4));
    const x2 = loadLeading<f32>(a + 32, rest - 8);
    q2 = multiplyAdd(q2, x2, loadLeading<B>(q + 8 * sizeof<B>(), rest - 8));
    r2 = multiplyAdd(r2, x2, loadLeading<B>(r + 8 * sizeof<B>(), rest - 8));
    const x3 = loadLeading<f32>(a + 48, rest - 12);
    q3 = multiplyAdd(q3, x3, loadLeading<B>(q + 12 * sizeof<B>(), rest - 12));
    r3 = multiplyAdd(r3, x3, loadLeading<B>(r + 12 * sizeof<B>(), rest - 12));
  }
  v128.store(sums, f32x4.add(f32x4.add(q0, q2), f32x4.add(q1, q3)));
  v128.store(sums, f32x4.add(f32x4.add(r0, r2), f32x4.add(r1, r3)), 16);
}

// These are functions of their own, because V8 unrolls a loop within a loop, and then has too few registers for it.

/** {@link fourDots} of short rows, each pair of which is walked from one end to the other. */
export function fourShortDots<B>(a: usize, b: usize, far: usize, out: usize, outFar: usize, K: usize): void {
  const sums = threadScratch();
  twoRows<B>(a, b, b + far, K, sums, false, true);
  twoRows<B>(a, b + 2 * far, b + 3 * far, K, sums + 32, false, true);
  storeLanes(out, outFar, fourTrees(v128.load(sums), v128.load(sums, 16), v128.load(sums, 32), v128.load(sums, 48)));
}

function firstPart<B>(a: usize, q: usize, r: usize, K: usize, sums: usize): void {
  twoRows<B>(a, q, r, K, sums, false, false);
}

function furtherPart<B>(a: usize, q: usize, r: usize, K: usize, sums: usize): void {
  twoRows<B>(a, q, r, K, sums, true, false);
}

function lastPart<B>(a: usize, q: usize, r: usize, K: usize, sums: usize): void {
  twoRows<B>(a, q, r, K, sums, true, true);
}

/** How long the parts are in which {@link fourDots} walks rows of `K` elements: equal, but for the last; a multiple of sixteen. */
function partOf(K: usize): usize {
  const parts: usize = (K + MOST_OF_PART - 1) / MOST_OF_PART;
  return (K / max<usize>(parts, 1) + 15) & ~15;
}

/**
 * One row of `a` with four rows that begin at `b` and lie `far` bytes apart, into results `outFar` bytes apart.
 *
 * Two rows and the other two take turns, `part` elements at a time, so that all four are being read: a processor fetches ahead of four
 * streams what it does not of two.
 */
// @ts-ignore: decorator
@inline
function fourDots<B>(a: usize, b: usize, far: usize, out: usize, outFar: usize, K: usize, part: usize): void {
  if (K <= part) {
    fourShortDots<B>(a, b, far, out, outFar, K);
    return;
  }
  const sums = threadScratch();
  firstPart<B>(a, b, b + far, part, sums);
  firstPart<B>(a, b + 2 * far, b + 3 * far, part, sums + 128);
  let left = K - part;
  for (; left > part; left -= part) {
    a += part << 2;
    b += part * sizeof<B>();
    furtherPart<B>(a, b, b + far, part, sums);
    furtherPart<B>(a, b + 2 * far, b + 3 * far, part, sums + 128);
  }
  a += part << 2;
  b += part * sizeof<B>();
  lastPart<B>(a, b, b + far, left, sums);
  lastPart<B>(a, b + 2 * far, b + 3 * far, left, sums + 128);
  storeLanes(out, outFar, fourTrees(v128.load(sums), v128.load(sums, 16), v128.load(sums, 128), v128.load(sums, 144)));
}

/**
 * One walk of {@link tile} over one of the four vectors, which has `rest` terms of the tail, from those of the first rows at `b` and `a`. Its sums
 * go to `scratch`.
 */
// @ts-ignore: decorator
@inline
export function walk<B>(b: usize, far: usize, a: usize, aStride: usize, whole: usize, rest: i32, scratch: usize): void {
  let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
  for (const end = a + (whole << 2); a < end; a += 64, b += 16 * sizeof<B>()) {
    const x0 = vector0<f32>(a), x1 = vector0<f32>(a + aStride);
    let y = vector0<B>(b);
    s00 = multiplyAdd(s00, x0, y);
    s01 = multiplyAdd(s01, x1, y);
    y = vector0<B>(b + far);
    s10 = multiplyAdd(s10, x0, y);
    s11 = multiplyAdd(s11, x1, y);
    y = vector0<B>(b + 2 * far);
    s20 = multiplyAdd(s20, x0, y);
    s21 = multiplyAdd(s21, x1, y);
    y = vector0<B>(b + 3 * far);
    s30 = multiplyAdd(s30, x0, y);
    s31 = multiplyAdd(s31, x1, y);
  }
  if (rest > 0) {
    const x0 = loadLeading<f32>(a, rest), x1 = loadLeading<f32>(a + aStride, rest);
    let y = loadLeading<B>(b, rest);
    s00 = multiplyAdd(s00, x0, y);
    s01 = multiplyAdd(s01, x1, y);
    y = loadLeading<B>(b + far, rest);
    s10 = multiplyAdd(s10, x0, y);
    s11 = multiplyAdd(s11, x1, y);
    y = loadLeading<B>(b + 2 * far, rest);
    s20 = multiplyAdd(s20, x0, y);
    s21 = multiplyAdd(s21, x1, y);
    y = loadLeading<B>(b + 3 * far, rest);
    s30 = multiplyAdd(s30, x0, y);
    s31 = multiplyAdd(s31, x1, y);
  }
  storeEight(scratch, s00, s01, s10, s11, s20, s21, s30, s31);
}

/**
 * Two rows of `a` with four rows that begin at `b` and lie `far` bytes apart: eight dot products in four walks, one vector of each at a time. The
 * results of a row of `a` are `outFar` bytes apart, those of the two rows `outStride`.
 */
function tile<B>(
  a: usize, aStride: usize, b: usize, far: usize, out: usize, outStride: usize, outFar: usize, K: usize,
): void {
  const rest: i32 = <i32>(K & 15);
  const scratch = threadScratch();
  for (let w: usize = 0; w < 4; w++) {
    walk<B>(b + 4 * w * sizeof<B>(), far, a + (w << 4), aStride, K & ~15, rest - <i32>(w << 2), scratch + (w << 7));
  }
  for (let j: usize = 0; j < 2; j++) {
    const sums = scratch + (j << 4);
    const results = fourTrees(ofWalks(sums), ofWalks(sums + 32), ofWalks(sums + 64), ofWalks(sums + 96));
    storeLanes(out + j * outStride, outFar, results);
  }
}

/** The four vectors of a dot product, one from each walk, as the first two steps of the tree add them. */
// @ts-ignore: decorator
@inline
function ofWalks(sums: usize): v128 {
  return f32x4.add(
    f32x4.add(v128.load(sums), v128.load(sums, 256)), f32x4.add(v128.load(sums, 128), v128.load(sums, 384)),
  );
}

/**
 * Some rows of `a` with `N` rows of `b`, which are walked as four streams, each a quarter of `b`: a processor that fetches ahead of each stream
 * reads memory faster than along one. A few rows of each stream go with all of `a` before the next: memory is read while they are computed, and
 * what is written is next to each other.
 */
function rowsTimes<B>(
  a: usize, aStride: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize, K: usize,
): void {
  const quarter = N >> 2, far = quarter * bStride, part = partOf(K);
  for (let first: usize = 0; first < quarter; first += TOGETHER) {
    const end = min<usize>(first + TOGETHER, quarter);
    let m: usize = 0;
    for (; m + 2 <= M; m += 2) {
      const aRow = a + m * aStride, outRow = out + m * outStride;
      for (let n = first; n < end; n++) {
        tile<B>(aRow, aStride, b + n * bStride, far, outRow + (n << 2), outStride, quarter << 2, K);
      }
    }
    if (m < M) {
      const aRow = a + m * aStride, outRow = out + m * outStride;
      for (let n = first; n < end; n++) fourDots<B>(aRow, b + n * bStride, far, outRow + (n << 2), quarter << 2, K, part);
    }
  }
  for (let n = quarter << 2; n < N; n++) {
    for (let m: usize = 0; m < M; m++) f32.store(out + m * outStride + (n << 2), dot<B>(a + m * aStride, b + n * bStride, K));
  }
}

/** `out[m,n] = Σ_k a[m,k] * b[n,k]`. */
export function dots<B>(
  a: usize, aStride: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize, K: usize,
): void {
  const most: usize = max<usize>(BLOCK_BYTES / max<usize>(K << 2, 1), LEAST_OF_BLOCK), blocks: usize = (M + most - 1) / most;
  const columns: usize = max<usize>((STREAMS_BYTES / max<usize>(bStride, 1)) & ~15, 16);
  for (let left = blocks, m: usize = 0; left > 0; left--) {
    // Equal ones, but for what is left over: a block of one row would take as long as one of several.
    const rows: usize = min<usize>(((M - m) / left + 1) & ~1, M - m);
    for (let n: usize = 0; n < N; n += columns) {
      const p = out + m * outStride + (n << 2);
      rowsTimes<B>(a + m * aStride, aStride, b + n * bStride, bStride, p, outStride, rows, min<usize>(columns, N - n), K);
    }
    m += rows;
  }
}

/** `out[r] = Σ_k x[r,k]^2`. */
export function rowSumsOfSquares(x: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += 4) f32.store(out, dot<f32>(x, x, width));
}

/** `out[r] = Σ_k x[r,k] * y[r,k]`. */
export function rowDots(x: usize, y: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, y += width << 2, out += 4) f32.store(out, dot<f32>(x, y, width));
}

/** `Σ_{k < K} x[k]`. */
// @ts-ignore: decorator
@inline
export function rowSum(x: usize, K: usize): f32 {
  const end = x + ((K & ~15) << 2);
  const rest: i32 = <i32>(K & 15);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (; x < end; x += 64) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    s2 = f32x4.add(s2, v128.load(x, 32));
    s3 = f32x4.add(s3, v128.load(x, 48));
  }
  if (rest) {
    s0 = f32x4.add(s0, loadLeading<f32>(x, rest));
    s1 = f32x4.add(s1, loadLeading<f32>(x + 16, rest - 4));
    s2 = f32x4.add(s2, loadLeading<f32>(x + 32, rest - 8));
    s3 = f32x4.add(s3, loadLeading<f32>(x + 48, rest - 12));
  }
  return tree(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));
}

/** `out[r] = Σ_{k < visible[r]} x[r,k]`. */
export function rowSums(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2) {
    f32.store(out + (r << 2), rowSum(x, <usize>i32.load(visible + (r << 2))));
  }
}
