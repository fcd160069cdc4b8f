import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { productError, sumError, upperHalf } from '../../lib/math/rounding-error.ts';

/** Integers of up to 53 bits as numbers: exact in BigInt too. */
const integers = fc.maxSafeInteger();

describe('sumError', () => {
  it('is what the rounded sum left out, whichever operand is larger', () => {
    fc.assert(
      fc.property(integers, integers, fc.integer({ min: 0, max: 60 }), (a, b, shift) => {
        const large = a * 2 ** shift;
        const exact = BigInt(large) + BigInt(b);
        expect(BigInt(large + b) + BigInt(sumError(large, b, large + b))).toBe(exact);
        expect(BigInt(large + b) + BigInt(sumError(b, large, large + b))).toBe(exact);
      }),
      { seed: 5, numRuns: 3000 },
    );
  });

  it('is not zero where the sum is rounded', () => {
    expect(sumError(1, 2 ** -60, 1)).toBe(2 ** -60);
    expect(sumError(2 ** -60, 1, 1)).toBe(2 ** -60);
  });
});

describe('productError', () => {
  it('is what the rounded product left out', () => {
    fc.assert(
      fc.property(integers, integers, (a, b) => {
        expect(BigInt(a * b) + BigInt(productError(a, b, a * b))).toBe(BigInt(a) * BigInt(b));
      }),
      { seed: 6, numRuns: 3000 },
    );
  });

  it('is right for the factors with the longest product', () => {
    const a = Number.MAX_SAFE_INTEGER;
    expect(BigInt(a * a) + BigInt(productError(a, a, a * a))).toBe(BigInt(a) * BigInt(a));
  });
});

describe('upperHalf', () => {
  it('has a square without rounding error, and leaves a rest of at most 26 bits', () => {
    fc.assert(
      fc.property(integers, (x) => {
        const upper = upperHalf(x);
        expect(BigInt(upper * upper)).toBe(BigInt(upper) * BigInt(upper));
        expect(BigInt((x - upper) * (x - upper))).toBe((BigInt(x) - BigInt(upper)) ** 2n);
      }),
      { seed: 7, numRuns: 3000 },
    );
  });
});
