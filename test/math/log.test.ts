import { describe, expect, it } from 'vitest';
import { log } from '../../lib/math/log.ts';
import { digestOf, goldensOf, missesInF32, worstOf } from './elementary-goldens.ts';

const HARD = 'hard when rounded to binary32';

describe('log', () => {
  it.each(goldensOf('log'))('is less than 1 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, log).ulps).toBeLessThan(1);
  });

  it('rounded to binary32 is correctly rounded on every point but 5 of the 24 hard ones', () => {
    const misses = goldensOf('log').map(([regime, points]) => [regime, missesInF32(points, log)] as const);
    expect(misses.filter(([, count]) => count > 0)).toEqual([[HARD, 5]]);
  });

  it.each([
    ['1 gives +0, not -0', 1, 0],
    ['0 is the pole', 0, Number.NEGATIVE_INFINITY],
    ['-0 is the pole too', -0, Number.NEGATIVE_INFINITY],
    ['a negative number gives NaN', -1, Number.NaN],
    ['the smallest negative number gives NaN', -Number.MIN_VALUE, Number.NaN],
    ['-Infinity gives NaN', Number.NEGATIVE_INFINITY, Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN, Number.NaN],
  ])('special value: %s', (_name, x, expected) => {
    expect(log(x)).toBe(expected);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf('log', log)).toBe('7877189aa3ea12b9ac042fb377b3b4416d6bfd159824ad3ece46797d70d2c36c');
  });
});
