/**
 * `hamburger eval`: scores, compression and speed of a HAMburger, beside its base.
 *
 * @module
 */

import { loadavg } from 'node:os';
import type { Command } from 'commander';
import {
  baseOf,
  CallerError,
  type Checkpoint,
  checkFolderPlace,
  type EvaluationReport,
  isHamburger,
  type Model,
  openCheckpoint,
  show,
  trainProfile,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { answerAll } from '../evaluation/answers.ts';
import { judgeAll } from '../evaluation/judge.ts';
import { placeOptions, resultsOf, speedsOf, writeReport } from '../evaluation/report.ts';
import { remarks, summaryRows } from '../evaluation/tables.ts';
import { type Decoder, familiesOf, selectSamples, type Task, tasksOf } from '../evaluation/task.ts';
import { machine } from '../machine.ts';
import { arithmeticOptions, kernelsFor, loadInto, type ModelOptions, settleThreads } from '../model.ts';
import { confidenceList, examples, integer, nonEmpty, option } from '../options.ts';
import { table } from '../output.ts';
import { tokenizerOf } from '../run.ts';
import { checkSameText } from '../same-text.ts';

const DEFAULT_MAX_TOKENS = 256;

const DEFAULT_CONFIDENCES = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 1];

interface Options extends Omit<ModelOptions, 'checkpoint'> {
  readonly baseline?: string;
  readonly data: string;
  readonly out: string;
  readonly force?: true;
  readonly confidences: readonly number[];
  readonly limit?: number;
  readonly seed?: string;
  /** False with `--no-chat`. */
  readonly chat: boolean;
  readonly maxTokens: number;
  readonly json?: true;
}

export function addEval(program: Command, context: Context): void {
  const [numerics, kernels, threads] = arithmeticOptions();
  program
    .command('eval')
    .summary('judge answers to the toy corpus; measure compression and speed')
    .description(
      'Lets a HAMburger answer samples of the toy corpus greedily, with several confidences, and its base beside it, on the same ' +
        'prompts in turns. Judges every answer exactly, and writes a folder: report.json (all figures; what depends on the machine is under ' +
        '"timing"), samples.jsonl (all answers), score-by-compression.svg, tokens-per-second.svg and report.html. SPEC #evaluation says what each figure is.',
    )
    .argument('<checkpoint>', 'checkpoint folder with HAMburger modules')
    .optionsGroup('Options of the data:')
    .addOption(
      option(
        '--data <file>',
        'samples of the corpus, JSON Lines, as "npm run corpus" writes them',
      ).makeOptionMandatory(),
    )
    .addOption(option('--limit <n>', 'the most samples of each family: the first ones', integer(1)))
    .addOption(option('--seed <text>', 'draw those of --limit by this seed instead', nonEmpty('a seed')))
    .addOption(option('--no-chat', 'give prompts as they are, even if there is a chat template'))
    .optionsGroup('Options of decoding:')
    .addOption(
      option('--baseline <folder>', 'checkpoint folder of the base (its modules, if any, are not used)'),
    )
    .addOption(
      option('--confidences <list>', 'thresholds on the continue confidence, from 0 to 1', confidenceList, {
        value: DEFAULT_CONFIDENCES,
        shown: DEFAULT_CONFIDENCES.join(','),
      }),
    )
    .addOption(
      option('--max-tokens <n>', 'most tokens of an answer', integer(1), { value: DEFAULT_MAX_TOKENS }),
    )
    .addOption(numerics)
    .addOption(kernels)
    .addOption(threads)
    .optionsGroup('Options:')
    .addOption(
      option('--out <folder>', 'folder to be made', nonEmpty('the name of a folder')).makeOptionMandatory(),
    )
    .addOption(option('--force', 'replace an earlier report of that name'))
    .addOption(option('--json', 'print report.json instead of a table'))
    .addHelpText(
      'after',
      examples(
        'hamburger eval tiny --data test.jsonl --limit 1 --max-tokens 8 --out scores',
        'hamburger eval tiny --baseline tiny --data test.jsonl --confidences 0.8,1 --limit 1 --seed 7 --max-tokens 8 --out compared --json',
      ),
    )
    .action((folder: string, options: Options, command: Command) =>
      action(context, folder, options, command),
    );
}

async function action(context: Context, folder: string, options: Options, command: Command): Promise<void> {
  const { output } = context;
  const { out, force = false, maxTokens } = options;
  checkFolderPlace(out, placeOptions(force));
  if (options.seed !== undefined && options.limit === undefined) {
    output.say('note: --seed has no effect without --limit');
  }
  const { checkpoint, tasks, decoders, threads, chat } = prepare(context, folder, options);
  const { model } = decoders.at(-1)!;
  const loadBefore = loadavg()[0]!;
  const limits = { maxTokens, maxPositions: positionsOf(decoders) };
  const raw = await answerAll(context, decoders, tasks, limits);
  const loadAfter = loadavg()[0]!;
  const runs = await judgeAll(context, decoders, tasks, raw, tokenizerOf(checkpoint, ''));
  const report: EvaluationReport = {
    command: ['hamburger', ...wordsOf(command)],
    settings: {
      checkpoint: folder,
      baseline: options.baseline ?? null,
      data: options.data,
      samples: countByFamily(tasks),
      limit: options.limit ?? null,
      seed: options.limit === undefined ? null : (options.seed ?? null),
      confidences: decoders.flatMap(({ confidence }) => confidence ?? []),
      default_confidence: trainProfile.confidence,
      max_tokens: limits.maxTokens,
      max_positions: limits.maxPositions,
      numerics: options.numerics,
      chat,
    },
    results: resultsOf(runs),
    timing: {
      kernels: model.kernels.name,
      threads,
      machine: { ...machine(), load_before: loadBefore, load_after: loadAfter },
      speeds: speedsOf(runs),
    },
  };
  writeReport(out, force, report, runs);
  if (options.json) output.json(report);
  else output.data(output.shown(`${table(summaryRows(report))}\n\n${remarks(report).join('\n')}\n`));
  output.say(`${out}: report.html, report.json, samples.jsonl and two pictures`);
}

/** What was typed behind the name of the program. */
function wordsOf(command: Command): readonly string[] {
  const root = command.parent as (Command & { readonly rawArgs?: readonly string[] }) | null;
  return root?.rawArgs ?? [];
}

/** The least of all models, so that none is cut short where another goes on. */
function positionsOf(decoders: readonly Pick<Decoder, 'model'>[]): number {
  return Math.min(...decoders.map(({ model }) => model.config.maxPositionEmbeddings));
}

function countByFamily(tasks: readonly Task[]): Record<string, number> {
  const samples = tasks.map(({ sample }) => sample);
  return Object.fromEntries(
    familiesOf(samples).map((name) => [name, samples.filter(({ family }) => family === name).length]),
  );
}

/** Opens the checkpoints, reads the samples, and loads the models. */
function prepare(context: Context, folder: string, options: Options) {
  const samples = selectSamples(options.data, options);
  const open: Checkpoint[] = [];
  try {
    const checkpoint = opened(open, folder);
    if (checkpoint.config.hamburger === null) {
      throw new CallerError({
        subject: folder,
        expected: 'a checkpoint with HAMburger modules',
        found: 'a plain base',
        hint: 'The base is what --baseline is for',
      });
    }
    const baseline = options.baseline === undefined ? null : opened(open, options.baseline);
    const positions = Math.min(...open.map(({ config }) => config.maxPositionEmbeddings));
    const chat = options.chat && checkpoint.chatTemplate !== null;
    const tasks = tasksOf(checkpoint, samples, chat, positions);
    if (baseline !== null) {
      const prompts = tasks.map(({ sample, prompt }) => {
        return { name: show(sample.id), text: sample.prompt, ids: prompt };
      });
      checkSameText(checkpoint, baseline, prompts, chat, {
        rule: 'evaluation/C7',
        hint: `Scores and speeds are compared on the same tokens; give the base that ${folder} was made of`,
      });
    }
    // One set of kernels for both: two would have their threads get in each other's way.
    const kernels = kernelsFor(context, options, checkpoint.config);
    const model = loadInto(context, checkpoint, kernels);
    const base = baseline === null ? null : loadInto(context, baseline, kernels);
    const threads = settleThreads(kernels, model, options.threads);
    return { checkpoint, tasks, decoders: decodersOf(model, base, options.confidences), threads, chat };
  } finally {
    for (const one of open) one.close();
  }
}

function opened(open: Checkpoint[], folder: string): Checkpoint {
  const checkpoint = openCheckpoint(folder);
  open.push(checkpoint);
  return checkpoint;
}

/** The base, if there is one; then the default confidence, if it is asked for; then the others in order. */
function decodersOf(model: Model, base: Model | null, confidences: readonly number[]): readonly Decoder[] {
  const standard = trainProfile.confidence;
  const ascending = [...new Set(confidences)].sort((a, b) => a - b);
  const first = ascending.filter((confidence) => confidence === standard);
  const others = ascending.filter((confidence) => confidence !== standard);
  return [
    ...(base === null
      ? []
      : [{ mode: 'base' as const, confidence: null, model: isHamburger(base) ? baseOf(base) : base }]),
    ...[...first, ...others].map((confidence) => ({ mode: 'hamburger' as const, confidence, model })),
  ];
}
