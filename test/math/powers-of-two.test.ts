import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exponentOf, powerOfTwo, scale } from '../../lib/math/powers-of-two.ts';
import { fromHex64 } from './elementary-goldens.ts';

/** 2^exponent from the layout of binary64. */
function fromLayout(exponent: number): number {
  const bits = exponent < -1022 ? 1n << BigInt(exponent + 1074) : BigInt(exponent + 1023) << 52n;
  return fromHex64(bits.toString(16).padStart(16, '0'));
}

/** Every exponent of binary64. */
const EXPONENTS = Array.from({ length: 2098 }, (_, index) => index - 1074);

describe('powerOfTwo', () => {
  it('is exact for every exponent, subnormal ones included', () => {
    expect(EXPONENTS.filter((exponent) => powerOfTwo(exponent) !== fromLayout(exponent))).toEqual([]);
  });
});

describe('exponentOf', () => {
  it('is right at every power of two and just below it, where a logarithm would round up', () => {
    for (const exponent of EXPONENTS) {
      const power = fromLayout(exponent);
      expect(exponentOf(power)).toBe(exponent);
      // The next number below; below a subnormal power of two it is at least half as large.
      const bits = new DataView(new Float64Array([power]).buffer).getBigUint64(0, true) - 1n;
      if (bits > 0n) expect(exponentOf(fromHex64(bits.toString(16).padStart(16, '0')))).toBe(exponent - 1);
    }
  });

  it('is right for the largest number', () => {
    expect(exponentOf(Number.MAX_VALUE)).toBe(1023);
  });
});

describe('scale', () => {
  it('takes any positive number to [1, 2) and back without loss', () => {
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true }), (x) => {
        const exponent = exponentOf(x);
        const mantissa = scale(x, -exponent);
        expect(mantissa).toBeGreaterThanOrEqual(1);
        expect(mantissa).toBeLessThan(2);
        expect(scale(mantissa, exponent)).toBe(x);
      }),
      { seed: 4, numRuns: 5000 },
    );
  });

  it('rounds a subnormal result once: 1.5 + 2^-52 of the smallest number is 2 of it, the tie 2.5 too', () => {
    expect(scale(1.5, -1074)).toBe(2 * Number.MIN_VALUE);
    expect(scale(1.4999999999999998, -1074)).toBe(Number.MIN_VALUE);
    expect(scale(2.5, -1074)).toBe(2 * Number.MIN_VALUE);
    expect(scale(2.5000000000000004, -1074)).toBe(3 * Number.MIN_VALUE);
  });

  it('keeps the sign of zero and of a result that vanishes', () => {
    expect(scale(-0, 3)).toBe(-0);
    expect(scale(-1, -1080)).toBe(-0);
  });

  it('overflows to infinity', () => {
    expect(scale(1, 1024)).toBe(Number.POSITIVE_INFINITY);
    expect(scale(0.75, 1024)).toBe(1.348269851146737e308);
  });
});
