import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { claimedCheckpoint } from '../helpers/claimed-checkpoint.ts';
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
