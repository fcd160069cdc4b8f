/**
 * Long runs: memory does not grow however many generations a process runs, and many processes can share a checkpoint. `npm run long-runs` runs
 * 100,000 generations; the test suite runs fewer.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ended, hamburger, start, toy } from '../cli/run.ts';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Generations after which memory is first looked at: the engine has compiled what it will compile. */
const FIRST = 1000;
const ALL = Number(process.env.LONG_RUN_GENERATIONS ?? 2500);

/** How much more memory may be held after all generations than after the first ones. */
const MOST_GROWTH = 1.05;

interface Memory {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly kernels: number;
}

describe('long runs', () => {
  it(`${ALL} generations, ended, broken off, refused and in batches, hold as much memory as the first ${FIRST}`, () => {
    const args = ['--expose-gc', pathOf('process.mjs'), `${FIRST}`, `${ALL}`, 'simd'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { generations, before, after } = JSON.parse(stdout) as Record<'before' | 'after', Memory> & {
      readonly generations: number;
    };
    if (process.env.LONG_RUN_GENERATIONS !== undefined) process.stderr.write(stdout);
    expect(generations).toBeGreaterThanOrEqual(ALL);
    expect(after.kernels).toBe(before.kernels);
    for (const what of ['rss', 'heapUsed', 'external'] as const)
      expect(after[what] / before[what], what).toBeLessThan(MOST_GROWTH);
  }, 3_600_000);

  it('eight processes side by side on one checkpoint say the same, each as if it were alone', async () => {
    const args = ['generate', 'One day', '--checkpoint', toy, '--max-tokens', '12', '--json'];
    const { code, stdout } = await hamburger(args);
    expect(code).toBe(0);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => ended(start(args))));
    expect(outcomes).toEqual(outcomes.map(() => ({ code: 0, stdout, stderr: '' })));
  }, 120_000);
});
