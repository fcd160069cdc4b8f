import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { bytesIn, checkRoom } from '../../lib/checkpoint/room.ts';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { faultOf } from '../helpers/checkpoint-folders.ts';
import { claimedCheckpoint } from '../helpers/claimed-checkpoint.ts';

const GIBIBYTE = 2 ** 30;

describe('room for a model', () => {
  const tensors = [{ shape: [1024, 1024] }, { shape: [1024, 1024, 2] }, { shape: [] }];
  const weights = (gibibytes: number) => [{ shape: [gibibytes, GIBIBYTE / 4] }];

  it('counts what the mode takes, not what the file has', () => {
    expect(bytesIn('f32', tensors)).toBe(4 * (3 * 2 ** 20 + 1));
    expect(bytesIn('f64', tensors)).toBe(8 * (3 * 2 ** 20 + 1));
  });

  it('the reference kernels have the memory of the machine, to the byte', () => {
    const kernels = referenceKernels('f64');
    checkRoom('model', weights(2), kernels, 4 * GIBIBYTE);
    expect(
      faultOf(() => checkRoom('model', weights(2), kernels, 4 * GIBIBYTE - 1), CallerError),
    ).toMatchObject({
      subject: 'weights of model',
      expected: 'at most 4096 MiB, the memory of this machine',
      found: '4096 MiB in f64',
    });
  });

  it('the simd kernels have 4 GiB however much the machine has, and less on a small machine', () => {
    const kernels = simdKernels();
    checkRoom('model', weights(3), kernels, 64 * GIBIBYTE);
    expect(faultOf(() => checkRoom('model', weights(4), kernels, 64 * GIBIBYTE), CallerError)).toMatchObject({
      expected: expect.stringMatching(/^at most 4096 MiB, the memory of the simd kernels$/),
      found: '4096 MiB in f32',
      hint: expect.stringContaining('reference kernels'),
    });
    expect(faultOf(() => checkRoom('model', weights(3), kernels, 2 * GIBIBYTE), CallerError)).toMatchObject({
      expected: 'at most 2048 MiB, the memory of this machine',
    });
  });
});

describe('a checkpoint that is larger than all memory', () => {
  let folder = '';
  beforeAll(() => {
    folder = claimedCheckpoint();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is refused before a weight is read: the kernels are not asked for memory', () => {
    const checkpoint = openCheckpoint(folder);
    const kernels = { ...referenceKernels('f32'), empty: () => expect.unreachable() };
    expect(() => checkpoint.loadModel(kernels)).toThrow(/weights of .*: expected at most .* MiB in f32/);
    checkpoint.close();
  });
});
