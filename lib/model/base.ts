/**
 * SPEC #base and #features — the base LLM, an ordinary Llama, over KV entries that may stand for several tokens each.
 *
 * @module
 */

import { embedding } from '../ops/embedding.ts';
import { gatherRows, type RowSource } from '../ops/gather-rows.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/rms-norm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { decoderLayers, type OutputRows, outputRowsOf, type SequenceRows } from './decoder-layer.ts';
import type { Model } from './model.ts';

/** E(t): the base's own embedding of each token, `[ids.length, d]`. */
export function tokenEmbeddings(model: Model, ids: readonly number[]): Tensor {
  return embedding(model.kernels, model.weights.embed_tokens, ids);
}

/**
 * Runs all layers over new KV entries.
 *
 * @param entries `[T, d]` the embedding of each new entry, those of all sequences
 * @param sequences of each its cache and its rows: their RoPE positions, which are not their indices in the cache (positions/C3), and how
 *   many of them are read at the end
 * @param trace receives each layer's tensors below `layers.{l}`
 * @returns the residual stream after each layer, see {@link decoderLayers}
 */
export function baseLayers(
  model: Model,
  entries: Tensor,
  sequences: readonly SequenceRows[],
  trace: Trace,
): readonly Tensor[] {
  return decoderLayers(model, model.weights.layers, entries, sequences, (layer) =>
    trace.part('layers', layer),
  );
}

/** The base's final RMSNorm, `[T, d]` to `[T, d]`. */
export function finalNorm(model: Model, x: Tensor): Tensor {
  return rmsNorm(model.kernels, x, model.weights.norm, model.config.rmsNormEps);
}

/** The LM head, `[T, d]` to logits `[T, V]`. Takes what it is given: the norm is the caller's (micro-step-decoder/C4). */
export function languageModelHead(model: Model, hidden: Tensor): Tensor {
  return linear(model.kernels, hidden, { weight: model.weights.lm_head });
}

/**
 * The feature layers of a model: those of its configuration, or the last layer alone for a plain base, whose only use for a
 * feature is its own next token.
 */
export function featureLayerIndices(model: Model): readonly number[] {
  return model.config.hamburger?.featureLayerIndices ?? [model.config.numHiddenLayers - 1];
}

/**
 * SPEC #features — what conditions the micro-step decoder, read at each output row of a pass.
 *
 * @param outputs what {@link baseLayers} returned for these sequences
 * @param trace receives `model.norm` `[R, d]`
 * @returns `F` tensors `[R, d]`
 */
export function featuresOfRows(
  model: Model,
  outputs: readonly Tensor[],
  sequences: readonly OutputRows[],
  trace: Trace,
): readonly Tensor[] {
  const indices = featureLayerIndices(model);
  return indices.map((layer, i) => {
    // 1. Let feature i be the residual stream after layer indices[i] (features/C1); un-normed.
    const rows = outputRowsOf(model.kernels, outputs[layer]!, sequences);
    if (i < indices.length - 1) return rows;
    // 2. The last feature, and only it, passes the final RMSNorm (features/C2).
    const normed = finalNorm(model, rows);
    trace.part('model').tensor('norm', normed);
    return normed;
  });
}

/**
 * As {@link featuresOfRows}, the features of one row below the other, and those of one row after those of the row before.
 *
 * @param trace receives `model.norm` `[R, d]` and `features` `[R * F, d]`; in a macro-step of one sequence `R` is 1
 * @returns `[R * F, d]`
 */
export function features(
  model: Model,
  outputs: readonly Tensor[],
  sequences: readonly OutputRows[],
  trace: Trace,
): Tensor {
  const read = featuresOfRows(model, outputs, sequences, trace);
  const sources: RowSource[] = [];
  for (let row = 0; row < read[0]!.shape[0]!; row++) for (const tensor of read) sources.push({ tensor, row });
  const result = gatherRows(model.kernels, model.config.hiddenSize, sources);
  trace.tensor('features', result);
  return result;
}
