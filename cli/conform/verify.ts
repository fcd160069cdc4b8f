/**
 * `hamburger conform verify`: whether a report is one of this kit and says what follows from its verdicts.
 *
 * @module
 */

import { join } from 'node:path';
import type { Command } from 'commander';
import {
  type Case,
  DataError,
  decodeUtf8,
  judgePort,
  parseJson,
  readAnswer,
  readClaim,
  readWhole,
  verifyReport,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { oneAfterAnother } from '../interrupt.ts';
import { examples, option } from '../options.ts';
import { NegativeVerdict } from '../verdict.ts';
import { onlyWord, openNamedKit } from './settings.ts';

interface Options {
  readonly results?: string;
}

export function addConformVerify(conform: Command, context: Context): void {
  conform
    .command('verify')
    .summary('check a report again')
    .description(
      'Checks that a report is one of the very kit (by SHA-256), that every case has a verdict once, and that its conclusion follows from them. With the results ' +
        'themselves, judges each of them again. Exit code 0 if the report holds and says that the port conforms, 1 if it says something else, 2 if it does not hold.',
    )
    .usage('[options] [kit] <report>')
    .argument('<paths...>', 'the JSON file that --report wrote, perhaps after the folder of a kit')
    .addOption(
      option(
        '--results <folder>',
        'what the port wrote down (of "conform run": what --keep kept), to be judged again',
      ),
    )
    .addHelpText(
      'after',
      examples(
        'hamburger conform verify report.json',
        'hamburger conform verify report.json --results results',
      ),
    )
    .action((words: string[], options: Options) => verify(context, words, options));
}

async function verify(
  { output, interruptibly }: Context,
  words: readonly string[],
  { results }: Options,
): Promise<void> {
  const { kit, rest } = openNamedKit(words);
  const path = onlyWord(rest, 'report');
  const json = parseJson(decodeUtf8(readWhole(path), path), path);
  const conclusion = verifyReport(json, path, kit);
  if (results !== undefined) {
    const report = json as {
      readonly cases: readonly { readonly id: string; readonly outcome: string }[];
    };
    const byId = new Map(kit.cases.map((each) => [each.id, each]));
    const port = { claim: readClaim(results), run: (each: Case) => readAnswer(join(results, each.id)) };
    const said = new Map(report.cases.map(({ id, outcome }) => [id, outcome]));
    await judgePort(kit, port, {
      cases: report.cases.map(({ id }) => byId.get(id)!),
      onError: 'throw',
      perform: oneAfterAnother(interruptibly),
      async onVerdict({ id, outcome }) {
        await output.turn();
        if (outcome === said.get(id)) return;
        throw new DataError({
          subject: `${path}: outcome of ${id}`,
          expected: outcome,
          found: said.get(id)!,
        });
      },
    });
  }
  output.data(`the report holds: ${conclusion}\n`);
  if (conclusion !== 'conforms') throw new NegativeVerdict();
}
