/**
 * SPEC #configuration — `config.json`: Hugging Face's keys of a Llama, and the object `hamburger` of ours.
 *
 * Reading keeps a list of keys that are allowed, because a key that is ignored can change what the model computes; those
 * that are not on it are refused (`configuration/C11`).
 *
 * @module
 */

import { DataError } from '../errors.ts';
import { configFault, type HamburgerConfig, headSize, type ModelConfig } from '../model/config.ts';
import type { RopeScaling } from '../ops/rope.ts';
import { parseWith, z } from '../schema.ts';

/** The element types that weights are stored in, as safetensors names them. */
export type WeightDtype = 'F64' | 'F32' | 'F16' | 'BF16';

/**
 * Values of keys that a `config.json` may leave out; those of Transformers. `num_key_value_heads` is
 * `num_attention_heads` unless it is given. The sizes that Transformers would take from its 7B default have to be given.
 */
const DEFAULTS = {
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
} as const;

const tokenId = z.int({ error: 'a token id' });
const eosTokenId = z.union([tokenId, z.array(tokenId), z.null()]);

/** Keys that do not change what a trained model computes; their values are not looked at. */
const IGNORED_KEYS = [
  // Where it comes from and who wrote it.
  'architectures',
  'transformers_version',
  '_name_or_path',
  'transformers.js_config',
  'is_llama_config',
  // What the file of weights says itself.
  'torch_dtype',
  'dtype',
  // How one library runs it.
  'use_cache',
  '_attn_implementation_autoset',
  'return_dict',
  'output_attentions',
  'output_hidden_states',
  'torchscript',
  // Training.
  'initializer_range',
  'attention_dropout',
  // Batches.
  'pad_token_id',
] as const;

const ignored = Object.fromEntries(IGNORED_KEYS.map((key) => [key, z.unknown().optional()])) as Record<
  (typeof IGNORED_KEYS)[number],
  z.ZodOptional<z.ZodUnknown>
>;

const ROPE_TYPES = ['default', 'llama3'] as const;
const ropeType = z.enum(ROPE_TYPES, { error: '"default" or "llama3", the RoPE types that SPEC defines' });

const ropeKeys = {
  rope_type: ropeType.optional(),
  /** The older name. */
  type: ropeType.optional(),
  factor: z.number().optional(),
  low_freq_factor: z.number().optional(),
  high_freq_factor: z.number().optional(),
  original_max_position_embeddings: z.number().optional(),
};

const ropeScaling = z.strictObject(ropeKeys);
const ropeParameters = z.strictObject({ ...ropeKeys, rope_theta: z.number().optional() });

const hamburgerSchema = z.strictObject({
  max_steps: z.int(),
  num_merger_heads: z.int(),
  feature_layer_indices: z.array(z.int()),
  num_micro_layers: z.int(),
});

/** The one value of a key that changes the model and that SPEC does not define otherwise. */
const only = <T extends string | number | boolean>(value: T) =>
  z.literal(value, { error: `${JSON.stringify(value)}, the only one that SPEC defines` });

const configSchema = z.strictObject({
  // First, so that the configuration of another kind of model is called that.
  model_type: only('llama'),
  vocab_size: z.int(),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int().nullish(),
  head_dim: z.int().nullish(),
  max_position_embeddings: z.int().default(DEFAULTS.max_position_embeddings),
  rms_norm_eps: z.number().default(DEFAULTS.rms_norm_eps),
  rope_theta: z.number().optional(),
  rope_scaling: ropeScaling.nullish(),
  rope_parameters: ropeParameters.nullish(),
  rope_interleaved: only(false).optional(),
  tie_word_embeddings: z.boolean().default(DEFAULTS.tie_word_embeddings),
  bos_token_id: tokenId.nullable().default(DEFAULTS.bos_token_id),
  eos_token_id: eosTokenId.default(DEFAULTS.eos_token_id),
  hidden_act: only('silu').optional(),
  attention_bias: only(false).optional(),
  mlp_bias: only(false).optional(),
  pretraining_tp: only(1).optional(),
  hamburger: hamburgerSchema.optional(),
  ...ignored,
});

type ConfigFile = z.infer<typeof configSchema>;

/** Of `generation_config.json` only this is ours; the rest are settings of one library. */
const generationSchema = z.looseObject({ eos_token_id: eosTokenId.optional() });

/**
 * The configuration that a `config.json` describes.
 *
 * @param json the file's value
 * @param subject what messages call it, e.g. its path
 * @param generationConfig the value of `generation_config.json`, if there is one: its `eos_token_id`, where it has one,
 *   goes before that of `config.json`
 * @param generationSubject what messages call that
 * @throws DataError for a key that is missing, not known, or of a value that SPEC does not define, and for a configuration
 *   that breaks a rule of SPEC #configuration
 */
export function parseConfig(
  json: unknown,
  subject: string,
  generationConfig?: unknown,
  generationSubject = 'generation_config.json',
): ModelConfig {
  const file = parseWith(configSchema, json, subject);
  const generation =
    generationConfig === undefined
      ? undefined
      : parseWith(generationSchema, generationConfig, generationSubject).eos_token_id;
  const eos = generation === undefined ? file.eos_token_id : generation;
  const { theta, scaling } = ropeOf(file, subject);
  const config: ModelConfig = {
    vocabSize: file.vocab_size,
    hiddenSize: file.hidden_size,
    intermediateSize: file.intermediate_size,
    numHiddenLayers: file.num_hidden_layers,
    numAttentionHeads: file.num_attention_heads,
    numKeyValueHeads: file.num_key_value_heads ?? file.num_attention_heads,
    maxPositionEmbeddings: file.max_position_embeddings,
    rmsNormEps: file.rms_norm_eps,
    ropeTheta: theta,
    ropeScaling: scaling,
    tieWordEmbeddings: file.tie_word_embeddings,
    bosTokenId: file.bos_token_id,
    eosTokenIds: typeof eos === 'number' ? [eos] : (eos ?? []),
    hamburger: file.hamburger === undefined ? null : hamburgerOf(file.hamburger),
  };
  const fault = configFault(config);
  if (fault !== undefined) {
    const fromGeneration = fault.subject === 'eos_token_id' && generation !== undefined;
    const place = fromGeneration ? generationSubject : subject;
    throw new DataError({ ...fault, subject: `${place}: ${fault.subject}` });
  }
  const size = headSize(config);
  if (file.head_dim != null && file.head_dim !== size) {
    throw new DataError({
      subject: `${subject}: head_dim`,
      expected: `hidden_size / num_attention_heads = ${size}, the only head size that SPEC defines`,
      found: `${file.head_dim}`,
    });
  }
  return config;
}

function hamburgerOf(file: NonNullable<ConfigFile['hamburger']>): HamburgerConfig {
  return {
    maxSteps: file.max_steps,
    numMergerHeads: file.num_merger_heads,
    featureLayerIndices: file.feature_layer_indices,
    numMicroLayers: file.num_micro_layers,
  };
}

/** Base and scaling of RoPE, from whichever of the two spellings the file has. */
function ropeOf(file: ConfigFile, subject: string): { theta: number; scaling: RopeScaling | null } {
  const { rope_scaling: older, rope_parameters: newer } = file;
  if (older != null && newer != null) {
    throw new DataError({
      subject: `${subject}: rope_parameters`,
      expected: 'either rope_parameters or rope_scaling',
      found: 'both',
    });
  }
  if (
    newer?.rope_theta !== undefined &&
    file.rope_theta !== undefined &&
    newer.rope_theta !== file.rope_theta
  ) {
    throw new DataError({
      subject: `${subject}: rope_parameters.rope_theta`,
      expected: `rope_theta = ${file.rope_theta}, since both are given`,
      found: `${newer.rope_theta}`,
    });
  }
  const theta = newer?.rope_theta ?? file.rope_theta ?? DEFAULTS.rope_theta;
  const key = newer != null ? 'rope_parameters' : 'rope_scaling';
  return { theta, scaling: scalingOf(newer ?? older ?? {}, `${subject}: ${key}`) };
}

function scalingOf(file: z.infer<typeof ropeScaling>, subject: string): RopeScaling | null {
  const { rope_type: newer, type: older } = file;
  if (newer !== undefined && older !== undefined && newer !== older) {
    throw new DataError({
      subject: `${subject}.type`,
      expected: `"${newer}" like rope_type, since both are given`,
      found: `"${older}"`,
    });
  }
  const type = newer ?? older ?? 'default';
  const number = (key: keyof typeof file): number => {
    const value = file[key];
    if (typeof value === 'number') return value;
    throw new DataError({
      subject: `${subject}.${key}`,
      expected: 'a number, because the type is "llama3"',
      found: 'nothing',
    });
  };
  if (type === 'llama3') {
    return {
      factor: number('factor'),
      lowFreqFactor: number('low_freq_factor'),
      highFreqFactor: number('high_freq_factor'),
      originalMaxPositionEmbeddings: number('original_max_position_embeddings'),
    };
  }
  for (const key of Object.keys(file) as (keyof typeof file)[]) {
    if (typeof file[key] === 'number' && key in ropeKeys) {
      throw new DataError({
        subject: `${subject}.${key}`,
        expected: 'nothing, because the type is "default"',
        found: `${file[key]}`,
      });
    }
  }
  return null;
}

/** The names of the element types in `torch_dtype`. */
const TORCH_NAMES: Readonly<Record<WeightDtype, string>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/**
 * The value of a `config.json` for a configuration; {@link parseConfig} makes the same configuration of it.
 *
 * @param dtype the element type of the weights, of which other tools want to know here
 */
export function configJson(config: ModelConfig, dtype: WeightDtype): Record<string, unknown> {
  const { eosTokenIds, hamburger, ropeScaling: scaling } = config;
  return {
    // What is no Llama must not be taken for one by tools that do not know `hamburger`.
    architectures: [hamburger === null ? 'LlamaForCausalLM' : 'HamburgerForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    max_position_embeddings: config.maxPositionEmbeddings,
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    rope_scaling:
      scaling === null
        ? null
        : {
            rope_type: 'llama3',
            factor: scaling.factor,
            low_freq_factor: scaling.lowFreqFactor,
            high_freq_factor: scaling.highFreqFactor,
            original_max_position_embeddings: scaling.originalMaxPositionEmbeddings,
          },
    tie_word_embeddings: config.tieWordEmbeddings,
    bos_token_id: config.bosTokenId,
    eos_token_id: eosTokenIds.length === 0 ? null : eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: TORCH_NAMES[dtype],
    ...(hamburger === null
      ? {}
      : {
          hamburger: {
            max_steps: hamburger.maxSteps,
            num_merger_heads: hamburger.numMergerHeads,
            feature_layer_indices: hamburger.featureLayerIndices,
            num_micro_layers: hamburger.numMicroLayers,
          },
        }),
  };
}
