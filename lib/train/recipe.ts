/**
 * SPEC #recipe — what is to be trained, on what and how: one JSON file for each phase.
 *
 * @module
 */

import { parseConfig, type WeightDtype } from '../checkpoint/config-file.ts';
import { DataError } from '../errors.ts';
import { type HamburgerConfig, INITIAL_DEVIATION, type ModelConfig } from '../model/config.ts';
import { parseWith, z } from '../schema.ts';
import type { Numerics } from '../tensor/tensor.ts';
import { defaultLossWeights, type LossWeights } from './sample-loss.ts';
import {
  decreasingV2Strategy,
  entropyMetric,
  type Metric,
  metrics,
  type Strategy,
  strategies,
  type Thresholds,
} from './segmentation.ts';

/** The files of prompts and responses. Paths are as in the recipe: relative to its own folder. */
export interface RecipeData {
  /** JSON Lines, read by `parsePairs`. */
  readonly train: readonly string[];
  /** The same, never trained on. */
  readonly heldOut: readonly string[];
  /** Whether prompts and responses become text by the chat template of the tokenizer. */
  readonly chat: boolean;
  /** The most tokens of a prompt, the last ones; `null` for all. */
  readonly promptTokens: number | null;
  /** What becomes of a sample that has no room in a batch or in the model (recipe/R4). */
  readonly tooLong: 'refuse' | 'skip';
}

/** How long it lasts: one of the two. */
export type Duration = { readonly steps: number } | { readonly epochs: number };

/** The learning rate over the steps. */
export interface LearningRates {
  /** The highest, of the parameters of the base. */
  readonly base: number;
  /** The highest, of the HAMburger modules; 0 in phase `pretrain`. */
  readonly modules: number;
  /** Steps until it is reached. */
  readonly warmUpSteps: number;
  /** What is left of it in the end, as a share. */
  readonly floor: number;
}

/** The optimiser: AdamW. */
export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/** What both phases have. */
interface CommonRecipe {
  readonly seed: string;
  /** Of the weights that are drawn at random: those of linear layers and embedding tables. */
  readonly initialDeviation: number;
  readonly data: RecipeData;
  readonly duration: Duration;
  /** Most tokens of a batch. */
  readonly batchTokens: number;
  readonly learningRates: LearningRates;
  readonly adam: AdamOptions;
  /** Largest norm of the gradient; `null` for no limit. */
  readonly clip: number | null;
  /** Steps from one evaluation to the next. */
  readonly evaluateEvery: number;
  /** Steps from one snapshot to the next. */
  readonly snapshotEvery: number;
  readonly numerics: Numerics;
  /** Element type of the checkpoint that results. */
  readonly dtype: WeightDtype;
}

/** A base, from random weights. */
export interface PretrainRecipe extends CommonRecipe {
  readonly phase: 'pretrain';
  readonly config: ModelConfig;
  /** What it learns to predict: the text but for its first token, or the response alone (recipe/R2). */
  readonly learn: 'text' | 'response';
  /** `'byte'`, or a folder with `tokenizer.json` and `tokenizer_config.json`. */
  readonly tokenizer: string;
}

/** New HAMburger modules on a base, which is trained with them. */
export interface GraftRecipe extends CommonRecipe {
  readonly phase: 'graft';
  /** A checkpoint folder. */
  readonly base: string;
  readonly modules: HamburgerConfig;
  readonly segmentation: {
    readonly strategy: Strategy;
    readonly metric: Metric;
    readonly thresholds: Partial<Thresholds>;
    /** `null` for all entries. */
    readonly window: number | null;
    /** Checkpoint folder of the base whose uncertainty cuts the responses; `null` for the one that modules are put on. */
    readonly base: string | null;
    /** The most tokens of a prompt that it sees, the last ones; `null` for all. */
    readonly promptTokens: number | null;
  };
  readonly breaks: BreakShares;
  readonly loss: LossWeights;
}

/** Which part of the samples is cut finer than the segmentation says (recipe/R5). */
export interface BreakShares {
  /** Samples in which continuations are broken at random. */
  readonly forced: number;
  /** Samples in which every token is a segment. */
  readonly unmerged: number;
}

/** A recipe. */
export type Recipe = PretrainRecipe | GraftRecipe;

/** An integer of at least `least`. */
const integer = (least: number) => z.int().min(least, { error: `an integer of at least ${least}` });
const count = integer(1);
const positive = z.number().positive();
const notNegative = z.number().min(0);
const share = z.number().min(0).max(1);
const belowOne = z.number().min(0).lt(1);
const path = z.string().min(1);

/** Published values where there are any (PyTorch's AdamW); the others are what served at the scale of the toy. */
const commonKeys = {
  seed: z.string().min(1),
  initial_deviation: positive.default(INITIAL_DEVIATION),
  data: z.strictObject({
    train: z.array(path).min(1),
    held_out: z.array(path).default([]),
    chat: z.boolean().default(false),
    prompt_tokens: count.nullable().default(null),
    too_long: z.enum(['refuse', 'skip']).default('refuse'),
  }),
  steps: count.optional(),
  epochs: count.optional(),
  batch_tokens: integer(2),
  adam: z
    .strictObject({
      beta1: belowOne.default(0.9),
      beta2: belowOne.default(0.999),
      eps: positive.default(1e-8),
      weight_decay: notNegative.default(0.01),
    })
    .prefault({}),
  clip: positive.nullable().default(1),
  evaluate_every: count.default(100),
  snapshot_every: count.default(100),
  numerics: z.enum(['f32', 'f64']).default('f32'),
  dtype: z.enum(['F64', 'F32', 'F16', 'BF16']).default('F32'),
};

const rateKeys = { base: notNegative, warm_up_steps: integer(0).default(0), floor: share.default(0.05) };

const pretrainSchema = z.strictObject({
  phase: z.literal('pretrain'),
  ...commonKeys,
  model: z.unknown(),
  learn: z.enum(['text', 'response']).default('text'),
  tokenizer: path,
  learning_rate: z.strictObject(rateKeys),
});

const graftSchema = z.strictObject({
  phase: z.literal('graft'),
  ...commonKeys,
  base: path,
  modules: z.strictObject({
    max_steps: count,
    num_merger_heads: count,
    feature_layer_indices: z.array(integer(0)).min(1),
    num_micro_layers: count,
  }),
  segmentation: z
    .strictObject({
      strategy: z.enum([...strategies.keys()]).default(decreasingV2Strategy.name),
      metric: z.enum([...metrics.keys()]).default(entropyMetric.name),
      min_threshold: notNegative.optional(),
      ratio_threshold: notNegative.optional(),
      confidence: z.number().positive().max(1).optional(),
      window: count.optional(),
      base: path.optional(),
      prompt_tokens: count.optional(),
    })
    .prefault({}),
  breaks: z.strictObject({ forced: share.default(0.5), unmerged: share.default(0) }).prefault({}),
  loss: z
    .strictObject({
      stop: notNegative.default(defaultLossWeights.stop),
      teacher: notNegative.default(defaultLossWeights.teacher),
    })
    .prefault({}),
  learning_rate: z.strictObject({ ...rateKeys, modules: notNegative }),
});

const phaseSchema = z.looseObject({ phase: z.enum(['pretrain', 'graft']) });

type CommonFile = z.infer<typeof pretrainSchema> | z.infer<typeof graftSchema>;

/**
 * The recipe that a JSON value describes.
 *
 * @param subject what messages call it, e.g. the file's path
 * @throws DataError recipe/R1 for a key that is missing or not known, and for a value that is impossible: its place, what was
 *   expected there, what was found
 */
export function parseRecipe(json: unknown, subject: string): Recipe {
  const { phase } = parseWith(phaseSchema, json, subject);
  const recipe =
    phase === 'pretrain'
      ? pretrainOf(parseWith(pretrainSchema, json, subject), subject)
      : graftOf(parseWith(graftSchema, json, subject), subject);
  const { duration, learningRates } = recipe;
  if ('steps' in duration && learningRates.warmUpSteps > duration.steps) {
    refuse(
      `${subject}: learning_rate.warm_up_steps`,
      `at most ${duration.steps}, the steps in all`,
      `${learningRates.warmUpSteps}`,
    );
  }
  return recipe;
}

function pretrainOf(file: z.infer<typeof pretrainSchema>, subject: string): PretrainRecipe {
  const config = parseConfig(file.model, `${subject}: model`);
  if (config.hamburger !== null) {
    refuse(`${subject}: model.hamburger`, 'nothing, because a base is trained without modules', 'modules');
  }
  return {
    phase: 'pretrain',
    ...commonOf(file, subject),
    config,
    learn: file.learn,
    tokenizer: file.tokenizer,
  };
}

function graftOf(file: z.infer<typeof graftSchema>, subject: string): GraftRecipe {
  const { modules, segmentation, breaks } = file;
  if (breaks.forced + breaks.unmerged > 1) {
    refuse(
      `${subject}: breaks`,
      'shares that together are at most 1',
      `${breaks.forced} and ${breaks.unmerged}`,
    );
  }
  const strategy = strategies.get(segmentation.strategy)!;
  return {
    phase: 'graft',
    ...commonOf(file, subject),
    base: file.base,
    modules: {
      maxSteps: modules.max_steps,
      numMergerHeads: modules.num_merger_heads,
      featureLayerIndices: modules.feature_layer_indices,
      numMicroLayers: modules.num_micro_layers,
    },
    segmentation: {
      strategy,
      metric: metrics.get(segmentation.metric)!,
      thresholds: thresholdsOf(segmentation, strategy, `${subject}: segmentation`),
      window: segmentation.window ?? null,
      base: segmentation.base ?? null,
      promptTokens: segmentation.prompt_tokens ?? null,
    },
    breaks,
    loss: file.loss,
  };
}

function commonOf(file: CommonFile, subject: string): CommonRecipe {
  const { data, adam, learning_rate: rate } = file;
  return {
    seed: file.seed,
    initialDeviation: file.initial_deviation,
    data: {
      train: data.train,
      heldOut: data.held_out,
      chat: data.chat,
      promptTokens: data.prompt_tokens,
      tooLong: data.too_long,
    },
    duration: durationOf(file, subject),
    batchTokens: file.batch_tokens,
    learningRates: {
      base: rate.base,
      modules: 'modules' in rate ? rate.modules : 0,
      warmUpSteps: rate.warm_up_steps,
      floor: rate.floor,
    },
    adam: { beta1: adam.beta1, beta2: adam.beta2, eps: adam.eps, weightDecay: adam.weight_decay },
    clip: file.clip,
    evaluateEvery: file.evaluate_every,
    snapshotEvery: file.snapshot_every,
    numerics: file.numerics,
    dtype: file.dtype,
  };
}

function durationOf({ steps, epochs }: CommonFile, subject: string): Duration {
  if (steps !== undefined && epochs === undefined) return { steps };
  if (epochs !== undefined && steps === undefined) return { epochs };
  return refuse(subject, 'either steps or epochs', steps === undefined ? 'neither' : 'both');
}

/** The thresholds as the library names them. One that the strategy does not read is a mistake of whoever wrote the recipe. */
function thresholdsOf(
  given: z.infer<typeof graftSchema>['segmentation'],
  strategy: Strategy,
  subject: string,
): Partial<Thresholds> {
  const keys = {
    minThreshold: 'min_threshold',
    ratioThreshold: 'ratio_threshold',
    confidence: 'confidence',
  } as const;
  const thresholds: { -readonly [K in keyof Thresholds]?: number } = {};
  for (const name of Object.keys(keys) as (keyof Thresholds)[]) {
    const value = given[keys[name]];
    if (value === undefined) continue;
    if (strategy.defaults[name] === undefined) {
      refuse(
        `${subject}.${keys[name]}`,
        `nothing, because strategy ${strategy.name} does not read it`,
        `${value}`,
      );
    }
    thresholds[name] = value;
  }
  return thresholds;
}

function refuse(subject: string, expected: string, found: string): never {
  throw new DataError({ rule: 'recipe/R1', subject, expected, found });
}
