/**
 * Elementwise primitives, four elements at a time; each writes an element after it has read it, so `out` may be an input.
 */

import { dot, rowSum } from './dot-products';
import {
  exp, rounded, sigmoid as sigmoidOf, silu as siluOf, siluGradient as siluGradientOf, upperHalf,
} from './exponentials';
import { leading, loadLeading, multiplyAdd, storeLeading, vector0 } from './vectors';

export function add(x: usize, y: usize, out: usize, count: usize): void {
  let i: usize = 0;
  const whole: usize = (count & ~3) << 2;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.add(v128.load(x + i), v128.load(y + i)));
  const rest = <i32>(count & 3);
  if (rest) storeLeading(out + i, f32x4.add(v128.load(x + i), v128.load(y + i)), rest);
}

export function multiply(x: usize, y: usize, out: usize, count: usize): void {
  let i: usize = 0;
  const whole: usize = (count & ~3) << 2;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), v128.load(y + i)));
  const rest = <i32>(count & 3);
  if (rest) storeLeading(out + i, f32x4.mul(v128.load(x + i), v128.load(y + i)), rest);
}

/** `out += x * y`. */
export function addProduct(x: usize, y: usize, out: usize, count: usize): void {
  let i: usize = 0;
  const whole: usize = (count & ~3) << 2;
  for (; i < whole; i += 16) {
    v128.store(out + i, multiplyAdd(v128.load(out + i), v128.load(x + i), v128.load(y + i)));
  }
  const rest = <i32>(count & 3);
  if (rest) storeLeading(out + i, multiplyAdd(v128.load(out + i), v128.load(x + i), v128.load(y + i)), rest);
}

export function scale(x: usize, factor: f32, out: usize, count: usize): void {
  const factors = f32x4.splat(factor);
  let i: usize = 0;
  const whole: usize = (count & ~3) << 2;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), factors));
  const rest = <i32>(count & 3);
  if (rest) storeLeading(out + i, f32x4.mul(v128.load(x + i), factors), rest);
}

/** The bfloat16 numbers at `x`, in binary32. */
export function widen(x: usize, out: usize, count: usize): void {
  for (let left: i32 = <i32>count; left > 0; left -= 4, x += 8, out += 16) {
    const four = vector0<u16>(x);
    if (left >= 4) v128.store(out, four);
    else storeLeading(out, four, left);
  }
}

/** `out += row * factor`. */
// @ts-ignore: decorator
@inline
export function addScaled(row: usize, factor: usize, out: usize, count: usize): void {
  const factors = v128.load32_splat(factor);
  for (let left: i32 = <i32>count; left > 0; left -= 4, row += 16, out += 16) {
    const sum = multiplyAdd(v128.load(out), v128.load(row), factors);
    if (left >= 4) v128.store(out, sum);
    else storeLeading(out, sum, left);
  }
}

/** As {@link addScaled} of four rows in turn, `apart` bytes apart; their factors are adjacent. */
// @ts-ignore: decorator
@inline
export function addFourScaled(rows: usize, apart: usize, factors: usize, out: usize, count: usize): void {
  const f0 = v128.load32_splat(factors), f1 = v128.load32_splat(factors, 4);
  const f2 = v128.load32_splat(factors, 8), f3 = v128.load32_splat(factors, 12);
  let p = rows, q = p + apart, r = q + apart, s = r + apart;
  for (let left: i32 = <i32>count; left > 0; left -= 4, p += 16, q += 16, r += 16, s += 16, out += 16) {
    let sum = multiplyAdd(v128.load(out), v128.load(p), f0);
    sum = multiplyAdd(sum, v128.load(q), f1);
    sum = multiplyAdd(sum, v128.load(r), f2);
    sum = multiplyAdd(sum, v128.load(s), f3);
    if (left >= 4) v128.store(out, sum);
    else storeLeading(out, sum, left);
  }
}

export function addRow(x: usize, row: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += width << 2) add(x, row, out, width);
}

export function multiplyRow(x: usize, row: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += width << 2) multiply(x, row, out, width);
}

export function multiplyColumn(x: usize, column: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += width << 2) {
    scale(x, f32.load(column + (r << 2)), out, width);
  }
}

export function subtractColumn(x: usize, column: usize, out: usize, rows: usize, width: usize): void {
  const whole: usize = (width & ~3) << 2;
  const rest = <i32>(width & 3);
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += width << 2) {
    const subtrahend = v128.load32_splat(column + (r << 2));
    let i: usize = 0;
    for (; i < whole; i += 16) v128.store(out + i, f32x4.sub(v128.load(x + i), subtrahend));
    if (rest) storeLeading(out + i, f32x4.sub(v128.load(x + i), subtrahend), rest);
  }
}

function divide(x: usize, divisor: f32, out: usize, count: usize): void {
  const divisors = f32x4.splat(divisor);
  let i: usize = 0;
  const whole: usize = (count & ~3) << 2;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.div(v128.load(x + i), divisors));
  const rest = <i32>(count & 3);
  if (rest) storeLeading(out + i, f32x4.div(v128.load(x + i), divisors), rest);
}

export function divideColumn(x: usize, column: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2, out += width << 2) {
    divide(x, f32.load(column + (r << 2)), out, width);
  }
}

/** One step of AdamW. SPEC #optimiser, steps 2 to 4. */
export function adamW(
  values: usize, gradients: usize, first: usize, second: usize, count: usize, keep: f32, towards: f32, secondDecay: f32,
  secondShare: f32, secondCorrection: f32, eps: f32, size: f32,
): void {
  let i: usize = 0;
  for (let left: i32 = <i32>count; left > 0; left -= 4, i += 16) {
    const g = v128.load(gradients + i);
    const decayed = f32x4.mul(v128.load(values + i), f32x4.splat(keep));
    let m = v128.load(first + i);
    m = multiplyAdd(m, f32x4.sub(g, m), f32x4.splat(towards));
    const v = multiplyAdd(
      f32x4.mul(v128.load(second + i), f32x4.splat(secondDecay)), f32x4.mul(g, g), f32x4.splat(secondShare),
    );
    const root = f32x4.add(f32x4.div(f32x4.sqrt(v), f32x4.splat(secondCorrection)), f32x4.splat(eps));
    const w = f32x4.sub(decayed, f32x4.mul(f32x4.splat(size), f32x4.div(m, root)));
    if (left >= 4) {
      v128.store(values + i, w);
      v128.store(first + i, m);
      v128.store(second + i, v);
    } else {
      storeLeading(values + i, w, left);
      storeLeading(first + i, m, left);
      storeLeading(second + i, v, left);
    }
  }
}

// @ts-ignore: decorator
@inline
function exp4(x: v128): v128 {
  return rounded(exp(f64x2.promote_low_f32x4(x)), exp(f64x2.promote_low_f32x4(upperHalf(x))));
}

/** `exp(x[c] - subtrahend)` for `c < count`, otherwise 0. */
function expDifferencesOfRow(x: usize, subtrahend: f32, count: usize, out: usize, width: usize): void {
  const subtrahends = f32x4.splat(subtrahend);
  let i: usize = 0;
  let left: i32 = <i32>count;
  // Eight at a time, because an exponential is a long chain of operations that wait for each other.
  for (; left >= 8; left -= 8, i += 32) {
    const first = exp4(f32x4.sub(v128.load(x + i), subtrahends));
    const second = exp4(f32x4.sub(v128.load(x + i, 16), subtrahends));
    v128.store(out + i, first);
    v128.store(out + i, second, 16);
  }
  for (; left > 0; left -= 4, i += 16) {
    const result = exp4(f32x4.sub(v128.load(x + i), subtrahends));
    if (left >= 4) v128.store(out + i, result);
    else storeLeading(out + i, result, left);
  }
  memory.fill(out + (count << 2), 0, (width - count) << 2);
}

/** `exp(x[r,c] - column[r])` for `c < visible[r]`, otherwise 0. */
export function expDifferences(x: usize, column: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  const stride = width << 2;
  for (let r: usize = 0; r < rows << 2; r += 4, x += stride, out += stride) {
    expDifferencesOfRow(x, f32.load(column + r), <usize>i32.load(visible + r), out, width);
  }
}

/** The softmax of the first `count` entries of a row; the others are 0. */
export function softmaxOfRow(x: usize, count: usize, out: usize, width: usize): void {
  expDifferencesOfRow(x, maximum(x, count), count, out, width);
  divide(out, rowSum(out, count), out, width);
}

/** The softmax of the first `visible[r]` entries of each row; the others are 0. */
export function softmax(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  const stride = width << 2;
  for (let r: usize = 0; r < rows; r++, x += stride, out += stride) {
    softmaxOfRow(x, <usize>i32.load(visible + (r << 2)), out, width);
  }
}

/** `r[t] = 1 / sqrt(Σ_i x[t,i]^2 / d + eps)` and `out[t,i] = (x[t,i] * r[t]) * weight[i]`. */
export function rmsNorm(x: usize, weight: usize, eps: f32, r: usize, out: usize, rows: usize, width: usize): void {
  const stride = width << 2;
  for (const end = r + (rows << 2); r < end; r += 4, x += stride, out += stride) {
    const factor: f32 = 1 / sqrt<f32>(dot<f32>(x, x, width) / <f32>width + eps);
    f32.store(r, factor);
    scale(x, factor, out, width);
    multiply(out, weight, out, width);
  }
}

// @ts-ignore: decorator
@inline
function silu4(x: v128): v128 {
  return rounded(siluOf(f64x2.promote_low_f32x4(x)), siluOf(f64x2.promote_low_f32x4(upperHalf(x))));
}

export function silu(x: usize, out: usize, count: usize): void {
  let i: usize = 0;
  for (let left: i32 = <i32>count; left > 0; left -= 4, i += 16) {
    const result = silu4(v128.load(x + i));
    if (left >= 4) v128.store(out + i, result);
    else storeLeading(out + i, result, left);
  }
}

/** `silu(gate) * up`. */
export function gatedSilu(gate: usize, up: usize, out: usize, count: usize): void {
  let i: usize = 0;
  let left: i32 = <i32>count;
  // Eight at a time, as above.
  for (; left >= 8; left -= 8, i += 32) {
    const first = f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i));
    const second = f32x4.mul(silu4(v128.load(gate + i, 16)), v128.load(up + i, 16));
    v128.store(out + i, first);
    v128.store(out + i, second, 16);
  }
  for (; left > 0; left -= 4, i += 16) {
    const result = f32x4.mul(silu4(v128.load(gate + i)), v128.load(up + i));
    if (left >= 4) v128.store(out + i, result);
    else storeLeading(out + i, result, left);
  }
}

export function siluGradient(x: usize, out: usize, count: usize): void {
  let i: usize = 0;
  for (let left: i32 = <i32>count; left > 0; left -= 4, i += 16) {
    const four = v128.load(x + i);
    const result = rounded(
      siluGradientOf(f64x2.promote_low_f32x4(four)), siluGradientOf(f64x2.promote_low_f32x4(upperHalf(four))),
    );
    if (left >= 4) v128.store(out + i, result);
    else storeLeading(out + i, result, left);
  }
}

export function sigmoid(x: usize, out: usize, count: usize): void {
  let i: usize = 0;
  for (let left: i32 = <i32>count; left > 0; left -= 4, i += 16) {
    const four = v128.load(x + i);
    const result = rounded(
      sigmoidOf(f64x2.promote_low_f32x4(four)), sigmoidOf(f64x2.promote_low_f32x4(upperHalf(four))),
    );
    if (left >= 4) v128.store(out + i, result);
    else storeLeading(out + i, result, left);
  }
}

/**
 * `max_{k < K} x[k]`, as `Math.max`: NaN if an entry is, and +0 for +0 and -0.
 *
 * WebAssembly's max is just that, but takes most processors eight instructions; pmax takes one, and passes over NaN and the sign of 0.
 */
function maximum(x: usize, K: usize): f32 {
  let left: i32 = <i32>K, p = x;
  // Four at a time that do not wait for each other.
  let m0 = f32x4.splat(-Infinity), m1 = m0, m2 = m0, m3 = m0, unordered = i32x4.splat(0);
  for (; left >= 16; left -= 16, p += 64) {
    const x0 = v128.load(p), x1 = v128.load(p, 16), x2 = v128.load(p, 32), x3 = v128.load(p, 48);
    m0 = f32x4.pmax(m0, x0);
    m1 = f32x4.pmax(m1, x1);
    m2 = f32x4.pmax(m2, x2);
    m3 = f32x4.pmax(m3, x3);
    unordered = v128.or(unordered, v128.or(v128.or(nans(x0), nans(x1)), v128.or(nans(x2), nans(x3))));
  }
  for (; left > 0; left -= 4, p += 16) {
    // Beyond the end, the numbers that are the least already.
    const x0 = v128.bitselect(v128.load(p), m1, leading(left));
    m0 = f32x4.pmax(m0, x0);
    unordered = v128.or(unordered, nans(x0));
  }
  if (v128.any_true(unordered)) return NaN;
  const maxima = f32x4.pmax(f32x4.pmax(m0, m1), f32x4.pmax(m2, m3));
  const result = max<f32>(
    max<f32>(f32x4.extract_lane(maxima, 0), f32x4.extract_lane(maxima, 1)),
    max<f32>(f32x4.extract_lane(maxima, 2), f32x4.extract_lane(maxima, 3)),
  );
  return result == 0 ? zeroOf(x, K) : result;
}

/** Ones where a lane is NaN. */
// @ts-ignore: decorator
@inline
function nans(x: v128): v128 {
  return f32x4.ne(x, x);
}

/** +0 if one of `K` numbers is, otherwise -0. */
function zeroOf(x: usize, K: usize): f32 {
  for (let k: usize = 0; k < K; k++) if (i32.load(x + (k << 2)) == 0) return 0;
  return -0.0;
}

/** `out[r] = max_{k < visible[r]} x[r,k]`. */
export function rowMaxima(x: usize, visible: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2) {
    f32.store(out + (r << 2), maximum(x, <usize>i32.load(visible + (r << 2))));
  }
}

/** The lowest k < K with `x[k]` equal to `value`, which is one of them. */
function indexOf(x: usize, K: usize, value: f32): usize {
  const values = f32x4.splat(value);
  let k: usize = 0;
  for (; k + 16 <= K; k += 16) {
    const from = x + (k << 2);
    const first = v128.or(f32x4.eq(v128.load(from), values), f32x4.eq(v128.load(from, 16), values));
    const second = v128.or(f32x4.eq(v128.load(from, 32), values), f32x4.eq(v128.load(from, 48), values));
    if (v128.any_true(v128.or(first, second))) break;
  }
  while (f32.load(x + (k << 2)) != value) k++;
  return k;
}

/** `out[r]` is the lowest k of a largest `x[r,k]`; NaN if an entry is NaN. */
export function rowArgmax(x: usize, out: usize, rows: usize, width: usize): void {
  for (let r: usize = 0; r < rows; r++, x += width << 2) {
    const largest = maximum(x, width);
    f32.store(out + (r << 2), isNaN(largest) ? NaN : <f32>indexOf(x, width, largest));
  }
}

/** x and out `[T, heads, 2 * half]`, cos and sin `[T, half]`. */
export function rotateHalves(
  x: usize, cos: usize, sin: usize, out: usize, T: usize, heads: usize, half: usize,
): void {
  const bytes = half << 2;
  for (let t: usize = 0; t < T; t++, cos += bytes, sin += bytes) {
    for (let head: usize = 0; head < heads; head++, x += bytes << 1, out += bytes << 1) {
      let i: usize = 0;
      for (let left: i32 = <i32>half; left > 0; left -= 4, i += 16) {
        const c = v128.load(cos + i), s = v128.load(sin + i);
        const a = v128.load(x + i), b = v128.load(x + bytes + i);
        const first = f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s));
        const second = f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s));
        if (left >= 4) {
          v128.store(out + i, first);
          v128.store(out + bytes + i, second);
        } else {
          storeLeading(out + i, first, left);
          storeLeading(out + bytes + i, second, left);
        }
      }
    }
  }
}
