/**
 * `hamburger explain`: a run as a page.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  CallerError,
  type Checkpoint,
  configJson,
  decodeUtf8,
  type ExplainedRun,
  explain,
  explanationPage,
  type Model,
  openCheckpoint,
  parseJson,
  projectLinks,
  readTensors,
  readTracedRun,
  readWhole,
  recordedGeneration,
  specSections,
  type TokenMetrics,
  tokenMetrics,
  writeFileAtomically,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { loadModel } from '../model.ts';
import { namingOptions } from '../option-names.ts';
import { examples, fileNamed, option, orNull } from '../options.ts';
import { byteSize } from '../output.ts';
import { packageFile, toyCheckpoint } from '../package-root.ts';
import { addRunOptions, OUTPUT_OPTIONS, prepareRun, type RunOptions } from '../run.ts';

/** As many as a page shows well. */
const DEFAULT_MAX_TOKENS = 128;

const TRACE_EXTENSION = '.safetensors';

interface Options extends RunOptions {
  readonly out: string;
  readonly trace?: string;
  readonly links?: string;
}

export function addExplain(program: Command, context: Context): void {
  const command = program
    .command('explain')
    .summary('show a run as a page: tokens, macro-steps, KV cache, tensors')
    .description(
      'Writes a page that shows how a text came about: which tokens shared a macro-step and how sure the model was of them, the KV cache beside that of a plain decoder, ' +
        "and the data's way through every part, with the tensors of the run and the sections of SPEC.md. The page is one file that needs no network and no script.\n" +
        'The run is made by the options, or is one that "hamburger trace" has written.',
    );
  addRunOptions(command, DEFAULT_MAX_TOKENS)
    .addOption(
      option(
        '--trace <file.safetensors>',
        'explain this run, with FILE.json beside it; texts and entropies come from its checkpoint',
      ).conflicts(['promptFile', 'promptIds', 'chat', 'mode', ...OUTPUT_OPTIONS]),
    )
    .addOption(option('--out <file.html>', 'page to be written', fileNamed('.html')).makeOptionMandatory())
    .addOption(
      option(
        '--links <address>',
        "link SPEC.md and lib/ there instead of showing their sections: an address, or a path from the page's folder",
      ),
    )
    .addHelpText(
      'after',
      examples(
        'hamburger explain --out page.html',
        'hamburger explain "Tell a story in 4 sentences with the words jumped, kite, hungry." --chat --confidence 0.95 --out story.html',
        'hamburger explain --trace run.safetensors --out run.html',
      ),
    )
    .action((prompt: string | undefined, options: Options) => action(context, prompt, options));
}

function action(context: Context, argument: string | undefined, options: Options): void {
  const { output } = context;
  if (options.trace !== undefined && argument !== undefined) {
    throw new CallerError({ subject: 'prompt', expected: 'none with --trace', found: 'a text' });
  }
  const run =
    options.trace === undefined
      ? generated(context, argument, options)
      : traced(context, options.trace, options);
  const path = packageFile('SPEC.md');
  const page = explanationPage(explain(run), 'HAMburger, explained', {
    spec: specSections(readFileSync(path, 'utf8')),
    ...(options.links === undefined ? {} : { specText: false, linkTo: projectLinks(options.links) }),
  });
  const bytes = new TextEncoder().encode(page);
  writeFileAtomically(options.out, (sink) => sink.write(bytes));
  output.say(`${options.out}: ${byteSize(bytes.length)}`);
}

/** A run of the options. */
function generated(context: Context, argument: string | undefined, options: Options): ExplainedRun {
  const { output, interruptibly } = context;
  const run = prepareRun(context, argument, options, DEFAULT_MAX_TOKENS);
  const progress = output.progress('Generating');
  const recording = namingOptions(run.optionNames, () =>
    interruptibly(() => {
      const steps = recordedGeneration(run.model, run.generateOptions);
      let done = 0;
      let next = steps.next();
      for (; !next.done; next = steps.next()) progress.update(++done, run.generateOptions.maxTokens);
      return next.value;
    }),
  );
  progress.stop();
  const { mode, profile, confidence, numerics, temperature, seed } = run.settings;
  const prompt = run.prompt.ids;
  const ids = recording.macroSteps.flatMap((segment) => segment.map(({ id }) => id));
  return {
    ...recording,
    config: run.model.config,
    settings: {
      // The pages show one model.
      mode: mode === 'base' ? 'base' : 'hamburger',
      profile,
      confidence: confidence === null ? null : orNull(confidence),
      numerics,
      temperature,
      seed,
    },
    prompt,
    tokenizer: run.checkpoint.tokenizer,
    metrics: metricsOf(context, run.model, prompt, ids),
  };
}

/** A run of files. */
function traced(context: Context, file: string, options: Options): ExplainedRun {
  const path = file.endsWith(TRACE_EXTENSION)
    ? `${file.slice(0, -TRACE_EXTENSION.length)}.json`
    : `${file}.json`;
  const json = parseJson(decodeUtf8(readWhole(path), path), path);
  const run = readTracedRun(json, readTensors(file), path);
  const checkpoint = checkpointOf(run.config, run.settings.mode, options.checkpoint);
  if (checkpoint === undefined) return { ...run, tokenizer: null, metrics: null };
  try {
    const { model } = loadModel(context, checkpoint, options);
    const ids = run.macroSteps.flatMap((segment) => segment.map(({ id }) => id));
    return { ...run, tokenizer: checkpoint.tokenizer, metrics: metricsOf(context, model, run.prompt, ids) };
  } finally {
    checkpoint.close();
  }
}

/** The checkpoint that a run is of: the one that is given, which has to fit; else the toy, if it fits. */
function checkpointOf(
  config: Model['config'],
  mode: string,
  folder: string | undefined,
): Checkpoint | undefined {
  const checkpoint = openCheckpoint(folder ?? toyCheckpoint());
  const own = mode === 'base' ? { ...checkpoint.config, hamburger: null } : checkpoint.config;
  if (JSON.stringify(configJson(own, 'F32')) === JSON.stringify(configJson(config, 'F32'))) return checkpoint;
  checkpoint.close();
  if (folder === undefined) return undefined;
  throw new CallerError({
    subject: '--checkpoint',
    expected: 'the checkpoint of the run, with its configuration',
    found: `another one, ${folder}`,
  });
}

/** What the base says of the text; `null` where the text is longer than it can read. */
function metricsOf(
  { output, interruptibly }: Context,
  model: Model,
  prompt: readonly number[],
  response: readonly number[],
): readonly TokenMetrics[] | null {
  // Some profiles run over the last position.
  if (prompt.length + response.length > model.config.maxPositionEmbeddings + 1) return null;
  const progress = output.progress('Measuring');
  const onTokens = progress.update;
  const metrics = interruptibly(() => tokenMetrics(model, { prompt, response, onTokens }));
  progress.stop();
  return metrics;
}
