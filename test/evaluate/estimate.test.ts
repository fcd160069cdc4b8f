import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimatedMean, estimatedShare, mean, meanOfEstimates, median } from '../../lib/evaluate/estimate.ts';

const run = { seed: 1, numRuns: 200 };
const values = fc.array(fc.double({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 30 });

/** The same by another formula: half the mean square of all differences of pairs is the variance. */
function naiveError(list: readonly number[]): number {
  let squares = 0;
  for (const a of list) for (const b of list) squares += (a - b) * (a - b);
  const n = list.length;
  return Math.sqrt(squares / (2 * n * (n - 1)) / n);
}

describe('estimates', () => {
  it('evaluation/C1: the error of a share is binomial, by n and not n - 1', () => {
    expect(estimatedShare([true, true, true, false])).toEqual({
      value: 0.75,
      standard_error: Math.sqrt(0.75 * 0.25) / 2,
    });
    expect(estimatedShare([true])).toEqual({ value: 1, standard_error: 0 });
    expect(estimatedShare([])).toBeNull();
  });

  it('evaluation/C2: the error of a mean, by n - 1, and divided by the root of n', () => {
    // Deviations -2, -1, 3: squares 14; 14 / 2 / 3.
    expect(estimatedMean([1, 2, 6])).toEqual({ value: 3, standard_error: Math.sqrt(7 / 3) });
    fc.assert(
      fc.property(values, (list) => {
        expect(estimatedMean(list)!.standard_error).toBeCloseTo(naiveError(list), 8);
      }),
      run,
    );
  });

  it('evaluation/C2: one sample has no error, which is not an error of 0; none has no mean, which is not NaN', () => {
    expect(estimatedMean([5])).toEqual({ value: 5, standard_error: null });
    expect([estimatedMean([]), mean([]), median([])]).toEqual([null, null, null]);
  });

  it('the median is the middle in order of size, or between the two there', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 100, 1, 2])).toBe(3);
    expect(median([7])).toBe(7);
  });

  it('evaluation/C5: the error of a mean of families shrinks with their number; one that is missing is not passed over', () => {
    const of = (value: number, standard_error: number | null) => ({ value, standard_error });
    expect(meanOfEstimates([of(1, 0.3), of(2, 0.4)])).toEqual(of(1.5, 0.25));
    expect(meanOfEstimates([of(1, 0.3), of(2, null)])).toEqual(of(1.5, null));
    expect(meanOfEstimates([of(1, 0.3), null])).toBeNull();
    expect(meanOfEstimates([])).toBeNull();
  });
});
