/**
 * Answers as a report, and the report as a folder.
 *
 * | name | holds |
 * |---|---|
 * | `report.json` | settings, results and timing |
 * | `samples.jsonl` | every answer, with its segments |
 * | `score-by-compression.svg`, `tokens-per-second.svg` | pictures |
 * | `report.html` | all of it on one page |
 *
 * @module
 */

import { join } from 'node:path';
import {
  type AnswerTime,
  canonicalJson,
  type EvaluationReport,
  figuresOf,
  meanFigures,
  meanSpeed,
  speedOf,
  writeFolderAtomically,
  writeNewFile,
} from '../../lib/index.ts';
import { type Answer, answerLine } from './answers.ts';
import { scoreByCompression, tokensPerSecond } from './figures.ts';
import { answersToShow, reportPage } from './page.ts';
import { type Decoder, familiesOf } from './task.ts';

/** What one decoder answered, task by task. */
export interface DecoderRun extends Omit<Decoder, 'model'> {
  readonly answers: readonly Answer[];
  readonly times: readonly AnswerTime[];
}

const FILES = {
  report: 'report.json',
  samples: 'samples.jsonl',
  scores: 'score-by-compression.svg',
  speeds: 'tokens-per-second.svg',
  page: 'report.html',
} as const;

/** How a report folder treats what is there: only an earlier report, or an empty folder, is replaced. */
export function placeOptions(force: boolean) {
  const known: readonly string[] = Object.values(FILES);
  return {
    force,
    mayReplace: (entries: readonly { readonly name: string; readonly isFile: boolean }[]) =>
      entries.every(({ name, isFile }) => isFile && known.includes(name)),
  };
}

/** Results of every decoder by family, and their means. */
export function resultsOf(runs: readonly DecoderRun[]): EvaluationReport['results'] {
  return runs.map(({ mode, confidence, answers }) => {
    const families = byFamily(answers, (family) => figuresOf(answers.filter(isOf(family))));
    return { mode, confidence, families, mean: meanFigures(Object.values(families)) };
  });
}

/** Speeds of every decoder by family, beside those of the base, and their means. */
export function speedsOf(runs: readonly DecoderRun[]): EvaluationReport['timing']['speeds'] {
  const base = runs.find(({ mode }) => mode === 'base');
  const timesOf = ({ times, answers }: DecoderRun, family: string): AnswerTime[] =>
    times.filter((_, i) => isOf(family)(answers[i]!));
  return runs.map((run) => {
    const against = run === base ? undefined : base;
    const families = byFamily(run.answers, (family) =>
      speedOf(timesOf(run, family), against === undefined ? null : timesOf(against, family)),
    );
    return {
      mode: run.mode,
      confidence: run.confidence,
      families,
      mean: meanSpeed(Object.values(families)),
    };
  });
}

function isOf(family: string) {
  return ({ task }: Answer): boolean => task.sample.family === family;
}

function byFamily<T>(answers: readonly Answer[], value: (family: string) => T): Record<string, T> {
  const families = familiesOf(answers.map(({ task }) => task.sample));
  return Object.fromEntries(families.map((family) => [family, value(family)]));
}

/** Writes the folder, completely or not at all. */
export function writeReport(
  folder: string,
  force: boolean,
  report: EvaluationReport,
  runs: readonly DecoderRun[],
): void {
  const figures = [scoreByCompression(report), tokensPerSecond(report)] as const;
  const shown = answersToShow(runs.find(({ mode }) => mode === 'hamburger')!.answers);
  const lines = runs.flatMap((run) => run.answers.map((answer) => answerLine(run, answer)));
  const texts = {
    [FILES.report]: canonicalJson(report),
    [FILES.samples]: lines.join(''),
    [FILES.scores]: figures[0],
    [FILES.speeds]: figures[1],
    [FILES.page]: reportPage(report, figures, shown),
  };
  writeFolderAtomically(folder, placeOptions(force), (temporary) => {
    for (const [name, text] of Object.entries(texts)) {
      writeNewFile(join(temporary, name), (sink) => sink.write(new TextEncoder().encode(text)));
    }
  });
}
