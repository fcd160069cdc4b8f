/**
 * The report of `eval` as rows of text, for the terminal and for the page.
 *
 * @module
 */

import type { EvaluationReport } from '../../lib/index.ts';

type Result = EvaluationReport['results'][number];
type Estimate = Result['mean']['score'];

/** What a cell says where there is nothing to say. */
const NOTHING = '-';

const HEADER = [
  'family',
  'confidence',
  'right',
  'tokens per macro-step',
  'KV saved',
  'with prompt',
  'tokens/s',
  'by base',
];

/** Header and rows, family by family and then the means: a row for the base and for each confidence. */
export function summaryRows({ settings, results, timing }: EvaluationReport): string[][] {
  const families = Object.keys(results[0]!.families);
  const means = families.length > 1 ? ['mean'] : [];
  const rows = [...families, ...means].flatMap((family, f) =>
    results.map((result, r) => {
      const speeds = timing.speeds[r]!;
      const ofMean = f === families.length;
      const figures = ofMean ? result.mean : result.families[family]!;
      const speed = ofMean ? speeds.mean : speeds.families[family]!;
      return [
        r === 0 ? family : '',
        decoderName(result, settings.default_confidence),
        withError(figures.score, percent),
        withError(figures.tokens_per_macro_step, (value) => value.toFixed(2)),
        shown(figures.kv_entries_saved.response, (share) => `${percent(share)} %`),
        shown(figures.kv_entries_saved.with_prompt, (share) => `${percent(share)} %`),
        shown(speed.median_tokens_per_second, (value) => value.toFixed(0)),
        result.mode === 'base' ? '' : withError(speed.ratio, (value) => value.toFixed(2)),
      ];
    }),
  );
  const withBase = results.some(({ mode }) => mode === 'base');
  return [HEADER, ...rows].map((row) => (withBase ? row : row.slice(0, -1)));
}

/** `base`, `0.8 (default)` */
export function decoderName(
  { mode, confidence }: Pick<Result, 'mode' | 'confidence'>,
  standard: number,
): string {
  if (mode === 'base') return mode;
  return confidence === standard ? `${confidence} (default)` : `${confidence}`;
}

/** One line each on what the figures are of, and where they come from. */
export function remarks({ settings, timing }: EvaluationReport): string[] {
  const { machine } = timing;
  const counts = Object.entries(settings.samples).map(([family, count]) => `${count} ${family}`);
  const ratio = settings.baseline === null ? '' : '; by base: mean of their ratios, sample by sample';
  return [
    `samples: ${counts.join(', ')}`,
    'right: % of answers, ± standard error; KV saved: of the entries that a plain decoder holds for the answers, and for prompts and answers; ' +
      `tokens/s: median over samples, from the second macro-step on${ratio}`,
    `${machine.processor}, cores: ${machine.cores}, ${machine.system}, Node.js ${machine.node}, ${timing.kernels} kernels, threads: ${timing.threads}, ` +
      `load ${machine.load_before.toFixed(1)} before and ${machine.load_after.toFixed(1)} after`,
  ];
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

function shown(value: number | null, text: (value: number) => string): string {
  return value === null ? NOTHING : text(value);
}

function withError(estimate: Estimate, text: (value: number) => string): string {
  if (estimate === null) return NOTHING;
  const { value, standard_error } = estimate;
  return standard_error === null ? text(value) : `${text(value)} ± ${text(standard_error)}`;
}
