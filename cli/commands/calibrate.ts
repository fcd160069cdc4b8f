/**
 * `hamburger calibrate`: how far a stop head can be trusted, and the threshold for a wanted agreement.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  CallerError,
  type Checkpoint,
  DataError,
  type Estimate,
  openCheckpoint,
  type ReliabilityBin,
  speaksAgainst,
  suggestedThreshold,
  type ThresholdFigures,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import {
  type CalibrationPrompt,
  figuresByThreshold,
  type Judging,
  promptsOfCorpus,
  promptsOfFile,
} from '../evaluation/judged-runs.ts';
import { arithmeticOptions, kernelsFor, loadInto, type ModelOptions, settleThreads } from '../model.ts';
import { confidenceList, examples, integer, number, option } from '../options.ts';
import { table } from '../output.ts';
import { toyBaseCheckpoint, toyCheckpoint } from '../package-root.ts';
import { checkSameText } from '../same-text.ts';
import { NegativeVerdict } from '../verdict.ts';

const DEFAULT_AGREEMENT = 0.95;

const DEFAULT_THRESHOLDS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999];

const DEFAULT_MAX_TOKENS = 256;

/** Of each family of the toy corpus. */
const DEFAULT_CORPUS_LIMIT = 40;

interface Options extends Omit<ModelOptions, 'checkpoint'> {
  readonly target?: string;
  readonly prompts?: string;
  readonly limit?: number;
  readonly check?: string;
  /** False with `--no-chat`. */
  readonly chat: boolean;
  readonly agreement: number;
  readonly thresholds: readonly number[];
  readonly maxTokens: number;
  readonly json?: true;
}

export function addCalibrate(program: Command, context: Context): void {
  const [numerics, kernels, threads] = arithmeticOptions();
  program
    .command('calibrate')
    .summary('measure how far the stop head can be trusted; suggest a confidence')
    .description(
      'Lets a HAMburger answer prompts greedily with several confidence thresholds, and asks a target about every token that the ' +
        'micro-step decoder drafted: would it have said the same? Prints the agreement by threshold, by confidence and by micro ' +
        'index, with standard errors over prompts, and suggests the lowest threshold whose agreement is surely as high as wanted. ' +
        'SPEC #calibration says what each figure is. Exit code 1 if no threshold gives it, or the prompts of --check speak against it.',
    )
    .argument(
      '[checkpoint]',
      'checkpoint folder with HAMburger modules (default: the toy that comes with the package)',
    )
    .optionsGroup('Options of the calibration:')
    .addOption(
      option(
        '--agreement <share>',
        'the share of drafts with which the target is to agree',
        number('a number above 0, at most 1', (value) => 0 < value && value <= 1),
        { value: DEFAULT_AGREEMENT },
      ),
    )
    .addOption(
      option('--thresholds <list>', 'confidence thresholds to be tried, from 0 to 1', confidenceList, {
        value: DEFAULT_THRESHOLDS,
        shown: DEFAULT_THRESHOLDS.join(','),
      }),
    )
    .addOption(
      option(
        '--target <folder>',
        "checkpoint folder of the target, whose modules, if any, are not used (default, for the toy: the toy's base)",
      ),
    )
    .optionsGroup('Options of the data:')
    .addOption(
      option(
        '--prompts <file>',
        'JSON Lines: {"prompt": "..."}; responses that are there are passed over (default, for the toy: the validation split of its corpus)',
      ),
    )
    .addOption(
      option(
        '--limit <n>',
        `the most prompts: the first ones; of the toy corpus, of each family (default there: ${DEFAULT_CORPUS_LIMIT})`,
        integer(1),
      ),
    )
    .addOption(option('--check <file>', 'other prompts, on which the suggested threshold is tried'))
    .addOption(option('--no-chat', 'give prompts as they are, even if there is a chat template'))
    .optionsGroup('Options of decoding:')
    .addOption(
      option('--max-tokens <n>', 'most tokens of an answer', integer(1), { value: DEFAULT_MAX_TOKENS }),
    )
    .addOption(numerics)
    .addOption(kernels)
    .addOption(threads)
    .optionsGroup('Options:')
    .addOption(option('--json', 'print all figures as JSON'))
    .addHelpText(
      'after',
      examples(
        'hamburger calibrate --agreement 0.8 --thresholds 0.8,0.95 --limit 3',
        'hamburger calibrate --agreement 0.8 --thresholds 0.95 --limit 3 --json',
      ),
    )
    .action((folder: string | undefined, options: Options) => action(context, folder, options));
}

async function action(context: Context, folder: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  const { agreement: wanted } = options;
  const { judging, prompts, checks, places } = prepare(context, folder, options);
  const thresholds = [...new Set(options.thresholds)].sort((a, b) => a - b);
  const figures = await figuresByThreshold(context, judging, prompts, thresholds, 'Calibrating');
  const suggested = suggestedThreshold(figures, wanted);
  const check =
    checks === null || suggested === null
      ? null
      : (await figuresByThreshold(context, judging, checks, [suggested], 'Checking'))[0]!;

  if (options.json) {
    output.json({
      settings: {
        ...places,
        check: options.check ?? null,
        agreement: wanted,
        thresholds,
        max_tokens: judging.maxTokens,
        max_positions: judging.maxPositions,
        numerics: options.numerics,
      },
      suggested_threshold: suggested,
      thresholds: figures,
      check,
    });
  } else {
    const shown = figures.find(({ threshold }) => threshold === suggested) ?? figures.at(-1)!;
    const sections = [
      thresholdTable(figures),
      suggestion(suggested, wanted),
      `Drafts by the confidence they were drafted with, at threshold ${shown.threshold}`,
      reliabilityTable(shown),
      microIndexTable(shown),
      ...(check === null ? [] : [checkText(check, wanted)]),
    ];
    output.data(output.shown(`${sections.join('\n\n')}\n`));
  }
  if (suggested === null || (check !== null && speaksAgainst(check, wanted))) throw new NegativeVerdict();
}

function thresholdTable(figures: readonly ThresholdFigures[]): string {
  return table([
    ['threshold', 'drafts', 'agree', 'surely', 'tokens per macro-step', 'micro index 0'],
    ...figures.map((each) => [
      `${each.threshold}`,
      `${each.drafts}`,
      percent(each.agreement),
      each.agreement_at_least === null ? '' : `${(100 * each.agreement_at_least).toFixed(2)} %`,
      each.tokens_per_macro_step.toFixed(2),
      percent(each.agreement_at_micro_index_0),
    ]),
  ]);
}

function suggestion(suggested: number | null, wanted: number): string {
  const share = `${Number((100 * wanted).toPrecision(6))} %`;
  return suggested === null
    ? `No threshold tried surely gives an agreement of ${share}; try higher --thresholds, or more prompts`
    : `--confidence ${suggested} surely gives an agreement of ${share}`;
}

function reliabilityTable({ reliability, expected_calibration_error: error }: ThresholdFigures): string {
  const range = ({ from, to }: ReliabilityBin): string => `${from} to ${to}`;
  const rows = reliability
    .filter(({ drafts }) => drafts > 0)
    .map((bin) => [
      range(bin),
      `${bin.drafts}`,
      `${(100 * bin.mean_confidence!).toFixed(2)} %`,
      percent(bin.agreement),
    ]);
  const lines = table([['confidence', 'drafts', 'mean', 'agree'], ...rows]);
  return error === null ? lines : `${lines}\nexpected calibration error ${error.toFixed(4)}`;
}

function microIndexTable({ by_micro_index }: ThresholdFigures): string {
  return table([
    ['micro index', 'drafts', 'agree'],
    ...by_micro_index.map(({ drafts, agreement }, i) => [`${i + 1}`, `${drafts}`, percent(agreement)]),
  ]);
}

function checkText(check: ThresholdFigures, wanted: number): string {
  const verdict = speaksAgainst(check, wanted) ? 'fewer than wanted' : 'as wanted';
  return `On ${check.prompts} other prompts: ${percent(check.agreement)} of ${check.drafts} drafts agree, ${verdict}`;
}

/** A share with its standard error. */
function percent(share: Estimate | null): string {
  if (share === null) return '-';
  const error = share.standard_error === null ? '' : ` ± ${(100 * share.standard_error).toFixed(2)}`;
  return `${(100 * share.value).toFixed(2)}${error} %`;
}

interface Prepared {
  readonly judging: Judging;
  readonly prompts: readonly CalibrationPrompt[];
  readonly checks: readonly CalibrationPrompt[] | null;
  readonly places: {
    readonly checkpoint: string;
    readonly target: string;
    readonly prompts: string;
    readonly limit: number | null;
    readonly chat: boolean;
  };
}

/** Opens both checkpoints, reads the prompts, and loads the models. */
function prepare(context: Context, folder: string | undefined, options: Options): Prepared {
  const place = folder ?? toyCheckpoint();
  const toy = folder === undefined;
  const targetPlace = options.target ?? (toy ? toyBaseCheckpoint() : undefined);
  if (targetPlace === undefined || (!toy && options.prompts === undefined)) {
    throw new CallerError({
      subject: targetPlace === undefined ? '--target' : '--prompts',
      expected: targetPlace === undefined ? 'the folder of the base to compare with' : 'a file of prompts',
      found: 'none',
      hint:
        targetPlace === undefined
          ? `"--target ${place}" compares with the base inside`
          : 'Only the toy has prompts of its own',
    });
  }
  const open: Checkpoint[] = [];
  const opened = (one: string): Checkpoint => {
    const checkpoint = openCheckpoint(one);
    open.push(checkpoint);
    return checkpoint;
  };
  try {
    const checkpoint = opened(place);
    if (checkpoint.config.hamburger === null) {
      throw new CallerError({
        subject: place,
        expected: 'a checkpoint with HAMburger modules',
        found: 'a plain base',
        hint: 'The base is what --target is for',
      });
    }
    const target = opened(targetPlace);
    const chat = options.chat && checkpoint.chatTemplate !== null;
    const limit = options.limit ?? (options.prompts === undefined ? DEFAULT_CORPUS_LIMIT : null);
    const prompts =
      options.prompts === undefined
        ? promptsOfCorpus(checkpoint, chat, limit!)
        : promptsOfFile(checkpoint, options.prompts, chat, limit ?? undefined);
    const checks = options.check === undefined ? null : promptsOfFile(checkpoint, options.check, chat);
    for (const [file, list] of [
      [options.prompts, prompts],
      [options.check, checks],
    ] as const) {
      if (list?.length !== 0) continue;
      throw new DataError({ subject: file!, expected: 'at least one prompt', found: 'none' });
    }
    const maxPositions = Math.min(...open.map(({ config }) => config.maxPositionEmbeddings));
    checkSameText(checkpoint, target, [...prompts, ...(checks ?? [])], chat, {
      rule: 'calibration/C3',
      hint: `Give the base that ${place} was made of, or ${place} itself`,
    });
    const kernels = kernelsFor(context, options, checkpoint.config);
    const model = loadInto(context, checkpoint, kernels);
    const judging = {
      model,
      target: place === targetPlace ? model : loadInto(context, target, kernels),
      maxTokens: options.maxTokens,
      maxPositions,
    };
    settleThreads(kernels, model, options.threads);
    const data = options.prompts ?? 'validation split of the toy corpus';
    return {
      judging,
      prompts,
      checks,
      places: { checkpoint: place, target: targetPlace, prompts: data, limit, chat },
    };
  } finally {
    for (const one of open) one.close();
  }
}
