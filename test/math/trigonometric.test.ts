import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { cos, sin, TRIGONOMETRIC_LIMIT } from '../../lib/math/trigonometric.ts';
import { digestOf, goldensOf, missesInF32, worstOf } from './elementary-goldens.ts';

const HARD = 'hard when rounded to binary32';

describe.each([
  ['sin' as const, sin, [[HARD, 1]]],
  ['cos' as const, cos, []],
])('%s', (name, compute, misses) => {
  it.each(goldensOf(name))('is less than 1 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, compute).ulps).toBeLessThan(1);
  });

  it('sums with rounding errors kept: within 0.65 ulp on every point', () => {
    expect(
      worstOf(
        goldensOf(name).flatMap(([, points]) => points),
        compute,
      ).ulps,
    ).toBeLessThan(0.65);
  });

  it('rounded to binary32 is correctly rounded on every point but the stated ones', () => {
    const found = goldensOf(name).map(([regime, points]) => [regime, missesInF32(points, compute)] as const);
    expect(found.filter(([, count]) => count > 0)).toEqual(misses);
  });

  it.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    TRIGONOMETRIC_LIMIT + 2 ** -25,
    -1e300,
  ])('refuses %d, where the reduction would be wrong', (x) => {
    expect(() => compute(x)).toThrow(CallerError);
    expect(() => compute(x)).toThrow(`argument of ${name}`);
  });

  it('elementary-functions/E3: accepts the limit itself, of either sign', () => {
    expect(Math.abs(compute(TRIGONOMETRIC_LIMIT))).toBeLessThan(1);
    expect(Math.abs(compute(-TRIGONOMETRIC_LIMIT))).toBeLessThan(1);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf(name, compute)).toBe(
      {
        sin: '51bf0b4508c41f85cf14ddb84806c1cc920f7a520e3902b248e843e3c7a353d1',
        cos: '0df8d1f1c889edc18a3dc68e0d816729705613a4b1eeb3b27a94b36b245212b4',
      }[name],
    );
  });
});

describe('TRIGONOMETRIC_LIMIT', () => {
  it('elementary-functions/E3: is 2^27: one bit more and products with the number of quarter turns are rounded', () => {
    expect(TRIGONOMETRIC_LIMIT).toBe(2 ** 27);
  });
});

describe('symmetry', () => {
  const angles = fc.double({ min: 0, max: TRIGONOMETRIC_LIMIT, noNaN: true });

  it('sin is odd and cos even, to the bit', () => {
    fc.assert(
      fc.property(angles, (x) => {
        expect(sin(-x)).toBe(-sin(x));
        expect(cos(-x)).toBe(cos(x));
      }),
      { seed: 2, numRuns: 2000 },
    );
  });

  it('never leaves [-1, 1]', () => {
    fc.assert(
      fc.property(angles, (x) => {
        expect(Math.abs(sin(x))).toBeLessThanOrEqual(1);
        expect(Math.abs(cos(x))).toBeLessThanOrEqual(1);
      }),
      { seed: 3, numRuns: 2000 },
    );
  });

  it('sin(-0) is -0, and cos of either zero is 1: a rotation by no angle changes no bit', () => {
    expect(sin(0)).toBe(0);
    expect(sin(-0)).toBe(-0);
    expect(cos(0)).toBe(1);
    expect(cos(-0)).toBe(1);
  });

  it('sin of a subnormal number is that number', () => {
    expect(sin(Number.MIN_VALUE)).toBe(Number.MIN_VALUE);
    expect(sin(-3e-310)).toBe(-3e-310);
  });
});
