import { describe, expect, it } from 'vitest';
import { heatMap, LEVELS } from '../../lib/explain/heat-map.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';

describe('heat map', () => {
  it('levels are in proportion, sign by sign; zero has none', () => {
    const map = heatMap(tensorOf('f64', [2, 3], [6, -6, 0, 3, -1, 0.4]), 6);
    expect(map).toMatchObject({ rows: 2, columns: 3, perCell: 1, full: 6, largest: 6 });
    expect(map.levels).toEqual([LEVELS, -LEVELS, 0, 3, -1, 0]);
    expect(map.levels.some((level) => Object.is(level, -0))).toBe(false);
  });

  it('one large element does not leave the others pale, and what is beyond full is full', () => {
    const values = Array.from({ length: 100 }, (_, i) => (i === 0 ? -1000 : 1));
    const { levels, full, largest } = heatMap(tensorOf('f64', [1, 100], values));
    expect({ full, largest }).toEqual({ full: 1, largest: 1000 });
    expect(levels.slice(0, 2)).toEqual([-LEVELS, LEVELS]);
  });

  it('neighbours share a cell where there are many, rows stay apart, and the largest magnitude is shown', () => {
    const values = [...Array.from({ length: 300 }, (_, i) => (i === 4 ? -3 : 1)), ...Array(300).fill(0)];
    const map = heatMap(tensorOf('f64', [2, 300], values), 3);
    expect(map).toMatchObject({ perCell: 3, columns: 100, rows: 2, shape: [2, 300] });
    expect(map.levels.slice(0, 3)).toEqual([2, -LEVELS, 2]);
    expect(map.levels.slice(100)).toEqual(Array(100).fill(0));
  });

  it('NaN and infinity are marked, and do not set the scale', () => {
    const map = heatMap(tensorOf('f64', [1, 4], [Number.NaN, Number.POSITIVE_INFINITY, 2, 0]));
    expect(map.levels).toEqual([null, null, LEVELS, 0]);
    expect(map.largest).toBe(2);
    expect(heatMap(tensorOf('f64', [1, 2], [Number.NaN, 0])).levels).toEqual([null, 0]);
  });
});
