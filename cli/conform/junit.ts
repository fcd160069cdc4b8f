/**
 * A conformance report as JUnit XML, which continuous integration shows.
 *
 * @module
 */

import { escapeText } from '../../lib/html.ts';
import type { CaseVerdict, ConformanceReport } from '../../lib/index.ts';
import { faultLines } from './print.ts';

export function reportJunit({ cases, claim, kit }: ConformanceReport): string {
  const suites = [...new Set(cases.map(({ suite }) => suite))].map((suite) => {
    const of = cases.filter((each) => each.suite === suite);
    const count = (...outcomes: CaseVerdict['outcome'][]): number =>
      of.filter(({ outcome }) => outcomes.includes(outcome)).length;
    return [
      `  <testsuite name="${escapeText(suite)}" tests="${of.length}" failures="${count('wrong')}" errors="${count('errored')}" skipped="${count('skipped', 'not-claimed')}">`,
      ...of.map(testcase),
      '  </testsuite>',
    ].join('\n');
  });
  const name = escapeText(
    `${claim.port.name} ${claim.port.version}, kit ${kit.version}, numerics ${claim.numerics}`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${name}">\n${suites.join('\n')}\n</testsuites>\n`;
}

function testcase(verdict: CaseVerdict): string {
  const open = `    <testcase classname="${escapeText(verdict.suite)}" name="${escapeText(verdict.id)}"`;
  const inside = (element: string, message: string, text = ''): string =>
    `${open}>\n      <${element} message="${escapeText(message)}">${escapeText(text)}</${element}>\n    </testcase>`;
  switch (verdict.outcome) {
    case 'right':
      return `${open}/>`;
    case 'wrong':
      return inside('failure', verdict.message ?? '', faultLines(verdict).join('\n'));
    case 'errored':
      return inside('error', verdict.message ?? '');
    case 'skipped':
      return inside('skipped', verdict.message ?? '');
    case 'not-claimed':
      return inside('skipped', 'not claimed');
  }
}
