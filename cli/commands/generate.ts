/**
 * `hamburger generate`: text from a checkpoint.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  acceptanceByConfidence,
  allFlops,
  checkStopStrings,
  countedGeneration,
  countedVerification,
  type GeneratedToken,
  type Generation,
  generate,
  generateVerified,
  type StopReason,
  type VerifiedCounts,
  type VerifiedGeneration,
  type VerifiedToken,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import {
  costJson,
  costOf,
  costTable,
  type PerhapsCounted,
  type RunCost,
  type VerifiedCost,
  verifiedCostJson,
  verifiedCostOf,
  verifiedCostTable,
} from '../cost.ts';
import { takeFor } from '../interrupt.ts';
import { namingOptions } from '../option-names.ts';
import { examples, integer, nonEmpty, option, repeatable } from '../options.ts';
import { type Output, type Progress, type Shading, shading, table } from '../output.ts';
import { byMacroStep, finite, type ReportedToken, tokenJson } from '../report.ts';
import { addRunOptions, prepareRun, type Run, type RunOptions, tokenizerOf } from '../run.ts';
import { sampleText } from '../sample-text.ts';

const DEFAULT_MAX_TOKENS = 256;

/** However fast tokens come, they are printed this often: enough to look continuous, and seldom enough to cost nothing. */
const SLICE_MS = 30;

/** Who presses Ctrl-C does not notice a delay of this. */
const SLOW_MS = 150;

interface Options extends RunOptions {
  /** False with `--no-prompt`. */
  readonly prompt: boolean;
  readonly stop?: readonly string[];
  readonly keepStop?: boolean;
  readonly numSamples?: number;
  readonly logprobs?: number;
  readonly segments?: true;
  readonly color?: boolean;
  readonly stats?: boolean;
  readonly json?: true;
}

/** An output token and what it did to the text. */
interface TextToken extends Omit<GeneratedToken, 'end'>, ReportedToken, PerhapsCounted {
  readonly end: VerifiedToken['end'];
  /** Who said it, where two models may have. */
  readonly origin?: VerifiedToken['origin'];
  /** How many UTF-16 units of the text may be printed with it. */
  readonly certain: number;
}

/** A token of any mode, as it was generated. */
type AnyToken = Omit<TextToken, 'text' | 'certain'>;

/** One of several continuations of the prompt. */
interface Sample {
  readonly tokens: readonly TextToken[];
  /** `null` without a tokenizer. */
  readonly text: string | null;
  readonly stopString: string | null;
  readonly generation: Generation | VerifiedGeneration;
  /** What it cost, where drafts were verified and somebody wants to know it. */
  readonly verifiedCounts: VerifiedCounts | undefined;
  /** Likewise where they were not; absent if there is no token, too. */
  readonly cost: RunCost | VerifiedCost | undefined;
  readonly firstSeconds: number;
  readonly seconds: number;
}

export function addGenerate(program: Command, context: Context): void {
  const command = program
    .command('generate')
    .summary('continue a text')
    .description(
      'Continues a text with a checkpoint and prints it as it comes. On a terminal with colours the tokens of one ' +
        'macro-step share a hue, and the stronger its shade, the less probable a token was.',
    );
  addRunOptions(command, DEFAULT_MAX_TOKENS, true)
    .addOption(option('--no-prompt', 'print only what follows the prompt, as always with --chat'))
    .addOption(
      option('--stop <text>', 'end the text before this one; repeatable', repeatable(nonEmpty('a text'))),
    )
    .addOption(option('--keep-stop', 'print the text of --stop that was found, too'))
    .addOption(
      option('--num-samples <n>', 'continue the prompt n times, each with draws of its own', integer(1)),
    )
    .addOption(
      option(
        '--logprobs <n>',
        'with each token its log-probability and the n likeliest, in --json or in a table on stderr',
        integer(0),
      ),
    )
    .addOption(option('--segments', "print '|' before the tokens of each macro-step"))
    .addOption(option('--color', 'print colours even if not to a terminal'))
    .addOption(option('--no-color', 'print no colours'))
    .addOption(
      option(
        '--stats',
        'print figures and costs to stderr at the end (default: to a terminal, without costs)',
      ),
    )
    .addOption(option('--no-stats', 'print no figures'))
    .addOption(option('--json', 'print ids, text, segments with probabilities, and settings, as JSON'))
    .addHelpText(
      'after',
      examples(
        'hamburger generate "Tell a story in 4 sentences with the words jumped, kite, hungry." --chat',
        'hamburger generate --confidence 0.95 --segments --stats',
        'hamburger generate "One day" --temperature 0.8 --top-p 0.9 --seed 7 --max-tokens 40',
        'hamburger generate "One day" --temperature 1 --min-p 0.1 --num-samples 3 --stop "." --max-tokens 40',
        'hamburger generate "One day" --repetition-penalty 1.3 --logit-bias 278=-inf --max-tokens 20',
        'hamburger generate "One day" --logprobs 3 --max-tokens 5 --json',
        'hamburger generate "One day" --mode verified --draft-steps 3 --policy lenient:2 --max-tokens 40 --stats',
        'hamburger generate --mode base --numerics f64 --max-tokens 20 --json',
        'hamburger generate --checkpoint tiny --prompt-ids 1,2,3 --max-tokens 8',
      ),
    )
    .action((prompt: string | undefined, options: Options) => action(context, prompt, options));
}

async function action(context: Context, argument: string | undefined, options: Options): Promise<void> {
  const { output } = context;
  const { stop = [], numSamples } = options;
  namingOptions({ 'stop string': '--stop' }, () => checkStopStrings(stop));
  const run = prepareRun(context, argument, options, DEFAULT_MAX_TOKENS);
  if (stop.length > 0) tokenizerOf(run.checkpoint, '--stop looks for a text');
  if (options.keepStop && stop.length === 0) output.say('note: --keep-stop: no effect without --stop');
  if (numSamples !== undefined && options.temperature === 0)
    output.say('note: --num-samples: with --temperature 0 all samples are the same');

  const shades = options.json ? undefined : shading(output, options.color);
  const count = numSamples ?? 1;
  const samples: Sample[] = [];
  const progress = options.json ? output.progress('Generating') : undefined;
  for (let n = 0; n < count; n++) {
    if (numSamples !== undefined && !options.json)
      output.data(`${n === 0 ? '' : '\n'}--- sample ${n + 1} of ${count} ---\n`);
    const printer =
      progress === undefined
        ? textPrinter(output, run, options, shades)
        : progressPrinter(progress, run, n, count);
    const sample = await takeSample(context, run, options, n, printer, shades !== undefined);
    // Nobody listens any more; the run was cut short.
    if (sample === undefined) return;
    samples.push(sample);
  }
  progress?.stop();
  if (options.json) output.json(reportJson(run, options, samples));

  await output.flush();
  if (options.logprobs !== undefined && !options.json) {
    for (const [n, { tokens }] of samples.entries()) {
      if (numSamples !== undefined) output.say(`sample ${n + 1}`);
      output.say(logProbabilityTable(run, tokens));
    }
  }
  if (options.stats ?? (!options.json && output.dataToTerminal && output.talkToTerminal)) {
    output.say(
      samples.length === 1 ? statistics(samples[0]!, run.threads) : sampleStatistics(samples, run.threads),
    );
    const [{ cost } = {}] = samples;
    if (samples.length === 1 && cost !== undefined)
      output.say(`\n${'target' in cost ? verifiedCostTable(cost) : costTable(cost)}`);
    if (shades !== undefined && output.talkToTerminal) output.talk(shades.legend);
  }
  if (run.unusedDraws() > 0) output.say(`note: ${run.unusedDraws()} numbers of --uniforms were not used`);
}

/**
 * Continues the prompt once.
 *
 * @returns `undefined` if it was cut short because nobody reads stdout any more
 */
async function takeSample(
  context: Context,
  run: Run,
  { stop = [], keepStop = false, logprobs, json, stats }: Options,
  n: number,
  printer: Printer,
  shaded: boolean,
): Promise<Sample | undefined> {
  const { tokenizer } = run.checkpoint;
  const text = tokenizer === null ? undefined : sampleText(tokenizer, run.prompt.ids, stop, keepStop);
  const tokens: TextToken[] = [];
  const started = performance.now();
  let firstSeconds = 0;
  const told = {
    probabilities: json === true || shaded,
    ...(logprobs === undefined ? {} : { alternatives: logprobs }),
    ...(text === undefined ? {} : { stopAfter: text.take }),
  };
  const take = (generated: AnyToken): void => {
    if (tokens.length === 0) firstSeconds = (performance.now() - started) / 1000;
    const ofText = text?.tokens[tokens.length] ?? { certain: Number.POSITIVE_INFINITY };
    const token = { ...generated, ...ofText };
    tokens.push(token);
    printer.token(token);
  };
  // Counting is for those who ask for it; nobody else pays for it.
  const counted = json === true || stats === true;
  const { model, verification } = run;
  let generation: (Generation & PerhapsCounted) | undefined;
  let verified: (VerifiedGeneration & { readonly counts?: VerifiedCounts }) | undefined;
  if (verification === null) {
    const choice = n === 0 ? run.generateOptions.choice! : run.choiceOfSample(n);
    const options = { ...run.generateOptions, choice, ...told };
    const steps: Generator<GeneratedToken & PerhapsCounted, Generation & PerhapsCounted> = counted
      ? countedGeneration(model, options)
      : generate(model, options);
    generation = await inSlices(context, run, steps, take);
  } else {
    const options = { ...verification.optionsOfSample(n), ...told };
    const steps: Generator<VerifiedToken, VerifiedGeneration & { readonly counts?: VerifiedCounts }> = counted
      ? countedVerification(model, verification.target, options)
      : generateVerified(model, verification.target, options);
    verified = await inSlices(context, run, steps, take);
  }
  const seconds = (performance.now() - started) / 1000;
  const rest = text?.end() ?? '';
  const stopString = text?.stopString ?? null;
  printer.end(stopString === null ? rest : null);
  const last = tokens.pop();
  if (last !== undefined)
    tokens.push({ ...last, ...(last.text === undefined ? {} : { text: last.text + rest }) });
  const result = verified ?? generation;
  if (result === undefined) return undefined;
  return {
    tokens,
    text: text?.text ?? null,
    stopString,
    generation: result,
    verifiedCounts: verified?.counts,
    cost:
      verified === undefined
        ? generation && costOf(model, tokens, generation)
        : verifiedCostOf(model, verification!.target, tokens, verified),
    firstSeconds,
    seconds,
  };
}

/**
 * Runs a generation in slices, between which streams and signals have their turn. Where a slice may take long, as the one
 * with the prompt, it is made interruptible by itself.
 *
 * @returns `undefined` if it was cut short because nobody reads stdout any more
 */
async function inSlices<T, R>(
  { output, interruptibly }: Context,
  run: Run,
  steps: Generator<T, R>,
  each: (token: T) => void,
): Promise<R | undefined> {
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
  /** @param rest what is left of the text at the end; `null` if a stop string cut it off */
  end(rest: string | null): void;
}

/** Prints text, or ids where there is no tokenizer. */
function textPrinter(output: Output, run: Run, options: Options, shades: Shading | undefined): Printer {
  const spelled = run.checkpoint.tokenizer !== null;
  const prompt = options.prompt && !run.chat ? (run.prompt.text ?? run.prompt.ids.join(',')) : '';
  // Printed with the first token, when it is sure that the prompt is accepted.
  let pending = prompt;
  let begun = prompt !== '';
  // Tokens whose text may still turn out to be that of a stop string, and how much of it is known to be none.
  const waiting: { readonly token: TextToken; text: string; begun: boolean }[] = [];
  let certain = 0;
  let last: TextToken | undefined;
  const printPrompt = (): void => {
    output.data(output.shown(pending));
    pending = '';
  };
  const print = (text: string, token: TextToken): void => {
    const shown = output.shown(text);
    output.data(shades?.token(shown, token.macroStep, token.probability) ?? shown);
  };
  const printCertain = (): void => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (next.text !== '' && certain === 0) return;
      if (!next.begun && begun) {
        const boundary = options.segments === true && next.token.microIndex === 0;
        output.data(boundary ? '|' : spelled ? '' : ',');
      }
      begun = true;
      next.begun = true;
      const part = next.text.slice(0, certain);
      print(part, next.token);
      certain -= part.length;
      next.text = next.text.slice(part.length);
      if (next.text !== '') return;
      waiting.shift();
    }
  };
  return {
    token(token) {
      printPrompt();
      last = token;
      waiting.push({ token, text: token.text ?? `${token.id}`, begun: false });
      certain += token.certain;
      printCertain();
    },
    end(rest) {
      printPrompt();
      if (rest !== null) {
        certain = Number.POSITIVE_INFINITY;
        printCertain();
        if (last !== undefined) print(rest, last);
      }
      output.data('\n');
    },
  };
}

/** Prints nothing but how far sample `n` of `count` is. */
function progressPrinter(
  progress: Progress,
  { generateOptions: { maxTokens } }: Run,
  n: number,
  count: number,
): Printer {
  let done = 0;
  return {
    token: () => progress.update(n * maxTokens + ++done, count * maxTokens),
    end() {},
  };
}

function reportJson(run: Run, options: Options, samples: readonly Sample[]): unknown {
  return {
    settings: {
      ...run.settings,
      stop_strings: options.stop ?? [],
      keep_stop: options.keepStop === true,
      num_samples: options.numSamples ?? null,
    },
    prompt: run.prompt,
    ...(options.numSamples === undefined
      ? sampleJson(run, samples[0]!)
      : { samples: samples.map((sample) => sampleJson(run, sample)) }),
  };
}

function sampleJson(run: Run, { tokens, text, stopString, generation, verifiedCounts, cost }: Sample) {
  return {
    ids: tokens.map(({ id }) => id),
    text,
    segments: byMacroStep(tokens).map((segment) => ({
      tokens: segment.map((token) => ({
        ...tokenJson(token),
        ...(token.origin === undefined ? {} : { origin: token.origin }),
        ...logProbabilityJson(run, token),
      })),
      end: segment.at(-1)!.end,
    })),
    stop_reason: generation.stopReason,
    stop_string: stopString,
    prompt_tokens: generation.promptTokens,
    output_tokens: generation.outputTokens,
    macro_steps: generation.macroSteps,
    entry_positions: generation.entryPositions,
    cost: cost === undefined ? null : 'target' in cost ? verifiedCostJson(cost) : costJson(cost),
    ...('statistics' in generation ? { verification: verificationJson(generation, verifiedCounts) } : {}),
  };
}

/** What became of drafts, as JSON. */
function verificationJson(
  { statistics, targetEntries }: VerifiedGeneration,
  counts: VerifiedCounts | undefined,
): unknown {
  const { rounds, draftMacroSteps, drafted, accepted, resampled, added, meanAcceptedLength } = statistics;
  return {
    rounds,
    draft_macro_steps: draftMacroSteps,
    drafted,
    accepted,
    resampled,
    added,
    mean_accepted_length: meanAcceptedLength,
    by_micro_index: statistics.byMicroIndex,
    by_confidence: acceptanceByConfidence(statistics.tokens),
    target_entries: targetEntries,
    flops: counts === undefined ? null : { draft: allFlops(counts.draft), target: counts.targetFlops },
    drafted_tokens: statistics.tokens.map(({ round, id, microIndex, draftedWith, fate, targetChoice }) => ({
      round,
      id,
      micro_index: microIndex,
      drafted_with: finite(draftedWith),
      fate,
      target_choice: targetChoice,
    })),
  };
}

/** How the vocabulary spells a token. */
function spelling({ checkpoint: { tokenizer } }: Run, id: number): string | null {
  return tokenizer === null || id >= tokenizer.vocabularySize ? null : tokenizer.tokenText(id);
}

/** Members of a token in a report with log-probabilities. */
function logProbabilityJson(run: Run, { logProbabilities }: TextToken): object {
  if (logProbabilities === null) return {};
  return {
    log_probability: finite(logProbabilities.logProbability),
    alternatives: logProbabilities.alternatives.map(({ id, logProbability }) => ({
      id,
      token: spelling(run, id),
      log_probability: finite(logProbability),
    })),
  };
}

/** One row a token: its log-probability, and the likeliest tokens with theirs. */
function logProbabilityTable(run: Run, tokens: readonly TextToken[]): string {
  const shown = (id: number): string => {
    const token = spelling(run, id);
    return token === null ? `${id}` : JSON.stringify(token);
  };
  const most = Math.max(0, ...tokens.map(({ logProbabilities }) => logProbabilities!.alternatives.length));
  return table([
    ['token', 'ln p', ...Array.from({ length: most }, (_, i) => [`likeliest ${i + 1}`, 'ln p']).flat()],
    ...tokens.map(({ id, logProbabilities }) => [
      shown(id),
      logProbabilities!.logProbability.toFixed(4),
      ...logProbabilities!.alternatives.flatMap((each) => [shown(each.id), each.logProbability.toFixed(4)]),
    ]),
  ]);
}

const STOP_REASONS: Readonly<Record<StopReason, string>> = {
  eos: 'at a token that ends the text',
  'stop-string': 'at a stop string',
  length: 'at the limit of output tokens',
  positions: 'at the last position',
};

function statistics({ generation, firstSeconds, seconds }: Sample, threads: number): string {
  const { promptTokens, outputTokens, macroSteps, entryPositions, stopReason } = generation;
  const perStep = macroSteps === 0 ? '' : `, ${(outputTokens / macroSteps).toFixed(2)} tokens per macro-step`;
  const plain = promptTokens + Math.max(outputTokens - 1, 0);
  return table([
    ['prompt', `${promptTokens} tokens`],
    ['output', `${outputTokens} tokens in ${macroSteps} macro-steps${perStep}`],
    ...('statistics' in generation ? verificationRows(generation) : []),
    ['KV entries', `${entryPositions.length}; a plain decoder would hold ${plain}`],
    ...(outputTokens === 0
      ? []
      : [
          ['speed', `${speed(outputTokens, seconds, threads)}, the first after ${firstSeconds.toFixed(2)} s`],
        ]),
    ['stopped', STOP_REASONS[stopReason]],
  ]);
}

/** What became of drafts, for people. */
function verificationRows({ outputTokens, targetEntries, statistics }: VerifiedGeneration): string[][] {
  const { rounds, draftMacroSteps, drafted, accepted, resampled, added, meanAcceptedLength } = statistics;
  if (meanAcceptedLength === null) return [];
  const share = (part: number, whole: number): string =>
    whole === 0 ? '-' : `${Math.round((100 * part) / whole)} %`;
  const drafts = `${drafted} tokens in ${draftMacroSteps} macro-steps; ${accepted} accepted (${share(accepted, drafted)})`;
  if (targetEntries === 0) return [['drafts', `${drafts}, unverified`]];
  return [
    ['drafts', drafts],
    [
      'by micro index',
      statistics.byMicroIndex.map((each) => share(each.accepted, each.judged)).join(', ') || '-',
    ],
    [
      'target',
      `${rounds} passes, ${(outputTokens / rounds).toFixed(2)} tokens per pass: ${meanAcceptedLength.toFixed(2)} accepted and ` +
        `${resampled + added} of its own, ${resampled} of them in the place of a rejected one; ${targetEntries} KV entries`,
    ],
    [
      'by confidence',
      acceptanceByConfidence(statistics.tokens)
        .filter(({ judged }) => judged > 0)
        .map(({ from, accepted, judged }) => `${from}+ ${share(accepted, judged)} of ${judged}`)
        .join(', ') || '-',
    ],
  ];
}

/** One row a sample, and the speed of all. */
function sampleStatistics(samples: readonly Sample[], threads: number): string {
  const rows = samples.map(({ generation }, n) => [
    `${n + 1}`,
    `${generation.outputTokens}`,
    `${generation.macroSteps}`,
    `${generation.entryPositions.length}`,
    STOP_REASONS[generation.stopReason],
  ]);
  const outputTokens = samples.reduce((sum, { generation }) => sum + generation.outputTokens, 0);
  const seconds = samples.reduce((sum, sample) => sum + sample.seconds, 0);
  const lines = [table([['sample', 'tokens', 'macro-steps', 'KV entries', 'stopped'], ...rows])];
  if (outputTokens > 0) lines.push(speed(outputTokens, seconds, threads));
  return lines.join('\n');
}

function speed(outputTokens: number, seconds: number, threads: number): string {
  const shared = threads === 1 ? '' : ` on ${threads} threads`;
  return `${(outputTokens / seconds).toFixed(1)} tokens/s${shared}`;
}
