/**
 * Matrix products and sums. SPEC numerics/N3, N4, N5.
 *
 * A dot product of length K has its last `K mod 16` terms in vectors that are filled up with +0. That adds +0 * +0 = +0 to
 * accumulators that the definition leaves alone, and changes no bit: x + (+0) is x for every x but -0, and an accumulator is
 * never -0. It starts as +0; a sum is -0 only if both its operands are -0 (x + (-x) is +0 when rounding to nearest,
 * and a sum of binary32 numbers that is not exactly 0 does not round to 0).
 *
 * Several results are computed side by side, each in its own accumulators: it shows in the speed only.
 */

import { loadLeading, storeLeading, tree } from './vectors.ts';

/** Rows of `b` that are used by all rows of `a` before the next ones: half of a small first-level cache. */
const BLOCK_BYTES: usize = 16384;

// @ts-ignore: decorator
@inline
function multiplyAdd(sum: v128, x: v128, y: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** One row of `a` with `N` rows of `b`, two at a time. */
function rowTimes(a: usize, b: usize, bStride: usize, out: usize, N: usize, K: usize): void {
  const whole: usize = (K & ~15) << 2;
  const rest: i32 = <i32>(K & 15);
  const end = out + (N << 2);
  for (; out + 4 < end; out += 8) {
    const c = b + bStride;
    let p0 = f32x4.splat(0), p1 = p0, p2 = p0, p3 = p0, q0 = p0, q1 = p0, q2 = p0, q3 = p0;
    let k: usize = 0;
    for (; k < whole; k += 64) {
      const x0 = v128.load(a + k);
      p0 = multiplyAdd(p0, x0, v128.load(b + k));
      q0 = multiplyAdd(q0, x0, v128.load(c + k));
      const x1 = v128.load(a + k, 16);
      p1 = multiplyAdd(p1, x1, v128.load(b + k, 16));
      q1 = multiplyAdd(q1, x1, v128.load(c + k, 16));
      const x2 = v128.load(a + k, 32);
      p2 = multiplyAdd(p2, x2, v128.load(b + k, 32));
      q2 = multiplyAdd(q2, x2, v128.load(c + k, 32));
      const x3 = v128.load(a + k, 48);
      p3 = multiplyAdd(p3, x3, v128.load(b + k, 48));
      q3 = multiplyAdd(q3, x3, v128.load(c + k, 48));
    }
    if (rest) {
      const x0 = loadLeading(a + k, rest), x1 = loadLeading(a + k + 16, rest - 4);
      const x2 = loadLeading(a + k + 32, rest - 8), x3 = loadLeading(a + k + 48, rest - 12);
      p0 = multiplyAdd(p0, x0, loadLeading(b + k, rest));
      p1 = multiplyAdd(p1, x1, loadLeading(b + k + 16, rest - 4));
      p2 = multiplyAdd(p2, x2, loadLeading(b + k + 32, rest - 8));
      p3 = multiplyAdd(p3, x3, loadLeading(b + k + 48, rest - 12));
      q0 = multiplyAdd(q0, x0, loadLeading(c + k, rest));
      q1 = multiplyAdd(q1, x1, loadLeading(c + k + 16, rest - 4));
      q2 = multiplyAdd(q2, x2, loadLeading(c + k + 32, rest - 8));
      q3 = multiplyAdd(q3, x3, loadLeading(c + k + 48, rest - 12));
    }
    f32.store(out, tree(f32x4.add(p0, p2), f32x4.add(p1, p3)));
    f32.store(out, tree(f32x4.add(q0, q2), f32x4.add(q1, q3)), 4);
    b = c + bStride;
  }
  if (out < end) f32.store(out, dot(a, b, K));
}

/** One dot product (`numerics/N3`). */
function dot(a: usize, b: usize, K: usize): f32 {
  const whole: usize = (K & ~15) << 2;
  const rest: i32 = <i32>(K & 15);
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let k: usize = 0;
  for (; k < whole; k += 64) {
    s0 = multiplyAdd(s0, v128.load(a + k), v128.load(b + k));
    s1 = multiplyAdd(s1, v128.load(a + k, 16), v128.load(b + k, 16));
    s2 = multiplyAdd(s2, v128.load(a + k, 32), v128.load(b + k, 32));
    s3 = multiplyAdd(s3, v128.load(a + k, 48), v128.load(b + k, 48));
  }
  if (rest) {
    s0 = multiplyAdd(s0, loadLeading(a + k, rest), loadLeading(b + k, rest));
    s1 = multiplyAdd(s1, loadLeading(a + k + 16, rest - 4), loadLeading(b + k + 16, rest - 4));
    s2 = multiplyAdd(s2, loadLeading(a + k + 32, rest - 8), loadLeading(b + k + 32, rest - 8));
    s3 = multiplyAdd(s3, loadLeading(a + k + 48, rest - 12), loadLeading(b + k + 48, rest - 12));
  }
  return tree(f32x4.add(s0, s2), f32x4.add(s1, s3));
}

/**
 * Two rows of `a` with two rows of `b`: the accumulators of all four dot products do not fit into sixteen registers, so
 * they are summed in two walks, first accumulators 0..3 and 8..11, then the others.
 */
// @ts-ignore: decorator
@inline
function twoByTwo(a: usize, aStride: usize, b: usize, bStride: usize, out: usize, outStride: usize, K: usize): void {
  const whole: usize = (K & ~15) << 2;
  const rest: i32 = <i32>(K & 15);
  const c = a + aStride;
  const d = b + bStride;
  const zero = f32x4.splat(0);

  let p0 = zero, p1 = zero, q0 = zero, q1 = zero, r0 = zero, r1 = zero, s0 = zero, s1 = zero;
  let k: usize = 0;
  for (; k < whole; k += 64) {
    const x0 = v128.load(a + k), y0 = v128.load(c + k), z0 = v128.load(b + k), w0 = v128.load(d + k);
    p0 = multiplyAdd(p0, x0, z0);
    q0 = multiplyAdd(q0, x0, w0);
    r0 = multiplyAdd(r0, y0, z0);
    s0 = multiplyAdd(s0, y0, w0);
    const x1 = v128.load(a + k, 32), y1 = v128.load(c + k, 32), z1 = v128.load(b + k, 32), w1 = v128.load(d + k, 32);
    p1 = multiplyAdd(p1, x1, z1);
    q1 = multiplyAdd(q1, x1, w1);
    r1 = multiplyAdd(r1, y1, z1);
    s1 = multiplyAdd(s1, y1, w1);
  }
  if (rest) {
    const x0 = loadLeading(a + k, rest), y0 = loadLeading(c + k, rest);
    const z0 = loadLeading(b + k, rest), w0 = loadLeading(d + k, rest);
    p0 = multiplyAdd(p0, x0, z0);
    q0 = multiplyAdd(q0, x0, w0);
    r0 = multiplyAdd(r0, y0, z0);
    s0 = multiplyAdd(s0, y0, w0);
    const x1 = loadLeading(a + k + 32, rest - 8), y1 = loadLeading(c + k + 32, rest - 8);
    const z1 = loadLeading(b + k + 32, rest - 8), w1 = loadLeading(d + k + 32, rest - 8);
    p1 = multiplyAdd(p1, x1, z1);
    q1 = multiplyAdd(q1, x1, w1);
    r1 = multiplyAdd(r1, y1, z1);
    s1 = multiplyAdd(s1, y1, w1);
  }
  const pEven = f32x4.add(p0, p1), qEven = f32x4.add(q0, q1), rEven = f32x4.add(r0, r1), sEven = f32x4.add(s0, s1);

  p0 = zero; p1 = zero; q0 = zero; q1 = zero; r0 = zero; r1 = zero; s0 = zero; s1 = zero;
  for (k = 0; k < whole; k += 64) {
    const x0 = v128.load(a + k, 16), y0 = v128.load(c + k, 16), z0 = v128.load(b + k, 16), w0 = v128.load(d + k, 16);
    p0 = multiplyAdd(p0, x0, z0);
    q0 = multiplyAdd(q0, x0, w0);
    r0 = multiplyAdd(r0, y0, z0);
    s0 = multiplyAdd(s0, y0, w0);
    const x1 = v128.load(a + k, 48), y1 = v128.load(c + k, 48), z1 = v128.load(b + k, 48), w1 = v128.load(d + k, 48);
    p1 = multiplyAdd(p1, x1, z1);
    q1 = multiplyAdd(q1, x1, w1);
    r1 = multiplyAdd(r1, y1, z1);
    s1 = multiplyAdd(s1, y1, w1);
  }
  if (rest > 4) {
    const x0 = loadLeading(a + k + 16, rest - 4), y0 = loadLeading(c + k + 16, rest - 4);
    const z0 = loadLeading(b + k + 16, rest - 4), w0 = loadLeading(d + k + 16, rest - 4);
    p0 = multiplyAdd(p0, x0, z0);
    q0 = multiplyAdd(q0, x0, w0);
    r0 = multiplyAdd(r0, y0, z0);
    s0 = multiplyAdd(s0, y0, w0);
    const x1 = loadLeading(a + k + 48, rest - 12), y1 = loadLeading(c + k + 48, rest - 12);
    const z1 = loadLeading(b + k + 48, rest - 12), w1 = loadLeading(d + k + 48, rest - 12);
    p1 = multiplyAdd(p1, x1, z1);
    q1 = multiplyAdd(q1, x1, w1);
    r1 = multiplyAdd(r1, y1, z1);
    s1 = multiplyAdd(s1, y1, w1);
  }
  f32.store(out, tree(pEven, f32x4.add(p0, p1)));
  f32.store(out, tree(qEven, f32x4.add(q0, q1)), 4);
  f32.store(out + outStride, tree(rEven, f32x4.add(r0, r1)));
  f32.store(out + outStride, tree(sEven, f32x4.add(s0, s1)), 4);
}

/** `out[m,n] = Σ_k a[m,k] * b[n,k]`. */
export function matmulNT(
  a: usize, aStride: usize, b: usize, bStride: usize, out: usize, outStride: usize, M: usize, N: usize, K: usize,
): void {
  if (M == 1) {
    rowTimes(a, b, bStride, out, N, K);
    return;
  }
  const block: usize = max<usize>(BLOCK_BYTES / max<usize>(K << 2, 1), 2) & ~1;
  for (let first: usize = 0; first < N; first += block) {
    const count: usize = min<usize>(block, N - first);
    const even: usize = count & ~1;
    const bBlock = b + first * bStride;
    const outBlock = out + (first << 2);
    let m: usize = 0;
    for (; m + 1 < M; m += 2) {
      const aRow = a + m * aStride;
      const outRow = outBlock + m * outStride;
      for (let n: usize = 0; n < even; n += 2) {
        twoByTwo(aRow, aStride, bBlock + n * bStride, bStride, outRow + (n << 2), outStride, K);
      }
      if (even < count) {
        f32.store(outRow + (even << 2), dot(aRow, bBlock + even * bStride, K));
        f32.store(outRow + outStride + (even << 2), dot(aRow + aStride, bBlock + even * bStride, K));
      }
    }
    if (m < M) rowTimes(a + m * aStride, bBlock, bStride, outBlock + m * outStride, count, K);
  }
}

/** `out[m,n] = Σ_{k < visible[m]} a[m,k] * b[k,n]`, left to right over k, sixteen columns at a time. */
export function matmulNN(
  a: usize, aStride: usize, b: usize, bStride: usize, visible: usize, out: usize, outStride: usize, M: usize, N: usize,
): void {
  for (let m: usize = 0; m < M; m++, a += aStride, out += outStride) {
    const end = a + (<usize>i32.load(visible + (m << 2)) << 2);
    let n: usize = 0;
    for (; n + 16 <= N; n += 16) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (let p = a, q = b + (n << 2); p < end; p += 4, q += bStride) {
        const factor = v128.load32_splat(p);
        s0 = multiplyAdd(s0, factor, v128.load(q));
        s1 = multiplyAdd(s1, factor, v128.load(q, 16));
        s2 = multiplyAdd(s2, factor, v128.load(q, 32));
        s3 = multiplyAdd(s3, factor, v128.load(q, 48));
      }
      v128.store(out + (n << 2), s0);
      v128.store(out + (n << 2), s1, 16);
      v128.store(out + (n << 2), s2, 32);
      v128.store(out + (n << 2), s3, 48);
    }
    for (; n < N; n += 4) {
      let s = f32x4.splat(0);
      for (let p = a, q = b + (n << 2); p < end; p += 4, q += bStride) {
        s = multiplyAdd(s, v128.load32_splat(p), v128.load(q));
      }
      if (n + 4 <= N) v128.store(out + (n << 2), s);
      else storeLeading(out + (n << 2), s, <i32>(N - n));
    }
  }
}

/** All heads: queries `[T, H, size]`, keys `[S, Hkv, size]`, out `[H, T, S]`. */
export function attentionScores(
  queries: usize, keys: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  const width = size << 2;
  for (let h: usize = 0; h < H; h++) {
    const g = (h * Hkv) / H;
    matmulNT(queries + h * width, H * width, keys + g * width, Hkv * width, out + h * T * (S << 2), S << 2, T, S, size);
  }
}

/** All heads: weights `[H, T, S]`, values `[S, Hkv, size]`, out `[T, H, size]`. */
export function attentionContext(
  weights: usize, values: usize, visible: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  const width = size << 2;
  for (let h: usize = 0; h < H; h++) {
    const g = (h * Hkv) / H;
    matmulNN(
      weights + h * T * (S << 2), S << 2, values + g * width, Hkv * width, visible, out + h * width, H * width, T, size,
    );
  }
}

/** `out[r] = Σ_k x[r,k]^2`. */
export function rowSumsOfSquares(x: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += 4) f32.store(out, dot(x, x, width));
}

/** `out[r] = Σ_{k < visible[r]} x[r,k]`. */
export function rowSums(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2) {
    const K: usize = <usize>i32.load(visible + (r << 2));
    const whole: usize = (K & ~15) << 2;
    const rest: i32 = <i32>(K & 15);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    let k: usize = 0;
    for (; k < whole; k += 64) {
      s0 = f32x4.add(s0, v128.load(x + k));
      s1 = f32x4.add(s1, v128.load(x + k, 16));
      s2 = f32x4.add(s2, v128.load(x + k, 32));
      s3 = f32x4.add(s3, v128.load(x + k, 48));
    }
    if (rest) {
      s0 = f32x4.add(s0, loadLeading(x + k, rest));
      s1 = f32x4.add(s1, loadLeading(x + k + 16, rest - 4));
      s2 = f32x4.add(s2, loadLeading(x + k + 32, rest - 8));
      s3 = f32x4.add(s3, loadLeading(x + k + 48, rest - 12));
    }
    f32.store(out + (r << 2), tree(f32x4.add(s0, s2), f32x4.add(s1, s3)));
  }
}

/** `out[r] = max_{k < visible[r]} x[r,k]`. WebAssembly's max gives NaN if an operand is, and +0 for +0 and -0, as `Math.max`. */
export function rowMaxima(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2) {
    const K: usize = <usize>i32.load(visible + (r << 2));
    let k: usize = 0;
    let maxima = f32x4.splat(-Infinity);
    for (; k + 4 <= K; k += 4) maxima = f32x4.max(maxima, v128.load(x + (k << 2)));
    let maximum = max<f32>(
      max<f32>(f32x4.extract_lane(maxima, 0), f32x4.extract_lane(maxima, 1)),
      max<f32>(f32x4.extract_lane(maxima, 2), f32x4.extract_lane(maxima, 3)),
    );
    for (; k < K; k++) maximum = max<f32>(maximum, f32.load(x + (k << 2)));
    f32.store(out + (r << 2), maximum);
  }
}

/** `out[c] = Σ_r x[r,c]`, left to right over r, sixteen columns at a time. */
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
