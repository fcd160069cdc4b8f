import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { claimedCheckpoint, manyLayers } from '../helpers/claimed-checkpoint.ts';
import { hamburger } from './run.ts';

describe('a checkpoint that is larger than all memory', () => {
  let folder = '';
  beforeAll(() => {
    folder = claimedCheckpoint();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('the command line says so, with both sizes; inspect still shows what it is', async () => {
    for (const kernels of ['simd', 'reference']) {
      const { code, stderr } = await hamburger([
        'generate',
        '--prompt-ids',
        '1,2',
        '--checkpoint',
        folder,
        '--kernels',
        kernels,
      ]);
      expect({ kernels, code }).toEqual({ kernels, code: 2 });
      expect(stderr).toContain('found 269');
    }
    const { code, stdout } = await hamburger(['inspect', folder]);
    expect(code).toBe(0);
    expect(stdout).toContain('70,');
  });
});

describe('a run whose caches are larger than all memory', () => {
  let folder = '';
  beforeAll(() => {
    folder = claimedCheckpoint(manyLayers);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is refused before the model is loaded, with what inspect says of the caches', async () => {
    const { stdout } = await hamburger(['inspect', folder]);
    expect(stdout).toMatch(/131072 KV entries +64\.0 GiB/);
    const args = ['generate', '--prompt-ids', '1,2', '--checkpoint', folder, '--max-positions', '131072'];
    const { code, stderr } = await hamburger(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /weights and caches of .*: expected at most \d+ MiB, the memory of .*, found \d+ MiB in f32, of which caches 65536 MiB/,
    );
  });

  it('of two models that go together, only the positions that both have count', async () => {
    const target = claimedCheckpoint({ ...manyLayers, numHiddenLayers: 1, maxPositionEmbeddings: 16384 });
    onTestFinished(() => rmSync(target, { recursive: true }));
    const models = ['--checkpoint', folder, '--mode', 'verified', '--target', target];
    const args = ['generate', '--prompt-ids', '1,2', ...models, '--max-tokens', '100000'];
    const { code, stderr } = await hamburger(args);
    expect(code).toBe(2);
    expect(stderr).toContain('of which caches 8192 MiB');
  });
});
