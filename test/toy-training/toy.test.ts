/** The shipped toy does what is said of it. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { corpus } from '../../fixtures/corpus/corpus.ts';
import { FAMILIES, sampleLine } from '../../fixtures/corpus/sample.ts';
import { type EvaluationReport, parseEvaluationReport } from '../../lib/evaluate/report.ts';
import { hamburger, toy, workFolder } from '../cli/run.ts';

const reportFile = fileURLToPath(new URL('../../fixtures/toy-training/report/report.json', import.meta.url));
const shipped = parseEvaluationReport(JSON.parse(readFileSync(reportFile, 'utf8')), 'report.json');
const cwd = workFolder();

/** Samples of each family that are answered again. */
const COUNT = 6;

type Result = EvaluationReport['results'][number];

const at = ({ results }: EvaluationReport, confidence: number | null): Result =>
  results.find((result) => result.confidence === confidence)!;

describe('the report that is shipped with the toy', () => {
  const base = at(shipped, null);
  const byConfidence = shipped.results
    .filter(({ mode }) => mode === 'hamburger')
    .sort((a, b) => a.confidence! - b.confidence!);
  const preset = at(shipped, shipped.settings.default_confidence);

  it('some families are easy for the base, and some are not', () => {
    const scores = Object.values(base.families).map(({ score }) => score!.value);
    expect(Math.max(...scores)).toBeGreaterThan(0.9);
    expect(Math.min(...scores)).toBeLessThan(0.5);
  });

  it('at the default confidence HAMburger scores as its base does, and is no worse at 0.95', () => {
    expect(preset.mean.score!.value).toBeGreaterThan(base.mean.score!.value - 0.01);
    expect(at(shipped, 0.95).mean.score!.value).toBeGreaterThanOrEqual(base.mean.score!.value);
  });

  it('it emits two tokens per macro-step and more; most where most is fixed', () => {
    const tokens = (family: string) => preset.families[family]!.tokens_per_macro_step!.value;
    expect(preset.mean.tokens_per_macro_step!.value).toBeGreaterThan(2);
    expect(Math.min(tokens('json'), tokens('code'))).toBeGreaterThan(2.8);
    expect(Math.max(tokens('story'), tokens('lookup'), tokens('math'))).toBeLessThan(tokens('json'));
  });

  it('a higher confidence never scores less, beyond two standard errors, and never merges more', () => {
    for (const [i, low] of byConfidence.entries()) {
      for (const high of byConfidence.slice(i + 1)) {
        const [below, above] = [low.mean, high.mean];
        const error = Math.hypot(below.score!.standard_error!, above.score!.standard_error!);
        expect(above.score!.value).toBeGreaterThan(below.score!.value - 2 * error);
        expect(above.tokens_per_macro_step!.value).toBeLessThanOrEqual(below.tokens_per_macro_step!.value);
      }
    }
  });
});

describe('the toy that is shipped', () => {
  it('gives the answers of that report', async () => {
    const test = corpus('test', COUNT);
    const samples = FAMILIES.flatMap((family) => test.filter((sample) => sample.family === family));
    writeFileSync(join(cwd, 'test.jsonl'), samples.map(sampleLine).join(''));
    const { code, stdout } = await hamburger(
      [
        'eval',
        toy,
        '--data',
        'test.jsonl',
        '--baseline',
        join(toy, '..', 'toy-base'),
        '--out',
        'report',
        '--json',
        '--confidences',
        '0.8',
      ],
      { cwd },
    );
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as EvaluationReport;
    const told = (confidence: number | null) =>
      Object.entries(at(report, confidence).families).map(
        ([family, { score, output_tokens, macro_steps }]) =>
          `${family}: ${COUNT * score!.value} right, ${output_tokens} tokens in ${macro_steps} macro-steps`,
      );
    expect({ base: told(null), toy: told(0.8) }).toMatchInlineSnapshot(`
      {
        "base": [
          "json: 4 right, 140 tokens in 140 macro-steps",
          "math: 1 right, 182 tokens in 182 macro-steps",
          "code: 6 right, 272 tokens in 272 macro-steps",
          "story: 6 right, 262 tokens in 262 macro-steps",
          "lookup: 0 right, 55 tokens in 55 macro-steps",
        ],
        "toy": [
          "json: 3 right, 144 tokens in 42 macro-steps",
          "math: 0 right, 182 tokens in 71 macro-steps",
          "code: 5 right, 271 tokens in 56 macro-steps",
          "story: 6 right, 256 tokens in 124 macro-steps",
          "lookup: 2 right, 50 tokens in 22 macro-steps",
        ],
      }
    `);
  });
});
