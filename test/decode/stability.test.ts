/** The f32 bits of a whole run, pinned. `npm run test:engines` asks the same of other engines. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { hashGoldenTrace, PINNED_TRACE } from '../helpers/golden-trace.ts';
import { goldenJson, goldenModel } from '../helpers/goldens.ts';

describe('bits of the teacher-forced golden run', () => {
  it.each<[string, keyof typeof PINNED_TRACE, Kernels]>([
    ['f64', 'f64', referenceKernels('f64')],
    ['f32, reference kernels', 'f32', referenceKernels('f32')],
    ['f32, SIMD kernels', 'f32', simdKernels()],
    ['f32, SIMD kernels, 2 threads', 'f32', simdKernels({ threads: 2, leastSharedWork: 0 })],
    ['f32, SIMD kernels, 3 threads', 'f32', simdKernels({ threads: 3, leastSharedWork: 0 })],
  ])('numerics/N1: are the same on every engine (%s)', (_, numerics, kernels) => {
    const hash = createHash('sha256');
    const model = goldenModel('distinct', numerics, kernels);
    hashGoldenTrace(model, goldenJson('teacher.json'), (bytes) => hash.update(bytes));
    expect(hash.digest('hex')).toBe(PINNED_TRACE[numerics]);
  });
});
