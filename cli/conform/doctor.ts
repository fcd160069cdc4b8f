/**
 * `hamburger conform doctor`: why a harness does not talk.
 *
 * @module
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import {
  type Case,
  casePath,
  HamburgerError,
  judgePort,
  unclaimed,
  unknownClaims,
  withDump,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { examples, number, option } from '../options.ts';
import { NegativeVerdict } from '../verdict.ts';
import { type Harness, HarnessFault, keptStderr, startHarness } from './harness.ts';
import { faultLines } from './print.ts';
import { openNamedKit, someWords } from './settings.ts';

interface Options {
  readonly timeLimit: number;
}

export function addConformDoctor(conform: Command, context: Context): void {
  conform
    .command('doctor')
    .summary('find out why a harness does not talk')
    .description(
      'Starts a harness, plays one exchange with it, step by step, and explains the first thing that is wrong.',
    )
    .usage('[options] [kit] -- <command...>')
    .argument(
      '<command...>',
      'the harness and its arguments, after --; before it, perhaps the folder of a kit',
    )
    .addOption(
      option(
        '--time-limit <seconds>',
        'for each answer',
        number('a positive number', (value) => value > 0),
        { value: 10 },
      ),
    )
    .addHelpText('after', examples('hamburger conform doctor -- python3 fixtures/harnesses/numpy/harness.py'))
    .action((words: string[], options: Options) => examine(context, words, options));
}

/** What is to be done about a fault of the protocol. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /cannot be started/,
    'Is the command right, and can it be executed from this folder? Give it after --, each argument by itself.',
  ],
  [
    /ended without an answer/,
    'It has to read lines from standard input until "stop". What it wrote to standard error is below.',
  ],
  [
    /no answer within/,
    'Does it flush standard output after each line? Does it read a line, and not to the end of its input?',
  ],
  [
    /no JSON/,
    'Only answers go to standard output, one JSON object in one line. Everything else goes to standard error.',
  ],
  [/seq/, 'The value of "seq" comes back in the answer as it was.'],
  [/prints without end/, 'One line for each request, and nothing unasked.'],
  [/protocol/, 'The answer to "start" is described in INTERPRETING.md, 4.3.'],
  [/answer to "start"/, 'The answer to "start" is described in INTERPRETING.md, 4.3.'],
  [
    /has no dump/,
    'The key "dump" names a safetensors file, by its path below the folder "out" (INTERPRETING.md, 3.1 and 4.4).',
  ],
  [/answer to "run"/, 'Answers are described in INTERPRETING.md, 3.1 and 4.4.'],
];

async function examine({ output }: Context, words: readonly string[], options: Options): Promise<void> {
  const { kit, rest } = openNamedKit(words);
  const [command, ...args] = someWords(rest);
  const stderr = keptStderr();
  const out = mkdtempSync(join(tmpdir(), 'hamburger-doctor-'));
  const well = (text: string) => output.data(`${output.shown(`well   ${text}`)}\n`);
  const note = (text: string) => output.data(`${output.shown(`note   ${text}`)}\n`);
  const ill = (text: string): never => {
    output.data(`${output.shown(`wrong  ${text}`)}\n`);
    const advice = ADVICE.find(([pattern]) => pattern.test(text));
    if (advice !== undefined) output.data(`       ${advice[1]}\n`);
    if (stderr.text() !== '')
      output.data(`${output.shown(`it wrote to standard error:\n${stderr.text().trimEnd()}`)}\n`);
    throw new NegativeVerdict();
  };
  let harness: Harness | undefined;
  try {
    harness = await startHarness({
      command,
      args,
      root: resolve(kit.root),
      timeLimitMs: 1000 * options.timeLimit,
      onStderr: stderr.add,
    });
    const { port, numerics, profiles, modes, features } = harness.claim;
    well(
      `it starts, and answers: ${port.name} ${port.version} (${port.language}), numerics ${numerics}, profiles ${profiles.join(' ')}, modes ${modes.join(' ')}, features ${features.join(' ')}`,
    );
    for (const each of unknownClaims(kit, harness.claim)) note(`it claims ${each}: no case asks for that`);
    const asked = {
      claim: harness.claim,
      async run(each: Case) {
        const folder = join(out, each.id);
        mkdirSync(folder);
        return withDump(await harness!.run(casePath(each), folder), folder);
      },
    };
    const cases = kit.cases.filter(({ suite }) => suite === 'smoke');
    const { counts } = await judgePort(kit, asked, {
      cases,
      onError: 'throw',
      onVerdict(verdict) {
        const { id, outcome, message } = verdict;
        const each = cases.find((one) => one.id === id)!;
        if (outcome === 'right') well(`${id} is right`);
        else if (outcome === 'skipped') well(`${id} is skipped: ${message}`);
        else if (outcome === 'not-claimed')
          note(`${id} is not asked: it does not claim ${unclaimed(each, asked.claim).join(', ')}`);
        else ill(faultLines(verdict).join('\n'));
      },
    });
    if (counts['not-claimed'] === cases.length)
      ill('it claims nothing that suite smoke could ask: answer to "start"');
    await harness.stop();
    well('it talks; now "hamburger conform run" asks it everything');
  } catch (error) {
    if (error instanceof HarnessFault) ill(error.message);
    if (error instanceof HamburgerError) ill(error.message);
    throw error;
  } finally {
    await harness?.stop();
    rmSync(out, { recursive: true, force: true });
  }
}
