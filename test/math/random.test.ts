import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { normalsFrom, recordedUniforms, replayedUniforms, seededUniforms } from '../../lib/math/random.ts';

function take(source: { next(): number }, count: number): number[] {
  return Array.from({ length: count }, () => source.next());
}

describe('seededUniforms', () => {
  it("draws seedrandom's default generator: the value its authors document for 'hello.'", () => {
    const source = seededUniforms('hello.');
    expect(source.next()).toBe(0.9282578795792454);
    expect(source.next()).toBe(0.3752569768646784);
  });

  it('depends on nothing but the seed: a second source and other draws between do not matter', () => {
    const first = seededUniforms('a');
    const other = seededUniforms('b');
    const drawn: number[] = [];
    for (let i = 0; i < 20; i++) {
      drawn.push(first.next());
      other.next();
    }
    expect(take(seededUniforms('a'), 20)).toEqual(drawn);
    expect(take(seededUniforms('b'), 20)).not.toEqual(drawn);
  });

  it('stays in [0, 1)', () => {
    for (const value of take(seededUniforms('range'), 10_000)) {
      expect(value >= 0 && value < 1).toBe(true);
    }
  });

  it('does not replace Math.random', () => {
    const before = Math.random;
    seededUniforms('global');
    expect(Math.random).toBe(before);
  });

  it.each(['', 0 as unknown as string, undefined as unknown as string, null as unknown as string])(
    'refuses the seed %j, for which the package would choose one or mean another',
    (seed) => {
      expect(() => seededUniforms(seed)).toThrow(CallerError);
    },
  );
});

describe('replayedUniforms', () => {
  it('gives the draws in order and counts what is left', () => {
    const source = replayedUniforms([0, 0.25, 0.5]);
    expect(source.remaining).toBe(3);
    expect(take(source, 2)).toEqual([0, 0.25]);
    expect(source.remaining).toBe(1);
    expect(source.next()).toBe(0.5);
    expect(source.remaining).toBe(0);
  });

  it('throws when used up instead of starting over or giving undefined, and again the next time', () => {
    const source = replayedUniforms([0.5]);
    source.next();
    expect(() => source.next()).toThrow(CallerError);
    expect(() => source.next()).toThrow('replayed draws: expected at most 1 to be used');
    expect(source.remaining).toBe(0);
  });

  it.each([1, -0.1, Number.NaN, Number.POSITIVE_INFINITY, '0.5' as unknown as number])(
    'refuses the draw %j and says where',
    (value) => {
      expect(() => replayedUniforms([0.5, value])).toThrow(CallerError);
      expect(() => replayedUniforms([0.5, value])).toThrow('draw 1 of 2');
    },
  );

  it('does not change when the list given is changed later', () => {
    const values = [0.1, 0.2];
    const source = replayedUniforms(values);
    values[0] = 0.9;
    expect(source.next()).toBe(0.1);
  });
});

describe('recordedUniforms', () => {
  it('passes draws through and keeps them, so that a replay repeats them', () => {
    const recorded = recordedUniforms(seededUniforms('r'));
    const drawn = take(recorded, 5);
    expect(drawn).toEqual(take(seededUniforms('r'), 5));
    expect(recorded.drawn).toEqual(drawn);
    expect(take(replayedUniforms(recorded.drawn), 5)).toEqual(drawn);
  });

  it('keeps nothing for a draw that failed', () => {
    const recorded = recordedUniforms(replayedUniforms([0.5]));
    recorded.next();
    expect(() => recorded.next()).toThrow(CallerError);
    expect(recorded.drawn).toEqual([0.5]);
  });
});

describe('normalsFrom', () => {
  it('draws the radius first and the angle second, gives the cosine first and the sine second', () => {
    const source = replayedUniforms([0.3, 0.7]);
    const normals = normalsFrom(source);
    // sqrt(-2 ln 0.7) = 0.8446004309005917, times cos and sin of 1.4 pi.
    expect(normals.next()).toBeCloseTo(-0.2609958866046866, 13);
    expect(source.remaining).toBe(0);
    expect(normals.next()).toBeCloseTo(-0.8032627434737021, 13);
  });

  it('stays finite for the smallest and the largest draw: the logarithm never sees 0', () => {
    const largest = 1 - 2 ** -53;
    const normals = normalsFrom(replayedUniforms([0, 0, largest, largest]));
    expect(normals.next()).toBeCloseTo(0, 15);
    expect(normals.next()).toBeCloseTo(0, 15);
    expect(normals.next()).toBeCloseTo(8.5716744, 6);
    expect(Math.abs(normals.next())).toBeLessThan(1e-14);
  });

  it('has the moments of a standard normal', () => {
    const count = 100_000;
    const values = take(normalsFrom(seededUniforms('moments')), count);
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
    // Four standard errors of each moment: 1, sqrt(2), sqrt(15), sqrt(96) over the root of the count.
    const error = 4 / Math.sqrt(count);
    expect(Math.abs(moment(1))).toBeLessThan(error);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(error * Math.SQRT2);
    expect(Math.abs(moment(3))).toBeLessThan(error * Math.sqrt(15));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(error * Math.sqrt(96));
  });
});
