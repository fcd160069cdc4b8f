import { describe, expect, it } from 'vitest';
import { simdCeilings } from '../../lib/kernels/simd/ceilings.ts';

describe('ceilings', () => {
  it('four streams read all of the region, once: they give what one stream gives', () => {
    for (const bytes of [256, 1024, 5120]) {
      const ceilings = simdCeilings(bytes);
      const bits = ceilings.region;
      for (let i = 0; i < bits.length; i++) bits[i] = Math.imul(i + 1, 0x9e3779b1);
      // Lane 0 of what is combined: every fourth number.
      let expected = 0;
      for (let i = 0; i < bits.length; i += 4) expected ^= bits[i]!;
      expect(expected).not.toBe(0);
      expect([ceilings.read(1), ceilings.read(4)]).toEqual([expected, expected]);
    }
  });

  it('the region is rounded up to whole steps, and what was read is counted so', () => {
    expect([1, 256, 257].map((bytes) => simdCeilings(bytes).bytes)).toEqual([256, 256, 512]);
  });

  it('the operations of a walk are eight dot products of a quarter of a row, a multiplication and an addition each', () => {
    expect(simdCeilings(256).multiplyAdd(3)).toBe(3 * 8 * (512 / 4) * 2);
  });

  it.each([0, -1, 1.5, Number.NaN])('%d bytes are refused', (bytes) => {
    expect(() => simdCeilings(bytes)).toThrow(/bytes to be read: expected a positive integer/);
  });
});
