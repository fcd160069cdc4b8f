import { describe, expect, it } from 'vitest';
import { median, pairedRatios, summarise } from '../../../cli/bench/statistics.ts';

describe('statistics', () => {
  it('the median is the middle by size and not by place, and between two the mean', () => {
    expect(median([9, 1, 5])).toBe(5);
    // As text, 10 comes before 9.
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
  });

  it('a summary has the extremes, and leaves the values in their order', () => {
    const values = [3, 1, 2];
    expect(summarise(values)).toEqual({ median: 2, least: 1, most: 3 });
    expect(values).toEqual([3, 1, 2]);
  });

  it('ratios are of the same repetition: a slow spell does not show if it hit both', () => {
    const ratios = pairedRatios([10, 2, 10], [5, 1, 5]);
    expect(ratios).toEqual([2, 2, 2]);
  });
});
