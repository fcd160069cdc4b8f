/**
 * What the machine can do at most, to compare the kernels with: their own multiply-adds on operands that are at hand, and reading
 * memory while doing nothing else. No kernel uses this.
 */

import { walk } from './dot-products';

/** Bytes between the rows of {@link multiplyAdds}: not a power of two, so that the rows do not compete for places in the cache. */
const APART: usize = 64;

/**
 * The inner loop of the matrix products, `walks` times, over four rows and two rows of `K` numbers each that begin at `rows`.
 * `K` is a multiple of 16; `rows` has room for `6 * (4 K + 64)` bytes, `sums` for 128.
 */
export function multiplyAdds(rows: usize, K: usize, walks: i32, sums: usize): void {
  const stride = (K << 2) + APART;
  for (let i = 0; i < walks; i++) {
    const vector: usize = <usize>(i & 3) << 4;
    walk<f32>(rows + vector, stride, rows + 4 * stride + vector, stride, K, 0, sums);
  }
}

/** Reads `bytes` bytes, a multiple of 128, from first to last. Returns something that depends on all of them. */
export function readOneStream(from: usize, bytes: usize): i32 {
  let s0 = i64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (const end = from + bytes; from < end; from += 128) {
    s0 = v128.xor(s0, v128.load(from));
    s1 = v128.xor(s1, v128.load(from, 16));
    s2 = v128.xor(s2, v128.load(from, 32));
    s3 = v128.xor(s3, v128.load(from, 48));
    s0 = v128.xor(s0, v128.load(from, 64));
    s1 = v128.xor(s1, v128.load(from, 80));
    s2 = v128.xor(s2, v128.load(from, 96));
    s3 = v128.xor(s3, v128.load(from, 112));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), 0);
}

/** Reads `bytes` bytes, a multiple of 256, as four streams side by side that are a quarter of them apart. */
export function readFourStreams(from: usize, bytes: usize): i32 {
  const quarter = bytes >> 2;
  let p = from, q = p + quarter, r = q + quarter, s = r + quarter;
  let s0 = i64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (const end = p + quarter; p < end; p += 64, q += 64, r += 64, s += 64) {
    s0 = v128.xor(s0, v128.xor(v128.load(p), v128.load(p, 16)));
    s1 = v128.xor(s1, v128.xor(v128.load(q), v128.load(q, 16)));
    s2 = v128.xor(s2, v128.xor(v128.load(r), v128.load(r, 16)));
    s3 = v128.xor(s3, v128.xor(v128.load(s), v128.load(s, 16)));
    s0 = v128.xor(s0, v128.xor(v128.load(p, 32), v128.load(p, 48)));
    s1 = v128.xor(s1, v128.xor(v128.load(q, 32), v128.load(q, 48)));
    s2 = v128.xor(s2, v128.xor(v128.load(r, 32), v128.load(r, 48)));
    s3 = v128.xor(s3, v128.xor(v128.load(s, 32), v128.load(s, 48)));
  }
  return i32x4.extract_lane(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), 0);
}
