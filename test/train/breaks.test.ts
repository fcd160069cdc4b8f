import { assert, integer, property, array as some, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replayedUniforms, seededUniforms } from '../../lib/math/random.ts';
import { unbroken, withBreaks } from '../../lib/train/breaks.ts';

const stops = [false, true, true, false, false, true];

describe('breaks', () => {
  it('without them the cut is the segmentation, and each segment stops at its last token', () => {
    expect(unbroken([2, 1, 3])).toEqual({ sizes: [2, 1, 3], stops });
    expect(withBreaks([2, 1, 3], { forced: 0, unmerged: 0 }, seededUniforms('x'))).toEqual(
      unbroken([2, 1, 3]),
    );
  });

  it('recipe/R5: which share a sample falls into; the bounds belong to the next one', () => {
    const shares = { unmerged: 0.25, forced: 0.5 };
    const cut = (...draws: number[]) => withBreaks([2, 1, 3], shares, replayedUniforms(draws));
    expect(cut(0.24)).toEqual({ sizes: [1, 1, 1, 1, 1, 1], stops });
    expect(cut(0.25, 0.5, 0.1, 0.9, 0.9)).toEqual({ sizes: [1, 1, 1, 3], stops });
    expect(cut(0.75)).toEqual({ sizes: [2, 1, 3], stops });
  });

  it('recipe/R5: a break changes what is merged, never the target of the stop head', () => {
    const sizes = some(integer({ min: 1, max: 5 }), { maxLength: 20 });
    assert(
      property(sizes, string({ minLength: 1 }), (sizes, seed) => {
        const cut = withBreaks(sizes, { forced: 1, unmerged: 0 }, seededUniforms(seed));
        expect(cut.stops).toEqual(unbroken(sizes).stops);
        const ends = (list: readonly number[]) => {
          let end = 0;
          return list.map((size) => (end += size));
        };
        // Every end of the segmentation is still one.
        expect(ends(cut.sizes)).toEqual(expect.arrayContaining(ends(sizes)));
      }),
      { seed: 1 },
    );
  });

  it('recipe/R5: the rate is drawn for each sample: some are hardly broken, some almost wholly', () => {
    const counts = Array.from(
      { length: 200 },
      (_, n) =>
        withBreaks(Array(25).fill(5), { forced: 1, unmerged: 0 }, seededUniforms(`${n}`)).sizes.length,
    );
    // A fixed rate of 1/2 would give 75 of 125, within 5 or so.
    expect(Math.min(...counts)).toBeLessThan(30);
    expect(Math.max(...counts)).toBeGreaterThan(120);
  });
});
