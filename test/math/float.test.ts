import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bf16ToNumber,
  f16ToNumber,
  numberToBf16Bits,
  numberToF16Bits,
  roundToBf16,
  roundToF32,
  ulpDistance,
  ulpOf,
} from '../../lib/math/float.ts';
import { fromHex64, toHex64 } from './elementary-goldens.ts';

/** The neighbour of finite `x > 0`, above (+1) or below (-1). */
function neighbour(x: number, step: 1 | -1): number {
  return fromHex64((BigInt(`0x${toHex64(x)}`) + BigInt(step)).toString(16).padStart(16, '0'));
}

/** binary32 number with these bits. */
function fromBits32(bits: number): number {
  return new DataView(new Uint32Array([bits]).buffer).getFloat32(0, true);
}

/** The value of 16 bits by the definition of the format. */
function byDefinition(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

describe.each([
  ['binary16', f16ToNumber, numberToF16Bits, 5, 0x7c00, 0x7e00],
  ['bfloat16', bf16ToNumber, numberToBf16Bits, 8, 0x7f80, 0x7fc0],
] as const)('%s', (_name, toNumber, toBits, exponentBits, infinity, nan) => {
  it('decodes all 65536 bit patterns as the format is defined', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const expected = byDefinition(bits, exponentBits);
      if (!Object.is(toNumber(bits), expected)) expect([bits, toNumber(bits)]).toEqual([bits, expected]);
    }
  });

  it('encodes every value as the bits it came from, and every NaN as the one without sign or payload', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const expected = (bits & 0x7fff) > infinity ? nan : bits;
      if (toBits(toNumber(bits)) !== expected)
        expect([bits, toBits(toNumber(bits))]).toEqual([bits, expected]);
    }
  });

  it('between any two neighbours rounds at the middle, ties to even, once: also a hair beside the middle', () => {
    for (let bits = 0; bits < infinity; bits++) {
      // Beyond the largest finite number the next power of two stands for infinity.
      const below = byDefinition(bits, exponentBits);
      const last = byDefinition(bits - 1, exponentBits);
      const above = bits + 1 === infinity ? 2 * below - last : byDefinition(bits + 1, exponentBits);
      const middle = (below + above) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const found = [
        toBits(neighbour(middle, -1)),
        toBits(middle),
        toBits(neighbour(middle, 1)),
        toBits(-middle),
      ];
      const expected = [bits, even, bits + 1, even + 0x8000];
      if (found.join() !== expected.join()) expect({ bits, found }).toEqual({ bits, found: expected });
    }
  });

  it('keeps the signs of zero, infinity and numbers too small to keep', () => {
    expect(toBits(-0)).toBe(0x8000);
    expect(toNumber(0x8000)).toBe(-0);
    expect(toBits(Number.NEGATIVE_INFINITY)).toBe(infinity + 0x8000);
    expect(toBits(-Number.MAX_VALUE)).toBe(infinity + 0x8000);
    expect(toBits(-Number.MIN_VALUE)).toBe(0x8000);
    expect(toBits(Number.MIN_VALUE)).toBe(0);
  });
});

describe('rounding once', () => {
  it('binary16: 1 + 2^-11 + 2^-40 goes up; through binary32 it would be a tie and go down', () => {
    const x = 1 + 2 ** -11 + 2 ** -40;
    expect(f16ToNumber(numberToF16Bits(x))).toBe(1 + 2 ** -10);
    expect(f16ToNumber(numberToF16Bits(Math.fround(x)))).toBe(1);
  });

  it('bfloat16: 1 + 2^-8 + 2^-40 goes up; through binary32 it would be a tie and go down', () => {
    const x = 1 + 2 ** -8 + 2 ** -40;
    expect(roundToBf16(x)).toBe(1 + 2 ** -7);
    expect(roundToBf16(Math.fround(x))).toBe(1);
  });
});

describe('roundToBf16', () => {
  it('of a binary32 number is what adding half a unit to its bits gives', () => {
    const bits32 = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(bits32, (bits) => {
        const x = fromBits32(bits);
        if (Number.isNaN(x)) expect(roundToBf16(x)).toBeNaN();
        else {
          const carry = 0x7fff + ((bits >>> 16) & 1);
          expect(roundToBf16(x)).toBe(fromBits32((bits + carry) & 0xffff0000));
        }
      }),
      { seed: 8, numRuns: 20_000 },
    );
  });

  it('overflows to infinity halfway between the largest number and the next power of two', () => {
    const largest = fromBits32(0x7f7f0000);
    expect(roundToBf16(fromBits32(0x7f7f7fff))).toBe(largest);
    expect(roundToBf16(fromBits32(0x7f7f8000))).toBe(Number.POSITIVE_INFINITY);
    expect(roundToBf16(-fromBits32(0x7f7fffff))).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('roundToF32', () => {
  it('rounds to nearest, ties to even', () => {
    expect(roundToF32(1 + 2 ** -24)).toBe(1);
    expect(roundToF32(1 + 3 * 2 ** -24)).toBe(1 + 2 ** -22);
    expect(roundToF32(1e300)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('ulpOf', () => {
  it.each([
    ['1', 1, 2 ** -52, 2 ** -23],
    ['a negative number, by its magnitude', -1, 2 ** -52, 2 ** -23],
    ['just below 1', 1 - 2 ** -53, 2 ** -53, 2 ** -24],
    ['just below 2', 2 - 2 ** -23, 2 ** -52, 2 ** -23],
    ['0', 0, 2 ** -1074, 2 ** -149],
    ['-0', -0, 2 ** -1074, 2 ** -149],
    ['the smallest normal binary32 number', 2 ** -126, 2 ** -178, 2 ** -149],
    ['a subnormal binary32 number', 2 ** -140, 2 ** -192, 2 ** -149],
    ['the smallest number', Number.MIN_VALUE, 2 ** -1074, 2 ** -149],
    ['the largest binary32 number', fromBits32(0x7f7fffff), 2 ** 75, 2 ** 104],
    ['beyond binary32', 2 ** 128, 2 ** 76, Number.POSITIVE_INFINITY],
    ['the largest number', Number.MAX_VALUE, 2 ** 971, Number.POSITIVE_INFINITY],
    ['Infinity', Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['NaN', Number.NaN, Number.NaN, Number.NaN],
  ])('of %s', (_name, x, in64, in32) => {
    expect(ulpOf(x, 'f64')).toBe(in64);
    expect(ulpOf(x, 'f32')).toBe(in32);
  });
});

describe('ulpDistance', () => {
  it.each([
    ['+0 and -0 are the same place', 0, -0, 0, 0],
    ['the smallest numbers around zero are 2 apart', 2 ** -149, -(2 ** -149), 2 ** 926, 2],
    ['NaN and NaN', Number.NaN, Number.NaN, 0, 0],
    ['NaN and a number', Number.NaN, 1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['a number and NaN', 1, Number.NaN, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['infinity and itself', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0, 0],
    ['1 and the next binary32 number', 1, 1 + 2 ** -23, 2 ** 29, 1],
    [
      'across a power of two the steps differ in size and count alike',
      1 - 2 ** -24,
      1 + 2 ** -23,
      3 * 2 ** 28 + 2 ** 28,
      2,
    ],
    ['1 and -1', 1, -1, 2 * 1023 * 2 ** 52, 2 * 127 * 2 ** 23],
  ])('%s', (_name, a, b, in64, in32) => {
    if (a !== 2 ** -149) expect(ulpDistance(a, b, 'f64')).toBe(in64);
    expect(ulpDistance(a, b, 'f32')).toBe(in32);
    expect(ulpDistance(b, a, 'f32')).toBe(in32);
  });

  it('infinity is one step past the largest finite number', () => {
    expect(ulpDistance(Number.POSITIVE_INFINITY, Number.MAX_VALUE, 'f64')).toBe(1);
    expect(ulpDistance(Number.NEGATIVE_INFINITY, -fromBits32(0x7f7fffff), 'f32')).toBe(1);
  });

  it('the smallest binary64 numbers around zero are 2 apart, subnormal and normal neighbours 1', () => {
    expect(ulpDistance(Number.MIN_VALUE, -Number.MIN_VALUE, 'f64')).toBe(2);
    expect(ulpDistance(2 ** -1022, neighbour(2 ** -1022, -1), 'f64')).toBe(1);
  });

  it('f32 counts between the nearest binary32 numbers', () => {
    expect(ulpDistance(0.1, Math.fround(0.1), 'f32')).toBe(0);
    expect(ulpDistance(0.1, Math.fround(0.1), 'f64')).toBeGreaterThan(0);
  });

  it('is the difference of the places in the order of all binary32 numbers', () => {
    const finite = fc.float({ noNaN: true });
    const place = (x: number) => {
      const bits = new DataView(new Float32Array([x]).buffer).getUint32(0, true);
      return bits >= 2 ** 31 ? -(bits - 2 ** 31) : bits;
    };
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        expect(ulpDistance(a, b, 'f32')).toBe(Math.abs(place(a) - place(b)));
      }),
      { seed: 9, numRuns: 5000 },
    );
  });

  it('is the difference of the places in the order of all binary64 numbers, rounded once', () => {
    const finite = fc.double({ noNaN: true });
    const place = (x: number) => {
      const bits = BigInt(`0x${toHex64(x)}`);
      return bits >= 2n ** 63n ? 2n ** 63n - bits : bits;
    };
    fc.assert(
      fc.property(finite, finite, (a, b) => {
        const steps = place(a) - place(b);
        expect(ulpDistance(a, b, 'f64')).toBe(Number(steps < 0n ? -steps : steps));
      }),
      { seed: 10, numRuns: 5000 },
    );
  });
});
