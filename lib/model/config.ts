/**
 * SPEC #configuration — the numbers that fix a model's shape. Names are those of `config.json` in camel case.
 *
 * @module
 */

import type { Fault } from '../errors.ts';
import { TRIGONOMETRIC_LIMIT } from '../math/trigonometric.ts';
import type { RopeScaling } from '../ops/rope.ts';

/** Standard deviation of new weights of linear layers and embedding tables: `initializer_range` of Llama. */
export const INITIAL_DEVIATION = 0.02;

/** The modules grafted onto the base. */
export interface HamburgerConfig {
  /** M: the most tokens that one macro-step emits, and the rows of the merger's position table. */
  readonly maxSteps: number;
  /** Heads of the merger's attention. */
  readonly numMergerHeads: number;
  /** Base layers, counted from 0 and ascending, whose outputs condition the micro-step decoder; the last one is among them. */
  readonly featureLayerIndices: readonly number[];
  /** Layers of the micro-step decoder. */
  readonly numMicroLayers: number;
}

/** A Llama, and the HAMburger modules where there are any. */
export interface ModelConfig {
  /** V */
  readonly vocabSize: number;
  /** d */
  readonly hiddenSize: number;
  /** f: width inside the feed-forward block. */
  readonly intermediateSize: number;
  /** L */
  readonly numHiddenLayers: number;
  /** H */
  readonly numAttentionHeads: number;
  /** Hkv */
  readonly numKeyValueHeads: number;
  /** Positions of the model: no KV entry stands at this one or beyond. */
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | null;
  /** Whether the LM head is the embedding table. */
  readonly tieWordEmbeddings: boolean;
  readonly bosTokenId: number | null;
  /** Tokens that end a generation. */
  readonly eosTokenIds: readonly number[];
  /** `null` for a plain base. */
  readonly hamburger: HamburgerConfig | null;
}

/** Size of an attention head: `d / H`. */
export function headSize(config: ModelConfig): number {
  return config.hiddenSize / config.numAttentionHeads;
}

/** Largest size of a dimension: far above any Llama, and small enough that a product of three is an exact integer. */
const LARGEST_DIMENSION = 1 << 17;

/** Most layers: several times those of any published model, and few enough that the table of parameters is made in no time. */
const MOST_LAYERS = 1 << 10;

/** Largest vocabulary; the largest published ones are near 2^18. */
const LARGEST_VOCABULARY = 1 << 22;

/** Positions stay where sine and cosine of `position * frequency`, with frequency <= 1, are defined. */
const LARGEST_POSITIONS = TRIGONOMETRIC_LIMIT;

/**
 * What is wrong with a configuration: the first broken rule of SPEC #configuration, or `undefined`. The caller turns it into an error,
 * because whose fault it is depends on where the configuration comes from.
 */
export function configFault(config: ModelConfig): Fault | undefined {
  const { hamburger } = config;
  const integer = (
    rule: string,
    subject: string,
    value: number,
    least: number,
    most: number,
  ): Fault | undefined =>
    Number.isInteger(value) && least <= value && value <= most
      ? undefined
      : { rule, subject, expected: `an integer from ${least} to ${most}`, found: `${value}` };
  const positive = (rule: string, subject: string, value: number): Fault | undefined =>
    Number.isFinite(value) && value > 0
      ? undefined
      : { rule, subject, expected: 'a positive number', found: `${value}` };
  const divides = (
    rule: string,
    subject: string,
    part: number,
    wholeName: string,
    whole: number,
  ): Fault | undefined =>
    whole % part === 0
      ? undefined
      : { rule, subject, expected: `a divisor of ${wholeName} = ${whole}`, found: `${part}` };
  const tokenId = (rule: string, subject: string, id: number) =>
    integer(rule, subject, id, 0, config.vocabSize - 1);

  return (
    integer('configuration/C1', 'vocab_size', config.vocabSize, 1, LARGEST_VOCABULARY) ??
    integer('configuration/C1', 'hidden_size', config.hiddenSize, 1, LARGEST_DIMENSION) ??
    integer('configuration/C1', 'intermediate_size', config.intermediateSize, 1, LARGEST_DIMENSION) ??
    integer('configuration/C1', 'num_hidden_layers', config.numHiddenLayers, 1, MOST_LAYERS) ??
    integer('configuration/C1', 'num_attention_heads', config.numAttentionHeads, 1, LARGEST_DIMENSION) ??
    integer('configuration/C1', 'num_key_value_heads', config.numKeyValueHeads, 1, LARGEST_DIMENSION) ??
    integer(
      'configuration/C1',
      'max_position_embeddings',
      config.maxPositionEmbeddings,
      1,
      LARGEST_POSITIONS,
    ) ??
    divides(
      'configuration/C2',
      'num_attention_heads',
      config.numAttentionHeads,
      'hidden_size',
      config.hiddenSize,
    ) ??
    divides(
      'configuration/C3',
      'num_key_value_heads',
      config.numKeyValueHeads,
      'num_attention_heads',
      config.numAttentionHeads,
    ) ??
    (headSize(config) % 2 === 0
      ? undefined
      : {
          rule: 'configuration/C4',
          subject: 'head size (hidden_size / num_attention_heads)',
          expected: 'an even number, because RoPE turns pairs',
          found: `${headSize(config)}`,
        }) ??
    positive('configuration/C5', 'rms_norm_eps', config.rmsNormEps) ??
    (config.ropeTheta >= 1
      ? positive('configuration/C5', 'rope_theta', config.ropeTheta)
      : {
          rule: 'configuration/C5',
          subject: 'rope_theta',
          expected: 'a number >= 1',
          found: `${config.ropeTheta}`,
        }) ??
    (config.ropeScaling === null ? undefined : ropeScalingFault(config.ropeScaling)) ??
    (config.bosTokenId === null
      ? undefined
      : tokenId('configuration/C7', 'bos_token_id', config.bosTokenId)) ??
    firstFault(config.eosTokenIds, (id) => tokenId('configuration/C7', 'eos_token_id', id)) ??
    (hamburger === null ? undefined : hamburgerFault(hamburger, config, integer, divides))
  );
}

function ropeScalingFault(scaling: RopeScaling): Fault | undefined {
  const rule = 'configuration/C6';
  for (const [subject, value] of [
    ['rope_scaling.factor', scaling.factor],
    ['rope_scaling.low_freq_factor', scaling.lowFreqFactor],
    ['rope_scaling.high_freq_factor', scaling.highFreqFactor],
    ['rope_scaling.original_max_position_embeddings', scaling.originalMaxPositionEmbeddings],
  ] as const) {
    if (!(Number.isFinite(value) && value > 0)) {
      return { rule, subject, expected: 'a positive number', found: `${value}` };
    }
  }
  if (scaling.factor < 1) {
    return { rule, subject: 'rope_scaling.factor', expected: 'a number >= 1', found: `${scaling.factor}` };
  }
  if (!(scaling.lowFreqFactor < scaling.highFreqFactor)) {
    return {
      rule,
      subject: 'rope_scaling.low_freq_factor',
      expected: `less than high_freq_factor = ${scaling.highFreqFactor}`,
      found: `${scaling.lowFreqFactor}`,
    };
  }
  return undefined;
}

function hamburgerFault(
  hamburger: HamburgerConfig,
  config: ModelConfig,
  integer: (rule: string, subject: string, value: number, least: number, most: number) => Fault | undefined,
  divides: (
    rule: string,
    subject: string,
    part: number,
    wholeName: string,
    whole: number,
  ) => Fault | undefined,
): Fault | undefined {
  const indices = hamburger.featureLayerIndices;
  const subject = 'hamburger.feature_layer_indices';
  const last = config.numHiddenLayers - 1;
  return (
    integer('configuration/C8', 'hamburger.max_steps', hamburger.maxSteps, 1, LARGEST_DIMENSION) ??
    integer('configuration/C8', 'hamburger.num_micro_layers', hamburger.numMicroLayers, 1, MOST_LAYERS) ??
    integer(
      'configuration/C8',
      'hamburger.num_merger_heads',
      hamburger.numMergerHeads,
      1,
      LARGEST_DIMENSION,
    ) ??
    divides(
      'configuration/C9',
      'hamburger.num_merger_heads',
      hamburger.numMergerHeads,
      'hidden_size',
      config.hiddenSize,
    ) ??
    firstFault(indices, (index) => integer('configuration/C10', subject, index, 0, last)) ??
    (indices.every((index, i) => i === 0 || indices[i - 1]! < index)
      ? undefined
      : {
          rule: 'configuration/C10',
          subject,
          expected: 'ascending layer numbers',
          found: `[${indices.join(', ')}]`,
        }) ??
    (indices.at(-1) === last
      ? undefined
      : {
          rule: 'configuration/C10',
          subject,
          expected: `a list that ends in the last layer, ${last}, because the first token is read from it`,
          found: `[${indices.join(', ')}]`,
        })
  );
}

function firstFault<T>(items: readonly T[], check: (item: T) => Fault | undefined): Fault | undefined {
  for (const item of items) {
    const fault = check(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
