import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { rope, ropeFrequencies, ropeTable } from '../../lib/ops/rope.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, opCases } from '../helpers/goldens.ts';

// biome-ignore lint/suspicious/noExplicitAny: as in the golden file.
const scalingOf = (scaling: any) =>
  scaling && {
    factor: scaling.factor,
    lowFreqFactor: scaling.low_freq_factor,
    highFreqFactor: scaling.high_freq_factor,
    originalMaxPositionEmbeddings: scaling.original_max_position_embeddings,
  };

describe('rope frequencies', () => {
  it.each(opCases('rope-frequencies', 'f64'))('golden $id', ({ params, output }) => {
    const frequencies = ropeFrequencies(params.head_size, params.theta, scalingOf(params.scaling));
    expectClose(tensorOf('f64', [frequencies.length], frequencies), output('frequencies'), 4e-16);
    // Small frequencies count as much as large ones.
    frequencies.forEach((frequency, i) => {
      expect(Math.abs(frequency / output('frequencies').get(i) - 1)).toBeLessThan(1e-14);
    });
  });

  it('rope/C1: refuses an odd head size, and none', () => {
    for (const size of [0, 3, -2, 2.5]) expect(() => ropeFrequencies(size, 10000, null)).toThrow(CallerError);
  });

  it('rope/C3: both bounds belong to the middle band, and the bands meet without a jump', () => {
    const scaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 8192 };
    const at = (wavelength: number) => {
      // A head of size 4 has the frequencies 1 and theta^(-1/2).
      const theta = (wavelength / (2 * Math.PI)) ** 2;
      return ropeFrequencies(4, theta, scaling)[1]! * (wavelength / (2 * Math.PI));
    };
    expect(at(2047)).toBeCloseTo(1, 12);
    expect(at(2049)).toBeCloseTo(1, 2);
    expect(at(2049)).toBeLessThan(1);
    expect(at(8190)).toBeCloseTo(1 / 8, 3);
    expect(at(8190)).toBeGreaterThan(1 / 8);
    expect(at(8194)).toBeCloseTo(1 / 8, 12);
  });
});

describe.each(['f64', 'f32'] as const)('rope, %s', (numerics) => {
  const kernels = referenceKernels(numerics);
  const turn = (x: ReturnType<typeof tensorOf>, positions: readonly number[], theta = 10000) =>
    rope(kernels, x, ropeTable(kernels, ropeFrequencies(x.shape[2]!, theta, null), positions, 'mode'));

  it.each(opCases('rope', numerics))('golden $id', ({ input, params, output }) => {
    const x = input('x');
    const frequencies = ropeFrequencies(x.shape[2]!, params.theta, scalingOf(params.scaling));
    const y = rope(kernels, x, ropeTable(kernels, frequencies, params.positions, 'mode'));
    // Angles reach 131071: an error of 1 ulp in a frequency of order 1 moves them by 1e-11.
    expectClose(y, output('y'), numerics === 'f64' ? 3e-11 : agreement.f32);
  });

  it('rope/C2: refuses a table for other rows or another head size', () => {
    const table = ropeTable(kernels, ropeFrequencies(4, 10000, null), [0, 1], 'mode');
    expect(() => rope(kernels, zeros(numerics, [3, 1, 4]), table)).toThrow(
      'rope/C2: shape of cos: expected [T = 3, half], found [2, 2]',
    );
    expect(() => rope(kernels, zeros(numerics, [2, 1, 6]), table)).toThrow(
      'rope/C2: shape of cos: expected [T, 3], found [T, 2]',
    );
  });

  it('rope/C4: pairs are halves: component 0 mixes with component size/2, not with component 1', () => {
    const y = turn(tensorOf(numerics, [1, 1, 4], [1, 0, 0, 0]), [1]);
    expect(y.get(0, 0, 1)).toBe(0);
    expect(y.get(0, 0, 2)).toBeCloseTo(Math.sin(1), 6);
  });

  it('position 0 changes nothing', () => {
    const x = tensorOf(numerics, [1, 2, 4], [1, 2, 3, 4, 5, 6, 7, 8]);
    expect(turn(x, [0]).data).toEqual(x.data);
  });

  const component = fc.float({ noNaN: true, min: -10, max: 10 });
  const vector = fc.array(component, { minLength: 8, maxLength: 8 });
  const position = fc.integer({ min: 0, max: 100000 });

  it('preserves norms', () => {
    fc.assert(
      fc.property(vector, position, (values, p) => {
        const norm = (data: Iterable<number>) => Math.hypot(...data);
        expect(norm(turn(tensorOf(numerics, [1, 1, 8], values), [p]).data)).toBeCloseTo(norm(values), 4);
      }),
      { seed: 2 },
    );
  });

  it('q·k depends on the difference of positions alone', () => {
    fc.assert(
      fc.property(vector, vector, fc.nat(2000), fc.nat(2000), fc.nat(2000), (q, k, p, difference, shift) => {
        const dot = (at: number) => {
          const a = turn(tensorOf(numerics, [1, 1, 8], q), [at + difference]).data;
          const b = turn(tensorOf(numerics, [1, 1, 8], k), [at]).data;
          return Array.from(a, (value, i) => value * b[i]!).reduce((sum, term) => sum + term);
        };
        expect(Math.abs(dot(p) - dot(p + shift))).toBeLessThan(numerics === 'f64' ? 1e-8 : 2e-3);
      }),
      { seed: 3 },
    );
  });

  it('rope/C5: a bf16 table has bf16 entries, rounded by way of binary32', () => {
    const table = ropeTable(kernels, Float64Array.from([1, 0.1]), [0, 1, 7, 1000], 'bf16');
    for (const value of [...table.cos.data, ...table.sin.data]) {
      const bits = new Uint32Array(Float32Array.from([value]).buffer)[0]!;
      expect(bits & 0xffff).toBe(0);
    }
    expect(table.cos.get(1, 0)).toBe(0.5390625);
    expect(table.sin.get(1, 0)).toBe(0.83984375);
    // sin 11446 = -0.92382814024...: binary32 rounds it to a tie of bfloat16, which goes to the even -0.921875; rounded once it
    // would be -0.92578125.
    expect(ropeTable(kernels, Float64Array.from([1]), [11446], 'bf16').sin.get(0, 0)).toBe(-0.921875);
  });

  it('numerics/N8: angles are binary64 in both modes, so the f32 table is the f64 table rounded once', () => {
    const frequencies = ropeFrequencies(10, 500000, null);
    const positions = [0, 1, 63, 131071];
    const exact = ropeTable(referenceKernels('f64'), frequencies, positions, 'mode');
    const table = ropeTable(kernels, frequencies, positions, 'mode');
    expect([...table.cos.data]).toEqual([...exact.cos.data].map(kernels.round));
    expect([...table.sin.data]).toEqual([...exact.sin.data].map(kernels.round));
  });
});

describe('rope/C1', () => {
  it.each([0, -2, 3, 2.5, Number.NaN])('refuses a head of %s components', (size) => {
    expect(() => ropeFrequencies(size, 10000, null)).toThrow(
      `rope/C1: head size: expected a positive even integer, found ${size}`,
    );
  });
});
