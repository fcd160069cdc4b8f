/**
 * The report of `eval` as one page that needs nothing else.
 *
 * @module
 */

import type { EvaluationReport } from '../../lib/index.ts';
import { escapeXml } from '../chart.ts';
import type { Answer } from './answers.ts';
import { remarks, summaryRows } from './tables.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem; }
.even { background: #56b4e955; } .odd { background: #e69f0055; }`;

/**
 * The page.
 *
 * @param figures pictures as SVG
 * @param shown answers to be shown in full
 */
export function reportPage(
  report: EvaluationReport,
  figures: readonly string[],
  shown: readonly Answer[],
): string {
  const { checkpoint, baseline } = report.settings;
  const compared = baseline === null ? '' : ` and its base ${baseline}`;
  const [header, ...rows] = summaryRows(report);
  const row = (cells: readonly string[], tag: 'td' | 'th') =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Evaluation of ${escapeXml(checkpoint)}</title>
<style>${STYLE}
</style>
</head>
<body>
<h1>Evaluation of ${escapeXml(checkpoint)}${escapeXml(compared)}</h1>
<pre>${escapeXml(shellCommand(report.command))}</pre>
${figures.join('')}
<table>
<thead>${row(header!, 'th')}</thead>
<tbody>
${rows.map((cells) => row(cells, 'td')).join('\n')}
</tbody>
</table>
${remarks(report)
  .map((remark) => `<p>${escapeXml(remark)}</p>`)
  .join('\n')}
<h2>Some answers</h2>
<p>Of HAMburger with confidence ${report.results.find(({ mode }) => mode === 'hamburger')!.confidence}; each macro-step has a hue. All answers are in <code>samples.jsonl</code>.</p>
${shown.map(answerHtml).join('\n')}
</body>
</html>
`;
}

function answerHtml({
  task: { sample },
  segments,
  correct,
  reason,
  outputTokens,
  macroSteps,
}: Answer): string {
  const pieces = segments
    .map(({ text }, s) => `<span class="${s % 2 === 0 ? 'even' : 'odd'}">${escapeXml(text)}</span>`)
    .join('');
  const verdict = correct ? 'right' : `wrong: ${reason}`;
  return `<h3>${escapeXml(sample.id)}</h3>
<p>${escapeXml(verdict)}; ${outputTokens} tokens in ${macroSteps} macro-steps</p>
<pre>${escapeXml(sample.prompt)}</pre>
<pre>${pieces}</pre>`;
}

/** The first right and the first wrong answer of each family. */
export function answersToShow(answers: readonly Answer[]): readonly Answer[] {
  const seen = new Set<string>();
  return answers.filter(({ task, correct }) => {
    const kind = `${task.sample.family} ${correct}`;
    return !seen.has(kind) && seen.add(kind);
  });
}

/** Words as one would type them. */
function shellCommand(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w./,:=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
