/**
 * SPEC #micro-step-decoder — a shallow Llama stack that reads the features and the tokens emitted so far in this macro-step, and
 * gives the hidden state of the next token. Widths, heads, eps, RoPE and the embedding table are the base's (micro-step-decoder/C5).
 *
 * @module
 */

import { ropeTable } from '../ops/rope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { decoderLayer, type KvCache } from './decoder-layer.ts';
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
  const { kernels, weights } = model;
  const n = rows.shape[0]!;
  // 1. Let the positions go on from the rows already in the cache.
  const positions = Array.from({ length: n }, (_, t) => cache.length + t);
  const table = ropeTable(kernels, model.ropeFrequencies, positions, model.ropeTableRounding);
  // 2. Let x be the output of each layer in turn; causal over all rows, features among them.
  let x = rows;
  weights.micro_step_decoder.decoders.forEach((layerWeights, layer) => {
    x = decoderLayer(model, layerWeights, x, { layer, table, cache }, trace.part('decoders', layer));
  });
  cache.complete(positions);
  // 3. Return its last row.
  return x.rows(n - 1, n);
}
