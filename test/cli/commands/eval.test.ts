import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type EvaluationReport, parseEvaluationReport } from '../../../lib/evaluate/report.ts';
import { binary, ended, hamburger, init, interrupt, jsonOf, start, toy, workFolder } from '../run.ts';

const cwd = workFolder();

const FILES = [
  'report.html',
  'report.json',
  'samples.jsonl',
  'score-by-compression.svg',
  'tokens-per-second.svg',
];

/** A line of `samples.jsonl`. */
interface Line {
  readonly id: string;
  readonly family: string;
  readonly mode: string;
  readonly confidence: number | null;
  readonly correct: boolean;
  readonly prompt_tokens: number;
  readonly output_tokens: number;
  readonly macro_steps: number;
  readonly entries: number;
  readonly text: string;
  readonly stop_reason: string;
  readonly segments: readonly { readonly ids: readonly number[]; readonly text: string }[];
}

const sample = (family: string, n: number, prompt: string, check: object) => ({
  ...{ family, id: `test/${family}/${n}`, unseen: n % 2 === 1, prompt, response: 'x', check },
});

const evaluate = (...args: string[]) => ['eval', toy, '--data', 'test.jsonl', '--max-tokens', '24', ...args];

const lines = (folder: string): Line[] =>
  readFileSync(join(cwd, folder, 'samples.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

const reportIn = (folder: string): EvaluationReport =>
  parseEvaluationReport(JSON.parse(readFileSync(join(cwd, folder, 'report.json'), 'utf8')), folder);

beforeAll(async () => {
  // What the base says is right, so that there is something right.
  const args = ['generate', 'One day', '--chat', '--mode', 'base', '--max-tokens', '24'];
  const answer = (await jsonOf<{ text: string }>(args)).text.trim();
  const data = [
    sample('lookup', 0, 'One day', { answer }),
    sample('math', 0, 'How many?', { answer: 4 }),
    sample('lookup', 1, 'Where is Mila?', { answer: 'Here.' }),
    sample('math', 1, 'How much <b>is</b> it?', { answer: 5 }),
    sample('lookup', 2, 'Who is there?', { answer: 'Mila.' }),
  ];
  writeFileSync(join(cwd, 'test.jsonl'), data.map((one) => `${JSON.stringify(one)}\n`).join(''));
  writeFileSync(join(cwd, 'empty.jsonl'), '\n');
  writeFileSync(join(cwd, 'broken.jsonl'), `${JSON.stringify(data[0])}\n{"family": "lookup"}\n`);
  writeFileSync(
    join(cwd, 'long.jsonl'),
    JSON.stringify(sample('lookup', 0, 'x'.repeat(2000), { answer: '' })),
  );
  await init(cwd, '--preset', 'tiny', '--out', 'tiny');
  const made = binary(
    evaluate('--baseline', toy, '--confidences', '0,1,0.8', '--out', 'report', '--kernels', 'simd'),
    { cwd },
  );
  expect({ code: made.code, stderr: made.stderr }).toEqual({
    code: 0,
    stderr: 'report: report.html, report.json, samples.jsonl and two pictures\n',
  });
  writeFileSync(join(cwd, 'stdout'), made.stdout);
});

describe('eval', () => {
  it('the base comes first, then the default confidence, then the others in order', () => {
    const { results, settings, timing } = reportIn('report');
    expect(results.map(({ mode, confidence }) => [mode, confidence])).toEqual([
      ['base', null],
      ['hamburger', 0.8],
      ['hamburger', 0],
      ['hamburger', 1],
    ]);
    expect(settings).toMatchObject({ samples: { math: 2, lookup: 3 }, chat: true, default_confidence: 0.8 });
    expect(timing.speeds.map(({ confidence }) => confidence)).toEqual([null, 0.8, 0, 1]);
    expect(timing.speeds[0]!.mean.ratio).toBeNull();
    for (const { families } of timing.speeds.slice(1)) {
      for (const { ratio, median_tokens_per_second } of Object.values(families)) {
        expect(ratio!.value).toBeGreaterThan(0);
        expect(median_tokens_per_second).toBeGreaterThan(0);
      }
    }
    expect(readdirSync(join(cwd, 'report')).sort()).toEqual(FILES);
  });

  it('evaluation/C1, C2, C3: results are what a recount of samples.jsonl gives', () => {
    const answers = lines('report');
    for (const { mode, confidence, families } of reportIn('report').results) {
      for (const [family, figures] of Object.entries(families)) {
        const own = answers.filter(
          (one) => one.mode === mode && one.confidence === confidence && one.family === family,
        );
        const n = own.length;
        const right = own.filter(({ correct }) => correct).length / n;
        const ids = own.map(({ segments }) => segments.flatMap((segment) => segment.ids).length);
        const perStep = own.map(({ segments }, i) => ids[i]! / segments.length);
        // Entries that are fed back: all segments but the last one; a plain decoder: all tokens but the last one.
        const fedBack = own.reduce((total, { segments }) => total + segments.length - 1, 0);
        const plain = ids.reduce((total, count) => total + count - 1, 0);
        expect(figures.samples).toBe(n);
        expect(figures.score!.value).toBeCloseTo(right, 12);
        expect(figures.score!.standard_error).toBeCloseTo(Math.sqrt((right - right ** 2) / n), 12);
        expect(figures.tokens_per_macro_step!.value).toBeCloseTo(perStep.reduce((a, b) => a + b) / n, 12);
        expect(figures.kv_entries_saved.response).toBeCloseTo(1 - fedBack / plain, 12);
        expect(figures.output_tokens).toBe(ids.reduce((a, b) => a + b));
        expect(figures.ended).toBe(own.filter(({ stop_reason }) => stop_reason === 'eos').length);
        expect(
          own.every(
            ({ entries, prompt_tokens, segments }) => entries === prompt_tokens + segments.length - 1,
          ),
        ).toBe(true);
        expect(own.every(({ text, segments }) => text === segments.map((one) => one.text).join(''))).toBe(
          true,
        );
      }
    }
  });

  it('with confidence 1 every macro-step has one token, and the answers are those of the base; with 0 as many as there can be', () => {
    const answers = lines('report');
    const of = (mode: string, confidence: number | null) =>
      answers.filter((one) => one.mode === mode && one.confidence === confidence);
    const ids = (list: readonly Line[]) => list.map(({ segments }) => segments.flatMap((one) => one.ids));
    expect(ids(of('hamburger', 1))).toEqual(ids(of('base', null)));
    expect(of('hamburger', 1).every(({ segments }) => segments.every((one) => one.ids.length === 1))).toBe(
      true,
    );
    expect(
      of('hamburger', 0).every(({ segments }) => segments.slice(0, -1).every((one) => one.ids.length === 8)),
    ).toBe(true);
    const { results } = reportIn('report');
    expect(results[3]!.mean.tokens_per_macro_step).toEqual({ value: 1, standard_error: 0 });
    expect(results[3]!.mean.kv_entries_saved).toEqual({ response: 0, with_prompt: 0 });
    // The base is right where the data say what it says.
    expect(of('base', null).map(({ correct }) => correct)).toEqual([true, false, false, false, false]);
  });

  it('evaluation/C6: another run, with other kernels, has the same settings, results and answers', async () => {
    const again = evaluate('--baseline', toy, '--confidences', '1,0.8,0,0.8', '--out', 'again', '--json');
    const printed = JSON.parse(await quietJson([...again, '--kernels', 'reference'])) as EvaluationReport;
    const [first, second] = [reportIn('report'), reportIn('again')];
    expect(printed).toEqual(second);
    expect(second.settings).toEqual(first.settings);
    expect(second.results).toEqual(first.results);
    expect(lines('again')).toEqual(lines('report'));
    expect(second.timing.kernels).toBe('reference');
  });

  it('the table has a row for every family and decoder; the page has the figures, the command and answers, and no markup of strangers', () => {
    const table = readFileSync(join(cwd, 'stdout'), 'utf8').split('\n\n')[0]!.split('\n');
    expect(table[0]).toMatch(
      /^family +confidence +right +tokens per macro-step +KV saved +with prompt +tokens\/s +by base$/,
    );
    expect(table).toHaveLength(1 + 3 * 4);
    expect(table[1]).toMatch(/^math +base +0\.0 ± 0\.0 +1\.00 ± 0\.00 +0\.0 % /);
    expect(table[5]).toMatch(/^lookup +base +33\.3 ± 27\.2 /);
    expect(table[6]).toMatch(/^ +0\.8 \(default\) /);
    const page = readFileSync(join(cwd, 'report', 'report.html'), 'utf8');
    expect(page.match(/<svg /g)).toHaveLength(2);
    expect(page).toContain('--confidences 0,1,0.8');
    expect(page).toContain('How many?');
    expect(page).not.toMatch(/<script|<b>|src=|href=/);
    const scores = readFileSync(join(cwd, 'report', 'score-by-compression.svg'), 'utf8');
    for (const label of ['base', '0.8', 'math', 'lookup', 'mean']) expect(scores).toContain(`>${label}<`);
  });

  it('without a baseline there is no base and no ratio', async () => {
    const stdout = await quietJson(evaluate('--confidences', '0.8', '--limit', '1', '--out', 'alone'));
    expect(stdout).not.toContain('base');
    expect(reportIn('alone').results).toHaveLength(1);
    expect(reportIn('alone').timing.speeds[0]!.mean.ratio).toBeNull();
    expect(lines('alone').map(({ id }) => id)).toEqual(['test/lookup/0', 'test/math/0']);
  });

  it('--seed draws the samples of --limit, the same ones for the same seed', async () => {
    const ids = async (seed: string) => {
      const args = evaluate(
        '--confidences',
        '1',
        '--limit',
        '2',
        '--seed',
        seed,
        '--out',
        'drawn',
        '--force',
      );
      await quietJson(args);
      return lines('drawn')
        .map(({ id }) => id)
        .join();
    };
    const drawn = [];
    for (const seed of ['a', 'b', 'c', 'd', 'e', 'a']) drawn.push(await ids(seed));
    expect(drawn[5]).toBe(drawn[0]);
    expect(new Set(drawn).size).toBeGreaterThan(1);
    expect(drawn[0]!.split(',').filter((id) => id.includes('lookup'))).toHaveLength(2);
  });
});

/** What a run prints that says nothing but what it made. */
async function quietJson(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await hamburger(args, { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(/^\w+: report\.html[^\n]*\n$/) });
  return stdout;
}

describe('what eval refuses', () => {
  const refused = async (args: readonly string[], message: string) => {
    const { code, stdout, stderr } = await hamburger(args, { cwd });
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message),
    });
    expect(existsSync(join(cwd, 'never'))).toBe(false);
  };

  it.each([
    ['confidences out of range', ['--confidences', '0.5,1.5'], 'numbers from 0 to 1 with commas between'],
    [
      'confidences that are no numbers',
      ['--confidences', '0.5,,1'],
      'numbers from 0 to 1 with commas between',
    ],
    ['a file without samples', ['--data', 'empty.jsonl'], 'empty.jsonl: expected at least one sample'],
    ['a line that is no sample', ['--data', 'broken.jsonl'], 'broken.jsonl, line 2'],
    [
      'a prompt without room',
      ['--data', 'long.jsonl'],
      'prompt of "test/lookup/0": expected at most 256 tokens',
    ],
    ['no answer at all', ['--max-tokens', '0'], 'an integer of at least 1'],
  ])('%s', async (_, args, message) => {
    await refused(evaluate('--out', 'never', ...args), message);
  });

  it('evaluation/C7: a base with another tokenizer, or another template', async () => {
    await refused(
      evaluate('--out', 'never', '--baseline', 'tiny'),
      'evaluation/C7: tokenizer of tiny: expected 1024 tokens',
    );
    const other = join(cwd, 'other');
    mkdirSync(other);
    for (const name of readdirSync(toy)) copyFileSync(join(toy, name), join(other, name));
    const change = (file: string, from: string, to: string) => {
      const text = readFileSync(join(toy, file), 'utf8');
      expect(text).toContain(from);
      writeFileSync(join(other, file), text.replaceAll(from, to));
    };
    change('tokenizer_config.json', "'<|user|>' +", "'<|user|> ' +");
    await refused(evaluate('--out', 'never', '--baseline', 'other'), 'evaluation/C7: chat template of other');
    // Where no template is used, it does not matter.
    await quietJson(
      evaluate('--out', 'plain', '--baseline', 'other', '--no-chat', '--limit', '1', '--confidences', '1'),
    );
    expect(reportIn('plain').settings.chat).toBe(false);
    rmSync(other, { recursive: true });
  });

  it('a plain base as what is evaluated', async () => {
    await init(cwd, '--preset', 'tiny', '--no-modules', '--out', 'plainbase');
    const args = ['eval', 'plainbase', '--data', 'test.jsonl', '--out', 'never'];
    await refused(args, 'plainbase: expected a checkpoint with HAMburger modules, found a plain base');
  });

  it('a folder that is there, before any work; by force only an earlier report is replaced', async () => {
    const before = readFileSync(join(cwd, 'report', 'report.json'), 'utf8');
    await refused(evaluate('--out', 'report'), 'report: expected a name that is free');
    expect(readFileSync(join(cwd, 'report', 'report.json'), 'utf8')).toBe(before);
    await refused(evaluate('--out', 'tiny', '--force'), 'tiny: expected a folder that may be replaced');
    await refused(evaluate('--out', 'no/where'), 'no/where: expected a place that can be written to');
  });
});

describe('an interrupted eval', () => {
  it('ends with 130 and leaves nothing', async () => {
    const before = readdirSync(cwd).sort();
    // Half a minute of work with these kernels.
    const many = Array.from({ length: 200 }, (_, n) => sample('lookup', n, `One day ${n}`, { answer: '' }));
    writeFileSync(join(cwd, 'many.jsonl'), many.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const args = ['eval', toy, '--data', 'many.jsonl', '--kernels', 'reference', '--out', 'never'];
    const child = start(args, { cwd });
    const outcome = ended(child);
    await sleep(1500);
    expect(child.exitCode).toBeNull();
    const { code, stdout, stderr } = await interrupt(child, outcome);
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: '', stderr: '' });
    expect(readdirSync(cwd).sort()).toEqual([...before, 'many.jsonl'].sort());
  });
});
