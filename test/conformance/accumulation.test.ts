/** conformance/C6: what the mean over many sums tells, and a bound on each of them cannot. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { accumulationQuality, LEAST_DOTS } from '../../lib/conformance/accumulation.ts';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { createJudge } from '../../lib/kit/judge.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { roundToBf16 } from '../../lib/math/float.ts';
import { Tensor } from '../../lib/tensor/tensor.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));
const many = kit.cases.find(({ id }) => id === 'linear.many-sums')!;
const inputs = kit.tensors(many, 'in');
const [x, weight] = [inputs.get('x')!, inputs.get('weight')!];
const f32 = portNumerics.get('f32')!;
const { fround } = Math;

/** Towards zero, as a unit does that cuts what does not fit. */
function cut(value: number): number {
  const nearest = fround(value);
  if (Math.abs(nearest) <= Math.abs(value)) return nearest;
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  float[0] = nearest;
  bits[0]! -= 1;
  return float[0];
}

/** What a port gives that adds up in this way. */
function product(add: (sum: number, a: number, b: number) => number, store = fround): Tensor {
  const [T, n, out] = [x.shape[0]!, x.shape[1]!, weight.shape[0]!];
  const y = new Tensor(new Float64Array(T * out), [T, out]);
  for (let at = 0; at < y.data.length; at++) {
    const [t, o] = [Math.floor(at / out), at % out];
    let sum = 0;
    for (let i = 0; i < n; i++) sum = add(sum, x.data[t * n + i]!, weight.data[o * n + i]!);
    y.data[at] = store(sum);
  }
  return y;
}
const rounded = product((sum, a, b) => fround(sum + fround(a * b)));

describe('accumulationQuality', () => {
  it('of sums that are rounded to nearest from left to right the mean square is 0.1, and there is no bias', () => {
    const quality = accumulationQuality(x, weight, rounded, f32)!;
    expect(quality).toMatchObject({ dots: 32 * 40, terms: 256, suspicious: false });
    expect(quality.meanSquare).toBeGreaterThan(0.05);
    expect(quality.meanSquare).toBeLessThan(0.2);
    expect(Math.abs(quality.bias)).toBeLessThan(0.05);
  });

  it.each([
    ['fused', product((sum, a, b) => fround(sum + a * b)), 'f32'],
    ['in binary64', product((sum, a, b) => sum + a * b), 'f32'],
    [
      'stored in bfloat16',
      product(
        (sum, a, b) => fround(sum + a * b),
        (v) => roundToBf16(fround(v)),
      ),
      'bf16',
    ],
    ['of f32, by a port that claims tf32', rounded, 'tf32'],
  ])('sums %s are honest', (_, y, numerics) => {
    expect(accumulationQuality(x, weight, y, portNumerics.get(numerics)!)!.suspicious).toBe(false);
  });

  it('sums that are cut towards zero are right by every bound, and have a bias towards zero', () => {
    const y = product((sum, a, b) => cut(sum + a * b), cut);
    const quality = accumulationQuality(x, weight, y, f32)!;
    expect(quality.suspicious).toBe(true);
    expect(quality.bias).toBeLessThan(-1);
    const claim = {
      protocol: 1 as const,
      port: { name: 'cuts', version: '1', language: 'none' },
      numerics: 'f32',
      profiles: [],
      modes: ['op' as const],
      features: [],
    };
    const answer = { status: 'ok' as const, dump: 'dump.safetensors' };
    const verdict = createJudge(kit, claim).judge(many, { answer, tensors: new Map([['y', y]]) });
    expect(verdict).toMatchObject({ outcome: 'right', accumulation: { suspicious: true } });
  });

  it('every tenth product in bfloat16 shows in the mean square', () => {
    let i = 0;
    const y = product((sum, a, b) => fround(sum + (i++ % 10 === 0 ? roundToBf16(fround(a * b)) : a * b)));
    const quality = accumulationQuality(x, weight, y, f32)!;
    expect(quality.meanSquare).toBeGreaterThan(10);
    expect(quality.suspicious).toBe(true);
  });

  it('NaN is suspicious, not passed over', () => {
    const y = rounded.clone();
    y.data[7] = Number.NaN;
    expect(accumulationQuality(x, weight, y, f32)!.suspicious).toBe(true);
  });

  it('says nothing of few sums, and nothing of a port that is as exact as the judge', () => {
    const rows = Math.ceil(LEAST_DOTS / weight.shape[0]!) - 1;
    expect(accumulationQuality(x.rows(0, rows), weight, rounded.rows(0, rows), f32)).toBeNull();
    expect(accumulationQuality(x, weight, rounded, portNumerics.get('f64')!)).toBeNull();
  });
});
