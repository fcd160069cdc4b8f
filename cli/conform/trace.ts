/**
 * `hamburger conform trace`: a verdict on the tensors of one run.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  CallerError,
  decodeUtf8,
  type HamburgerModel,
  indexOf,
  isHamburger,
  judgeRun,
  openCheckpoint,
  parseJson,
  parseTraceDescription,
  portNumerics,
  profiles,
  readTensors,
  readWhole,
  referenceKernels,
  showShape,
  type TensorVerdict,
  type TraceDescription,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { checkpointOption } from '../model.ts';
import { choice, examples, integerList, option, segmentList } from '../options.ts';
import { thousands } from '../output.ts';
import { toyCheckpoint } from '../package-root.ts';
import { NegativeVerdict } from '../verdict.ts';

const EXTENSION = '.safetensors';

interface Options {
  readonly checkpoint?: string;
  readonly promptIds?: readonly number[];
  readonly segments?: readonly (readonly number[])[];
  readonly profile: string;
  readonly numerics: string;
  readonly json?: true;
}

export function addConformTrace(conform: Command, context: Context): void {
  conform
    .command('trace')
    .summary('judge the tensors of a run')
    .description(
      `Judges the tensors of a run, which lie in FILE${EXTENSION} by the names of SPEC #trace ("hamburger trace" writes such a file). Each is recomputed in binary64 from ` +
        'the tensors that the file itself shows as its inputs, and may differ by what honest arithmetic of the given numerics rounds in that one step. So errors do ' +
        'not add up, and the first tensor that is wrong is where the mistake is.\n' +
        'Prompt and segments are those of FILE.json beside it, unless options give them. Exit code 0 if all tensors are right, 1 if not.',
    )
    .argument('<file>', 'file of tensors, .safetensors; F64, F32, F16 or BF16')
    .optionsGroup('Options of the run:')
    .addOption(checkpointOption())
    .addOption(option('--prompt-ids <ids>', "token ids of the prompt, such as '1,2,3'", integerList))
    .addOption(option('--segments <ids>', "token ids of the segments, such as '1,2,3|4|5,6'", segmentList))
    .addOption(choice('--profile <name>', 'whose positions', [...profiles.keys()]))
    .optionsGroup('Options of the check:')
    .addOption(
      choice('--numerics <name>', 'what the implementation computes in', [...portNumerics.keys()], 'f32'),
    )
    .optionsGroup('Options:')
    .addOption(option('--json', 'print the verdict on every tensor, as JSON'))
    .addHelpText(
      'after',
      examples(
        'hamburger conform trace run.safetensors',
        'hamburger conform trace forced.safetensors --checkpoint tiny --prompt-ids 256,72,105 --segments "44,32|109" --numerics bf16 --json',
      ),
    )
    .action((file: string, options: Options) => judgeTrace(context, file, options));
}

function judgeTrace({ output, interruptibly }: Context, file: string, options: Options): void {
  const run = readRun(file, options);
  const model = readModel(options.checkpoint ?? toyCheckpoint());
  const tensors = readTensors(file);
  const profile = profiles.get(options.profile)!;
  const numerics = portNumerics.get(options.numerics)!;
  const {
    tensors: verdicts,
    divergence,
    diagnosis,
  } = interruptibly(() => judgeRun({ model, ...run, profile }, tensors, numerics));
  const settings = { profile: profile.name, numerics: numerics.name };
  if (options.json) {
    output.json({
      conforms: divergence === undefined,
      settings,
      first_divergence: divergence?.name ?? null,
      diagnosis,
      tensors: verdicts.map(verdictJson),
    });
  } else {
    const lines =
      divergence === undefined
        ? praise(verdicts, settings)
        : [...blame(verdicts, divergence), ...diagnosis.map(({ says }) => `looks as if ${says}`)];
    for (const line of lines) output.data(`${output.shown(line)}\n`);
  }
  if (divergence !== undefined) throw new NegativeVerdict();
}

/** Prompt and segments: those of the options, else those of the file beside the tensors. */
function readRun(file: string, { promptIds, segments }: Options): TraceDescription {
  if (promptIds !== undefined && segments !== undefined) return { prompt: promptIds, segments };
  if (promptIds !== undefined || segments !== undefined) {
    throw new CallerError({
      subject: 'run',
      expected: 'both of --prompt-ids and --segments, or neither',
      found: promptIds === undefined ? '--segments alone' : '--prompt-ids alone',
    });
  }
  const path = file.endsWith(EXTENSION) ? `${file.slice(0, -EXTENSION.length)}.json` : `${file}.json`;
  return parseTraceDescription(parseJson(decodeUtf8(readWhole(path), path), path), path);
}

/** What the port was given, in binary64. */
function readModel(folder: string): HamburgerModel {
  const checkpoint = openCheckpoint(folder);
  try {
    const model = checkpoint.loadModel(referenceKernels('f64'));
    if (isHamburger(model)) return model;
    throw new CallerError({
      subject: folder,
      expected: 'a checkpoint with HAMburger modules',
      found: 'a plain base',
    });
  } finally {
    checkpoint.close();
  }
}

const count = (verdicts: readonly TensorVerdict[], outcome: TensorVerdict['outcome']): number =>
  verdicts.filter((verdict) => verdict.outcome === outcome).length;

const worstOf = (verdicts: readonly TensorVerdict[]): TensorVerdict =>
  verdicts.reduce((a, b) => (b.margin > a.margin ? b : a));

function praise(
  verdicts: readonly TensorVerdict[],
  settings: { profile: string; numerics: string },
): string[] {
  const worst = worstOf(verdicts);
  const left = count(verdicts, 'left-out');
  const shown = `all ${thousands(verdicts.length - left)} tensors${left === 0 ? '' : ` that are shown (${thousands(left)} are left out)`}`;
  return [
    `conforms: ${shown}, profile ${settings.profile}, numerics ${settings.numerics}`,
    `worst margin ${worst.margin.toFixed(3)}, at ${worst.name}`,
  ];
}

function blame(
  verdicts: readonly TensorVerdict[],
  { name, outcome, margin, worst, shape }: TensorVerdict,
): string[] {
  const counts = (['right', 'left-out', 'wrong', 'missing', 'misshapen', 'unjudged', 'unknown'] as const)
    .map((each) => [each, count(verdicts, each)] as const)
    .filter(([, number]) => number > 0)
    .map(([each, number]) => `${thousands(number)} ${each}`);
  const element = worst === null || shape.found === null ? '' : showShape(indexOf(worst.index, shape.found));
  return [
    `does not conform: ${name} is ${outcome}, the first in the order of execution`,
    ...(outcome === 'misshapen' || outcome === 'missing'
      ? [
          `expected  shape ${showShape(shape.expected!)}`,
          `found     ${shape.found === null ? 'none' : `shape ${showShape(shape.found)}`}`,
        ]
      : []),
    ...(worst === null
      ? []
      : [
          `element   ${element} of ${showShape(shape.found!)}`,
          `found     ${worst.got}`,
          `expected  ${worst.want} ± ${worst.bound.toPrecision(3)}`,
          `margin    ${margin.toPrecision(3)}, where at most 1 is right`,
        ]),
    `tensors   ${counts.join(', ')}`,
  ];
}

/** JSON knows no infinity. */
const finite = (value: number): number | string => (Number.isFinite(value) ? value : `${value}`);

const verdictJson = ({ name, outcome, margin, worst, shape }: TensorVerdict) => ({
  name,
  outcome,
  margin: finite(margin),
  worst: worst === null ? null : { ...worst, got: finite(worst.got) },
  shape,
});
