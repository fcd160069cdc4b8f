/**
 * What the commands that judge a port by the kit share: which kit, which of its cases, where reports go.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  CallerError,
  type Case,
  type ConformanceReport,
  canonicalJson,
  KIT_FILE,
  type Kit,
  openKit,
  reportJson,
  writeFileAtomically,
} from '../../lib/index.ts';
import { option } from '../options.ts';
import { shippedKit } from '../package-root.ts';
import { reportHtml } from './html.ts';
import { reportJunit } from './junit.ts';

/** Options of a command that judges by the kit. */
export interface KitOptions {
  readonly suite?: readonly string[];
  readonly case?: readonly string[];
  readonly report?: string;
  readonly junit?: string;
  readonly html?: string;
  readonly json?: true;
}

const list = (text: string): string[] =>
  text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

export function addKitOptions(command: Command): Command {
  return command
    .optionsGroup('Options of the cases:')
    .addOption(option('--suite <names>', 'only these suites, such as smoke,op', list))
    .addOption(option('--case <ids>', 'only these cases', list))
    .optionsGroup('Options of the report:')
    .addOption(
      option('--report <file>', 'write the whole report as JSON; "hamburger conform verify" checks it again'),
    )
    .addOption(option('--junit <file>', 'write it as JUnit XML, for continuous integration'))
    .addOption(option('--html <file>', 'write it as a page'))
    .optionsGroup('Options:')
    .addOption(option('--json', 'print the report as JSON'));
}

/**
 * The kit, and the words after it: the first word names a kit if it is a folder that holds one, which nothing else that these commands take is.
 *
 * @throws DataError if the kit cannot be read
 */
export function openNamedKit(words: readonly string[]): {
  readonly kit: Kit;
  readonly rest: readonly string[];
} {
  const named = words[0] !== undefined && existsSync(join(words[0], KIT_FILE));
  return { kit: openKit(named ? words[0]! : shippedKit()), rest: named ? words.slice(1) : words };
}

/** A command and its arguments. @throws CallerError if there is none */
export function someWords(rest: readonly string[]): readonly [string, ...string[]] {
  const [command, ...args] = rest;
  if (command !== undefined) return [command, ...args];
  throw new CallerError({ subject: 'command of the harness', expected: 'one after --', found: 'none' });
}

/** The one word that is left. @throws CallerError if there is none, or there are more */
export function onlyWord(rest: readonly string[], what: string): string {
  if (rest.length === 1) return rest[0]!;
  const found = rest.length === 0 ? 'none' : rest.join(' ');
  throw new CallerError({ subject: what, expected: 'one, perhaps after the folder of a kit', found });
}

/** The cases that are asked for. @throws CallerError for a name that is none */
export function chosenCases(kit: Kit, { suite, case: ids }: KitOptions): readonly Case[] {
  const suites = Object.keys(kit.description.suites);
  const noSuite = suite?.find((name) => !suites.includes(name));
  if (noSuite !== undefined)
    throw new CallerError({ subject: '--suite', expected: suites.join(', '), found: noSuite });
  const noCase = ids?.find((id) => !kit.cases.some((each) => each.id === id));
  if (noCase !== undefined)
    throw new CallerError({ subject: '--case', expected: 'the id of a case of the kit', found: noCase });
  return kit.cases.filter(
    (each) =>
      (suite === undefined || suite.includes(each.suite)) && (ids === undefined || ids.includes(each.id)),
  );
}

/** Writes the reports that are asked for. */
export function writeReports(
  report: ConformanceReport,
  kit: Kit,
  { report: json, junit, html }: KitOptions,
): void {
  const write = (path: string | undefined, text: () => string): void => {
    if (path !== undefined) writeFileAtomically(path, (sink) => sink.write(new TextEncoder().encode(text())));
  };
  write(json, () => canonicalJson(reportJson(report)));
  write(junit, () => reportJunit(report));
  write(html, () => reportHtml(report, kit));
}
