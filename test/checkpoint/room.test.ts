import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import { checkRoom } from '../../lib/checkpoint/room.ts';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { kvCacheSize } from '../../lib/model/cost.ts';
import { checkpointFiles, faultOf, folderOf, plainConfig } from '../helpers/checkpoint-folders.ts';
import { claimedCheckpoint } from '../helpers/claimed-checkpoint.ts';

const GIBIBYTE = 2 ** 30;

describe('room for a model', () => {
  /** A weight that takes so much in f32. */
  const weights = (gibibytes: number, dtype = 'F32') => ({
    tensors: [{ name: 'some.weight', shape: [gibibytes, GIBIBYTE / 4], dtype }],
    cacheNumbers: 0,
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

  it('the simd kernels take twice as many weights in BF16, which the reference kernels widen', () => {
    const kernels = simdKernels();
    checkRoom('model', weights(7, 'BF16'), kernels, 64 * GIBIBYTE);
    expect(
      faultOf(() => checkRoom('model', weights(8, 'BF16'), kernels, 64 * GIBIBYTE), CallerError),
    ).toMatchObject({ found: '4096 MiB in f32' });
    expect(
      faultOf(() => checkRoom('model', weights(7, 'F16'), kernels, 64 * GIBIBYTE), CallerError),
    ).toMatchObject({ found: '7168 MiB in f32' });
    expect(
      faultOf(
        () => checkRoom('model', weights(7, 'BF16'), referenceKernels('f32'), 6 * GIBIBYTE),
        CallerError,
      ),
    ).toMatchObject({ found: '7168 MiB in f32' });
  });
});

describe('room for the caches of a run', () => {
  it('comes on top of the weights, and is said apart', () => {
    const kernels = referenceKernels('f32');
    const needs = {
      tensors: [{ name: 'norm', shape: [GIBIBYTE / 4], dtype: 'F32' }],
      cacheNumbers: GIBIBYTE / 8,
    };
    checkRoom('model', needs, kernels, 1.5 * GIBIBYTE);
    expect(faultOf(() => checkRoom('model', needs, kernels, 1.5 * GIBIBYTE - 1), CallerError)).toMatchObject({
      subject: 'weights and caches of model',
      expected: 'at most 1536 MiB, the memory of this machine',
      found: '1536 MiB in f32, of which caches 512 MiB',
      hint: 'Use fewer positions, a smaller model, or a machine with more memory',
    });
  });

  it('is counted as inspect counts it: a run that has none is refused before a weight is read', () => {
    const config = { ...plainConfig, maxPositionEmbeddings: 1 << 22 };
    const folder = folderOf({ ...checkpointFiles(plainConfig), 'config.json': configJson(config, 'F32') });
    const checkpoint = openCheckpoint(folder);
    const kernels = { ...referenceKernels('f64'), empty: () => expect.unreachable() };
    const entries = 2 ** 40;
    const caches = 8 * kvCacheSize(config, entries);
    expect(faultOf(() => checkpoint.loadModel(kernels, undefined, entries), CallerError)).toMatchObject({
      subject: `weights and caches of ${folder}`,
      found: expect.stringContaining(`of which caches ${Math.ceil(caches / 2 ** 20)} MiB`),
    });
    checkpoint.close();
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
