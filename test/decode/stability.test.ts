/**
 * The f32 bits of a whole run, pinned. The hashes come from this package itself: they prove no correctness, which is the goldens' task,
 * but that every engine, machine and later version gives the same bits. If one changes, SPEC #numerics has changed, or something is wrong.
 */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { recordTrace } from '../../lib/trace.ts';
import { goldenJson, goldenModel } from '../helpers/goldens.ts';

/** Mode → SHA-256 over name, shape and little-endian elements of every tensor, in order. */
const PINNED = {
  f32: 'ee5e0781933092b83dca88c2ba648c8852411d302b58740245781cae0ab0d1b0',
  f64: '90d913ede383c93287505d552c14f01120e935fb2c32992161e3d729aefc8d30',
};

describe('bits of the teacher-forced golden run', () => {
  it.each<[string, keyof typeof PINNED, Kernels]>([
    ['f64', 'f64', referenceKernels('f64')],
    ['f32, reference kernels', 'f32', referenceKernels('f32')],
    ['f32, SIMD kernels', 'f32', simdKernels()],
    ['f32, SIMD kernels, 2 threads', 'f32', simdKernels({ threads: 2, leastSharedWork: 0 })],
    ['f32, SIMD kernels, 3 threads', 'f32', simdKernels({ threads: 3, leastSharedWork: 0 })],
  ])('numerics/N1: are the same on every engine (%s)', (_, numerics, kernels) => {
    const { prompt_ids: prompt, macro_steps } = goldenJson('teacher.json');
    const segments = macro_steps.map(({ tokens }: { tokens: number[] }) => tokens);
    const { trace, tensors } = recordTrace();
    teacherForced(goldenModel('distinct', numerics, kernels), { prompt, segments, trace });
    const hash = createHash('sha256');
    for (const [name, { shape, data }] of tensors) {
      hash.update(`${name} ${shape.join(' ')}\n`);
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    expect(hash.digest('hex')).toBe(PINNED[numerics]);
  });
});
