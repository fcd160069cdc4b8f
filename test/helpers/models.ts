/** Small models for tests: any configuration, any weights. */

import { type GenerateOptions, generate } from '../../lib/decode/generate.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { createModel, type HamburgerModel, type Model } from '../../lib/model/model.ts';
import { parameters } from '../../lib/model/weights.ts';
import { type Numerics, sizeOf, type Tensor, tensorOf } from '../../lib/tensor/tensor.ts';
import { NaiveHamburger } from './naive.ts';

/** A small HAMburger in which every dimension is distinct. */
export const smallConfig: ModelConfig = {
  vocabSize: 23,
  hiddenSize: 24,
  intermediateSize: 26,
  numHiddenLayers: 5,
  numAttentionHeads: 6,
  numKeyValueHeads: 3,
  maxPositionEmbeddings: 200,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosTokenId: 1,
  eosTokenIds: [],
  hamburger: { maxSteps: 4, numMergerHeads: 8, featureLayerIndices: [1, 4], numMicroLayers: 2 },
};

/** Gives the value of element `index` of a parameter. */
export type WeightSource = (name: string, index: number) => number;

/**
 * Pseudo-random weights, the same on every run, representable in binary32: a 32-bit linear congruential generator seeded by
 * the name. Norm weights are near 1, the stop head is wide enough to give probabilities on both sides of 1/2.
 */
export function randomWeights(scale = 0.3): WeightSource {
  const states = new Map<string, number>();
  return (name) => {
    let state =
      states.get(name) ??
      [...name].reduce((hash, c) => Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    states.set(name, state);
    const uniform = state / 2 ** 31 - 1;
    if (/norm\.weight$/.test(name)) return Math.fround(1 + 0.3 * uniform);
    if (/embed_tokens|lm_head|stop_head/.test(name)) return Math.fround(uniform);
    return Math.fround(scale * uniform);
  };
}

/** A model of `config` with weights from `source`. */
export function modelOf(
  config: ModelConfig,
  numerics: Numerics,
  source: WeightSource = randomWeights(),
  kernels: Kernels = referenceKernels(numerics),
): Model {
  return createModel(config, kernels, (name, shape) => {
    const tensor = kernels.empty(shape);
    for (let index = 0; index < tensor.data.length; index++) tensor.data[index] = source(name, index);
    return tensor;
  });
}

/** The same for a configuration with HAMburger modules. */
export function hamburgerOf(
  config: ModelConfig,
  numerics: Numerics,
  source?: WeightSource,
  kernels?: Kernels,
): HamburgerModel {
  return modelOf(config, numerics, source, kernels) as HamburgerModel;
}

/** Weights that are zero but for the given parameters, row-major. */
export function sparseWeights(values: Record<string, readonly number[]>): WeightSource {
  return (name, index) => values[name]?.[index] ?? 0;
}

/** Elements of a tensor as nested lists. */
export function nested(tensor: Tensor): unknown {
  const build = (shape: readonly number[], from: number): unknown => {
    const [count, ...rest] = shape;
    if (count === undefined) return tensor.data[from];
    return Array.from({ length: count }, (_, i) => build(rest, from + i * sizeOf(rest)));
  };
  return build(tensor.shape, 0);
}

/** A tensor of nested lists. */
export function fromNested(numerics: Numerics, values: unknown): Tensor {
  const shape: number[] = [];
  for (let level = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  return tensorOf(
    numerics,
    shape,
    (Array.isArray(values) ? values.flat(Number.POSITIVE_INFINITY) : [values]) as number[],
  );
}

/** The naive second implementation with the weights of {@link modelOf} from the same source. */
export function naiveOf(config: ModelConfig, source: WeightSource = randomWeights()): NaiveHamburger {
  const values = new Map<string, number[][]>();
  for (const { name, shape } of parameters(config)) {
    const flat = Array.from({ length: sizeOf(shape) }, (_, index) => source(name, index));
    const width = shape.at(-1)!;
    values.set(
      name,
      Array.from({ length: flat.length / width }, (_, r) => flat.slice(r * width, (r + 1) * width)),
    );
  }
  return new NaiveHamburger(config, (name) => values.get(name)!);
}

/** Runs a generation to its end. */
export function finish<T, R>(run: Generator<T, R>): { tokens: T[]; result: R } {
  const tokens: T[] = [];
  for (let next = run.next(); ; next = run.next()) {
    if (next.done) return { tokens, result: next.value };
    tokens.push(next.value);
  }
}

/** A threshold that some of the tokens of a run reach and others do not, so that segments of several sizes come about. */
export function dividingThreshold(model: Model, options: Omit<GenerateOptions, 'confidence'>): number {
  const confidences = finish(generate(model, { ...options, confidence: 0 })).tokens.map(
    ({ confidence }) => confidence!,
  );
  return confidences.toSorted((a, b) => a - b)[Math.floor(confidences.length / 2)]!;
}

/** Tokens of a generation, cut into its segments. */
export function segmentsOf(tokens: readonly { id: number; macroStep: number }[]): number[][] {
  const segments: number[][] = [];
  for (const { id, macroStep } of tokens) {
    segments[macroStep] ??= [];
    segments[macroStep].push(id);
  }
  return segments;
}
