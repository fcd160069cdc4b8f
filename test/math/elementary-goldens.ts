/**
 * Reads fixtures/goldens-math/elementary.json and measures errors against it. Takes nothing from lib, so that a
 * mistake there cannot hide itself.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** One input, what the exact result rounds to, and what the rounding left out. */
export interface GoldenPoint {
  readonly inputs: readonly number[];
  /** The exact result correctly rounded to binary64. */
  readonly nearest: number;
  /** The exact result correctly rounded to binary32, in one step. */
  readonly nearest32: number;
  /** One unit in the last place of the exact result. */
  readonly unit: number;
  /** (exact - nearest) / unit, to four decimals. */
  readonly residue: number;
}

export type ElementaryFunction = 'exp' | 'log' | 'pow' | 'sin' | 'cos' | 'sigmoid' | 'silu';

const file = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-math/elementary.json', import.meta.url), 'utf8'),
) as { functions: Record<ElementaryFunction, Record<string, (string | number)[][]>> };

/** The binary64 number with these 16 hexadecimal digits. */
export function fromHex64(hex: string): number {
  return new DataView(new BigUint64Array([BigInt(`0x${hex}`)]).buffer).getFloat64(0, true);
}

/** The 16 hexadecimal digits of a binary64 number. */
export function toHex64(x: number): string {
  return new DataView(new Float64Array([x]).buffer).getBigUint64(0, true).toString(16).padStart(16, '0');
}

function fromHex32(hex: string): number {
  return new DataView(new Uint32Array([Number.parseInt(hex, 16)]).buffer).getFloat32(0, true);
}

/** 2^exponent, from bits. */
function powerOf2(exponent: number): number {
  const bits = exponent < -1022 ? 1n << BigInt(exponent + 1074) : BigInt(exponent + 1023) << 52n;
  return fromHex64(bits.toString(16).padStart(16, '0'));
}

/** The points of a function, by regime. */
export function goldensOf(name: ElementaryFunction): [regime: string, points: GoldenPoint[]][] {
  return Object.entries(file.functions[name]).map(([regime, rows]) => [
    regime,
    rows.map((row) => {
      const inputs = row.slice(0, -4).map((hex) => fromHex64(hex as string));
      const [nearest, nearest32, exponent, residue] = row.slice(-4) as [string, string, number, number];
      return {
        inputs,
        nearest: fromHex64(nearest),
        nearest32: fromHex32(nearest32),
        unit: powerOf2(exponent),
        residue,
      };
    }),
  ]);
}

/** The point with the largest error in ulp; a wrong NaN or infinity counts as infinitely far. */
export function worstOf(
  points: readonly GoldenPoint[],
  compute: (...inputs: number[]) => number,
): { ulps: number; inputs: readonly number[] } {
  let worst: { ulps: number; inputs: readonly number[] } = { ulps: -1, inputs: [] };
  for (const { inputs, nearest, unit, residue } of points) {
    const difference = Math.abs((compute(...inputs) - nearest) / unit - residue);
    const ulps = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (ulps > worst.ulps) worst = { ulps, inputs };
  }
  return worst;
}

/** In how many points rounding the result to binary32 misses the correctly rounded binary32 number. */
export function missesInF32(
  points: readonly GoldenPoint[],
  compute: (...inputs: number[]) => number,
): number {
  return points.filter(({ inputs, nearest32 }) => !Object.is(Math.fround(compute(...inputs)), nearest32))
    .length;
}

/** A digest of the bits of all results, to notice when one changes. */
export function digestOf(name: ElementaryFunction, compute: (...inputs: number[]) => number): string {
  const hash = createHash('sha256');
  for (const [, points] of goldensOf(name)) {
    for (const { inputs } of points) hash.update(toHex64(compute(...inputs)));
  }
  return hash.digest('hex');
}
