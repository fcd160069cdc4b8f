import { describe, expect, it } from 'vitest';
import { exp, expPair } from '../../lib/math/exp.ts';
import { digestOf, goldensOf, missesInF32, worstOf } from './elementary-goldens.ts';

describe('exp', () => {
  it.each(goldensOf('exp'))('is less than 1 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, exp).ulps).toBeLessThan(1);
  });

  it('elementary-functions/E2: keeps the rounding error of the reduced argument: normal results are within 0.66 ulp', () => {
    const normal = goldensOf('exp').filter(([regime]) => regime !== 'subnormal results');
    expect(
      worstOf(
        normal.flatMap(([, points]) => points),
        exp,
      ).ulps,
    ).toBeLessThan(0.66);
  });

  it('rounded to binary32 is correctly rounded on every point', () => {
    expect(
      missesInF32(
        goldensOf('exp').flatMap(([, points]) => points),
        exp,
      ),
    ).toBe(0);
  });

  it.each([
    ['0 gives exactly 1', 0, 1],
    ['-0 gives 1', -0, 1],
    ['-Infinity gives 0, not NaN', Number.NEGATIVE_INFINITY, 0],
    ['Infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN, Number.NaN],
    ['the largest argument with a finite result', 709.782712893384, 1.797693134862273e308],
    ['the next larger overflows', 709.7827128933841, Number.POSITIVE_INFINITY],
    ['far beyond overflow', 1e300, Number.POSITIVE_INFINITY],
    ['the smallest argument that rounds up to the smallest number', -745.1332191019411, Number.MIN_VALUE],
    ['the next smaller vanishes', -745.1332191019412, 0],
    ['far below', -1e300, 0],
    ['an argument that is subnormal', Number.MIN_VALUE, 1],
  ])('special value: %s', (_name, x, expected) => {
    if (expected > 1.79e308 && expected < Number.POSITIVE_INFINITY) {
      expect(exp(x) / expected).toBeCloseTo(1, 12);
    } else expect(exp(x)).toBe(expected);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf('exp', exp)).toBe('b6479f92153997185b2cd55cb214bf25294a6970080699eca0a0c53b16639143');
  });
});

describe('expPair', () => {
  it('does not drop the low part: exp(h + l) = exp(h) (1 + l) to first order', () => {
    const low = 2 ** -45;
    expect(expPair(700, low) / exp(700) - 1).toBeCloseTo(low, 16);
    expect(expPair(700, -low) / exp(700) - 1).toBeCloseTo(-low, 16);
  });

  it('with a low part of 0 is exp', () => {
    for (const x of [-745, -3.3, 0, 1e-9, 0.7, 709]) expect(expPair(x, 0)).toBe(exp(x));
  });
});
