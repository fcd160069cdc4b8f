/**
 * Products and sums that go left to right over what is summed, so that the lanes of a vector are neighbouring results.
 * SPEC numerics/N5.
 *
 * A sum that starts as +0 may as well start from what is in `out`, as a sum that was interrupted: that is how a row that sees more
 * than its neighbours is finished.
 */

import { multiplyAdd, storeLeading } from './vectors';

/** One row of results, columns `from` to N: `out[n] (+)= Σ_{k < K} a[k] * b[k,n]`, elements of `a` lying `aStep` apart. */
// @ts-ignore: decorator
@inline
function oneRow(
  a: usize, aStep: usize, b: usize, bStride: usize, out: usize, from: usize, N: usize, K: usize, resume: bool,
): void {
  const end = a + K * aStep;
  let n = from;
  for (; n + 16 <= N; n += 16) {
    const o = out + (n << 2);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    if (resume) {
      s0 = v128.load(o);
      s1 = v128.load(o, 16);
      s2 = v128.load(o, 32);
      s3 = v128.load(o, 48);
    }
    for (let p = a, q = b + (n << 2); p != end; p += aStep, q += bStride) {
      const factor = v128.load32_splat(p);
      s0 = multiplyAdd(s0, factor, v128.load(q));
      s1 = multiplyAdd(s1, factor, v128.load(q, 16));
      s2 = multiplyAdd(s2, factor, v128.load(q, 32));
      s3 = multiplyAdd(s3, factor, v128.load(q, 48));
    }
    v128.store(o, s0);
    v128.store(o, s1, 16);
    v128.store(o, s2, 32);
    v128.store(o, s3, 48);
  }
  for (; n < N; n += 4) {
    const o = out + (n << 2);
    let s = f32x4.splat(0);
    if (resume) s = v128.load(o);
    for (let p = a, q = b + (n << 2); p != end; p += aStep, q += bStride) {
      s = multiplyAdd(s, v128.load32_splat(p), v128.load(q));
    }
    if (n + 4 <= N) v128.store(o, s);
    else storeLeading(o, s, <i32>(N - n));
  }
}

/** Four rows of results, eight columns at a time; what is left of the columns row by row. */
function fourRows(
  a: usize, aRow: usize, aStep: usize, b: usize, bStride: usize, out: usize, outStride: usize, N: usize, K: usize,
  resume: bool,
): void {
  const zero = f32x4.splat(0);
  const end = a + K * aStep;
  let n: usize = 0;
  for (; n + 8 <= N; n += 8) {
    let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero, s30 = zero, s31 = zero;
    let o = out + (n << 2);
    if (resume) {
      s00 = v128.load(o);
      s01 = v128.load(o, 16);
      s10 = v128.load(o + outStride);
      s11 = v128.load(o + outStride, 16);
      s20 = v128.load(o + 2 * outStride);
      s21 = v128.load(o + 2 * outStride, 16);
      s30 = v128.load(o + 3 * outStride);
      s31 = v128.load(o + 3 * outStride, 16);
    }
    for (let p = a, q = b + (n << 2); p != end; p += aStep, q += bStride) {
      const y0 = v128.load(q), y1 = v128.load(q, 16);
      let x = v128.load32_splat(p);
      s00 = multiplyAdd(s00, x, y0);
      s01 = multiplyAdd(s01, x, y1);
      x = v128.load32_splat(p + aRow);
      s10 = multiplyAdd(s10, x, y0);
      s11 = multiplyAdd(s11, x, y1);
      x = v128.load32_splat(p + 2 * aRow);
      s20 = multiplyAdd(s20, x, y0);
      s21 = multiplyAdd(s21, x, y1);
      x = v128.load32_splat(p + 3 * aRow);
      s30 = multiplyAdd(s30, x, y0);
      s31 = multiplyAdd(s31, x, y1);
    }
    v128.store(o, s00);
    v128.store(o, s01, 16);
    o += outStride;
    v128.store(o, s10);
    v128.store(o, s11, 16);
    o += outStride;
    v128.store(o, s20);
    v128.store(o, s21, 16);
    o += outStride;
    v128.store(o, s30);
    v128.store(o, s31, 16);
  }
  if (n < N) {
    for (let i: usize = 0; i < 4; i++) {
      oneRow(a + i * aRow, aStep, b, bStride, out + i * outStride, n, N, K, resume);
    }
  }
}

/** `out[m,n] (+)= Σ_{k < K} a[m,k] * b[k,n]`; element (m, k) of `a` lies at `a + m * aRow + k * aStep`. */
export function product(
  a: usize, aRow: usize, aStep: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize,
  K: usize, resume: bool,
): void {
  let m: usize = 0;
  for (; m + 4 <= M; m += 4, a += aRow << 2, out += outStride << 2) {
    fourRows(a, aRow, aStep, b, bStride, out, outStride, N, K, resume);
  }
  for (; m < M; m++, a += aRow, out += outStride) oneRow(a, aStep, b, bStride, out, 0, N, K, resume);
}

/**
 * `out[m,n] (+)= Σ_{k < visible[m]} a[m,k] * b[k,n]`. Four rows go together as far as all of them see, then each goes on alone.
 */
export function visibleProduct(
  a: usize, aStride: usize, b: usize, bStride: usize, visible: usize, out: usize, outStride: usize, M: usize, N: usize,
  resume: bool,
): void {
  let m: usize = 0;
  for (; m + 4 <= M; m += 4, visible += 16, a += aStride << 2, out += outStride << 2) {
    const common: usize = <usize>min<i32>(
      min<i32>(i32.load(visible), i32.load(visible, 4)), min<i32>(i32.load(visible, 8), i32.load(visible, 12)),
    );
    fourRows(a, aStride, 4, b, bStride, out, outStride, N, common, resume);
    for (let i: usize = 0; i < 4; i++) {
      const more = <usize>i32.load(visible + (i << 2)) - common;
      if (more > 0) {
        oneRow(
          a + i * aStride + (common << 2), 4, b + common * bStride, bStride, out + i * outStride, 0, N, more, true,
        );
      }
    }
  }
  for (; m < M; m++, visible += 4, a += aStride, out += outStride) {
    oneRow(a, 4, b, bStride, out, 0, N, <usize>i32.load(visible), resume);
  }
}

/** `out[c] = Σ_r x[r,c]`, sixteen columns at a time. */
export function columnSums(x: usize, out: usize, rows: usize, width: usize): void {
  const stride = width << 2;
  let c: usize = 0;
  for (; c + 16 <= width; c += 16, x += 64, out += 64) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (let r: usize = 0, p = x; r < rows; r++, p += stride) {
      s0 = f32x4.add(s0, v128.load(p));
      s1 = f32x4.add(s1, v128.load(p, 16));
      s2 = f32x4.add(s2, v128.load(p, 32));
      s3 = f32x4.add(s3, v128.load(p, 48));
    }
    v128.store(out, s0);
    v128.store(out, s1, 16);
    v128.store(out, s2, 32);
    v128.store(out, s3, 48);
  }
  for (; c < width; c += 4, x += 16, out += 16) {
    let s = f32x4.splat(0);
    for (let r: usize = 0, p = x; r < rows; r++, p += stride) s = f32x4.add(s, v128.load(p));
    if (c + 4 <= width) v128.store(out, s);
    else storeLeading(out, s, <i32>(width - c));
  }
}
