/** What a wrong tensor is said to look like: likenesses that need no known mistake, and that no other damage may be taken for. */

import { describe, expect, it } from 'vitest';
import { judgeRun } from '../../lib/conformance/judge-run.ts';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { teacherForced } from '../../lib/decode/generate.ts';
import { trainProfile } from '../../lib/decode/profiles.ts';
import type { Tensor } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';
import { hamburgerOf, smallConfig } from '../helpers/models.ts';

const prompt = [3, 14, 15];
const segments = [[1, 2, 3], [4]];
const name = 'macro.1.model.layers.2.mlp.activation';

/** What is said of a run in which `spoil` changed the elements of one tensor. */
function said(spoil: (data: Tensor['data'], tensors: ReadonlyMap<string, Tensor>) => void): string[] {
  const { trace, tensors } = recordTrace();
  teacherForced(hamburgerOf(smallConfig, 'f32'), { prompt, segments, trace });
  spoil(tensors.get(name)!.data, tensors);
  const model = hamburgerOf(smallConfig, 'f64');
  const run = { model, prompt, segments, profile: trainProfile };
  const { divergence, diagnosis } = judgeRun(run, tensors, portNumerics.get('f32')!);
  expect(divergence?.name).toBe(name);
  return diagnosis.map(({ mistake, says }) => {
    expect(mistake).toBeNull();
    return says;
  });
}

/** Changes each element. */
const each = (change: (value: number, i: number) => number) => (data: Tensor['data']) => {
  for (const [i, value] of data.entries()) data[i] = change(value, i);
};

describe('likenesses', () => {
  it('one damaged element is not "every element is more"', () => {
    expect(
      said((data) => {
        data[0]! += 1e-4;
      }),
    ).toEqual(['only one element is wrong, of 26; all others are right']);
  });

  it('two of 26 are few, three are not', () => {
    const spoil = (count: number) => (data: Tensor['data']) => {
      for (let i = 0; i < count; i++) data[i]! += 1e-3 * (i + 1);
    };
    expect(said(spoil(2))).toEqual(['only 2 elements are wrong, of 26; the others are right']);
    expect(said(spoil(3))).toEqual([]);
  });

  it('bytes in the other order, of which some numbers become NaN or infinite; and no other damage', () => {
    const view = new DataView(new ArrayBuffer(4));
    const swapped = (value: number) => {
      view.setFloat32(0, value);
      return view.getFloat32(0, true);
    };
    const other = 'its bytes are in the other order: tensors in a dump are little-endian (INTERPRETING 1.4)';
    expect(said(each(swapped))).toEqual([other]);
    expect(said(each((value, i) => (i === 3 ? Number.NaN : swapped(value))))).toEqual([other]);
    expect(said(each((value, i) => (i % 2 === 0 ? value : swapped(value))))).not.toContain(other);
  });

  it('a constant factor', () => {
    expect(said(each((value) => 1.5 * value))).toEqual(['every element is 1.50000 times what it should be']);
  });

  it('a constant offset', () => {
    expect(said(each((value) => value + 0.25))).toEqual(['every element is 0.250000 more than it should be']);
  });

  it('offsets that only resemble each other are no constant', () => {
    expect(said(each((value, i) => value + 0.25 + 1e-3 * (i % 2)))).toEqual([]);
  });

  it('zeros, NaN, infinities: each by its own name', () => {
    expect(said((data) => data.fill(0))).toEqual(['it is all zeros']);
    expect(said((data) => data.fill(Number.NaN, 3, 4))).toEqual([
      'it holds NaN, where all inputs are finite',
    ]);
    expect(said((data) => data.fill(Number.POSITIVE_INFINITY, 3, 4))).toEqual([
      'it holds an infinity, where all inputs are finite',
    ]);
  });

  it('another tensor of the run', () => {
    const other = 'macro.1.model.layers.0.mlp.activation';
    expect(said((data, tensors) => data.set(tensors.get(other)!.data))).toEqual([`it equals ${other}`]);
  });
});
