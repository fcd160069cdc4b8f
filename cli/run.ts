/**
 * A run as the options of `generate` and `trace` describe it: checkpoint, model, prompt, and how to decode.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  baseOf,
  CallerError,
  type Checkpoint,
  checkLogitAdjustments,
  DataError,
  decodeUtf8,
  type GenerateOptions,
  isHamburger,
  type Model,
  type Numerics,
  openCheckpoint,
  type Profile,
  parseJson,
  profiles,
  type ReplayedUniforms,
  readWhole,
  renderChat,
  replayedUniforms,
  sampleUniforms,
  show,
  type TextTokenizer,
  type TokenChoice,
  trainProfile,
  type UniformSource,
  type VerifiedOptions,
} from '../lib/index.ts';
import type { Context } from './context.ts';
import { arithmeticOptions, checkpointOption, loadModel, type ModelOptions } from './model.ts';
import { namingOptions, type OptionNames } from './option-names.ts';
import { choice, confidence, integer, integerList, type OrNone, option, orNull } from './options.ts';
import { toyCheckpoint } from './package-root.ts';
import {
  choiceOf,
  DEFAULT_SEED,
  distributionOf,
  type SamplingOptions,
  samplingOptionNames,
  samplingOptions,
  samplingSettings,
  uselessOptions,
} from './sampling-options.ts';
import {
  givenVerificationOptions,
  openVerification,
  type VerificationOptions,
  verificationOptionNames,
  verificationOptions,
} from './verification.ts';

/** What the shipped checkpoint is asked where nothing is; a message of its chat template. */
const TOY_PROMPT =
  'Write a function solve that takes a number n: add up the numbers from 1 to n that are greater than 8.';

const MODES = ['hamburger', 'base', 'verified'] as const;

/** How a run decodes. */
export type Mode = (typeof MODES)[number];

/** Options that {@link addRunOptions} declares. */
export interface RunOptions extends ModelOptions, SamplingOptions, VerificationOptions {
  readonly promptFile?: string;
  readonly promptIds?: readonly number[];
  readonly chat?: true;
  readonly mode?: (typeof MODES)[number];
  readonly profile: string;
  readonly confidence?: OrNone<number>;
  readonly maxTokens?: number;
  readonly maxPositions?: number;
  readonly uniforms?: string;
}

/** Those that say what a model puts out, and how far: they mean nothing to a run whose tokens are given. */
export const OUTPUT_OPTIONS = [
  'confidence',
  'maxTokens',
  'maxPositions',
  'temperature',
  'topK',
  'topP',
  'minP',
  'repetitionPenalty',
  'logitBias',
  'seed',
  'uniforms',
] as const satisfies readonly (keyof RunOptions)[];

/**
 * Declares the options of a run.
 *
 * @param maxTokens the most output tokens where neither they nor the positions are limited by an option
 * @param verified whether drafts may be verified by another model
 */
export function addRunOptions(command: Command, maxTokens: number, verified = false): Command {
  const [numerics, kernels, threads] = arithmeticOptions();
  command
    .argument('[prompt]', 'text to continue (default, with the toy checkpoint: a request, as with --chat)')
    .optionsGroup('Options of the prompt:')
    .addOption(option('--prompt-file <file>', 'take the prompt from a UTF-8 file, final line feed included'))
    .addOption(option('--prompt-ids <ids>', "take the prompt as token ids, such as '1,2,3'", integerList))
    .addOption(option('--chat', "give the prompt as the user's message to the checkpoint's chat template"))
    .optionsGroup('Options of decoding:')
    .addOption(checkpointOption())
    .addOption(
      choice(
        '--mode <mode>',
        `decode in macro-steps, or with the base alone${verified ? ', or in macro-steps that another model verifies' : ''} (default: macro-steps, if there are modules)`,
        MODES.filter((mode) => verified || mode !== 'verified'),
        null,
      ),
    )
    .addOption(
      option(
        '--confidence <c>',
        "threshold on the continue confidence, from 0 to 1; 'none' stops at p > 0.5 (default: the profile's)",
        confidence,
      ),
    )
    .addOption(
      choice(
        '--profile <name>',
        'whose behaviour, where published implementations differ',
        [...profiles.keys()],
        trainProfile.name,
      ),
    )
    .addOption(
      option(
        '--max-tokens <n>',
        `most output tokens (default: ${maxTokens}, or no limit with --max-positions)`,
        integer(0),
      ),
    )
    .addOption(
      option('--max-positions <n>', "most positions of prompt and output (default: the model's)", integer(1)),
    );
  if (verified) for (const each of verificationOptions()) command.addOption(each);
  for (const each of samplingOptions()) command.addOption(each);
  return command
    .addOption(
      option(
        '--uniforms <file>',
        'sample with these numbers instead: a JSON list, each from 0 to below 1',
      ).conflicts(['seed', 'numSamples']),
    )
    .addOption(numerics)
    .addOption(kernels)
    .addOption(threads)
    .optionsGroup('Options:');
}

/** What the prompt is. */
export interface Prompt {
  readonly ids: readonly number[];
  /** As it was given, or as the ids spell it; `null` if there is no tokenizer. */
  readonly text: string | null;
}

/** What was chosen, by the options or by default, for reports. */
export interface Settings extends ReturnType<typeof samplingSettings> {
  readonly mode: (typeof MODES)[number];
  readonly profile: string;
  /** `null` for a plain base. */
  readonly confidence: OrNone<number> | null;
  readonly numerics: Numerics;
  readonly kernels: string;
  readonly max_tokens: number;
  readonly max_positions: number;
  /** How drafts are verified; `null` in other modes. */
  readonly verification: {
    readonly target: string | null;
    readonly draft_steps: number;
    readonly draft_confidence: number;
    readonly policy: string;
  } | null;
  /** `null` if nothing was drawn from a seed. */
  readonly seed: string | null;
}

/** What verifies the drafts of a run. */
export interface RunVerification {
  /** `null` with the policy that asks none. */
  readonly target: Model | null;
  /** How one of several samples is generated; without what reports ask for. */
  optionsOfSample(n: number): VerifiedOptions;
}

/** A run that can start. */
export interface Run {
  /** Closed: the model has been read from it. */
  readonly checkpoint: Checkpoint;
  readonly model: Model;
  readonly prompt: Prompt;
  /** Whether the prompt is a message in the chat template. */
  readonly chat: boolean;
  readonly profile: Profile;
  /** For `generate` of the library; without probabilities and trace. Its choice is that of sample 0. */
  readonly generateOptions: GenerateOptions;
  /** Of --mode verified; `null` in other modes. */
  readonly verification: RunVerification | null;
  /** The choice of one of several samples, from 0; none depends on another. */
  choiceOfSample(n: number): TokenChoice;
  readonly settings: Settings;
  /** Threads that share the work; no result depends on it. */
  readonly threads: number;
  /** Names of the options, for the library's errors. */
  readonly optionNames: OptionNames;
  /** Draws of `--uniforms` that are left, or 0. */
  unusedDraws(): number;
}

/** Opens the checkpoint, reads the prompt and loads the model, with a progress bar. */
export function prepareRun(
  context: Context,
  argument: string | undefined,
  options: RunOptions,
  defaultMaxTokens: number,
): Run {
  const checkpoint = openCheckpoint(options.checkpoint ?? toyCheckpoint());
  try {
    const mode = options.mode ?? (checkpoint.config.hamburger === null ? 'base' : 'hamburger');
    if (mode === 'hamburger' && checkpoint.config.hamburger === null) {
      throw new CallerError({
        subject: '--mode hamburger',
        expected: 'a checkpoint with HAMburger modules',
        found: `a plain base, ${checkpoint.folder}`,
        hint: '"hamburger init --from-base" gives it modules',
      });
    }
    const { prompt, chat } = readPrompt(context, checkpoint, argument, options);
    namingOptions(samplingOptionNames, () => checkLogitAdjustments(options, checkpoint.config.vocabSize));
    const { choiceOfSample, uniformsOfSample, draws } = readChoice(context, options);
    const sampled = options.temperature > 0;
    const verification =
      mode === 'verified'
        ? openVerification(checkpoint, options, sampled, {
            promptTokens: prompt.ids.length,
            maxPositions: options.maxPositions,
          })
        : null;
    const { maxPositions } = options;
    const maxTokens = options.maxTokens ?? maxPositions ?? defaultMaxTokens;
    const positions = verification?.positions ?? checkpoint.config.maxPositionEmbeddings;
    // As a generation lays them out. More positions than there are is an error that it tells itself.
    const cacheEntries = Math.min(maxPositions ?? positions, positions, prompt.ids.length + maxTokens);
    const { model, threads } = loadModel(context, checkpoint, options, cacheEntries);
    const target = verification?.loadTarget(context, model, cacheEntries) ?? null;
    const useless = mode === 'verified' ? [] : givenVerificationOptions(options);
    if (useless.length > 0)
      context.output.say(`note: ${useless.join(', ')}: no effect without --mode verified`);
    if (mode === 'base' && options.confidence !== undefined) {
      context.output.say('note: --confidence has no effect with --mode base');
    }
    const profile = profiles.get(options.profile)!;
    const threshold = options.confidence ?? profile.confidence;
    const decoding = {
      prompt: prompt.ids,
      maxTokens,
      ...(maxPositions === undefined ? {} : { maxPositions }),
      confidence: orNull(threshold),
      profile,
    };
    return {
      checkpoint,
      model: mode === 'base' && isHamburger(model) ? baseOf(model) : model,
      prompt,
      chat,
      profile,
      generateOptions: { ...decoding, choice: choiceOfSample(0) },
      verification: verification && {
        target,
        optionsOfSample: (n) => ({
          ...decoding,
          policy: verification.policy,
          draftSteps: verification.draftSteps,
          draftConfidence: verification.draftConfidence,
          ...(sampled
            ? { sampling: { ...distributionOf(options), uniforms: uniformsOfSample(n) } }
            : { adjustments: distributionOf(options) }),
        }),
      },
      choiceOfSample,
      settings: {
        mode,
        profile: profile.name,
        confidence: mode === 'base' ? null : threshold,
        numerics: options.numerics,
        kernels: model.kernels.name,
        max_tokens: maxTokens,
        max_positions: maxPositions ?? positions,
        verification: verification && {
          target: verification.targetName,
          draft_steps: verification.draftSteps,
          draft_confidence: verification.draftConfidence,
          policy: verification.policy.name,
        },
        ...samplingSettings(options),
        seed: sampled && draws === undefined ? (options.seed ?? DEFAULT_SEED) : null,
      },
      threads,
      optionNames: {
        prompt: promptName(options),
        'token id': promptName(options),
        'max tokens': '--max-tokens',
        'max positions': '--max-positions',
        'replayed draws': '--uniforms',
        ...samplingOptionNames,
        ...verificationOptionNames,
      },
      unusedDraws: () => draws?.remaining ?? 0,
    };
  } finally {
    checkpoint.close();
  }
}

function promptName({ promptFile, promptIds }: RunOptions): string {
  return promptIds !== undefined ? '--prompt-ids' : promptFile !== undefined ? '--prompt-file' : 'prompt';
}

function readPrompt(
  context: Context,
  checkpoint: Checkpoint,
  argument: string | undefined,
  options: RunOptions,
): { readonly prompt: Prompt; readonly chat: boolean } {
  const { promptFile, promptIds, chat } = options;
  const given = [argument, promptFile, promptIds].filter((source) => source !== undefined).length;
  if (given > 1 || (given === 0 && options.checkpoint !== undefined)) {
    throw new CallerError({
      subject: 'prompt',
      expected: 'one of a text, --prompt-file and --prompt-ids',
      found: given === 0 ? 'none' : `${given} of them`,
    });
  }
  if (promptIds !== undefined) {
    if (chat) {
      throw new CallerError({
        subject: '--chat',
        expected: 'a prompt that is a text, to be put into the template',
        found: '--prompt-ids',
      });
    }
    return { prompt: { ids: promptIds, text: textOf(checkpoint, promptIds) }, chat: false };
  }
  const tokenizer = tokenizerOf(checkpoint, 'Give the prompt with --prompt-ids');
  const text = promptFile === undefined ? argument : decodeUtf8(readWhole(promptFile), promptFile);
  if (text !== undefined) checkLength(tokenizer, text, checkpoint, options);
  if (text !== undefined && !chat) {
    if (checkpoint.chatTemplate !== null && context.output.talkToTerminal) {
      context.output.say('note: the checkpoint has a chat template; --chat puts the prompt into it');
    }
    return { prompt: { ids: tokenizer.encode(text), text }, chat: false };
  }
  if (text === undefined) context.output.say(`prompt: ${TOY_PROMPT}`);
  const { bosToken, eosToken } = checkpoint;
  const rendered = renderChat(
    chatTemplateOf(checkpoint),
    [{ role: 'user', content: text ?? TOY_PROMPT }],
    { bosToken, eosToken, addGenerationPrompt: true },
    `chat template of ${checkpoint.folder}`,
  );
  return { prompt: { ids: tokenizer.encodeWithoutSpecials(rendered), text: rendered }, chat: true };
}

/** Refuses a text that is much too long at once: to encode megabytes takes a while. */
function checkLength(
  tokenizer: TextTokenizer,
  text: string,
  { config }: Checkpoint,
  options: RunOptions,
): void {
  const least = tokenizer.leastTokens(text);
  const most = options.maxPositions ?? config.maxPositionEmbeddings;
  if (least <= most) return;
  throw new CallerError({
    rule: 'generation/C1',
    subject: promptName(options),
    expected: `at most ${most} tokens, one for each position`,
    found: `a text of ${text.length} characters, which is at least ${least} tokens`,
  });
}

/** The tokenizer, for a text. @throws DataError if there is none */
export function tokenizerOf({ tokenizer, folder }: Checkpoint, hint: string): TextTokenizer {
  if (tokenizer !== null) return tokenizer;
  throw new DataError({
    subject: folder,
    expected: 'a tokenizer, to make token ids of a text',
    found: 'a checkpoint without one',
    hint,
  });
}

/** The chat template, for `--chat`. @throws DataError if there is none */
export function chatTemplateOf({ chatTemplate, folder }: Checkpoint): string {
  if (chatTemplate !== null) return chatTemplate;
  throw new DataError({
    subject: `--chat: ${folder}`,
    expected: 'a chat template',
    found: 'a checkpoint without one',
  });
}

/** What ids spell, special tokens left out; `null` without a tokenizer. */
export function textOf({ tokenizer }: Checkpoint, ids: readonly number[]): string | null {
  if (tokenizer === null) return null;
  // An id outside the vocabulary is refused by the model, which knows how large that is.
  const known = ids.filter((id) => id < tokenizer.vocabularySize);
  return tokenizer.decode(known, { skipSpecialTokens: true });
}

function readChoice(
  { output }: Context,
  options: RunOptions,
): {
  readonly choiceOfSample: (n: number) => TokenChoice;
  readonly uniformsOfSample: (n: number) => UniformSource;
  readonly draws: ReplayedUniforms | undefined;
} {
  const { temperature, seed = DEFAULT_SEED, uniforms: file } = options;
  const useless = uselessOptions(options);
  if (useless.length > 0) output.say(`note: ${useless.join(', ')}: no effect with --temperature 0`);
  const draws =
    file === undefined || temperature === 0
      ? undefined
      : namingOptions({ draw: '--uniforms' }, () => replayedUniforms(readNumbers(file)));
  const uniformsOfSample = (n: number): UniformSource => draws ?? sampleUniforms(seed, n);
  return { choiceOfSample: (n) => choiceOf(options, uniformsOfSample(n)), uniformsOfSample, draws };
}

function readNumbers(file: string): number[] {
  const value = parseJson(decodeUtf8(readWhole(file), file), file);
  if (Array.isArray(value) && value.every((element) => typeof element === 'number')) return value;
  throw new DataError({ subject: file, expected: 'a list of numbers', found: show(value) });
}
