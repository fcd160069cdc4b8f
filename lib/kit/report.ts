/**
 * SPEC #conformance — what a port's verdicts come to (INTERPRETING 5.5): a report that can be checked again.
 *
 * @module
 */

import { DataError, show } from '../errors.ts';
import { parseWith, z } from '../schema.ts';
import type { Claim } from './case.ts';
import type { CaseOutcome, CaseVerdict } from './judge.ts';
import type { Kit } from './kit.ts';

/** What all verdicts together say. */
export type Conclusion = 'conforms' | 'does not conform' | 'partial';

/** Everything about a run of a kit. */
export interface ConformanceReport {
  readonly report: 1;
  readonly kit: { readonly version: string; readonly interpretation: number; readonly sha256: string };
  /** Version of the package that judged. */
  readonly judge: string;
  readonly claim: Claim;
  readonly conclusion: Conclusion;
  /** Cases by outcome. */
  readonly counts: Readonly<Record<CaseOutcome, number>>;
  /** Cases that were not chosen, or not reached. */
  readonly missing: number;
  /** Ids of cases that the port skipped. */
  readonly skipped: readonly string[];
  readonly worst: { readonly case: string; readonly name: string; readonly margin: number | string } | null;
  readonly cases: readonly CaseVerdict[];
}

/** Makes a report of verdicts on cases of a kit. */
export function conformanceReport(
  kit: Kit,
  claim: Claim,
  cases: readonly CaseVerdict[],
  judge: string,
): ConformanceReport {
  const { description, sha256 } = kit;
  return {
    report: 1,
    kit: { version: description.kit, interpretation: description.interpretation, sha256 },
    judge,
    claim,
    ...conclude(kit.cases.length, cases),
    cases,
  };
}

/** What a port that does not check something answers; it is reported, and is no failure (INTERPRETING 2.6). */
const UNCHECKED = 'unchecked';

function conclude(
  total: number,
  cases: readonly CaseVerdict[],
): Pick<ConformanceReport, 'conclusion' | 'counts' | 'missing' | 'skipped' | 'worst'> {
  const counts = { right: 0, wrong: 0, skipped: 0, errored: 0, 'not-claimed': 0 };
  let worst: ConformanceReport['worst'] = null;
  for (const each of cases) {
    counts[each.outcome] += 1;
    if (each.worst !== null && (worst === null || each.worst.margin > Number(worst.margin)))
      worst = { case: each.id, name: each.worst.name, margin: each.worst.margin };
  }
  const missing = total - cases.length;
  const skipped = cases.filter(({ outcome }) => outcome === 'skipped');
  const failed =
    counts.wrong + counts.errored > 0 ||
    skipped.some(({ suite, message }) => !(suite === 'invalid' && message === UNCHECKED));
  const asked = cases.length - counts['not-claimed'];
  const conclusion = failed ? 'does not conform' : missing > 0 || asked === 0 ? 'partial' : 'conforms';
  return { conclusion, counts, missing, skipped: skipped.map(({ id }) => id), worst };
}

/** The claim that a conforming port may make. */
export function claimText({ kit, claim, conclusion }: ConformanceReport): string {
  const { profiles, numerics, features, modes } = claim;
  const list = (name: string, items: readonly string[]) =>
    items.length === 0 ? '' : `, ${name} ${items.join(' ')}`;
  return `${conclusion}: kit ${kit.version}${list('profile', profiles)}, numerics ${numerics}${list('modes', modes)}${list('features', features)}`;
}

/** JSON knows no infinity. */
export function reportJson(report: ConformanceReport): unknown {
  return JSON.parse(
    JSON.stringify(report, (_, value: unknown) =>
      typeof value === 'number' && !Number.isFinite(value) ? `${value}` : value,
    ),
  );
}

const count = z.int().min(0);
const stored = z.object({
  report: z.literal(1),
  kit: z.object({ version: z.string(), interpretation: z.int(), sha256: z.string() }),
  claim: z.object({ numerics: z.string(), profiles: z.array(z.string()) }),
  conclusion: z.enum(['conforms', 'does not conform', 'partial']),
  counts: z.object({ right: count, wrong: count, skipped: count, errored: count, 'not-claimed': count }),
  missing: count,
  skipped: z.array(z.string()),
  cases: z.array(
    z.object({
      id: z.string(),
      suite: z.string(),
      outcome: z.enum(['right', 'wrong', 'skipped', 'errored', 'not-claimed']),
      message: z.union([z.null(), z.string()]),
      tensors: count,
      worst: z.union([z.null(), z.object({ name: z.string(), margin: z.union([z.number(), z.string()]) })]),
    }),
  ),
});

/**
 * Checks that a stored report is one of this kit and that what it concludes follows from its verdicts.
 *
 * @returns what it concludes
 * @throws DataError naming what does not fit
 */
export function verifyReport(json: unknown, subject: string, kit: Kit): Conclusion {
  const report = parseWith(stored, json, subject);
  const fail = (place: string, expected: string, found: string): never => {
    throw new DataError({ subject: `${subject}: ${place}`, expected, found });
  };
  const check = (place: string, expected: string | number, found: string | number): void => {
    if (expected !== found) fail(place, show(expected), show(found));
  };
  check('kit.sha256', kit.sha256, report.kit.sha256);
  check('kit.version', kit.description.kit, report.kit.version);
  const known = new Map(kit.cases.map((each) => [each.id, each]));
  const seen = new Set<string>();
  for (const { id, suite, outcome, worst } of report.cases) {
    const asked = known.get(id);
    if (asked === undefined) fail(`case ${show(id)}`, 'a case of the kit', 'no such case');
    if (seen.has(id)) fail(`case ${id}`, 'one verdict', 'a second verdict');
    seen.add(id);
    check(`suite of ${id}`, asked!.suite, suite);
    if (outcome === 'right' && worst !== null && !(Number(worst.margin) <= 1))
      fail(`margin of ${id}`, 'at most 1', show(worst.margin));
  }
  const { conclusion, counts, missing } = conclude(
    kit.cases.length,
    report.cases.map((each) => ({
      ...each,
      worst: null,
      divergence: null,
      accumulation: null,
      diagnosis: [],
    })),
  );
  check('conclusion', conclusion, report.conclusion);
  check('missing', missing, report.missing);
  for (const outcome of Object.keys(counts) as CaseOutcome[])
    check(`counts.${outcome}`, counts[outcome], report.counts[outcome]);
  return conclusion;
}
