/**
 * From a recipe file to a run that can start: data, tokenizer, base, kernels, parameters.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import {
  BYTE_VOCABULARY_SIZE,
  basePrefix,
  byteTokenizerConfigJson,
  byteTokenizerJson,
  CallerError,
  type Checkpoint,
  type CheckpointContents,
  createTrainingRun,
  DataError,
  decodeUtf8,
  encodeSample,
  fitting,
  type GraftRecipe,
  initialiser,
  loadTokenizer,
  type ModelConfig,
  openCheckpoint,
  type PretrainRecipe,
  parameters,
  parseJson,
  parsePairs,
  parseRecipe,
  type Recipe,
  readCompanions,
  readText,
  readWhole,
  type Sample,
  sizeOf,
  Tensor,
  type TextTokenizer,
  type TrainingRun,
} from '../lib/index.ts';
import type { Context } from './context.ts';
import { kernelsFor, type ModelOptions, settleThreads } from './model.ts';

/** A run that can start. */
export interface PreparedRun {
  readonly run: TrainingRun;
  readonly recipe: Recipe;
  /** The recipe, as JSON. */
  readonly recipeJson: unknown;
  /** SHA-256 of all token ids and initial parameters. */
  readonly inputs: string;
  readonly samples: number;
  readonly heldOut: number;
  /** Samples that were too long. */
  readonly skipped: number;
  readonly threads: number;
  /** The checkpoint, with the parameters as they are when it is written. */
  readonly contents: CheckpointContents;
}

/** What the phases differ in. */
interface Start {
  readonly config: ModelConfig;
  readonly tokenizer: TextTokenizer;
  readonly template: string | null;
  readonly base: Checkpoint | null;
  /** The base that cuts the responses, if it is another one. */
  readonly segmentationBase: Checkpoint | null;
  /** The parameters to begin with. */
  readonly initial: (name: string, shape: readonly number[]) => Float64Array;
  readonly companions: ReadonlyMap<string, Uint8Array>;
  readonly tokenizerJson: CheckpointContents['tokenizer'];
}

/** Reads a recipe and everything that it names. */
export function prepareTraining(
  context: Context,
  path: string,
  options: Pick<ModelOptions, 'kernels' | 'threads'>,
): PreparedRun {
  const recipeJson = parseJson(decodeUtf8(readWhole(path), path), path);
  const recipe = parseRecipe(recipeJson, path);
  const place = (name: string): string => resolve(dirname(path), name);
  const start = recipe.phase === 'graft' ? graftStart(recipe, place) : pretrainStart(recipe, place);
  const { config, base, segmentationBase } = start;
  try {
    const [training, heldOut] = [recipe.data.train, recipe.data.heldOut].map((files) =>
      fitting(
        files.flatMap((file) => readSamples(place(file), file, start, recipe)),
        Math.min(recipe.batchTokens, config.maxPositionEmbeddings + 1),
        recipe.data.tooLong,
      ),
    ) as [ReturnType<typeof fitting>, ReturnType<typeof fitting>];
    const rows = middle(training.samples.map(({ response }) => response.length));
    const kernels = kernelsFor(context, { ...options, numerics: recipe.numerics }, config, rows);
    const cuts = segmentationBase?.loadModel(kernels) ?? null;
    const run = createTrainingRun({
      recipe,
      config,
      kernels,
      initial: (name, shape) => new Tensor(start.initial(name, shape), shape),
      base: base?.loadModel(kernels) ?? null,
      segmentationBase: cuts,
      samples: training.samples,
      heldOut: heldOut.samples,
    });
    const values = new Map(run.trained.parameters.map(({ name, values }) => [name, values]));
    return {
      run,
      recipe,
      recipeJson,
      inputs: fingerprint(
        [training.samples, heldOut.samples],
        [...values].map(([name, { data }]) => [name, data] as const),
        segmentationBase === null ? [] : weightsIn(segmentationBase),
      ),
      samples: training.samples.length,
      heldOut: heldOut.samples.length,
      skipped: training.skipped + heldOut.skipped,
      threads: settleThreads(kernels, run.trained.model, options.threads, rows),
      contents: {
        config,
        dtype: recipe.dtype,
        tensor: (name) => values.get(name)!.data,
        tokenizer: start.tokenizerJson,
        files: start.companions,
      },
    };
  } finally {
    base?.close();
    segmentationBase?.close();
  }
}

/** The median: what is usual. */
const middle = (lengths: number[]): number => lengths.sort((a, b) => a - b)[lengths.length >> 1] ?? 1;

function graftStart(
  { base: folder, modules, seed, initialDeviation, segmentation }: GraftRecipe,
  place: (name: string) => string,
): Start {
  const base = openCheckpoint(place(folder));
  if (base.config.hamburger !== null) {
    throw new CallerError({
      subject: folder,
      expected: 'a plain base',
      found: 'a checkpoint that has HAMburger modules already',
      hint: 'Its base alone can be had by "hamburger export"',
    });
  }
  const { tokenizer, chatTemplate: template } = base;
  if (tokenizer === null) {
    throw new DataError({
      subject: folder,
      expected: 'a tokenizer, for the data',
      found: 'a checkpoint without one',
    });
  }
  const config: ModelConfig = { ...base.config, hamburger: modules };
  const fresh = initialiser(seed, config, initialDeviation);
  const prefix = basePrefix(config);
  return {
    config,
    tokenizer,
    template,
    base,
    segmentationBase: otherBase(segmentation.base, config, place),
    initial: (name, shape) => {
      if (!name.startsWith(prefix)) return fresh(name, shape);
      const values = new Float64Array(sizeOf(shape));
      base.readTensor(name.slice(prefix.length), values);
      return values;
    },
    companions: readCompanions(base.folder),
    tokenizerJson: undefined,
  };
}

/** The base that cuts the responses instead of the one that modules are put on. */
function otherBase(
  folder: string | null,
  { vocabSize }: ModelConfig,
  place: (name: string) => string,
): Checkpoint | null {
  if (folder === null) return null;
  const checkpoint = openCheckpoint(place(folder));
  if (checkpoint.config.vocabSize === vocabSize) return checkpoint;
  checkpoint.close();
  throw new DataError({
    rule: 'recipe/R8',
    subject: `segmentation.base: ${folder}`,
    expected: `the vocabulary of the base, ${vocabSize} tokens`,
    found: `${checkpoint.config.vocabSize}`,
  });
}

function pretrainStart(
  { config, tokenizer, seed, initialDeviation }: PretrainRecipe,
  place: (name: string) => string,
): Start {
  const initial = initialiser(seed, config, initialDeviation);
  if (tokenizer === 'byte') {
    if (config.vocabSize < BYTE_VOCABULARY_SIZE) {
      throw new DataError({
        subject: 'model.vocab_size',
        expected: `at least ${BYTE_VOCABULARY_SIZE}, the ids of the byte tokenizer`,
        found: `${config.vocabSize}`,
      });
    }
    const files = { tokenizer: byteTokenizerJson(), tokenizerConfig: byteTokenizerConfigJson() };
    return {
      config,
      tokenizer: loadTokenizer(files.tokenizer, files.tokenizerConfig, tokenizer),
      template: null,
      base: null,
      segmentationBase: null,
      initial,
      companions: new Map(),
      tokenizerJson: files,
    };
  }
  const folder = place(tokenizer);
  const { tokenizer: loaded, chatTemplate } = readText(folder, config.vocabSize);
  if (loaded === null) {
    throw new DataError({
      subject: folder,
      expected: 'a folder with tokenizer.json',
      found: 'none of that name',
    });
  }
  // What ends a text is a matter of the recipe's configuration.
  const companions = new Map(
    [...readCompanions(folder)].filter(([name]) => name !== 'generation_config.json'),
  );
  return {
    config,
    tokenizer: loaded,
    template: chatTemplate,
    base: null,
    segmentationBase: null,
    initial,
    companions,
    tokenizerJson: undefined,
  };
}

/** The samples of one file. @throws DataError naming file and line */
function readSamples(path: string, name: string, start: Start, recipe: Recipe): Sample[] {
  const { config, tokenizer, template } = start;
  const { data } = recipe;
  if (data.chat && template === null) {
    throw new DataError({
      subject: 'data.chat',
      expected: 'a tokenizer with a chat template',
      found: 'none',
    });
  }
  const options = {
    tokenizer,
    template: data.chat ? template : null,
    eosTokenId: config.eosTokenIds[0] ?? null,
    promptTokens: data.promptTokens,
    whole: recipe.phase === 'pretrain' && recipe.learn === 'text',
  };
  return parsePairs(decodeUtf8(readWhole(path), path), name).map((pair) => encodeSample(pair, options));
}

function fingerprint(
  samples: readonly (readonly Sample[])[],
  ...weights: readonly Iterable<readonly [string, ArrayBufferView]>[]
): string {
  const hash = createHash('sha256');
  for (const list of samples) {
    hash.update(`${list.length}`);
    for (const { prompt, response } of list) hash.update(JSON.stringify([prompt, response]));
  }
  for (const [name, data] of weights.flatMap((each) => [...each])) {
    hash.update(name);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** The weights of a checkpoint, in binary64. */
function* weightsIn(checkpoint: Checkpoint): Generator<readonly [string, Float64Array]> {
  for (const { name, shape } of parameters(checkpoint.config)) {
    const values = new Float64Array(sizeOf(shape));
    checkpoint.readTensor(name, values);
    yield [name, values];
  }
}
