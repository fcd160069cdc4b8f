import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ThresholdFigures } from '../../../lib/index.ts';
import { BYTE_VOCABULARY_SIZE } from '../../../lib/text/byte-tokenizer.ts';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import { hamburger, init, jsonOf, toy, workFolder } from '../run.ts';

interface Report {
  readonly settings: Record<string, unknown>;
  readonly suggested_threshold: number | null;
  readonly thresholds: readonly ThresholdFigures[];
  readonly check: ThresholdFigures | null;
}

const cwd = workFolder();
const STORY = 'Tell a story in 3 sentences with the words kite, hungry, goat.';
const RECORD = 'Give the record. Order 43 is paid. The color in order 43 is blue. Order 43 is for a bell.';
writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
writeFolder(cwd, {
  'prompts.jsonl': `{"prompt": "${STORY}"}\n{"prompt": "${RECORD}", "response": "x"}\n`,
  'none.jsonl': '\n',
  'wrong.jsonl': '{"response": "x"}\n',
});
const calibrate = (...args: string[]) => hamburger(['calibrate', ...args], { cwd });
const toyArgs = ['--prompts', 'prompts.jsonl', '--thresholds', '0.5,0.9', '--agreement', '0.7'];

describe('calibrate', () => {
  it('prints a table, suggests a threshold and exits with 0; the same twice', async () => {
    const { code, stdout, stderr } = await calibrate(...toyArgs);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^threshold +drafts +agree/);
    expect(stdout).toMatch(/^--confidence 0\.[59] surely gives an agreement of 70 %$/m);
    expect(stdout).toMatch(/^expected calibration error 0\.\d{4}$/m);
    expect(await calibrate(...toyArgs)).toEqual({ code, stdout, stderr });
  });

  it('--json has all figures, ascending by threshold, and what they were made with', async () => {
    const { settings, suggested_threshold, thresholds, check } = await jsonOf<Report>(
      ['calibrate', ...toyArgs, '--thresholds', '0.9,0.5,0.9', '--check', 'prompts.jsonl'],
      { cwd },
    );
    expect(thresholds.map(({ threshold }) => threshold)).toEqual([0.5, 0.9]);
    expect(settings).toMatchObject({ agreement: 0.7, prompts: 'prompts.jsonl', chat: true, limit: null });
    expect(thresholds.every(({ prompts, drafts }) => prompts === 2 && drafts > 10)).toBe(true);
    // The same prompts again.
    expect(check).toEqual(thresholds.find(({ threshold }) => threshold === suggested_threshold));
  });

  it('exits with 1 where no threshold surely gives the agreement: of one prompt nothing is sure', async () => {
    const { code, stdout, stderr } = await calibrate(...toyArgs, '--limit', '1');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('No threshold tried surely gives an agreement of 70 %');
    const { suggested_threshold } = JSON.parse(
      (await calibrate(...toyArgs, '--limit', '1', '--json')).stdout,
    ) as Report;
    expect(suggested_threshold).toBeNull();
  });

  it('takes prompts of the toy corpus by default, of each family alike', async () => {
    const args = ['calibrate', '--limit', '1', '--thresholds', '0.9', '--agreement', '0.5'];
    const { thresholds, settings } = await jsonOf<Report>(args, { cwd });
    expect(thresholds[0]!.prompts).toBe(5);
    expect(settings).toMatchObject({ prompts: 'validation split of the toy corpus', limit: 1 });
  });

  it('--target: the modules of a target are not used; the base inside agrees where nothing is drafted', async () => {
    const { thresholds } = await jsonOf<Report>(
      ['calibrate', toy, '--target', toy, ...toyArgs.slice(0, 2), '--thresholds', '1', '--agreement', '0.1'],
      { cwd },
    );
    // A few drafts may be certain to the last bit; the tokens at micro index 0 after them see merged entries.
    expect(thresholds[0]!.agreement_at_micro_index_0!.value).toBeGreaterThan(0.9);
  });

  it.each([
    [[toy], 2, /--target: .*--target .*compares with the base inside/s],
    [[toy, '--target', toy], 2, /--prompts: .*Only the toy/s],
    [[join(toy, '..', 'toy-base'), '--target', toy, ...toyArgs], 2, /HAMburger modules/],
    [['--prompts', 'none.jsonl'], 2, /none\.jsonl: .*at least one prompt/s],
    [['--prompts', 'wrong.jsonl'], 2, /wrong\.jsonl, line 1/],
    [['--agreement', '0', ...toyArgs.slice(0, 2)], 2, /above 0/],
    [['--thresholds', '0.5,2'], 2, /from 0 to 1/],
    [[toy, '--target', 'bare', ...toyArgs], 2, /bare/],
  ] as const)('refuses %j', async (args, expected, message) => {
    const { code, stdout, stderr } = await calibrate(...args);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('calibration/C3: a target of another vocabulary is refused, before any work is done', async () => {
    await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
    const { code, stderr } = await calibrate(toy, '--target', 'tiny', ...toyArgs);
    expect(code).toBe(2);
    expect(stderr).toMatch(new RegExp(`calibration/C3.*tokens.*${BYTE_VOCABULARY_SIZE}`, 's'));
  });
});
