import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fallingOrder } from '../../lib/decode/falling-order.ts';
import type { Elements } from '../../lib/tensor/tensor.ts';

/** The definition. */
const naive = (logits: Elements, count = logits.length): number[] =>
  Array.from(logits.keys())
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, count);

/** Ties, zeros of both signs, subnormal and largest numbers, neighbours that differ in one word of their bits only. */
const awkward = fc.constantFrom(
  ...[
    -0,
    0,
    1,
    -1,
    1 + 2 ** -52,
    1 - 2 ** -53,
    -1 - 2 ** -52,
    2 ** -1074,
    -(2 ** -1074),
    2 ** 32,
    -(2 ** 32),
  ],
  ...[Number.MAX_VALUE, -Number.MAX_VALUE, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
);
const number = fc.oneof(awkward, fc.double({ noNaN: true }), fc.integer({ min: -3, max: 3 }));

describe('fallingOrder', () => {
  it('is the sorted order by definition, whether all are wanted or few', () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 60 }), fc.integer({ min: 0, max: 62 }), (values, count) => {
        // Infinities of one sign are equal, and their difference is not a number: the naive sort needs them apart.
        const logits = Float64Array.from(values, (x) =>
          Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, x)),
        );
        expect([...fallingOrder(logits)]).toEqual(naive(logits));
        expect([...fallingOrder(logits, count)]).toEqual(naive(logits, count));
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('equal infinities stay in the order of their ids', () => {
    const logits = Float64Array.of(
      -Infinity,
      1,
      -Infinity,
      Infinity,
      -Infinity,
      Infinity,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
    );
    expect([...fallingOrder(logits, 3)]).toEqual([3, 5, 1]);
    expect([...fallingOrder(logits, 2)]).toEqual([3, 5]);
    expect([...fallingOrder(logits).slice(-3)]).toEqual([0, 2, 4]);
    expect([...fallingOrder(new Float64Array(20).fill(-Infinity), 2)]).toEqual([0, 1]);
  });

  it('orders a vocabulary of binary32 logits with many ties, however many are wanted', () => {
    const logits = Float32Array.from({ length: 4000 }, (_, i) => Math.fround(((i * 7919) % 1013) / 37 - 9));
    const all = naive(logits);
    for (const count of [1, 2, 40, 499, 500, 501, 3999, 4000]) {
      expect([...fallingOrder(logits, count)], `${count}`).toEqual(all.slice(0, count));
    }
  });
});
