/**
 * SPEC #micro-step-decoder — a shallow Llama stack that reads the features and the tokens emitted so far in this macro-step, and
 * gives the hidden state of the next token. Widths, heads, eps, RoPE and the embedding table are the base's (micro-step-decoder/C5).
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { decoderLayers, outputRowsOf, type SequenceRows } from './decoder-layer.ts';
import type { HamburgerModel } from './model.ts';

/** The macro-step of one sequence: its cache, and of no other (micro-step-decoder/C3). */
export type MicroSequence = Pick<SequenceRows, 'cache' | 'ropeTableRounding'>;

/**
 * Runs the micro-step decoder over new rows: at micro index 1 the F features and E(t_0), at every later one E(t_{i-1}).
 *
 * @param rows `[N * n, d]` the n rows of each of N sequences, one sequence below the other
 * @param sequences the rows of each stand at positions `cache.length` and up (micro-step-decoder/C2)
 * @param trace receives each layer's tensors below `decoders.{l}`
 * @returns `[N, d]` the residual stream of the last row of each; not normed (micro-step-decoder/C4)
 */
export function microStepDecoder(
  model: HamburgerModel,
  rows: Tensor,
  sequences: readonly MicroSequence[],
  trace: Trace,
): Tensor {
  // 1. Let the positions go on from the rows already in the cache.
  const n = rows.shape[0]! / sequences.length;
  const placed = sequences.map(({ cache, ropeTableRounding }): SequenceRows => {
    const positions: number[] = [];
    for (let t = 0; t < n; t++) positions.push(cache.length + t);
    return { positions, cache, outputRows: 1, ropeTableRounding };
  });
  // 2. Let x be the output of the layers; causal over all rows, features among them.
  const x = microStepLayers(model, rows, placed, trace);
  // 3. Return its last row.
  return outputRowsOf(model.kernels, x, placed);
}

/**
 * The layers of the micro-step decoder, over rows of one macro-step or of several.
 *
 * @returns the residual stream after the last layer, see {@link decoderLayers}
 */
export function microStepLayers(
  model: HamburgerModel,
  rows: Tensor,
  sequences: readonly SequenceRows[],
  trace: Trace,
): Tensor {
  const { decoders } = model.weights.micro_step_decoder;
  return decoderLayers(model, decoders, rows, sequences, (layer) => trace.part('decoders', layer)).at(-1)!;
}
