/**
 * Vectors of four binary32 numbers: partial loads and stores, and the sum of sixteen accumulators. SPEC #numerics.
 *
 * AssemblyScript, not TypeScript. Pointers and strides are in bytes, counts in elements.
 */

// Of sixteen numbers at `pointer`, vector w has numbers 4w to 4w + 3. They are stored in binary32 (`E` is f32) or in bfloat16 (u16), which is
// the upper half of the binary32 number of the same value.

// @ts-ignore: decorator
@inline
export function vector0<E>(pointer: usize): v128 {
  return isFloat<E>() ? v128.load(pointer) : firstWidened(v128.load_zero<u64>(pointer));
}

// @ts-ignore: decorator
@inline
export function vector1<E>(pointer: usize): v128 {
  return isFloat<E>() ? v128.load(pointer, 16) : firstWidened(v128.load_zero<u64>(pointer, 8));
}

// @ts-ignore: decorator
@inline
export function vector2<E>(pointer: usize): v128 {
  return isFloat<E>() ? v128.load(pointer, 32) : firstWidened(v128.load_zero<u64>(pointer, 16));
}

// @ts-ignore: decorator
@inline
export function vector3<E>(pointer: usize): v128 {
  return isFloat<E>() ? v128.load(pointer, 48) : firstWidened(v128.load_zero<u64>(pointer, 24));
}

/** The first four of eight bfloat16 numbers, in binary32. */
// @ts-ignore: decorator
@inline
function firstWidened(x: v128): v128 {
  return i8x16.shuffle(i64x2.splat(0), x, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}

/**
 * Mask of the first `count` of four lanes; all of them for 4 and more, none for 0 and less.
 */
// @ts-ignore: decorator
@inline
export function leading(count: i32): v128 {
  return i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3));
}

/**
 * The first `count` of the four numbers at `pointer`, the other lanes +0. Reads all four all the same: the memory ends
 * with a reserve, so that this is always inside it.
 */
// @ts-ignore: decorator
@inline
export function loadLeading<E>(pointer: usize, count: i32): v128 {
  return v128.and(vector0<E>(pointer), leading(count));
}

/** Stores the first `count`, 1 to 3, of four lanes. */
// @ts-ignore: decorator
@inline
export function storeLeading(pointer: usize, value: v128, count: i32): void {
  v128.store32_lane(pointer, value, 0);
  if (count > 1) v128.store32_lane(pointer, value, 1, 4);
  if (count > 2) v128.store32_lane(pointer, value, 2, 8);
}

/** `sum + x * y`, product and sum each rounded: never fused. */
// @ts-ignore: decorator
@inline
export function multiplyAdd(sum: v128, x: v128, y: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, y));
}

/**
 * The last steps of the tree of `numerics/N3`. Vectors v0, v1, v2, v3 hold accumulators 0..3, 4..7, 8..11, 12..15;
 * `four` is (v0 + v2) + (v1 + v3), which are the steps w = 8 and 4. Here follow w = 2 and 1.
 */
// @ts-ignore: decorator
@inline
export function tree(four: v128): f32 {
  const two = f32x4.add(four, i8x16.shuffle(four, four, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1);
}

/** Four trees side by side, their results in the lanes of one vector: the same additions as {@link tree} of each. */
// @ts-ignore: decorator
@inline
export function fourTrees(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(firstHalves(a, b), secondHalves(a, b));
  const cd = f32x4.add(firstHalves(c, d), secondHalves(c, d));
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27),
    i8x16.shuffle(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31),
  );
}

// @ts-ignore: decorator
@inline
function firstHalves(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
}

// @ts-ignore: decorator
@inline
function secondHalves(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}

/** Stores the four lanes `stride` bytes apart. */
// @ts-ignore: decorator
@inline
export function storeLanes(pointer: usize, stride: usize, value: v128): void {
  v128.store32_lane(pointer, value, 0);
  v128.store32_lane(pointer + stride, value, 1);
  v128.store32_lane(pointer + 2 * stride, value, 2);
  v128.store32_lane(pointer + 3 * stride, value, 3);
}

/** Stores eight vectors, one behind the other. */
// @ts-ignore: decorator
@inline
export function storeEight(
  pointer: usize, v0: v128, v1: v128, v2: v128, v3: v128, v4: v128, v5: v128, v6: v128, v7: v128,
): void {
  v128.store(pointer, v0);
  v128.store(pointer, v1, 16);
  v128.store(pointer, v2, 32);
  v128.store(pointer, v3, 48);
  v128.store(pointer, v4, 64);
  v128.store(pointer, v5, 80);
  v128.store(pointer, v6, 96);
  v128.store(pointer, v7, 112);
}
