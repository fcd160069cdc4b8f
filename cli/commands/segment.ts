/**
 * SPEC #segmentation — `hamburger segment`: where a base would cut a text into segments.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  DEFAULT_MAX_STEPS,
  type Model,
  metrics,
  openCheckpoint,
  type Strategy,
  segmentSizes,
  strategies,
  type TextTokenizer,
  type Thresholds,
  type TokenMetrics,
  tokenMetrics,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { arithmeticOptions, checkpointOption, loadModel, type ModelOptions } from '../model.ts';
import { namingOptions } from '../option-names.ts';
import { choice, examples, integer, number, option } from '../options.ts';
import { shading } from '../output.ts';
import { toyCheckpoint } from '../package-root.ts';
import { addResponseOptions, type GivenResponse, type ResponseOptions, readResponses } from '../responses.ts';
import {
  bySize,
  type MeasuredToken,
  type SegmentTotals,
  segmentedText,
  segmentStatistics,
  segmentsJson,
  tokenTable,
} from '../segments.ts';
import { tokenText } from '../token-text.ts';

interface Options extends ModelOptions, ResponseOptions, Partial<Thresholds> {
  readonly strategy: string;
  readonly metric: string;
  readonly maxSteps: number;
  readonly window?: number;
  readonly tokens?: true;
  readonly color?: boolean;
  readonly stats?: boolean;
  readonly json?: true;
}

/** The option of each threshold. */
const THRESHOLD_OPTIONS: Readonly<Record<keyof Thresholds, string>> = {
  minThreshold: '--min-threshold',
  ratioThreshold: '--ratio-threshold',
  confidence: '--confidence',
};

export function addSegment(program: Command, context: Context): void {
  const [numerics, kernels, threads] = arithmeticOptions();
  const command = program
    .command('segment')
    .summary('cut a text into segments')
    .description(
      "Measures how sure a base is of each token of a text, and cuts the text into the segments that training would teach: '|' where " +
        'one begins. On a terminal with colours the tokens of one segment share a hue instead, and the stronger its shade, the less ' +
        'probable a token was.',
    );
  addResponseOptions(command)
    .optionsGroup('Options of segmentation:')
    .addOption(choice('--strategy <name>', 'which tokens share a segment', [...strategies.keys()]))
    .addOption(
      choice('--metric <name>', "the base's uncertainty: of its prediction, or of the token", [
        ...metrics.keys(),
      ]),
    )
    .addOption(
      option('--max-steps <n>', 'most tokens of a segment', integer(1), { value: DEFAULT_MAX_STEPS }),
    )
    .addOption(
      threshold(
        'minThreshold',
        '<u>',
        'nats below which a token joins',
        'a number of at least 0',
        (u) => u >= 0,
      ),
    )
    .addOption(
      threshold(
        'ratioThreshold',
        '<r>',
        'share of an earlier uncertainty below which a token joins',
        'a number of at least 0',
        (r) => r >= 0,
      ),
    )
    .addOption(
      threshold(
        'confidence',
        '<c>',
        'confidence above which a token joins',
        'a number above 0 and up to 1',
        (c) => 0 < c && c <= 1,
      ),
    )
    .addOption(option('--window <w>', 'let attention see only so many entries (default: all)', integer(1)))
    .optionsGroup('Options of the model:')
    .addOption(checkpointOption())
    .addOption(numerics)
    .addOption(kernels)
    .addOption(threads)
    .optionsGroup('Options:')
    .addOption(option('--tokens', 'print a table of all tokens instead of the text'))
    .addOption(option('--color', 'print colours even if not to a terminal'))
    .addOption(option('--no-color', 'print no colours'))
    .addOption(option('--stats', 'print figures to stderr at the end (default: to a terminal)'))
    .addOption(option('--no-stats', 'print no figures'))
    .addOption(
      option(
        '--json',
        'print ids, segments with entropies and probabilities, and settings, as JSON; with --file one line each',
      ),
    )
    .addHelpText(
      'after',
      examples(
        `hamburger segment '{"order":43,"item":"bell"}' --prompt "Give the record. Order 43 is for a bell." --chat`,
        'hamburger segment " She lived by the barn." --prompt "Once there was a fox." --tokens',
        'hamburger segment " She found a red ball." --prompt "One day" --strategy sliding --confidence 0.9 --max-steps 8 --stats',
        'hamburger segment " She found a red ball." --prompt "One day" --metric probability --window 16 --json',
      ),
    )
    .action((response: string | undefined, options: Options) => action(context, response, options));
}

/** The option of a threshold, whose default depends on the strategy. */
function threshold(
  name: keyof Thresholds,
  value: string,
  description: string,
  expected: string,
  check: (value: number) => boolean,
) {
  const defaults = [...strategies.values()].flatMap(({ name: strategy, defaults }) =>
    defaults[name] === undefined ? [] : [`${strategy} ${defaults[name]}`],
  );
  return option(
    `${THRESHOLD_OPTIONS[name]} ${value}`,
    `${description} (default: ${defaults.join(', ')})`,
    number(expected, check),
  );
}

async function action(context: Context, argument: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  const { model, tokenizer, pending, segmentation, settings } = prepare(context, argument, options);
  const shades = options.json ? undefined : shading(output, options.color);
  let progress = output.progress('Measuring');
  const totals: SegmentTotals = { sizes: [], entropy: 0 };
  for (const [n, read] of pending.entries()) {
    const given = read();
    const measured = measure(context, model, given, options.window, (done, total) =>
      progress.update(n + done / total, pending.length),
    );
    const sizes = segmentSizes(measured.map(segmentation.metric.uncertainty), segmentation);
    for (const size of sizes) totals.sizes.push(size);
    totals.entropy += measured.reduce((sum, { entropy }) => sum + entropy, 0);
    const segments = bySize(withTexts(tokenizer, given, measured), sizes);
    // On one terminal, what is printed would run into the bar; then every response has a bar of its own.
    if (output.dataToTerminal || n + 1 === pending.length) progress.stop();
    if (output.dataToTerminal) progress = output.progress('Measuring');
    if (options.json) {
      const report = segmentsJson(settings, given, segments);
      if (options.file === undefined) output.json(report);
      else output.jsonLine(report);
    } else if (options.tokens) {
      output.data(`${n === 0 ? '' : '\n'}${tokenTable(segments, shades)}\n`);
    } else {
      output.data(`${segmentedText(segments, output.shown, shades)}\n`);
    }
    await output.turn();
    // Nobody listens any more.
    if (output.closed) return;
  }
  await output.flush();
  if (options.stats ?? (!options.json && output.dataToTerminal && output.talkToTerminal)) {
    output.say(segmentStatistics(totals));
    if (shades !== undefined && output.talkToTerminal) output.talk(shades.legend);
  }
}

/** Opens the checkpoint, reads what is to be cut, and loads the model. */
function prepare(context: Context, argument: string | undefined, options: Options) {
  const checkpoint = openCheckpoint(options.checkpoint ?? toyCheckpoint());
  try {
    const pending = readResponses(checkpoint, argument, options);
    const strategy = strategies.get(options.strategy)!;
    const metric = metrics.get(options.metric)!;
    const thresholds = readThresholds(context, strategy, options);
    const { maxSteps, window = null, numerics } = options;
    const { model } = loadModel(context, checkpoint, options);
    return {
      pending,
      tokenizer: checkpoint.tokenizer,
      model,
      segmentation: {
        vocabularySize: checkpoint.config.vocabSize,
        strategy,
        metric,
        maxSteps,
        ...thresholds,
      },
      settings: {
        strategy: strategy.name,
        metric: metric.name,
        max_steps: maxSteps,
        min_threshold: thresholds.minThreshold ?? null,
        ratio_threshold: thresholds.ratioThreshold ?? null,
        confidence: thresholds.confidence ?? null,
        window,
        numerics,
        kernels: model.kernels.name,
      },
    };
  } finally {
    checkpoint.close();
  }
}

/** The thresholds that the strategy reads; of others that are given it is told that they have no effect. */
function readThresholds(
  { output }: Context,
  { name, defaults }: Strategy,
  options: Partial<Thresholds>,
): Partial<Thresholds> {
  const names = Object.keys(THRESHOLD_OPTIONS) as (keyof Thresholds)[];
  const given = names.filter((threshold) => options[threshold] !== undefined);
  const useless = given.filter((threshold) => defaults[threshold] === undefined);
  if (useless.length > 0) {
    const flags = useless.map((threshold) => THRESHOLD_OPTIONS[threshold]).join(', ');
    output.say(`note: ${flags}: no effect with --strategy ${name}`);
  }
  const used = given.filter((threshold) => !useless.includes(threshold));
  return { ...defaults, ...Object.fromEntries(used.map((threshold) => [threshold, options[threshold]])) };
}

/** Runs the base over one response. */
function measure(
  { interruptibly }: Context,
  model: Model,
  { prompt, response, optionNames }: GivenResponse,
  window: number | undefined,
  onTokens: (done: number, total: number) => void,
): readonly TokenMetrics[] {
  return namingOptions(optionNames, () =>
    interruptibly(() =>
      tokenMetrics(model, {
        prompt: prompt.ids,
        response: response.ids,
        ...(window === undefined ? {} : { window }),
        onTokens,
      }),
    ),
  );
}

/** The tokens of a response with what was measured of them. */
function withTexts(
  tokenizer: TextTokenizer | null,
  { prompt, response }: GivenResponse,
  measured: readonly TokenMetrics[],
): readonly MeasuredToken[] {
  const decoder =
    tokenizer === null ? undefined : tokenText(tokenizer, prompt.ids, { skipSpecialTokens: false });
  const last = response.ids.length - 1;
  return response.ids.map((id, t) => {
    if (decoder === undefined) return { id, ...measured[t]! };
    // Bytes of a character that was never finished belong to the last token.
    const text = decoder.push(id) + (t === last ? decoder.flush() : '');
    return { id, text, ...measured[t]! };
  });
}
