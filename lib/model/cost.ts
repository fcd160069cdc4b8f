/**
 * SPEC #cost — what a macro-step costs: floating-point operations (FLOPs), multiply-adds alone, and numbers that have to be read from
 * memory. Closed formulas of the configuration, part by part: FLOPs are exactly those that run (cost/C4); the other two are there to compare
 * measured times with what a machine can do.
 *
 * Multiply-adds are those of linear layers and attention. Read are all weights of a layer once in every pass through it, the LM head once for
 * every token, and the keys and values that attention sees. Rows of the embedding table are not counted.
 *
 * @module
 */

import { sizeOf } from '../tensor/tensor.ts';
import { type HamburgerConfig, headSize, type ModelConfig } from './config.ts';
import { parameters } from './weights.ts';

/** The parts of a model (cost/C2). The base alone has two of them, `base` and `lmHead`. */
export const modelParts = [
  'base',
  'compositionalEmbedder',
  'microStepDecoder',
  'stopHead',
  'lmHead',
] as const;

export type ModelPart = (typeof modelParts)[number];

/** Something for each part. */
export type ByPart<T> = Readonly<Record<ModelPart, T>>;

/** Work and traffic. */
export interface Cost {
  /** SPEC #cost says what counts. */
  readonly flops: number;
  readonly multiplyAdds: number;
  /** Numbers: 4 bytes each in f32 and 8 in f64, but for weights of linear layers that are kept in bfloat16. */
  readonly numbersRead: number;
  /** Of those, weights of linear layers. */
  readonly linearWeightsRead: number;
}

/** A macro-step, as far as its cost goes. */
export interface MacroStepShape {
  /** KV entries that enter the base: all tokens of a prompt, otherwise 1. */
  readonly newEntries: number;
  /** KV entries that were there before. */
  readonly earlierEntries: number;
  /** Tokens of the segment that the new entry stands for; 1 also for a prompt, whose entries are one token each. */
  readonly segmentTokens: number;
  /** Tokens that the macro-step emits, 1 to `max_steps`. */
  readonly emittedTokens: number;
}

/** The cost of a macro-step. */
export function macroStepCost(config: ModelConfig, shape: MacroStepShape): Cost {
  return sum(Object.values(macroStepCosts(config, shape)));
}

/** The cost of each part in a macro-step. */
export function macroStepCosts(config: ModelConfig, shape: MacroStepShape): ByPart<Cost> {
  const { newEntries, earlierEntries, segmentTokens, emittedTokens } = shape;
  const microSteps = Array.from({ length: emittedTokens }, (_, i) => microStepCosts(config, i));
  const ofAll = (part: keyof MicroStepCosts): Cost => sum(microSteps.map((costs) => costs[part]));
  return {
    base: baseCost(config, newEntries, earlierEntries),
    compositionalEmbedder: embedderCost(config, segmentTokens),
    microStepDecoder: ofAll('microStepDecoder'),
    stopHead: ofAll('stopHead'),
    lmHead: ofAll('lmHead'),
  };
}

/** A pass of the base over new KV entries, up to the final norm of the last `outputRows` of them. */
export function baseCost(
  config: ModelConfig,
  newEntries: number,
  earlierEntries: number,
  outputRows = 1,
): Cost {
  return sum([
    layersCost(config, config.numHiddenLayers, newEntries, earlierEntries, outputRows),
    rmsNorm(outputRows, config.hiddenSize),
  ]);
}

/** The compositional embedder; for a single token it does nothing (compositional-embedder/C2), and a plain base has none. */
export function embedderCost({ hiddenSize: d, hamburger }: ModelConfig, tokens: number): Cost {
  if (hamburger === null || tokens === 1) return sum([]);
  return sum([
    operations(tokens * d + d), // mean
    affine(1, d, d),
    times(affine(tokens, d, d + d / 2), 2),
    read((tokens * d) / 2), // positions
    attention(d, hamburger.numMergerHeads, tokens),
    read(2 * d * tokens), // keys and values
    affine(1, d, d),
    operations(d), // residual
  ]);
}

/** What a micro-step takes. */
export type MicroStepCosts = Pick<ByPart<Cost>, 'microStepDecoder' | 'stopHead' | 'lmHead'>;

/** The cost of the micro-step with a micro index. */
export function microStepCosts(config: ModelConfig, microIndex: number): MicroStepCosts {
  const { hiddenSize: d, vocabSize: V, hamburger } = config;
  const lmHead = linear(1, V, d);
  if (hamburger === null) return { microStepDecoder: sum([]), stopHead: sum([]), lmHead };
  const F = hamburger.featureLayerIndices.length;
  // The features enter with the first token; later rows find them in the cache of the macro-step (micro-step-decoder/C2).
  const [rows, earlier] = microIndex === 1 ? [F + 1, 0] : [1, F + microIndex - 1];
  return {
    microStepDecoder:
      microIndex === 0 ? sum([]) : layersCost(config, hamburger.numMicroLayers, rows, earlier),
    stopHead: sum([
      times(sum([affine(1, d, d), operations(d)]), 2), // with SiLU
      affine(1, 1, d),
      operations(1), // sigmoid
    ]),
    lmHead,
  };
}

/** Numbers that the base's cache holds for one KV entry: keys and values of every layer. */
export function numbersPerEntry(config: ModelConfig): number {
  return config.numHiddenLayers * numbersPerLayer(config);
}

/** The same for a row in the cache of a macro-step; 0 for a plain base. */
export function numbersPerMicroRow(config: ModelConfig): number {
  return (config.hamburger?.numMicroLayers ?? 0) * numbersPerLayer(config);
}

function numbersPerLayer(config: ModelConfig): number {
  return 2 * config.numKeyValueHeads * headSize(config);
}

/** Numbers in the caches of a run that holds at most `entries` KV entries: the base's, and that of a macro-step. */
export function kvCacheSize(config: ModelConfig, entries: number): number {
  return numbersPerEntry(config) * entries + numbersPerMicroRow(config) * mostMicroRows(config.hamburger);
}

function mostMicroRows(hamburger: HamburgerConfig | null): number {
  if (hamburger === null || hamburger.maxSteps === 1) return 0;
  return hamburger.featureLayerIndices.length + hamburger.maxSteps - 1;
}

/** Numbers in all parameters of a configuration. */
export function parameterCount(config: ModelConfig): number {
  return parameters(config).reduce((count, { shape }) => count + sizeOf(shape), 0);
}

/** A stack of layers over `T` new rows, of which only the last `R` are read at the end. */
function layersCost(config: ModelConfig, layers: number, T: number, earlier: number, R = 1): Cost {
  return sum([times(layerCost(config, T, T, earlier), layers - 1), layerCost(config, T, R, earlier)]);
}

/** One layer over `T` new rows, with output for the last `R` of them. */
function layerCost(config: ModelConfig, T: number, R: number, earlier: number): Cost {
  const { hiddenSize: d, intermediateSize: f, numAttentionHeads: H } = config;
  const keyValueWidth = config.numKeyValueHeads * headSize(config);
  // Row t sees `earlier + t + 1` entries; the sum over the last R rows.
  const seen = R * (earlier + T) - (R * (R - 1)) / 2;
  return sum([
    rmsNorm(T, d),
    linear(R, d, d),
    times(linear(T, keyValueWidth, d), 2),
    operations(3 * (R * d + T * keyValueWidth)), // RoPE
    attention(d, H, seen),
    read(2 * keyValueWidth * (earlier + T)), // keys and values
    linear(R, d, d),
    operations(R * d), // residual
    rmsNorm(R, d),
    times(linear(R, f, d), 2),
    operations(2 * R * f), // activation
    linear(R, d, f),
    operations(R * d), // residual
  ]);
}

/** `rows` rows through a linear layer. */
function linear(rows: number, out: number, inputs: number): Cost {
  const multiplyAdds = rows * out * inputs;
  const weights = out * inputs;
  return { flops: 2 * multiplyAdds, multiplyAdds, numbersRead: weights, linearWeightsRead: weights };
}

/** One with a bias. */
function affine(rows: number, out: number, inputs: number): Cost {
  return sum([linear(rows, out, inputs), read(out), operations(rows * out)]);
}

/** Attention in `heads` heads of together `d`, over so many pairs of a row and an entry that it sees. */
function attention(d: number, heads: number, seen: number): Cost {
  // Of each pair and head: the products of score and context; scale 1, softmax 4.
  return { ...operations((4 * d + 5 * heads) * seen), multiplyAdds: 2 * d * seen };
}

/** RMSNorm of `rows` rows. */
function rmsNorm(rows: number, d: number): Cost {
  return sum([operations(rows * (4 * d + 4)), read(d)]);
}

/** FLOPs that are no multiply-adds. */
function operations(flops: number): Cost {
  return { flops, multiplyAdds: 0, numbersRead: 0, linearWeightsRead: 0 };
}

/** Numbers that no {@link linear} reads: weights of norms, biases, positions of the merger; keys and values. */
function read(count: number): Cost {
  return { ...operations(0), numbersRead: count };
}

function times(cost: Cost, count: number): Cost {
  return {
    flops: count * cost.flops,
    multiplyAdds: count * cost.multiplyAdds,
    numbersRead: count * cost.numbersRead,
    linearWeightsRead: count * cost.linearWeightsRead,
  };
}

function sum(costs: readonly Cost[]): Cost {
  const of = (key: keyof Cost): number => costs.reduce((total, cost) => total + cost[key], 0);
  return {
    flops: of('flops'),
    multiplyAdds: of('multiplyAdds'),
    numbersRead: of('numbersRead'),
    linearWeightsRead: of('linearWeightsRead'),
  };
}
