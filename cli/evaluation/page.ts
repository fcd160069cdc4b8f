/**
 * The report of `eval` as one page that needs nothing else.
 *
 * @module
 */

import { Html, html, htmlPage } from '../../lib/html.ts';
import type { EvaluationReport } from '../../lib/index.ts';
import type { Answer } from './answers.ts';
import { remarks, summaryRows } from './tables.ts';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem; }
.even { background: #56b4e955; } .odd { background: #e69f0055; }
`;

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
  const row = (cells: readonly Html[]) => html`<tr>${cells}</tr>\n`;
  const body = html`<h1>Evaluation of ${checkpoint}${compared}</h1>
<pre>${shellCommand(report.command)}</pre>
${figures.map((svg) => new Html(svg))}
<table>
<thead>
${row(header!.map((cell) => html`<th>${cell}</th>`))}</thead>
<tbody>
${rows.map((cells) => row(cells.map((cell) => html`<td>${cell}</td>`)))}</tbody>
</table>
${remarks(report).map((remark) => html`<p>${remark}</p>\n`)}
<h2>Some answers</h2>
<p>Of HAMburger with confidence ${report.results.find(({ mode }) => mode === 'hamburger')!.confidence}; each macro-step has a hue. All answers are in <code>samples.jsonl</code>.</p>
${shown.map(answerHtml)}`;
  return htmlPage(`Evaluation of ${checkpoint}`, STYLE, body);
}

function answerHtml({ task: { sample }, segments, correct, reason, outputTokens, macroSteps }: Answer): Html {
  const pieces = segments.map(
    ({ text }, s) => html`<span class="${s % 2 === 0 ? 'even' : 'odd'}">${text}</span>`,
  );
  const verdict = correct ? 'right' : `wrong: ${reason}`;
  return html`<h3>${sample.id}</h3>
<p>${verdict}; ${outputTokens} tokens in ${macroSteps} macro-steps</p>
<pre>${sample.prompt}</pre>
<pre>${pieces}</pre>
`;
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
