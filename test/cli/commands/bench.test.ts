import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '../../../cli/bench/measure.ts';
import { ended, hamburger, init, interrupt, jsonOf, start, stdoutOf, words, workFolder } from '../run.ts';

const cwd = workFolder();

/** One repetition of everything, in two seconds. */
const quick = words('bench --repetitions 1 --prompt-tokens 20 --tokens 8 --contexts 24,40 --threads 1,2');

const temporaryFolders = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('hamburger-bench-'));

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--out', 'tiny');
  await init(cwd, '--preset', 'tiny', '--no-modules', '--max-position-embeddings', '24', '--out', 'base');
});

/** Whether a figure has been measured: all of them are positive. */
const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0);
const figures = { median: positive, least: positive, most: positive };

describe('bench', () => {
  it('everything that was asked for is measured, and the JSON has it', async () => {
    const report = await jsonOf<{ settings: object; machine: object } & Record<keyof Report, object[]>>([
      ...quick,
      '--preset',
      'tiny',
    ]);
    expect(report.settings).toMatchObject({
      model: 'preset tiny, seed 0',
      parameters: 276865,
      threads: [1, 2],
    });
    expect(report.machine).toMatchObject({ node: process.version, cores: positive });
    expect(report.ceilings).toMatchObject({
      operations: figures,
      bytes: figures,
      bytes_in_one_stream: figures,
      bytes_in_four_streams: figures,
    });
    const of = (rows: object[], ...names: string[]) =>
      rows.map((row) => names.map((name) => (row as Record<string, unknown>)[name]).join(' '));
    const both = ['base', 'hamburger'];
    const subjects = ['simd 1', 'simd 2', 'reference 1'].flatMap((set) =>
      both.map((mode) => `${mode} ${set}`),
    );
    expect(of(report.decode, 'mode', 'kernels', 'threads')).toEqual(subjects);
    expect(of(report.prefill, 'mode', 'kernels', 'threads')).toEqual(subjects);
    expect(of(report.decode, 'output_tokens', 'tokens_per_macro_step')).toEqual(
      Array(3).fill(['8 1', '8 4']).flat(),
    );
    expect(of(report.context, 'mode', 'entries')).toEqual(
      [24, 40].flatMap((n) => both.map((mode) => `${mode} ${n}`)),
    );
    expect(of(report.products, 'threads')).toEqual(Array(9).fill(['1', '2']).flat());
    for (const row of [...report.decode, ...report.prefill]) {
      expect(row).toMatchObject({ tokens: figures, operations: figures });
    }
    for (const row of report.products) expect(row).toMatchObject({ operations: figures, of_peak: figures });
    for (const row of report.context) expect(row).toMatchObject({ seconds_per_token: figures });
    expect(report.memory).toMatchObject({
      engine_bytes: positive,
      generations: [
        { mode: 'base', prompt_tokens: 8, weight_bytes: 4 * 276865, cache_bytes: 4 * 256 * (8 + 9) },
        { mode: 'base', prompt_tokens: 20, cache_bytes: 4 * 256 * (20 + 9) },
        // The cache of a macro-step has one layer, 2 features and 3 tokens.
        {
          mode: 'hamburger',
          prompt_tokens: 8,
          cache_bytes: 4 * (256 * (8 + 12) + 64 * 5),
          peak_bytes: positive,
        },
        { mode: 'hamburger', prompt_tokens: 20 },
      ],
    });
    expect(of(report.comparisons, 'name')).toHaveLength(7);
    for (const row of report.comparisons)
      expect(row).toMatchObject({ ratio: figures, ratio_of_best: positive });
  });

  it('the tables have a row for all of it', async () => {
    const text = await stdoutOf(
      [...quick, 'tiny', ...words('--modes base --kernels simd --only decode,prefill,memory')],
      { cwd },
    );
    expect(text).toMatch(
      /^tiny: 276,865 parameters in F32\n.*cores: .*Node\.js v.*\nmedians of 1 repetitions/,
    );
    expect(text).toMatch(/^reading, the faster of the two +[\d.]+ {2}GB\/s/m);
    expect(text).toMatch(/^base +simd +2 +8 +1 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+ % +[\d.]+ to [\d.]+$/m);
    expect(text).toMatch(/^base +20 +9 +1\.1 MiB +[\d.]+ KiB +[\d.]+ MiB +[\d.]+$/m);
    expect(text).toMatch(/^base, simd: prefill over decode, per token +[\d.]+/m);
    expect(text).not.toMatch(/NaN|undefined|hamburger +simd/);
  });

  it('with --only, nothing else is measured', async () => {
    const text = await stdoutOf([...quick, 'tiny', '--only', 'prefill,context', '--kernels', 'simd'], {
      cwd,
    });
    expect(text).toMatch(/\n\nPrefill\n/);
    expect(text).toMatch(/\n\nCost of an output token/);
    expect(text).not.toMatch(/Products|Memory/);
  });

  it('a model with few positions is measured as far as they go, and that is said', async () => {
    const { code, stdout, stderr } = await hamburger(
      [...quick, 'base', '--only', 'prefill,context', '--kernels', 'simd'],
      { cwd },
    );
    expect(code).toBe(0);
    expect(stderr).toBe(
      'note: --prompt-tokens: 14 instead of 20, because the model has 24 positions\n' +
        'note: --contexts: 24, 40 left out, because the model has 24 positions\n',
    );
    expect(stdout).toMatch(/^base +simd +1 +14 /m);
    expect(stdout).not.toContain('Cost of');
  });

  it.each([
    ['tiny --preset tiny', 'model: expected a checkpoint or --preset, found both'],
    ['tiny --threads 0,1', '--threads: expected integers of at least 1, found 0,1'],
    ['tiny --contexts 0', '--contexts: expected integers of at least 1, found 0'],
    [
      'base --modes hamburger',
      '--modes hamburger: expected a checkpoint with HAMburger modules, found a plain base, base. "hamburger init --from-base" gives it modules',
    ],
    [
      'tiny --only speed',
      "option '--only <list>' argument 'speed' is invalid. Expected some of products, decode, prefill, context, memory, with commas between, found \"speed\".\nAdd --help for usage.",
    ],
  ])('%s is refused', async (args, message) => {
    expect(await hamburger(['bench', ...words(args)], { cwd })).toEqual({
      code: 2,
      stdout: '',
      stderr: `hamburger: ${message}\n`,
    });
  });

  it('Ctrl-C ends it at once, and the model that was made for it is gone', async () => {
    const before = temporaryFolders();
    const child = start(words('bench --preset tiny --repetitions 100000 --only decode'));
    const end = ended(child);
    let made: string | undefined;
    while (made === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      made = temporaryFolders().find(
        (name) => !before.includes(name) && existsSync(join(tmpdir(), name, 'tiny', 'config.json')),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await interrupt(child, end)).toMatchObject({ code: 130, stdout: '' });
    expect(existsSync(join(tmpdir(), made))).toBe(false);
  });
});
