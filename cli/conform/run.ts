/**
 * `hamburger conform run`: asks a harness every case of the kit, and judges its answers.
 *
 * @module
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type Answer,
  CallerError,
  type Case,
  type CaseVerdict,
  type Claim,
  casePath,
  conformanceReport,
  createJudge,
  type Judge,
  type PortOutput,
  withDump,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { examples, integer, number, option } from '../options.ts';
import { packageVersion } from '../package-root.ts';
import { conclude } from './conclude.ts';
import { type Harness, HarnessFault, keptStderr, startHarness } from './harness.ts';
import { addKitOptions, chosenCases, type KitOptions, openNamedKit, someWords } from './settings.ts';

interface Options extends KitOptions {
  readonly jobs: number;
  readonly timeLimit: number;
  readonly keep?: string;
}

export function addConformRun(conform: Command, context: Context): void {
  const command = conform
    .command('run')
    .summary('ask a harness every case')
    .description(
      'Starts a harness, asks it the cases of the kit by lines of JSON on its standard input and output (INTERPRETING.md, section 4), and judges its answers. ' +
        'Exit code 0 if the port conforms, 1 if it does not or if cases were left out.',
    )
    .usage('[options] [kit] -- <command...>')
    .argument(
      '<command...>',
      'the harness and its arguments, after --; before it, perhaps the folder of a kit',
    );
  addKitOptions(command)
    .optionsGroup('Options of the run:')
    .addOption(option('--jobs <n>', 'harnesses side by side', integer(1), { value: 1 }))
    .addOption(
      option(
        '--time-limit <seconds>',
        'for each answer',
        number('a positive number', (value) => value > 0),
        { value: 60 },
      ),
    )
    .addOption(option('--keep <folder>', 'keep what the harness wrote, in this new folder'))
    .addHelpText(
      'after',
      examples(
        'hamburger conform run -- python3 fixtures/harnesses/numpy/port.py',
        'hamburger conform run --suite smoke -- ./my-port --harness',
        'hamburger conform run --jobs 2 --html report.html -- ./my-port --harness',
      ),
    )
    .action((words: string[], options: Options) => run(context, words, options));
}

async function run(context: Context, words: readonly string[], options: Options): Promise<void> {
  const { kit, rest } = openNamedKit(words);
  const [command, ...args] = someWords(rest);
  const cases = chosenCases(kit, options);
  const out =
    options.keep === undefined ? mkdtempSync(join(tmpdir(), 'hamburger-conform-')) : newFolder(options.keep);
  const stderr = keptStderr();
  const start = (): Promise<Harness> =>
    startHarness({
      command,
      args,
      root: resolve(kit.root),
      timeLimitMs: 1000 * options.timeLimit,
      onStderr: stderr.add,
    });
  const progress = context.output.progress('asking the harness');
  try {
    const first = await started(start, stderr);
    const { claim } = first;
    const judge = createJudge(kit, claim);
    const verdicts = new Map<string, CaseVerdict>();
    const waiting = [...cases];
    const work = async (harness: Harness): Promise<void> => {
      let current = harness;
      for (let each = waiting.shift(); each !== undefined; each = waiting.shift()) {
        if (!judge.asks(each)) verdicts.set(each.id, judge.notClaimed(each));
        else {
          const [output, next] = await asked(current, start, each, resolve(out), claim);
          current = next;
          verdicts.set(each.id, judged(judge, each, output));
        }
        progress.update(verdicts.size, cases.length);
        await context.output.turn();
      }
      await current.stop();
    };
    const others = await Promise.all(
      Array.from({ length: Math.min(options.jobs, cases.length) - 1 }, () => started(start, stderr)),
    );
    await Promise.all([first, ...others].map(work));
    progress.stop();
    const inOrder = cases.map(({ id }) => verdicts.get(id)!);
    const report = conformanceReport(kit, claim, inOrder, packageVersion());
    if (report.counts.errored > 0 && stderr.text() !== '')
      context.output.say(`the harness wrote to standard error:\n${stderr.text().trimEnd()}`);
    conclude(context, kit, report, options);
  } finally {
    progress.stop();
    if (options.keep === undefined) rmSync(out, { recursive: true, force: true });
  }
}

const judged = (judge: Judge, each: Case, output: PortOutput): CaseVerdict => judge.judge(each, output);

function newFolder(path: string): string {
  try {
    mkdirSync(path);
    return path;
  } catch (error) {
    throw new CallerError(
      { subject: '--keep', expected: 'a folder that can be made', found: (error as Error).message },
      { cause: error },
    );
  }
}

/** A harness that does not even start is no verdict, but a wrong command. */
async function started(start: () => Promise<Harness>, stderr: { text(): string }): Promise<Harness> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof HarnessFault)) throw error;
    const last = stderr.text().trimEnd().split('\n').at(-1)!;
    throw new CallerError(
      {
        subject: 'harness',
        expected: 'an answer to "start"',
        found: `${error.message}${last === '' ? '' : `; its last words were: ${last}`}`,
        hint: '"hamburger conform doctor -- COMMAND" looks into it',
      },
      { cause: error },
    );
  }
}

/** The answer to a case, and the harness to ask the next one: another one, where this one failed. */
async function asked(
  harness: Harness,
  start: () => Promise<Harness>,
  each: Case,
  out: string,
  claim: Claim,
): Promise<readonly [PortOutput, Harness]> {
  const errored = (message: string): PortOutput => ({
    answer: { status: 'errored', message },
    tensors: new Map(),
  });
  let current = harness;
  try {
    if (!current.usable) {
      current = await start();
      if (JSON.stringify(current.claim) !== JSON.stringify(claim))
        return [errored('started again, the harness claims something else'), current];
    }
    const folder = join(out, each.id);
    mkdirSync(folder, { recursive: true });
    const answer: Answer = await current.run(casePath(each), folder);
    const output = withDump(answer, folder);
    return [output, current];
  } catch (error) {
    if (error instanceof HarnessFault) return [errored(error.message), current];
    throw error;
  }
}
