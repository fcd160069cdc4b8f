import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { pow } from '../../lib/math/pow.ts';
import { digestOf, goldensOf, missesInF32, worstOf } from './elementary-goldens.ts';

describe('pow', () => {
  it.each(goldensOf('pow'))('is less than 1 ulp off: %s', (_regime, points) => {
    expect(worstOf(points, pow).ulps).toBeLessThan(1);
  });

  it('takes the logarithm to more than 53 bits: results of any magnitude are within 0.66 ulp', () => {
    expect(
      worstOf(
        goldensOf('pow').flatMap(([, points]) => points),
        pow,
      ).ulps,
    ).toBeLessThan(0.66);
  });

  it('gives exact results exactly', () => {
    const exact = goldensOf('pow').find(([regime]) => regime === 'exact results')![1];
    expect(exact.filter(({ inputs, nearest }) => pow(inputs[0]!, inputs[1]!) !== nearest)).toEqual([]);
  });

  it('rounded to binary32 is correctly rounded on every point', () => {
    expect(
      missesInF32(
        goldensOf('pow').flatMap(([, points]) => points),
        pow,
      ),
    ).toBe(0);
  });

  it('to the power of 1 changes nothing, subnormal or not', () => {
    fc.assert(
      fc.property(fc.double({ min: Number.MIN_VALUE, max: Number.MAX_VALUE, noNaN: true }), (base) => {
        expect(pow(base, 1)).toBe(base);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it.each([
    ['overflow', 2, 1024, Number.POSITIVE_INFINITY],
    ['the last power of two that does not', 2, 1023, 8.98846567431158e307],
    ['underflow', 2, -1076, 0],
    ['an exponent that would overflow the splitting of a product', 3, 1e305, Number.POSITIVE_INFINITY],
    ['the same, downwards', 3, -1e305, 0],
    ['base 1 with the largest exponent', 1, Number.MAX_VALUE, 1],
    ['exponent 0', 7.5, 0, 1],
    ['exponent -0', 7.5, -0, 1],
    ['the smallest exponent', 7.5, Number.MIN_VALUE, 1],
    ['the largest base to the smallest exponent', Number.MAX_VALUE, -Number.MIN_VALUE, 1],
    ['smallest base to the power of -1', Number.MIN_VALUE, -1, Number.POSITIVE_INFINITY],
  ])('special value: %s', (_name, base, exponent, expected) => {
    expect(pow(base, exponent)).toBe(expected);
  });

  it.each([
    [0, 1, 'base of pow'],
    [-0, 1, 'base of pow'],
    [-2, 2, 'base of pow'],
    [Number.NaN, 0, 'base of pow'],
    [Number.POSITIVE_INFINITY, 0, 'base of pow'],
    [2, Number.NaN, 'exponent of pow'],
    [2, Number.POSITIVE_INFINITY, 'exponent of pow'],
    [2, Number.NEGATIVE_INFINITY, 'exponent of pow'],
  ])('refuses pow(%d, %d) instead of guessing', (base, exponent, subject) => {
    expect(() => pow(base, exponent)).toThrow(CallerError);
    expect(() => pow(base, exponent)).toThrow(subject);
  });

  it('changes no bit unnoticed (digest of its own results: proves stability, nothing else)', () => {
    expect(digestOf('pow', pow)).toBe('3d3f9ebeb348a2703814be2faf46e97ce9fdecbc1409b8d500845c89aab3959a');
  });
});
