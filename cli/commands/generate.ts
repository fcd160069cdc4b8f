/**
 * `hamburger generate`: text from a checkpoint.
 *
 * @module
 */

import type { Command } from 'commander';
import { type GeneratedToken, type Generation, generate, type StopReason } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { takeFor } from '../interrupt.ts';
import { namingOptions } from '../option-names.ts';
import { examples, option } from '../options.ts';
import { type Output, type Shading, shading, table } from '../output.ts';
import { byMacroStep, type ReportedToken, tokenJson } from '../report.ts';
import { addRunOptions, prepareRun, type Run, type RunOptions } from '../run.ts';
import { tokenText } from '../token-text.ts';

const DEFAULT_MAX_TOKENS = 256;

/** However fast tokens come, they are printed this often: enough to look continuous, and seldom enough to cost nothing. */
const SLICE_MS = 30;

/** Who presses Ctrl-C does not notice a delay of this. */
const SLOW_MS = 150;

interface Options extends RunOptions {
  /** False with `--no-prompt`. */
  readonly prompt: boolean;
  readonly segments?: true;
  readonly color?: boolean;
  readonly stats?: boolean;
  readonly json?: true;
}

/** An output token and what it adds to the text. */
interface TextToken extends GeneratedToken, ReportedToken {}

export function addGenerate(program: Command, context: Context): void {
  const command = program
    .command('generate')
    .summary('continue a text')
    .description(
      'Continues a text with a checkpoint and prints it as it comes. On a terminal with colours the tokens of one ' +
        'macro-step share a hue, and the stronger its shade, the less probable a token was.',
    );
  addRunOptions(command, DEFAULT_MAX_TOKENS)
    .addOption(option('--no-prompt', 'print only what follows the prompt, as always with --chat'))
    .addOption(option('--segments', "print '|' before the tokens of each macro-step"))
    .addOption(option('--color', 'print colours even if not to a terminal'))
    .addOption(option('--no-color', 'print no colours'))
    .addOption(option('--stats', 'print figures to stderr at the end (default: to a terminal)'))
    .addOption(option('--no-stats', 'print no figures'))
    .addOption(option('--json', 'print ids, text, segments with probabilities, and settings, as JSON'))
    .addHelpText(
      'after',
      examples(
        'hamburger generate "Tell a story in 4 sentences with the words jumped, kite, hungry." --chat',
        'hamburger generate --confidence 0.95 --segments --stats',
        'hamburger generate "One day" --temperature 0.8 --top-p 0.9 --seed 7 --max-tokens 40',
        'hamburger generate --mode base --numerics f64 --max-tokens 20 --json',
        'hamburger generate --checkpoint tiny --prompt-ids 1,2,3 --max-tokens 8',
      ),
    )
    .action((prompt: string | undefined, options: Options) => action(context, prompt, options));
}

async function action(context: Context, argument: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  const run = prepareRun(context, argument, options, DEFAULT_MAX_TOKENS);
  const shades = options.json ? undefined : shading(output, options.color);
  const printer = options.json ? progressPrinter(output, run) : textPrinter(output, run, options, shades);
  const probabilities = options.json === true || shades !== undefined;

  const { tokenizer } = run.checkpoint;
  const decoder = tokenizer === null ? undefined : tokenText(tokenizer, run.prompt.ids);
  const tokens: TextToken[] = [];
  const started = performance.now();
  let firstSeconds = 0;
  const generation = await inSlices(
    context,
    run,
    generate(run.model, { ...run.generateOptions, probabilities }),
    (generated) => {
      if (tokens.length === 0) firstSeconds = (performance.now() - started) / 1000;
      const token = decoder === undefined ? generated : { ...generated, text: decoder.push(generated.id) };
      tokens.push(token);
      printer.token(token);
    },
  );
  const seconds = (performance.now() - started) / 1000;
  // Bytes of a character that was never finished belong to the last token.
  const rest = decoder?.flush() ?? '';
  const last = tokens.pop();
  if (last !== undefined)
    tokens.push({ ...last, ...(last.text === undefined ? {} : { text: last.text + rest }) });
  printer.end(rest);
  // Nobody listens any more; the run was cut short.
  if (generation === undefined) return;
  if (options.json) output.json(reportJson(run, tokens, generation));

  await output.flush();
  if (options.stats ?? (!options.json && output.dataToTerminal && output.talkToTerminal)) {
    output.say(statistics(generation, run.threads, firstSeconds, seconds));
    if (shades !== undefined && output.talkToTerminal) output.talk(shades.legend);
  }
  if (run.unusedDraws() > 0) output.say(`note: ${run.unusedDraws()} numbers of --uniforms were not used`);
}

/**
 * Runs a generation in slices, between which streams and signals have their turn. Where a slice may take long, as the one
 * with the prompt, it is made interruptible by itself.
 *
 * @returns `undefined` if it was cut short because nobody reads stdout any more
 */
async function inSlices(
  { output, interruptibly }: Context,
  run: Run,
  steps: Generator<GeneratedToken, Generation>,
  each: (token: GeneratedToken) => void,
): Promise<Generation | undefined> {
  const work = () => takeFor(steps, SLICE_MS);
  for (let slow = true; ; ) {
    const started = performance.now();
    const slice = namingOptions(run.optionNames, () => (slow ? interruptibly(work) : work()));
    slow = performance.now() - started > SLOW_MS;
    slice.taken.forEach(each);
    await output.turn();
    if (slice.result !== undefined || output.closed) return slice.result;
  }
}

/** Shows tokens as they come. */
interface Printer {
  token(token: TextToken): void;
  /** @param rest what is left of the text at the end */
  end(rest: string): void;
}

/** Prints text, or ids where there is no tokenizer. */
function textPrinter(output: Output, run: Run, options: Options, shades: Shading | undefined): Printer {
  const spelled = run.checkpoint.tokenizer !== null;
  const prompt = options.prompt && !run.chat ? (run.prompt.text ?? run.prompt.ids.join(',')) : '';
  // Printed with the first token, when it is sure that the prompt is accepted.
  let pending = prompt;
  let begun = prompt !== '';
  let last: TextToken | undefined;
  const printPrompt = (): void => {
    output.data(output.shown(pending));
    pending = '';
  };
  const print = (text: string, token: TextToken): void => {
    const shown = output.shown(text);
    output.data(shades?.token(shown, token.macroStep, token.probability) ?? shown);
  };
  return {
    token(token) {
      printPrompt();
      const boundary = options.segments === true && token.microIndex === 0;
      if (begun) output.data(boundary ? '|' : spelled ? '' : ',');
      print(token.text ?? `${token.id}`, token);
      begun = true;
      last = token;
    },
    end(rest) {
      printPrompt();
      if (last !== undefined) print(rest, last);
      output.data('\n');
    },
  };
}

/** Prints nothing but how far it is. */
function progressPrinter(output: Output, { generateOptions }: Run): Printer {
  const progress = output.progress('Generating');
  let done = 0;
  return {
    token: () => progress.update(++done, generateOptions.maxTokens),
    end: () => progress.stop(),
  };
}

function reportJson(run: Run, tokens: readonly TextToken[], generation: Generation): unknown {
  return {
    settings: run.settings,
    prompt: run.prompt,
    ids: tokens.map(({ id }) => id),
    text: run.checkpoint.tokenizer === null ? null : tokens.map(({ text }) => text).join(''),
    segments: byMacroStep(tokens).map((segment) => ({
      tokens: segment.map(tokenJson),
      end: segment.at(-1)!.end,
    })),
    stop_reason: generation.stopReason,
    prompt_tokens: generation.promptTokens,
    output_tokens: generation.outputTokens,
    macro_steps: generation.macroSteps,
    entry_positions: generation.entryPositions,
  };
}

const STOP_REASONS: Readonly<Record<StopReason, string>> = {
  eos: 'at a token that ends the text',
  'stop-string': 'at a stop string',
  length: 'at the limit of output tokens',
  positions: 'at the last position',
};

function statistics(generation: Generation, threads: number, firstSeconds: number, seconds: number): string {
  const { promptTokens, outputTokens, macroSteps, entryPositions, stopReason } = generation;
  const perStep = macroSteps === 0 ? '' : `, ${(outputTokens / macroSteps).toFixed(2)} tokens per macro-step`;
  const plain = promptTokens + Math.max(outputTokens - 1, 0);
  const shared = threads === 1 ? '' : ` on ${threads} threads`;
  const speed = `${(outputTokens / seconds).toFixed(1)} tokens/s${shared}, the first after ${firstSeconds.toFixed(2)} s`;
  return table([
    ['prompt', `${promptTokens} tokens`],
    ['output', `${outputTokens} tokens in ${macroSteps} macro-steps${perStep}`],
    ['KV entries', `${entryPositions.length}; a plain decoder would hold ${plain}`],
    ...(outputTokens === 0 ? [] : [['speed', speed]]),
    ['stopped', STOP_REASONS[stopReason]],
  ]);
}
