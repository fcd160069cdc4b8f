/**
 * `hamburger conform check`: verdicts on the results that a port left in a folder.
 *
 * @module
 */

import { join } from 'node:path';
import type { Command } from 'commander';
import { type Case, judgePort, readAnswer, readClaim } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { oneAfterAnother } from '../interrupt.ts';
import { examples } from '../options.ts';
import { packageVersion } from '../package-root.ts';
import { conclude } from './conclude.ts';
import { addKitOptions, chosenCases, type KitOptions, onlyWord, openNamedKit } from './settings.ts';

export function addConformCheck(conform: Command, context: Context): void {
  const command = conform
    .command('check')
    .summary('judge results in a folder')
    .description(
      'Judges what a port wrote down for the cases of the kit: RESULTS/port.json, its claim, and for each case RESULTS/ID/result.json and the tensors that it names ' +
        '(INTERPRETING.md, section 3). Exit code 0 if it conforms, 1 if it does not or if cases were left out.',
    )
    .usage('[options] [kit] <results>')
    .argument('<folders...>', 'the folder of the results, perhaps after that of a kit');
  addKitOptions(command)
    .addHelpText(
      'after',
      examples(
        'hamburger conform check results',
        'hamburger conform check results --suite smoke --html report.html',
      ),
    )
    .action((words: string[], options: KitOptions) => check(context, words, options));
}

async function check(context: Context, words: readonly string[], options: KitOptions): Promise<void> {
  const { kit, rest } = openNamedKit(words);
  const results = onlyWord(rest, 'folder of results');
  const claim = readClaim(results);
  const cases = chosenCases(kit, options);
  const progress = context.output.progress('judging');
  const written = { claim, run: (each: Case) => readAnswer(join(results, each.id)) };
  const report = await judgePort(kit, written, {
    cases,
    version: packageVersion(),
    onError: 'throw',
    perform: oneAfterAnother(context.interruptibly),
    async onVerdict(_, done, total) {
      progress.update(done, total);
      await context.output.turn();
    },
  });
  progress.stop();
  conclude(context, kit, report, options);
}
