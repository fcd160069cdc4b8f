/** What the engines say, held against each other. */

import { createHash } from 'node:crypto';
import type { Engine } from './engines.ts';
import { type Line, type Report, WAYS, type Way } from './report.ts';

/** Ways without WebAssembly, which every engine can go. */
const READABLE: readonly Way[] = ['functions', 'f64', 'f32 reference'];

/** What became of an engine: its report, or why there is none. */
export type Outcome =
  | { readonly kind: 'ran'; readonly engine: Engine; readonly version: string; readonly report: Report }
  | { readonly kind: 'failed'; readonly engine: Engine; readonly version: string; readonly reason: string }
  | { readonly kind: 'absent'; readonly engine: Engine; readonly reason: string };

/** Claim → the hash that it must have: the one that is pinned, else what the readable code gives under most engines. */
function expectedHashes(
  outcomes: readonly Outcome[],
  pinned: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const votes = new Map<string, Map<string, number>>();
  for (const outcome of outcomes) {
    if (outcome.kind !== 'ran') continue;
    for (const { claim, way, sha256 } of outcome.report.lines) {
      if (!READABLE.includes(way)) continue;
      const counts = votes.get(claim) ?? new Map<string, number>();
      votes.set(claim, counts.set(sha256, (counts.get(sha256) ?? 0) + 1));
    }
  }
  const expected = new Map<string, string>();
  for (const [claim, counts] of votes) {
    const [most] = [...counts].reduce((best, next) => (next[1] > best[1] ? next : best));
    expected.set(claim, most);
  }
  for (const [claim, sha256] of Object.entries(pinned)) expected.set(claim, sha256);
  return expected;
}

/** What is wrong with one engine; nothing if it agrees in everything. */
function faultsOf(
  outcome: Outcome,
  expected: ReadonlyMap<string, string>,
  required: readonly string[],
): readonly string[] {
  const { engine } = outcome;
  if (outcome.kind === 'absent') {
    return required.includes(engine.id) ? [`${engine.name} is required, but ${outcome.reason}`] : [];
  }
  // An engine that is there has to run: that it is not required excuses only that it is not there.
  if (outcome.kind === 'failed') return [`${engine.name} ${outcome.version}: ${outcome.reason}`];
  const { version, report } = outcome;
  const subject = `${engine.name} ${version}`;
  const faults: string[] = [];
  for (const way of WAYS) {
    const reason = report.lacks[way];
    if (reason !== undefined) {
      if (!engine.lacks.includes(way)) faults.push(`${subject}: ${way}: ${reason}`);
      continue;
    }
    const lines = linesOf(report, way);
    for (const claim of claimsOf(way, expected)) {
      const got = lines.find((line) => line.claim === claim)?.sha256;
      const want = expected.get(claim)!;
      if (got !== want) {
        faults.push(`${subject}: ${claim} (${way}): expected ${want}, found ${got ?? 'nothing'}`);
      }
    }
  }
  return faults;
}

/** All that is wrong; nothing if every required engine ran, and all that ran agree. */
export function allFaults(
  outcomes: readonly Outcome[],
  pinned: Readonly<Record<string, string>>,
  required: readonly string[],
): readonly string[] {
  const expected = expectedHashes(outcomes, pinned);
  const faults = outcomes.flatMap((outcome) => faultsOf(outcome, expected, required));
  const unknown = required.filter((id) => !outcomes.some(({ engine }) => engine.id === id));
  faults.push(...unknown.map((id) => `${id} is required, but was not to be run`));
  if (!outcomes.some(({ kind }) => kind === 'ran')) faults.push('no engine ran');
  return faults;
}

/** How many engines agree, do not, and are missing without being required. */
export function tally(
  outcomes: readonly Outcome[],
  pinned: Readonly<Record<string, string>>,
  required: readonly string[],
): { readonly passed: number; readonly failed: number; readonly skipped: number } {
  const expected = expectedHashes(outcomes, pinned);
  const faulty = outcomes.filter((outcome) => faultsOf(outcome, expected, required).length > 0);
  const skipped = count(outcomes, 'absent') - count(faulty, 'absent');
  const passed = outcomes.length - faulty.length - skipped;
  // What is wrong with no engine in particular counts as one failure.
  const nobody = faulty.length === 0 && allFaults(outcomes, pinned, required).length > 0;
  return { passed, failed: nobody ? 1 : faulty.length, skipped };
}

const count = (outcomes: readonly Outcome[], kind: Outcome['kind']) =>
  outcomes.filter((outcome) => outcome.kind === kind).length;

/** Every claim that can be made in that way. */
function claimsOf(way: Way, expected: ReadonlyMap<string, string>): string[] {
  const mode = way === 'functions' ? '' : way.slice(0, 3);
  return [...expected.keys()].filter((claim) => (/^f(32|64) /.exec(claim)?.[0].trimEnd() ?? '') === mode);
}

function linesOf(report: Report, way: Way): readonly Line[] {
  return report.lines.filter((line) => line.way === way);
}

/** One hash over all lines of a way: the same for all ways of the same claims. `null` if there are none. */
export function wayHash(report: Report, way: Way): string | null {
  const lines = linesOf(report, way);
  if (lines.length === 0) return null;
  const hash = createHash('sha256');
  for (const { claim, sha256 } of lines) hash.update(`${claim} ${sha256}\n`);
  return hash.digest('hex');
}

/** Digits of a hash that the table shows. The comparison is of all. */
const SHOWN_DIGITS = 12;

/** The table: a row for each engine, a column for each way. */
export function renderTable(outcomes: readonly Outcome[]): string {
  const rows = [
    ['engine', 'version', ...WAYS],
    ...outcomes.map((outcome) => {
      const { name } = outcome.engine;
      if (outcome.kind === 'absent') return [name, '-', outcome.reason];
      if (outcome.kind === 'failed') return [name, outcome.version, outcome.reason];
      const hashes = WAYS.map((way) => wayHash(outcome.report, way)?.slice(0, SHOWN_DIGITS) ?? '-');
      return [name, outcome.version, ...hashes];
    }),
  ];
  // A reason may run over the columns to its right.
  const widths = rows[0]!.map((_, c) =>
    Math.max(...rows.filter((row) => row.length > 3 || c < 2).map((row) => row[c]!.length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, c) => cell.padEnd(widths[c]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
