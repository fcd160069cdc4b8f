import { describe, expect, it } from 'vitest';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { bf16ToNumber, f16ToNumber, numberToBf16Bits, numberToF16Bits } from '../../lib/math/float.ts';

describe('conformance/C1: the table of numerics', () => {
  /** The worst relative error of rounding numbers from 1 to 2. */
  const worst = (round: (x: number) => number) => {
    let error = 0;
    for (let i = 0; i < 100_000; i++) {
      const x = 1 + i / 100_000;
      error = Math.max(error, Math.abs(round(x) - x) / x);
    }
    return error;
  };

  it.each([
    ['f32', Math.fround, 2 ** -24],
    ['f16', (x: number) => f16ToNumber(numberToF16Bits(x)), 2 ** -11],
    ['bf16', (x: number) => bf16ToNumber(numberToBf16Bits(x)), 2 ** -8],
  ])('%s: what is stored is as near as a rounding gets, and hardly farther', (name, round, unit) => {
    const { store } = portNumerics.get(name)!;
    expect(store).toBe(unit);
    expect(worst(round)).toBeLessThanOrEqual(store);
    expect(worst(round)).toBeGreaterThan(store / 2.1);
  });

  it('only the modes that cut operands lose something in a product, and the split one nearly nothing', () => {
    const losses = [...portNumerics.values()].filter(({ product }) => product > 0);
    expect(losses.map(({ name }) => name)).toEqual(['f32-split', 'tf32']);
    expect(losses[0]!.product * 100).toBeLessThan(losses[1]!.product);
  });

  it('no bound is below the smallest normal number of what is stored', () => {
    const { smallestNormal: f32 } = portNumerics.get('f32')!;
    expect(Math.fround(f32)).toBe(f32);
    expect(f32 / 2 ** -149).toBe(2 ** 23);
    const { smallestNormal: f16 } = portNumerics.get('f16')!;
    expect(numberToF16Bits(f16)).toBe(0x0400);
  });
});
