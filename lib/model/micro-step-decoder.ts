/**
 * SPEC #micro-step-decoder — a shallow Llama stack that reads the features and the tokens emitted so far in this macro-step, and
 * gives the hidden state of the next token. Widths, heads, eps, RoPE and the embedding table are the base's (micro-step-decoder/C5).
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { decoderLayers, type KvCache, type StackPass } from './decoder-layer.ts';
import type { HamburgerModel } from './model.ts';

/**
 * Runs the micro-step decoder over new rows: at micro index 1 the F features and E(t_0), at every later one E(t_{i-1}).
 *
 * @param rows `[n, d]`
 * @param cache the cache of this macro-step, and of no other (micro-step-decoder/C3); the rows stand at positions
 *   `cache.length` and up (micro-step-decoder/C2)
 * @param trace receives each layer's tensors below `decoders.{l}`
 * @returns `[1, d]` the residual stream of the last row; not normed (micro-step-decoder/C4)
 */
export function microStepDecoder(model: HamburgerModel, rows: Tensor, cache: KvCache, trace: Trace): Tensor {
  // 1. Let the positions go on from the rows already in the cache.
  const positions: number[] = [];
  for (let t = 0; t < rows.shape[0]!; t++) positions.push(cache.length + t);
  // 2. Let x be the output of the layers; causal over all rows, features among them.
  const x = microStepLayers(model, rows, { positions, cache, outputRows: 1 }, trace);
  // 3. Return its last row.
  const n = x.shape[0]!;
  return x.rows(n - 1, n);
}

/**
 * The layers of the micro-step decoder, over the rows of one macro-step or, packed, of several.
 *
 * @returns `[R, d]` the residual stream after the last layer, of the R last rows, at least `outputRows`
 */
export function microStepLayers(model: HamburgerModel, rows: Tensor, pass: StackPass, trace: Trace): Tensor {
  const { decoders } = model.weights.micro_step_decoder;
  return decoderLayers(model, decoders, rows, pass, (layer) => trace.part('decoders', layer)).at(-1)!;
}
