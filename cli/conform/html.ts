/**
 * A conformance report as one page that needs nothing else: no script, no network.
 *
 * @module
 */

import { type Html, html, htmlPage } from '../../lib/html.ts';
import { type CaseVerdict, type ConformanceReport, claimText, type Kit } from '../../lib/index.ts';
import { faultLines } from './print.ts';

const STYLE = `
  :root { --line: color-mix(in srgb, currentColor 20%, transparent); }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  td.number { text-align: right; font-variant-numeric: tabular-nums; }
  pre { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
  .verdict { font-size: 1.25rem; font-weight: 600; }
  .right { color: light-dark(#1a6b2f, #7fd797); } .wrong, .errored { color: light-dark(#b3261e, #ff9c93); font-weight: 600; }
  .skipped, .not-claimed { opacity: .7; }
  a { color: inherit; }
`;

export function reportHtml(report: ConformanceReport, kit: Kit): string {
  const { claim, cases } = report;
  const { name, version, language } = claim.port;
  const title = `${name} ${version}: ${report.conclusion}`;
  const suites = Object.entries(kit.description.suites).map(([suite, { about }]) => {
    const of = cases.filter((each) => each.suite === suite);
    const right = of.filter(({ outcome }) => outcome === 'right').length;
    return html`<tr><td>${suite}</td><td>${about}</td><td class="number">${right} of ${of.length} right</td></tr>\n`;
  });
  const faults = cases.filter(({ outcome }) => outcome === 'wrong' || outcome === 'errored');
  const body = html`<h1>${name} ${version} <small>(${language})</small></h1>
<p class="verdict ${report.conclusion === 'conforms' ? 'right' : 'wrong'}">${claimText(report)}</p>
<h2>Suites</h2>
<table>
${suites}</table>
${faults.length === 0 ? null : html`<h2>Faults</h2>\n${faults.map(fault)}`}
<h2>Cases</h2>
<table>
<thead><tr><th>case</th><th>suite</th><th>verdict</th><th>tensors</th><th>largest margin</th></tr></thead>
<tbody>
${cases.map(row)}</tbody>
</table>
<p>Kit ${report.kit.version}, interpretation ${report.kit.interpretation}, SHA-256 of its kit.json ${report.kit.sha256}. Judged by hamburger ${report.judge}.</p>`;
  return htmlPage(title, STYLE, body);
}

const fault = (each: CaseVerdict): Html =>
  html`<section id="${each.id}"><h3>${each.id}</h3><pre>${faultLines(each).join('\n')}</pre></section>\n`;

function row({ id, suite, outcome, tensors, worst }: CaseVerdict): Html {
  const name = outcome === 'wrong' || outcome === 'errored' ? html`<a href="#${id}">${id}</a>` : id;
  const margin = worst === null ? null : html`${worst.margin.toPrecision(3)} <small>${worst.name}</small>`;
  return html`<tr><td>${name}</td><td>${suite}</td><td class="${outcome}">${outcome.replace('-', ' ')}</td><td class="number">${tensors === 0 ? '' : tensors}</td><td>${margin}</td></tr>\n`;
}
