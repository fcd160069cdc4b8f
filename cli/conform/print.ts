/**
 * A conformance report in words.
 *
 * @module
 */

import {
  type CaseVerdict,
  type ConformanceReport,
  claimText,
  indexOf,
  type Kit,
  MOST_BIAS,
  MOST_MEAN_SQUARE,
  showShape,
  ULP_BUCKETS,
  unknownClaims,
} from '../../lib/index.ts';
import { table, thousands } from '../output.ts';

/** The report in lines: a table of suites, the first fault, the conclusion. */
export function reportLines(report: ConformanceReport, kit: Kit): string[] {
  const { claim, cases, worst } = report;
  const { name, version, language } = claim.port;
  const rows = Object.keys(kit.description.suites).map((suite) => {
    const of = cases.filter((each) => each.suite === suite);
    const count = (outcome: CaseVerdict['outcome']): string =>
      `${of.filter((each) => each.outcome === outcome).length}`;
    return [suite, count('right'), count('wrong'), count('errored'), count('skipped'), count('not-claimed')];
  });
  const faults = cases.filter(({ outcome }) => outcome === 'wrong' || outcome === 'errored');
  return [
    `port ${name} ${version} (${language}), kit ${report.kit.version}`,
    table([['suite', 'right', 'wrong', 'errored', 'skipped', 'not claimed'], ...rows]).trimEnd(),
    ...(worst === null
      ? []
      : [
          `largest margin ${Number(worst.margin).toPrecision(3)}, where 1 is the most: ${worst.case}, ${worst.name}`,
        ]),
    ...cases.flatMap(accumulationLines),
    ...unknownClaims(kit, claim).map((each) => `it claims ${each}: no case asks for that`),
    ...(report.skipped.length === 0 ? [] : [`skipped: ${report.skipped.join(', ')}`]),
    ...faults.slice(0, SHOWN).flatMap((each) => ['', ...faultLines(each)]),
    ...(faults.length > SHOWN
      ? [
          '',
          `and ${thousands(faults.length - SHOWN)} more: ${faults
            .slice(SHOWN, SHOWN + LISTED)
            .map(({ id }) => id)
            .join(', ')}${faults.length > SHOWN + LISTED ? ', ...' : ''}`,
          '--html, --junit and --report tell all of them, --case one',
        ]
      : []),
    '',
    ...(report.conclusion === 'partial'
      ? [
          `${thousands(report.missing)} of ${thousands(kit.cases.length)} cases were not asked: nothing is claimed`,
        ]
      : []),
    claimText(report),
  ];
}

/** How well sums are rounded, where a case says so (conformance/C6). */
function accumulationLines({ accumulation }: CaseVerdict): string[] {
  if (accumulation === null) return [];
  const { dots, terms, meanSquare, bias, suspicious } = accumulation;
  return [
    `${thousands(dots)} sums of ${terms} products: mean square error ${meanSquare.toPrecision(2)}, bias ${bias.toFixed(3)}, in units of what rounds once`,
    ...(suspicious
      ? [
          `  that is more than rounding to nearest comes to (at most ${MOST_MEAN_SQUARE} and ${MOST_BIAS}): are sums cut, or added in less than the numerics say?`,
        ]
      : []),
  ];
}

/** Faults that are told in full, and those of which only the name is. */
const SHOWN = 3;
const LISTED = 12;

/** One fault: where, what, how far, and what it looks like. */
export function faultLines({ id, outcome, message, divergence, diagnosis }: CaseVerdict): string[] {
  const lines = [`${id}: ${outcome === 'errored' ? 'errored: ' : ''}${message ?? ''}`];
  if (divergence !== null) {
    const { shape, worst, margin, ulps, drift } = divergence;
    if (shape.expected !== null && (divergence.outcome === 'misshapen' || divergence.outcome === 'missing')) {
      lines.push(`  expected  shape ${showShape(shape.expected)}`);
      lines.push(`  found     ${shape.found === null ? 'nothing' : `shape ${showShape(shape.found)}`}`);
    }
    if (worst !== null && shape.found !== null) {
      lines.push(`  element   ${showShape(indexOf(worst.index, shape.found))} of ${showShape(shape.found)}`);
      lines.push(`  found     ${worst.got}`);
      lines.push(`  expected  ${worst.want} ± ${worst.bound.toPrecision(3)}`);
      lines.push(`  margin    ${margin.toPrecision(3)}`);
    }
    const buckets = ulps.flatMap((count, i) =>
      count === 0
        ? []
        : [`${thousands(count)} by ${i < ULP_BUCKETS.length ? `up to ${ULP_BUCKETS[i]}` : 'more'}`],
    );
    if (buckets.length > 0) lines.push(`  off by    ${buckets.join(', ')} units in the last place`);
    const drifts = Object.entries(drift).flatMap(([name, value]) =>
      value === null ? [] : [`${name} ${value.toExponential(1)}`],
    );
    if (drifts.length > 0)
      lines.push(`  inputs    differ from the reference's run, relatively: ${drifts.join(', ')}`);
  }
  for (const { says } of diagnosis) lines.push(`  looks as if ${says}`);
  return lines;
}
