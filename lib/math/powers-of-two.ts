/**
 * Powers of two: exact scaling and the exponent of a number, without looking at its bits.
 *
 * Multiplying by a power of two is exact unless the result is subnormal or too large, so these are the building
 * blocks with which the elementary functions take a number apart and put it together again. An engine that can
 * reach the bits of a number may do the same by integer arithmetic: there is only one right answer.
 *
 * Tested against exact values over every binade, including the subnormal ones.
 *
 * @module
 */

/** Exponent of the smallest positive binary64 number, `2^-1074`. */
const LEAST_EXPONENT = -1074;

/** Exponent of the largest power of two in binary64, `2^1023`. */
const GREATEST_EXPONENT = 1023;

/** `2^LEAST_EXPONENT .. 2^GREATEST_EXPONENT`, made by doubling, which is exact. Never written to again. */
const POWERS = /* @__PURE__ */ (() => {
  const powers = new Float64Array(GREATEST_EXPONENT - LEAST_EXPONENT + 1);
  let power = Number.MIN_VALUE;
  for (let i = 0; i < powers.length; i++) {
    powers[i] = power;
    power *= 2;
  }
  return powers;
})();

/** `2^exponent` exactly, for an integer `exponent` in `-1074..1023`. */
export function powerOfTwo(exponent: number): number {
  return POWERS[exponent - LEAST_EXPONENT]!;
}

/**
 * `x * 2^exponent` for an integer `exponent` in `-2044..2046`, by two multiplications with powers of nearly
 * equal exponent. Where the first one is exact — that is, where `x * 2^floor(exponent / 2)` is a normal number —
 * the result is rounded once, also if it is subnormal.
 */
export function scale(x: number, exponent: number): number {
  const half = exponent >> 1;
  return x * POWERS[half - LEAST_EXPONENT]! * POWERS[exponent - half - LEAST_EXPONENT]!;
}

// The steps of the search below. From the table and not written as `2 ** 512`: ECMAScript leaves `**` to the engine.
const TWO_512 = powerOfTwo(512);
const TWO_256 = powerOfTwo(256);
const TWO_128 = powerOfTwo(128);
const TWO_64 = powerOfTwo(64);
const TWO_32 = powerOfTwo(32);

/**
 * `floor(log2(x))` exactly, for finite `x > 0`, subnormal or not: the `e` with `2^e <= x < 2^(e+1)`.
 *
 * A binary search by steps of 512 .. 32 brings `x` into `[1, 2^32)`, where the number of leading zeros of its
 * integer part gives the rest. Downwards the step of 512 is taken twice, because `2^-1074` is further from 1 than
 * `2^1023` is.
 */
export function exponentOf(x: number): number {
  let exponent = 0;
  let rest = x;
  if (rest < 1) {
    for (let step = 0; step < 2; step++) {
      if (rest * TWO_512 < 1) {
        rest *= TWO_512;
        exponent -= 512;
      }
    }
    if (rest * TWO_256 < 1) {
      rest *= TWO_256;
      exponent -= 256;
    }
    if (rest * TWO_128 < 1) {
      rest *= TWO_128;
      exponent -= 128;
    }
    if (rest * TWO_64 < 1) {
      rest *= TWO_64;
      exponent -= 64;
    }
    if (rest * TWO_32 < 1) {
      rest *= TWO_32;
      exponent -= 32;
    }
    // Now in [2^-32, 1): one step more leads into [1, 2^32).
    rest *= TWO_32;
    exponent -= 32;
  } else {
    if (rest >= TWO_512) {
      rest /= TWO_512;
      exponent += 512;
    }
    if (rest >= TWO_256) {
      rest /= TWO_256;
      exponent += 256;
    }
    if (rest >= TWO_128) {
      rest /= TWO_128;
      exponent += 128;
    }
    if (rest >= TWO_64) {
      rest /= TWO_64;
      exponent += 64;
    }
    if (rest >= TWO_32) {
      rest /= TWO_32;
      exponent += 32;
    }
  }
  return exponent + 31 - Math.clz32(rest);
}
