/**
 * `hamburger init`: a seeded checkpoint to begin training with, or to try things on.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  BYTE_VOCABULARY_SIZE,
  byteTokenizerConfigJson,
  byteTokenizerJson,
  CallerError,
  graft,
  type HamburgerConfig,
  initialiser,
  type ModelConfig,
  openCheckpoint,
  presets,
  type WeightDtype,
  writeCheckpoint,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { addOutOptions, makeCheckpointFolder, type OutOptions, tellMade } from '../make-folder.ts';
import { namingOptions, type OptionNames } from '../option-names.ts';
import {
  choice,
  examples,
  integer,
  integerList,
  nonEmpty,
  number,
  type OrNone,
  option,
  orNull,
  ropeScaling,
} from '../options.ts';

const DTYPES = ['F32', 'BF16', 'F16', 'F64'] as const satisfies readonly WeightDtype[];
const TOKENIZERS = ['byte', 'none'] as const;

interface Options extends OutOptions {
  readonly preset?: string;
  readonly fromBase?: string;
  readonly seed: string;
  readonly dtype?: WeightDtype;
  readonly tokenizer?: (typeof TOKENIZERS)[number];
  readonly vocabSize?: number;
  readonly hiddenSize?: number;
  readonly intermediateSize?: number;
  readonly numHiddenLayers?: number;
  readonly numAttentionHeads?: number;
  readonly numKeyValueHeads?: number;
  readonly maxPositionEmbeddings?: number;
  readonly rmsNormEps?: number;
  readonly ropeTheta?: number;
  readonly ropeScaling?: OrNone<NonNullable<ModelConfig['ropeScaling']>>;
  readonly tieWordEmbeddings?: boolean;
  readonly bosTokenId?: number;
  readonly eosTokenIds?: readonly number[];
  /** False with `--no-modules`. */
  readonly modules: boolean;
  readonly maxSteps?: number;
  readonly mergerHeads?: number;
  readonly featureLayers?: readonly number[];
  readonly microLayers?: number;
}

/** Options that say what the base is, by their names in {@link Options}. */
const BASE_FLAGS = {
  vocabSize: '--vocab-size',
  hiddenSize: '--hidden-size',
  intermediateSize: '--intermediate-size',
  numHiddenLayers: '--num-hidden-layers',
  numAttentionHeads: '--num-attention-heads',
  numKeyValueHeads: '--num-key-value-heads',
  maxPositionEmbeddings: '--max-position-embeddings',
  rmsNormEps: '--rms-norm-eps',
  ropeTheta: '--rope-theta',
  ropeScaling: '--rope-scaling',
  tieWordEmbeddings: '--[no-]tie-word-embeddings',
  bosTokenId: '--bos-token-id',
  eosTokenIds: '--eos-token-ids',
} as const satisfies Partial<Record<keyof Options & keyof ModelConfig, string>>;

/** Options without which there is no base. */
const NEEDED = [
  'vocabSize',
  'hiddenSize',
  'intermediateSize',
  'numHiddenLayers',
  'numAttentionHeads',
] as const;

/** Options that say what the modules are. */
const MODULE_FLAGS = {
  maxSteps: '--max-steps',
  mergerHeads: '--merger-heads',
  featureLayers: '--feature-layers',
  microLayers: '--micro-layers',
} as const satisfies Partial<Record<keyof Options, string>>;

/** What the library calls a dimension → the option. */
const OPTION_NAMES: OptionNames = {
  vocab_size: BASE_FLAGS.vocabSize,
  hidden_size: BASE_FLAGS.hiddenSize,
  intermediate_size: BASE_FLAGS.intermediateSize,
  num_hidden_layers: BASE_FLAGS.numHiddenLayers,
  num_attention_heads: BASE_FLAGS.numAttentionHeads,
  num_key_value_heads: BASE_FLAGS.numKeyValueHeads,
  max_position_embeddings: BASE_FLAGS.maxPositionEmbeddings,
  rms_norm_eps: BASE_FLAGS.rmsNormEps,
  rope_theta: BASE_FLAGS.ropeTheta,
  rope_scaling: BASE_FLAGS.ropeScaling,
  bos_token_id: BASE_FLAGS.bosTokenId,
  eos_token_id: BASE_FLAGS.eosTokenIds,
  'hamburger.max_steps': MODULE_FLAGS.maxSteps,
  'hamburger.num_merger_heads': MODULE_FLAGS.mergerHeads,
  'hamburger.feature_layer_indices': MODULE_FLAGS.featureLayers,
  'hamburger.num_micro_layers': MODULE_FLAGS.microLayers,
};

export function addInit(program: Command, context: Context): void {
  const command = program
    .command('init')
    .summary('make a checkpoint with random weights')
    .description(
      'Makes a checkpoint with random weights: from a preset, from dimensions, or as new HAMburger modules on a trained ' +
        'base. The same seed gives the same bytes.',
    )
    .addOption(
      choice(
        '--preset <name>',
        'configuration to start from; options below change it',
        [...presets.keys()],
        null,
      ),
    )
    .addOption(option('--from-base <folder>', 'put new modules on this plain base').conflicts('preset'))
    .addOption(option('--seed <text>', 'seed of the weights', nonEmpty('a seed'), { value: '0' }))
    .addOption(
      choice('--dtype <type>', "element type of the weights (default: F32, or the base's)", DTYPES, null),
    )
    .addOption(
      choice(
        '--tokenizer <kind>',
        `tokenizer to go with it (default: byte if the vocabulary has ${BYTE_VOCABULARY_SIZE} tokens)`,
        TOKENIZERS,
        null,
      ),
    )
    .optionsGroup('Options of the base:')
    .addOption(option('--vocab-size <n>', 'V', integer(1)))
    .addOption(option('--hidden-size <n>', 'd', integer(1)))
    .addOption(option('--intermediate-size <n>', 'width inside the feed-forward block', integer(1)))
    .addOption(option('--num-hidden-layers <n>', 'L', integer(1)))
    .addOption(option('--num-attention-heads <n>', 'H', integer(1)))
    .addOption(option('--num-key-value-heads <n>', 'Hkv (default: H)', integer(1)))
    .addOption(option('--max-position-embeddings <n>', 'positions (default: 512)', integer(1)))
    .addOption(
      option(
        '--rms-norm-eps <x>',
        '(default: 1e-5)',
        number('a number above 0', (value) => value > 0),
      ),
    )
    .addOption(
      option(
        '--rope-theta <x>',
        '(default: 10000)',
        number('a number of at least 1', (value) => value >= 1),
      ),
    )
    .addOption(
      option(
        '--rope-scaling <list>',
        "Llama-3 scaling: factor, low and high frequency factor, original positions, such as '32,1,4,8192'; or 'none'",
        ropeScaling,
      ),
    )
    .addOption(option('--tie-word-embeddings', 'the LM head is the embedding table (default)'))
    .addOption(option('--no-tie-word-embeddings', 'the LM head is a table of its own'))
    .addOption(option('--bos-token-id <id>', 'token that begins a text', integer(0)))
    .addOption(option('--eos-token-ids <ids>', "tokens that end one, such as '1,2'", integerList))
    .optionsGroup('Options of the HAMburger modules:')
    .addOption(option('--no-modules', 'make a plain base'))
    .addOption(option('--max-steps <n>', 'M, the most tokens of a macro-step (default: 4)', integer(1)))
    .addOption(option('--merger-heads <n>', 'heads of the merger (default: H)', integer(1)))
    .addOption(
      option(
        '--feature-layers <list>',
        "layers from 0, such as '1,3' (default: 4 evenly spaced, or all)",
        integerList,
      ),
    )
    .addOption(option('--micro-layers <n>', 'layers of the micro-step decoder (default: L / 4)', integer(1)))
    .optionsGroup('Options:');
  addOutOptions(command)
    .addHelpText(
      'after',
      examples(
        'hamburger init --preset tiny --seed 7 --out tiny',
        'hamburger init --preset tiny --max-steps 8 --feature-layers 0,1,2,3 --out eight-steps',
        'hamburger init --vocab-size 258 --hidden-size 96 --intermediate-size 256 --num-hidden-layers 6 \\\n' +
          '      --num-attention-heads 6 --num-key-value-heads 2 --micro-layers 2 --dtype BF16 --out my-size',
        'hamburger init --preset tiny --no-modules --out base',
        'hamburger init --from-base base --max-steps 4 --feature-layers 1,3 --out grafted',
      ),
    )
    .action((options: Options) =>
      options.fromBase === undefined ? create(context, options) : graftOnto(context, options),
    );
}

/** Makes a checkpoint of a preset or of dimensions. */
function create(context: Context, options: Options): void {
  namingOptions(OPTION_NAMES, () => {
    const config = configOf(options);
    const contents = {
      config,
      dtype: options.dtype ?? 'F32',
      tensor: initialiser(options.seed, config),
      tokenizer: tokenizerOf(options, config),
    };
    makeCheckpointFolder(context, options, ({ out, ...write }) => writeCheckpoint(out, contents, write));
    tellMade(context, options.out, config);
  });
}

/** Puts new modules on a base. */
function graftOnto(context: Context, options: Options): void {
  const useless = [
    ...Object.entries(BASE_FLAGS)
      .filter(([name]) => options[name as keyof typeof BASE_FLAGS] !== undefined)
      .map(([, flag]) => flag),
    ...(options.modules ? [] : ['--no-modules']),
    ...(options.dtype === undefined ? [] : ['--dtype']),
    ...(options.tokenizer === undefined ? [] : ['--tokenizer']),
  ];
  if (useless.length > 0) {
    throw new CallerError({
      subject: '--from-base',
      expected: 'only options of the modules, because the rest is as in the base',
      found: useless.join(', '),
    });
  }
  const base = openCheckpoint(options.fromBase!);
  try {
    namingOptions(OPTION_NAMES, () => {
      const hamburger = modulesOf(options, base.config);
      makeCheckpointFolder(context, options, (write) => graft(base, hamburger, options.seed, write));
      tellMade(context, options.out, { ...base.config, hamburger });
    });
  } finally {
    base.close();
  }
}

function configOf(options: Options): ModelConfig {
  const preset = options.preset === undefined ? undefined : presets.get(options.preset)!;
  const missing = NEEDED.filter((name) => preset === undefined && options[name] === undefined);
  if (missing.length > 0) {
    throw new CallerError({
      subject: 'configuration',
      expected: '--preset, --from-base, or the dimensions of a model',
      found: `no ${missing.map((name) => BASE_FLAGS[name]).join(', no ')}`,
      hint: 'The quickest is --preset tiny',
    });
  }
  const vocabSize = options.vocabSize ?? preset?.vocabSize ?? 0;
  const sameVocabulary = options.vocabSize === undefined ? preset : undefined;
  const bytes = vocabSize === BYTE_VOCABULARY_SIZE;
  const heads = options.numAttentionHeads ?? preset?.numAttentionHeads ?? 0;
  const [begin, end] = [BYTE_VOCABULARY_SIZE - 2, BYTE_VOCABULARY_SIZE - 1];
  const base: ModelConfig = {
    vocabSize,
    hiddenSize: options.hiddenSize ?? preset?.hiddenSize ?? 0,
    intermediateSize: options.intermediateSize ?? preset?.intermediateSize ?? 0,
    numHiddenLayers: options.numHiddenLayers ?? preset?.numHiddenLayers ?? 0,
    numAttentionHeads: heads,
    numKeyValueHeads: options.numKeyValueHeads ?? preset?.numKeyValueHeads ?? heads,
    maxPositionEmbeddings: options.maxPositionEmbeddings ?? preset?.maxPositionEmbeddings ?? 512,
    rmsNormEps: options.rmsNormEps ?? preset?.rmsNormEps ?? 1e-5,
    ropeTheta: options.ropeTheta ?? preset?.ropeTheta ?? 10000,
    ropeScaling: orNull(options.ropeScaling ?? preset?.ropeScaling ?? 'none'),
    tieWordEmbeddings: options.tieWordEmbeddings ?? preset?.tieWordEmbeddings ?? true,
    bosTokenId: options.bosTokenId ?? sameVocabulary?.bosTokenId ?? (bytes ? begin : null),
    eosTokenIds: options.eosTokenIds ?? sameVocabulary?.eosTokenIds ?? (bytes ? [end] : []),
    hamburger: null,
  };
  if (options.modules)
    return { ...base, hamburger: modulesOf(options, base, preset?.hamburger ?? undefined) };
  const useless = Object.entries(MODULE_FLAGS)
    .filter(([name]) => options[name as keyof typeof MODULE_FLAGS] !== undefined)
    .map(([, flag]) => flag);
  if (useless.length > 0) {
    throw new CallerError({
      subject: '--no-modules',
      expected: 'no options of the modules',
      found: useless.join(', '),
    });
  }
  return base;
}

/** The modules that the options describe; where they say nothing, those of the preset if they fit its base, else in proportion to the base. */
function modulesOf(options: Options, base: ModelConfig, preset?: HamburgerConfig): HamburgerConfig {
  const sameDepth = options.numHiddenLayers === undefined ? preset : undefined;
  const sameWidth =
    options.hiddenSize === undefined && options.numAttentionHeads === undefined ? preset : undefined;
  const layers = base.numHiddenLayers;
  return {
    maxSteps: options.maxSteps ?? preset?.maxSteps ?? 4,
    numMergerHeads: options.mergerHeads ?? sameWidth?.numMergerHeads ?? base.numAttentionHeads,
    featureLayerIndices: options.featureLayers ?? sameDepth?.featureLayerIndices ?? evenlySpaced(layers),
    numMicroLayers: options.microLayers ?? sameDepth?.numMicroLayers ?? Math.max(1, Math.floor(layers / 4)),
  };
}

/** Four layers, or all if there are fewer, evenly spaced and the last among them; of 16: 3, 7, 11, 15 as published. */
function evenlySpaced(layers: number): number[] {
  const count = Math.min(4, layers);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 1) * layers) / count) - 1);
}

function tokenizerOf(
  { tokenizer }: Options,
  { vocabSize }: ModelConfig,
): { tokenizer: unknown; tokenizerConfig: unknown } | undefined {
  if (tokenizer === 'byte' && vocabSize < BYTE_VOCABULARY_SIZE) {
    throw new CallerError({
      subject: '--tokenizer byte',
      expected: `a vocabulary of at least ${BYTE_VOCABULARY_SIZE} tokens`,
      found: `${vocabSize}`,
    });
  }
  const chosen = tokenizer ?? (vocabSize === BYTE_VOCABULARY_SIZE ? 'byte' : 'none');
  return chosen === 'byte'
    ? { tokenizer: byteTokenizerJson(), tokenizerConfig: byteTokenizerConfigJson() }
    : undefined;
}
