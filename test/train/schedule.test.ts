import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../../lib/train/schedule.ts';

describe('cosine schedule with warm-up', () => {
  const schedule = { peak: 8, floor: 2, warmUp: 4, steps: 12 };

  it('rises in equal parts, then falls along half a cosine', () => {
    const rates = Array.from({ length: 14 }, (_, t) => learningRateAt(schedule, t));
    expect(rates.slice(0, 4)).toEqual([2, 4, 6, 8]);
    for (let t = 4; t < 12; t++) expect(rates[t]).toBeCloseTo(5 + 3 * Math.cos((Math.PI * (t - 4)) / 8), 12);
    expect([rates[4], rates[12], rates[13]]).toEqual([8, 2, 2]);
    expect(rates[8]).toBeCloseTo(5, 12);
  });

  it('without a warm-up begins at the peak; nothing but a warm-up never falls', () => {
    expect(learningRateAt({ ...schedule, warmUp: 0 }, 0)).toBe(8);
    expect(learningRateAt({ ...schedule, warmUp: 12 }, 11)).toBe(8);
  });

  it.each([
    { floor: 9 },
    { floor: -1 },
    { warmUp: 13 },
    { warmUp: 0.5 },
    { peak: Infinity },
    { peak: Number.NaN },
    { steps: -1 },
  ])('optimiser/C5: refuses %j', (change) => {
    expect(() => learningRateAt({ ...schedule, ...change }, 0)).toThrow(/optimiser\/C5/);
  });
});
