/**
 * Attention of some of the heads. Query head h reads head `h / (H / Hkv)` of keys and values.
 */

import { dot, dots, fourShortDots } from './dot-products';
import { addFourScaled, addScaled, scale as scaled, softmax, softmaxOfRow } from './elementwise';
import { product, visibleProduct } from './left-to-right';
import { threadScratch } from './layout';

/** Bytes of values from which on they are fetched before they are summed up: those of other layers have taken their place in the caches. */
const FAR: usize = 1 << 18;

/** Rows that are fetched together: few enough to stay in the first caches, enough for streams along which a processor reads ahead. */
const ROWS_FETCHED: usize = 64;

const CACHE_LINE: usize = 64;

export function scoresOfHead(
  h: usize, queries: usize, keys: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  const width = size << 2;
  const g = (h * Hkv) / H;
  dots<f32>(
    queries + h * width, H * width, keys + g * width, Hkv * width, out + h * T * (S << 2), S << 2, T, S, size,
  );
}

export function contextOfHead(
  h: usize, weights: usize, values: usize, visible: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize,
  size: usize, resume: bool,
): void {
  const width = size << 2;
  const g = (h * Hkv) / H;
  visibleProduct(
    weights + h * T * (S << 2), S << 2, values + g * width, Hkv * width, visible, out + h * width, H * width, T, size,
    resume,
  );
}

/**
 * Reads `bytes` bytes of each of some rows, as four streams, so that they are in the caches: what is summed up row after row is one stream, and a
 * processor fetches that at half of the rate.
 */
function fetch(row: usize, rows: usize, stride: usize, bytes: usize): void {
  const quarter = (rows >> 2) * stride;
  let read = i32x4.splat(0);
  for (const end = row + quarter; row < end; row += stride) {
    for (let p = row; p < row + bytes; p += CACHE_LINE) {
      const half = v128.or(v128.load(p), v128.load(p + quarter));
      read = v128.or(read, v128.or(half, v128.or(v128.load(p + 2 * quarter), v128.load(p + 3 * quarter))));
    }
  }
  // Written somewhere, or the compiler would leave out all of it.
  v128.store(threadScratch(), read);
}

/**
 * Heads `from` up to but not including `to` of one row of queries. Keys and values are read once and in the order in which they lie in memory,
 * so not head by head: they are more than the caches hold, and a processor fetches ahead what is read in order.
 */
function attentionOfRow(
  from: usize, to: usize, queries: usize, keys: usize, values: usize, count: usize, scale: f32, weights: usize, out: usize,
  H: usize, Hkv: usize, S: usize, size: usize,
): void {
  const width = size << 2, stride = Hkv * width, ofHead = S << 2, group = H / Hkv;
  // As four streams, each along a quarter of the keys.
  const quarter = count >> 2;
  for (let j: usize = 0; j < quarter; j++, keys += stride) {
    for (let h = from; h < to; h++) {
      const key = keys + (h / group) * width, score = weights + h * ofHead + (j << 2);
      fourShortDots<f32>(queries + h * width, key, quarter * stride, score, quarter << 2, size);
    }
  }
  keys += 3 * quarter * stride;
  for (let j = quarter << 2; j < count; j++, keys += stride) {
    for (let h = from; h < to; h++) {
      f32.store(weights + h * ofHead + (j << 2), dot<f32>(queries + h * width, keys + (h / group) * width, size));
    }
  }
  for (let h = from; h < to; h++) {
    const row = weights + h * ofHead;
    scaled(row, scale, row, count);
    softmaxOfRow(row, count, row, S);
  }
  memory.fill(out + from * width, 0, (to - from) * width);
  const whole = count & ~3, isFar = count * stride >= FAR;
  const first = (from / group) * width, bytes = ((to - 1) / group + 1) * width - first;
  for (let j: usize = 0; j < whole; j += 4, values += stride << 2) {
    if (isFar && j % ROWS_FETCHED == 0) fetch(values + first, min<usize>(ROWS_FETCHED, whole - j), stride, bytes);
    for (let h = from; h < to; h++) {
      addFourScaled(values + (h / group) * width, stride, weights + h * ofHead + (j << 2), out + h * width, size);
    }
  }
  for (let j = whole; j < count; j++, values += stride) {
    for (let h = from; h < to; h++) {
      addScaled(values + (h / group) * width, weights + h * ofHead + (j << 2), out + h * width, size);
    }
  }
}

/** Heads `from` up to but not including `to`: queries `[T, H, size]`, keys and values `[S, Hkv, size]`, weights `[H, T, S]`, out `[T, H, size]`. */
export function attentionOfHeads(
  from: usize, to: usize, queries: usize, keys: usize, values: usize, visible: usize, scale: f32, weights: usize,
  out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  if (T == 1) {
    const count = <usize>i32.load(visible);
    attentionOfRow(from, to, queries, keys, values, count, scale, weights, out, H, Hkv, S, size);
    return;
  }
  for (let h = from; h < to; h++) {
    const ofHead = weights + h * T * (S << 2);
    scoresOfHead(h, queries, keys, weights, H, Hkv, T, S, size);
    scaled(ofHead, scale, ofHead, T * S);
    softmax(ofHead, visible, ofHead, T, S);
    contextOfHead(h, weights, values, visible, out, H, Hkv, T, S, size, false);
  }
}

/** The heads of group g in order. The weights of a head are read as `[S, T]`. */
export function transposedOfGroup(
  g: usize, weights: usize, rows: usize, out: usize, H: usize, Hkv: usize, T: usize, S: usize, size: usize,
): void {
  const width = size << 2;
  const group = H / Hkv;
  for (let h = g * group; h < (g + 1) * group; h++) {
    product(
      weights + h * T * (S << 2), 4, S << 2, rows + h * width, H * width, out + g * width, Hkv * width, S, size, T, true,
    );
  }
}
