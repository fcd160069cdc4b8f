/**
 * SPEC #trace — `hamburger trace`: a run with every intermediate tensor, on disk (trace/T3).
 *
 * @module
 */

import type { Command } from 'commander';
import {
  CallerError,
  canonicalJson,
  configJson,
  continueConfidence,
  generate,
  recordTrace,
  segmentPosition,
  type Trace,
  teacherForced,
  tokenProbability,
  type WritableDtype,
  writeFileAtomically,
  writeSafetensors,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { namingOptions } from '../option-names.ts';
import { examples, fileNamed, option, segmentList } from '../options.ts';
import { byteSize, thousands } from '../output.ts';
import { byMacroStep, tokenJson } from '../report.ts';
import { addRunOptions, OUTPUT_OPTIONS, prepareRun, type Run, type RunOptions } from '../run.ts';

/** Few, because each macro-step leaves hundreds of tensors. */
const DEFAULT_MAX_TOKENS = 16;

const EXTENSION = '.safetensors';

interface Options extends RunOptions {
  readonly out: string;
  readonly segments?: readonly (readonly number[])[];
}

export function addTrace(program: Command, context: Context): void {
  const command = program
    .command('trace')
    .summary('write every intermediate tensor of a run')
    .description(
      'Runs a checkpoint and writes every intermediate tensor to FILE.safetensors, and to FILE.json what they belong to: ' +
        'macro-steps with tokens, positions and confidences, and the tensors in the order in which they were computed.\n' +
        'The same command writes the same bytes.',
    );
  addRunOptions(command, DEFAULT_MAX_TOKENS)
    .addOption(
      option(
        `--out <file${EXTENSION}>`,
        'file to be written, and FILE.json beside it',
        fileNamed(EXTENSION),
      ).makeOptionMandatory(),
    )
    .addOption(
      option(
        '--segments <ids>',
        "run over these segments whatever the model would choose, such as '1,2,3|4|5,6'",
        segmentList,
      ).conflicts([...OUTPUT_OPTIONS]),
    )
    .addHelpText(
      'after',
      examples(
        'hamburger trace "Once there was" --max-tokens 4 --out run.safetensors',
        'hamburger trace --checkpoint tiny --prompt-ids 256,72,105 --segments "44,32|109" --numerics f64 --out forced.safetensors',
      ),
    )
    .action((prompt: string | undefined, options: Options) => action(context, prompt, options));
}

function action(context: Context, argument: string | undefined, options: Options): void {
  const { output, interruptibly } = context;
  const run = prepareRun(context, argument, options, DEFAULT_MAX_TOKENS);
  const { trace, tensors } = recordTrace();
  const report = namingOptions({ ...run.optionNames, segments: '--segments', segment: '--segments' }, () =>
    interruptibly(() =>
      options.segments === undefined ? free(context, run, trace) : forced(run, options.segments, trace),
    ),
  );
  const { numerics } = run.model.kernels;
  const dtype: WritableDtype = numerics === 'f64' ? 'F64' : 'F32';
  const names = [...tensors.keys()];
  const json = canonicalJson({
    config: configJson(run.checkpoint.config, run.checkpoint.tensors[0]!.dtype),
    ...report,
    tensors: names.map((name) => ({ name, shape: tensors.get(name)!.shape })),
  });

  const progress = output.progress('Writing');
  let bytes = 0;
  let written = 0;
  writeFileAtomically(options.out, (sink) => {
    interruptibly(() =>
      writeSafetensors(
        {
          write(chunk) {
            bytes += chunk.length;
            sink.write(chunk);
          },
        },
        names.map((name) => ({
          name,
          dtype,
          shape: tensors.get(name)!.shape,
          elements: () => {
            progress.update(written++, names.length);
            return tensors.get(name)!.data;
          },
        })),
      ),
    );
  });
  progress.stop();
  const described = `${options.out.slice(0, -EXTENSION.length)}.json`;
  writeFileAtomically(described, (sink) => sink.write(new TextEncoder().encode(json)));
  output.say(`${options.out}: ${thousands(names.length)} tensors, ${byteSize(bytes)}`);
  output.say(described);
}

/** What the model generates. */
function free({ output }: Context, run: Run, trace: Trace): Record<string, unknown> {
  const progress = output.progress('Generating');
  const steps = generate(run.model, { ...run.generateOptions, probabilities: true, trace });
  const tokens = [];
  let next = steps.next();
  for (; !next.done; next = steps.next()) {
    tokens.push(next.value);
    progress.update(tokens.length, run.generateOptions.maxTokens);
  }
  progress.stop();
  const { entryPositions, stopReason } = next.value;
  const T = run.prompt.ids.length;
  return {
    settings: run.settings,
    prompt_ids: run.prompt.ids,
    macro_steps: byMacroStep(tokens).map((segment, m) => ({
      positions: m === 0 ? entryPositions.slice(0, T) : [entryPositions[T + m - 1]],
      tokens: segment.map(tokenJson),
      end: segment.at(-1)!.end,
    })),
    entry_positions: entryPositions,
    stop_reason: stopReason,
  };
}

/** What the model says over given segments. */
function forced(run: Run, segments: readonly (readonly number[])[], trace: Trace): Record<string, unknown> {
  const { model, profile } = run;
  const prompt = run.prompt.ids;
  for (const id of segments.flat()) {
    if (id < model.config.vocabSize) continue;
    throw new CallerError({
      subject: 'segment',
      expected: `token ids from 0 to ${model.config.vocabSize - 1}`,
      found: `${id}`,
    });
  }
  const round = profile.stopArithmetic === 'mode' ? model.kernels.round : (value: number) => value;
  const results = teacherForced(model, { prompt, segments, profile, trace });
  const positions = prompt.map((_, i) => i);
  let tokens = prompt.length;
  return {
    settings: {
      mode: run.settings.mode,
      profile: profile.name,
      numerics: model.kernels.numerics,
      kernels: model.kernels.name,
    },
    prompt_ids: prompt,
    macro_steps: results.map((segment, m) => {
      const entries = m === 0 ? [...positions] : [segmentPosition(tokens, profile)];
      if (m > 0) positions.push(...entries);
      tokens += segment.length;
      return {
        positions: entries,
        tokens: segment.map(({ id, logits, stopProbability }) =>
          tokenJson({
            id,
            probability: tokenProbability(logits.data, id),
            stopProbability,
            confidence: stopProbability === null ? null : continueConfidence(stopProbability, round),
          }),
        ),
      };
    }),
    entry_positions: positions,
  };
}
