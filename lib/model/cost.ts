/**
 * What a macro-step costs at least: multiply-adds, and numbers that have to be read from memory. Closed formulas of the configuration, to
 * compare measured times with what a machine can do.
 *
 * Counted are the products of linear layers and attention; norms, activations and softmax are some hundredths of that. Read
 * are all weights of a layer once in every pass through it, the LM head once for every token, and the keys and values that
 * attention sees. Rows of the embedding table are not counted.
 *
 * @module
 */

import { sizeOf } from '../tensor/tensor.ts';
import { type HamburgerConfig, headSize, type ModelConfig } from './config.ts';
import { parameters } from './weights.ts';

/** Work and traffic. */
export interface Cost {
  readonly multiplyAdds: number;
  /** In numbers of the mode, 4 bytes each in f32 and 8 in f64. */
  readonly numbersRead: number;
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
  const { newEntries: T, earlierEntries, segmentTokens, emittedTokens } = shape;
  const { hiddenSize: d, vocabSize: V, hamburger } = config;
  const base = [
    layersCost(config, config.numHiddenLayers, T, earlierEntries),
    weightsRead(d),
    times(linear(1, V, d), emittedTokens),
  ];
  if (hamburger === null) return sum(base);
  const features = hamburger.featureLayerIndices.length;
  const microSteps = Array.from({ length: emittedTokens - 1 }, (_, i) =>
    // The features enter with the first token; later rows find them in the cache of the macro-step.
    layersCost(config, hamburger.numMicroLayers, i === 0 ? features + 1 : 1, i === 0 ? 0 : features + i),
  );
  return sum([
    ...base,
    embedderCost(config, segmentTokens),
    ...microSteps,
    times(sum([affine(1, d, d), affine(1, d, d), affine(1, 1, d)]), emittedTokens),
  ]);
}

/** Numbers in the caches of a run that holds at most `entries` KV entries: the base's, and that of a macro-step. */
export function kvCacheSize(config: ModelConfig, entries: number): number {
  const perEntry = 2 * config.numKeyValueHeads * headSize(config);
  return perEntry * (config.numHiddenLayers * entries + microEntries(config.hamburger));
}

function microEntries(hamburger: HamburgerConfig | null): number {
  if (hamburger === null) return 0;
  const { featureLayerIndices, maxSteps, numMicroLayers } = hamburger;
  return maxSteps === 1 ? 0 : numMicroLayers * (featureLayerIndices.length + maxSteps - 1);
}

/** Numbers in all parameters of a configuration. */
export function parameterCount(config: ModelConfig): number {
  return parameters(config).reduce((count, { shape }) => count + sizeOf(shape), 0);
}

/** A stack of layers over `T` new rows, of which only the last one is read at the end. */
function layersCost(config: ModelConfig, layers: number, T: number, earlier: number): Cost {
  return sum([times(layerCost(config, T, T, earlier), layers - 1), layerCost(config, T, 1, earlier)]);
}

/** One layer over `T` new rows, with output for the last `R` of them. */
function layerCost(config: ModelConfig, T: number, R: number, earlier: number): Cost {
  const { hiddenSize: d, intermediateSize: f } = config;
  const keyValueWidth = config.numKeyValueHeads * headSize(config);
  // Row t sees `earlier + t + 1` entries; the sum over the last R rows.
  const seen = R * (earlier + T) - (R * (R - 1)) / 2;
  return sum([
    weightsRead(2 * d),
    linear(R, d, d),
    times(linear(T, keyValueWidth, d), 2),
    { multiplyAdds: 2 * d * seen, numbersRead: 2 * keyValueWidth * (earlier + T) },
    linear(R, d, d),
    times(linear(R, f, d), 2),
    linear(R, d, f),
  ]);
}

/** The compositional embedder; for a single token it does nothing. */
function embedderCost(config: ModelConfig, tokens: number): Cost {
  if (tokens === 1) return { multiplyAdds: 0, numbersRead: 0 };
  const d = config.hiddenSize;
  return sum([
    affine(1, d, d),
    times(affine(tokens, d, d + d / 2), 2),
    weightsRead((tokens * d) / 2),
    { multiplyAdds: 2 * d * tokens, numbersRead: 2 * d * tokens },
    affine(1, d, d),
  ]);
}

/** `rows` rows through a linear layer. */
function linear(rows: number, out: number, inputs: number): Cost {
  return { multiplyAdds: rows * out * inputs, numbersRead: out * inputs };
}

/** One with a bias. */
function affine(rows: number, out: number, inputs: number): Cost {
  return sum([linear(rows, out, inputs), weightsRead(out)]);
}

/** Weights that are not multiplied in a product: of norms, biases, and the positions of the merger. */
function weightsRead(count: number): Cost {
  return { multiplyAdds: 0, numbersRead: count };
}

function times(cost: Cost, count: number): Cost {
  return { multiplyAdds: count * cost.multiplyAdds, numbersRead: count * cost.numbersRead };
}

function sum(costs: readonly Cost[]): Cost {
  return {
    multiplyAdds: costs.reduce((total, { multiplyAdds }) => total + multiplyAdds, 0),
    numbersRead: costs.reduce((total, { numbersRead }) => total + numbersRead, 0),
  };
}
