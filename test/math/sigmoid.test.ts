import { describe, expect, it } from 'vitest';
import { exp } from '../../lib/math/exp.ts';
import { sigmoid, silu } from '../../lib/math/sigmoid.ts';
import { digestOf, goldensOf, missesInF32, worstOf } from './elementary-goldens.ts';

const HARD = 'hard when rounded to binary32';
const ULPS = 2.2;

describe('sigmoid', () => {
  it.each(goldensOf('sigmoid'))('is less than 2.2 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, sigmoid).ulps).toBeLessThan(ULPS);
  });

  it('rounded to binary32 is correctly rounded on every point but 66 of the 261 hard ones', () => {
    const misses = goldensOf('sigmoid').map(
      ([regime, points]) => [regime, missesInF32(points, sigmoid)] as const,
    );
    expect(misses.filter(([, count]) => count > 0)).toEqual([[HARD, 66]]);
  });

  it('is 1 / (1 + exp(-x)), to the bit, where that does not overflow', () => {
    for (const x of [-700, -100, -45.1, -44, -36.8, -1.5, -1e-9, 0, 1e-9, 0.3, 17, 36.8, 45, 700]) {
      expect(sigmoid(x)).toBe(1 / (1 + exp(-x)));
    }
  });

  it.each([
    ['0', 0, 0.5],
    ['-0', -0, 0.5],
    ['-Infinity gives 0, not NaN', Number.NEGATIVE_INFINITY, 0],
    ['Infinity gives 1', Number.POSITIVE_INFINITY, 1],
    ['NaN', Number.NaN, Number.NaN],
    ['a result that overflow of exp(-x) would lose', -745.1332191019411, Number.MIN_VALUE],
    ['the largest negative number', -Number.MAX_VALUE, 0],
    ['the largest number', Number.MAX_VALUE, 1],
  ])('special value: %s', (_name, x, expected) => {
    expect(sigmoid(x)).toBe(expected);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf('sigmoid', sigmoid)).toBe(
      '01c27537c0f33f1022aa391e0b2028787af74ce6c9b6d6414c2113840a22ddf4',
    );
  });
});

describe('silu', () => {
  it.each(goldensOf('silu'))('is less than 2.2 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, silu).ulps).toBeLessThan(ULPS);
  });

  it('rounded to binary32 is correctly rounded on every point, the 18 hard ones included', () => {
    const misses = goldensOf('silu').map(([regime, points]) => [regime, missesInF32(points, silu)] as const);
    expect(misses.find(([regime]) => regime === HARD)).toEqual([HARD, 0]);
    expect(misses.filter(([, count]) => count > 0)).toEqual([]);
  });

  it('is x / (1 + exp(-x)), to the bit, where that does not overflow', () => {
    for (const x of [-700, -100, -45.1, -44, -36.8, -1.5, -1e-9, 1e-9, 0.3, 17, 36.8, 45, 700]) {
      expect(silu(x)).toBe(x / (1 + exp(-x)));
    }
  });

  it.each([
    ['0', 0, 0],
    ['-0 stays -0', -0, -0],
    ['-Infinity gives the limit -0, not NaN', Number.NEGATIVE_INFINITY, -0],
    ['Infinity gives Infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN, Number.NaN],
    ['too small for binary64 gives -0', -752, -0],
    ['-1e300 gives -0, not a large number or NaN', -1e300, -0],
    ['the largest negative number', -Number.MAX_VALUE, -0],
    ['the largest number is unchanged', Number.MAX_VALUE, Number.MAX_VALUE],
    ['the smallest number is halved: a tie, to even', Number.MIN_VALUE, 0],
  ])('special value: %s', (_name, x, expected) => {
    expect(silu(x)).toBe(expected);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf('silu', silu)).toBe('94442a6e214f5e921a44938b71122fb7460088d78d3e05e785b8d457d3af3d8b');
  });
});
