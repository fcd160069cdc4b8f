/**
 * Disks that are full or cannot be written to: real ones, a small file system in memory. Whoever may not mount one cannot run these tests:
 * they need root on Linux, which continuous integration has. What the writing itself does is tested without, in test/checkpoint.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { writeFolder } from '../helpers/checkpoint-folders.ts';
import { quickPretrainJson } from '../helpers/recipes.ts';
import { built, hamburger, init, toy, workFolder } from './run.ts';

const cwd = workFolder();
const harness = join(built, 'fixtures/harnesses/typescript/main.js');

const mountPoint = mkdtempSync(join(tmpdir(), 'hamburger-disk-'));
const mount = (...args: string[]): boolean => spawnSync('mount', args).status === 0;
const canMount = mount('-t', 'tmpfs', '-o', 'size=256k', 'none', mountPoint);
afterAll(() => {
  if (canMount) spawnSync('umount', [mountPoint]);
  rmdirSync(mountPoint);
});

/** Of the corpus that `eval` reads. */
const SAMPLE = `${JSON.stringify({ family: 'lookup', id: 'test/lookup/0', unseen: false, prompt: 'Hi', response: 'x', check: { answer: 'x' } })}\n`;

const recipe = quickPretrainJson({
  data: { train: ['text.jsonl'], held_out: ['text.jsonl'] },
  steps: 1,
  evaluate_every: 1,
  snapshot_every: 1,
});

/** What a command is called with to write to `out`, and the name that it writes. */
const commands: readonly (readonly [name: string, args: (out: string) => readonly string[]])[] = [
  ['init', (out) => ['init', '--preset', 'tiny', '--out', out]],
  ['export', (out) => ['export', '--checkpoint', 'tiny', '--out', out]],
  ['import hf', (out) => ['import', 'hf', 'exported', '--out', out]],
  [
    'trace',
    (out) => ['trace', 'Hi', '--checkpoint', 'tiny', '--max-tokens', '2', '--out', `${out}.safetensors`],
  ],
  [
    'explain',
    (out) => ['explain', 'Hi', '--checkpoint', 'tiny', '--max-tokens', '2', '--out', `${out}.html`],
  ],
  [
    'distill',
    (out) => ['distill', toy, '--prompts', 'prompts.jsonl', '--max-tokens', '64', '--out', `${out}.jsonl`],
  ],
  ['train', (out) => ['train', 'recipe.json', '--out', out]],
  [
    'eval',
    (out) => [
      'eval',
      toy,
      '--data',
      'corpus.jsonl',
      '--baseline',
      toy,
      '--limit',
      '1',
      '--max-tokens',
      '2',
      '--confidences',
      '1',
      '--out',
      out,
    ],
  ],
  ['conform make', (out) => ['conform', 'make', '--out', `${out}.tgz`]],
  [
    'conform run --keep',
    (out) => [
      'conform',
      'run',
      '--case',
      'attention.by-hand',
      '--keep',
      out,
      '--',
      process.execPath,
      harness,
    ],
  ],
  ...['--report', '--junit', '--html'].map(
    (option) =>
      [
        `conform run ${option}`,
        (out: string) => [
          'conform',
          'run',
          '--case',
          'attention.by-hand',
          option,
          out,
          '--',
          process.execPath,
          harness,
        ],
      ] as const,
  ),
];

describe.skipIf(!canMount)(
  'every command that writes (skipped where no file system can be mounted: see above)',
  () => {
    beforeEach(() => {
      mount('-o', 'remount,rw', mountPoint);
      for (const name of readdirSync(mountPoint)) spawnSync('rm', ['-r', join(mountPoint, name)]);
    });

    it('has what it needs', async () => {
      await init(cwd, '--preset', 'tiny', '--out', 'tiny');
      const { code } = await hamburger(['export', '--checkpoint', 'tiny', '--out', 'exported'], { cwd });
      expect(code).toBe(0);
      writeFolder(cwd, {
        'recipe.json': recipe,
        'corpus.jsonl': SAMPLE,
        'prompts.jsonl': '{"prompt": "Mira has 3 red kites."}\n',
        'text.jsonl': '{"prompt": "The cat", "response": " sat."}\n',
      });
    });

    it.each(commands)(
      '%s, on a full disk: says so, and leaves nothing that is half of something',
      async (name, args) => {
        fill();
        const { code, stderr } = await hamburger(args(join(mountPoint, 'out')), { cwd });
        expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('no space left') });
        // The folder of a run is there from the beginning: what is in it is complete, or a line of its log was cut and is cut off again.
        expect(readdirSync(mountPoint)).toEqual(
          name === 'train' || name.endsWith('--keep') ? ['filler', 'out'] : ['filler'],
        );
      },
    );

    it.each(commands)(
      '%s, where nothing may be written: says so before it has worked for long',
      async (_, args) => {
        expect(mount('-o', 'remount,ro', mountPoint)).toBe(true);
        const { code, stderr } = await hamburger(args(join(mountPoint, 'out')), { cwd });
        expect({ code, stderr }).toEqual({
          code: 2,
          stderr: expect.stringContaining('a file system that cannot be written to'),
        });
        expect(readdirSync(mountPoint)).toEqual([]);
      },
    );

    it.each(
      commands.filter(([name]) =>
        /^(trace|explain|distill|conform make|conform run --(report|junit|html))$/.test(name),
      ),
    )('%s, on a full disk: an older file of that name stays what it was', async (_, args) => {
      const out = join(mountPoint, 'out');
      const path = args(out).find((word) => word.startsWith(out))!;
      writeFileSync(path, 'older');
      fill();
      const { code } = await hamburger(args(out), { cwd });
      expect(code).toBe(2);
      expect(readFileSync(path, 'utf8')).toBe('older');
      expect(readdirSync(mountPoint).sort()).toEqual(['filler', path.slice(mountPoint.length + 1)].sort());
    });
  },
);

/** Takes all the room that is left. */
function fill(): void {
  const block = new Uint8Array(4096);
  const path = join(mountPoint, 'filler');
  try {
    for (;;) writeFileSync(path, block, { flag: 'a' });
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
  }
}
