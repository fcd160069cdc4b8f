/**
 * The report of `eval` as pictures.
 *
 * @module
 */

import type { EvaluationReport } from '../../lib/index.ts';
import { barChart, chart, type Series } from '../chart.ts';

type Result = EvaluationReport['results'][number];

/** The figure of the paper: scores against tokens per macro-step, a point for each confidence. */
export function scoreByCompression({ results }: EvaluationReport): string {
  const families = Object.keys(results[0]!.families);
  const runs = results
    .filter(({ mode }) => mode === 'hamburger')
    .sort((a, b) => b.confidence! - a.confidence!);
  const base = results.find(({ mode }) => mode === 'base');
  // From the base, which emits one token per macro-step, to the most.
  const line = base === undefined ? runs : [base, ...runs];
  const labels = line.map(({ confidence }) => (confidence === null ? 'base' : `${confidence}`));
  const curve = (name: string, figures: (result: Result) => Result['mean']): Series => ({
    name,
    labels,
    points: line.map((result) => {
      const { score, tokens_per_macro_step } = figures(result);
      return [tokens_per_macro_step?.value ?? Number.NaN, score?.value ?? Number.NaN] as const;
    }),
  });
  const curves = families.map((family) => curve(family, (result) => result.families[family]!));
  if (families.length > 1) curves.push(curve('mean', ({ mean }) => mean));
  return chart('Scores by tokens per macro-step', 'tokens/macro-step', [
    { title: 'share of right answers, by confidence', range: [0, 1], series: curves },
  ]);
}

/** Tokens/s of decoding: base, and HAMburger with the first confidence. */
export function tokensPerSecond({ timing: { speeds } }: EvaluationReport): string {
  const shown = [
    speeds.find(({ mode }) => mode === 'base'),
    speeds.find(({ mode }) => mode === 'hamburger'),
  ].filter((run) => run !== undefined);
  const families = Object.keys(shown[0]!.families);
  return barChart('Tokens per second', {
    title: 'tokens/s of decoding, median over samples',
    groups: families,
    series: shown.map(({ mode, confidence, families: speedIn }) => ({
      name: mode === 'base' ? 'base' : `confidence ${confidence}`,
      values: families.map((family) => speedIn[family]!.median_tokens_per_second ?? Number.NaN),
    })),
  });
}
