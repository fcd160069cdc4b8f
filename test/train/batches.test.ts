import { assert, integer, property, array as some, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { namedUniforms } from '../../lib/math/random.ts';
import { type Batch, batchesFrom, shuffled, totalSteps } from '../../lib/train/batches.ts';
import { faultOf } from '../helpers/checkpoint-folders.ts';

const take = (count: number, batches: Generator<Batch>): Batch[] =>
  Array.from({ length: count }, () => batches.next().value);

describe('batches', () => {
  it('recipe/R3: an order has each sample once; it is another one in another epoch and for another seed', () => {
    const order = shuffled(50, 'a', 0);
    expect([...order].sort((x, y) => x - y)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(shuffled(50, 'a', 0)).toEqual(order);
    expect(shuffled(50, 'a', 1)).not.toEqual(order);
    expect(shuffled(50, 'b', 0)).not.toEqual(order);
  });

  it('recipe/R3: every order of three is as likely as any other (a shuffle that swaps with any place is not)', () => {
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 6000; epoch++) {
      const key = shuffled(3, 's', epoch).join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // Standard deviation 29; the biased shuffle gives 889 and 1111.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(100);
  });

  it('streams of two purposes or places are not the same, however the texts are put together', () => {
    const first = (...args: Parameters<typeof namedUniforms>) => namedUniforms(...args).next();
    const draws = [first('a', 'b', 1), first('a', 'b', 11), first('a', 'b', 1, 1), first('ab', '', 1)];
    expect(new Set(draws).size).toBe(4);
  });

  it('recipe/R4: each epoch has each sample once; no batch is too large, and none could have taken the next', () => {
    const lengths = some(integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 });
    assert(
      property(
        lengths,
        integer({ min: 9, max: 20 }),
        string({ minLength: 1 }),
        (lengths, batchTokens, seed) => {
          const options = { lengths, batchTokens, seed };
          const batches = take(totalSteps({ epochs: 2 }, options), batchesFrom(0, options));
          const sum = (samples: readonly number[]) => samples.reduce((all, n) => all + lengths[n]!, 0);
          expect(batches.map(({ step }) => step)).toEqual(batches.map((_, i) => i));
          for (const epoch of [0, 1]) {
            const own = batches.filter((batch) => batch.epoch === epoch);
            expect(own.flatMap(({ samples }) => samples)).toEqual(shuffled(lengths.length, seed, epoch));
            own.forEach(({ samples }, i) => {
              expect(samples.length).toBeGreaterThan(0);
              expect(sum(samples)).toBeLessThanOrEqual(batchTokens);
              const next = own[i + 1]?.samples[0];
              if (next !== undefined) expect(sum(samples) + lengths[next]!).toBeGreaterThan(batchTokens);
            });
          }
        },
      ),
      { seed: 1, numRuns: 50 },
    );
  });

  it('a run that begins later has the same batches', () => {
    const options = { lengths: [3, 1, 4, 1, 5, 2, 6], batchTokens: 8, seed: 'x' };
    const all = take(20, batchesFrom(0, options));
    expect(take(12, batchesFrom(8, options))).toEqual(all.slice(8));
  });

  it('a number of steps is what it is', () => {
    expect(totalSteps({ steps: 7 }, { lengths: [1], batchTokens: 2, seed: 'x' })).toBe(7);
  });

  it('recipe/R4: no samples, and one that has no room, are refused before the first step', () => {
    const fault = (lengths: number[]) =>
      faultOf(() => batchesFrom(0, { lengths, batchTokens: 4, seed: 'x' }).next(), CallerError);
    expect(fault([])).toMatchObject({ rule: 'recipe/R4', found: 'none' });
    expect(fault([1, 5])).toMatchObject({ rule: 'recipe/R4', found: 'sample 1 of 5' });
  });
});
