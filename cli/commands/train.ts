/**
 * SPEC #recipe — `hamburger train`: a base, or HAMburger modules on a base, trained by a recipe.
 *
 * @module
 */

import type { Command } from 'commander';
import type { EvaluationRecord, StepRecord, TrainingRun } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { Interrupted, listenForInterrupt } from '../interrupt.ts';
import { arithmeticOptions, type ModelOptions } from '../model.ts';
import { examples, nonEmpty, option } from '../options.ts';
import { type Output, thousands } from '../output.ts';
import { openRunFolder } from '../run-folder.ts';
import { evaluationLine, shownLoss, shownTime, stepLine } from '../training-log.ts';
import { type PreparedRun, prepareTraining } from '../training-setup.ts';

/** Where talk does not go to a terminal, so many lines tell of the steps of a run. */
const TOLD_STEPS = 20;

interface Options extends Pick<ModelOptions, 'kernels' | 'threads'> {
  readonly out: string;
  readonly resume?: true;
}

export function addTrain(program: Command, context: Context): void {
  const [, kernels, threads] = arithmeticOptions();
  program
    .command('train')
    .summary('train a base, or modules on a base')
    .description(
      'Trains by a recipe: phase "pretrain" makes a base from random weights, phase "graft" puts HAMburger modules on a base and trains ' +
        'both. The folder gets log.jsonl, curves.svg, snapshot.safetensors and, in the end, the checkpoint. Ctrl-C and SIGTERM keep a snapshot; ' +
        '--resume goes on from the latest one, to the same bytes as if nothing had happened.',
    )
    .argument('<recipe>', 'recipe file; the paths in it are relative to its own folder')
    .addOption(
      option('--out <folder>', 'folder of the run', nonEmpty('the name of a folder')).makeOptionMandatory(),
    )
    .addOption(option('--resume', 'go on with the run in that folder, or begin it if there is no snapshot'))
    .addOption(kernels)
    .addOption(threads)
    .addHelpText(
      'after',
      examples(
        'hamburger train pretrain.json --out base-run',
        'hamburger train graft.json --out run',
        'hamburger train graft.json --out run --resume',
        'hamburger generate "One day" --checkpoint run/checkpoint --max-tokens 20',
      ),
    )
    .action((recipe: string, options: Options) => action(context, recipe, options));
}

async function action(context: Context, path: string, options: Options): Promise<void> {
  const { output } = context;
  const prepared = prepareTraining(context, path, options);
  const { run, recipe, recipeJson, inputs, contents } = prepared;
  const folder = openRunFolder(options.out, options.resume === true, { recipe: recipeJson, inputs });
  const interrupt = listenForInterrupt();
  try {
    if (folder.stored !== null) run.restore(folder.stored);
    tellStart(output, prepared);
    const talk = talker(output, run);
    for (const event of run.events()) {
      if (event.kind === 'sample') talk.sample(event.tokens);
      else if (event.kind === 'snapshot') folder.save(run.snapshot());
      else if (event.kind === 'step') {
        folder.log(stepLine(event.record));
        talk.step(event.record);
      } else {
        folder.log(evaluationLine(event.record));
        talk.evaluation(event.record);
      }
      await output.turn();
      if (interrupt.heard !== null) {
        output.status('');
        folder.save(run.snapshot());
        output.say(`${options.out}: stopped after step ${run.step} of ${run.steps}; --resume goes on`);
        throw new Interrupted(interrupt.heard);
      }
    }
    output.status('');
    folder.finish(contents);
    output.say(`${options.out}/checkpoint: ${recipe.phase} of ${thousands(run.steps)} steps`);
  } finally {
    interrupt.stop();
    folder.close();
  }
}

function tellStart(output: Output, { run, samples, heldOut, skipped, threads }: PreparedRun): void {
  const parts = [
    `${thousands(samples)} ${samples === 1 ? 'sample' : 'samples'}`,
    `${thousands(heldOut)} held out`,
    ...(skipped === 0 ? [] : [`${thousands(skipped)} too long and left out`]),
    `step ${run.step} of ${thousands(run.steps)}`,
    ...(threads === 1 ? [] : [`${threads} threads`]),
  ];
  output.say(parts.join(', '));
}

/** Tells how a run goes: on a terminal in one line that changes, elsewhere in a few lines. */
function talker(output: Output, run: TrainingRun) {
  const started = performance.now();
  const firstStep = run.step;
  let tokens = 0;
  let last = '';
  const show = (): void => {
    const seconds = (performance.now() - started) / 1000;
    const done = run.step - firstStep;
    const left = done === 0 ? '' : `  ${shownTime((seconds / done) * (run.steps - run.step))} left`;
    const speed = seconds === 0 ? '' : `  ${Math.round(tokens / seconds)} tokens/s`;
    output.status(`step ${run.step}/${run.steps}${last}${speed}${left}`);
  };
  const every = Math.max(1, Math.round(run.steps / TOLD_STEPS));
  return {
    sample(count: number) {
      tokens += count;
      show();
    },
    step(record: StepRecord) {
      last = `  ${shownLoss(record)}`;
      if (output.talkToTerminal) show();
      else if (record.step % every === 0) output.say(`step ${record.step}/${run.steps}${last}`);
    },
    evaluation(record: EvaluationRecord) {
      output.status('');
      output.say(`held out after step ${record.step}: ${shownLoss(record)}`);
    },
  };
}
