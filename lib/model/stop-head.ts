/**
 * SPEC #stop-head — the probability that the macro-step ends after this token,
 * `p = sigmoid( W_4 silu( W_2 silu( W_0 h + b_0 ) + b_2 ) + b_4 )`.
 *
 * @module
 */

import { linear } from '../ops/linear.ts';
import { silu } from '../ops/silu.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import type { HamburgerModel } from './model.ts';

/**
 * @param hidden `[R, d]` the hidden states that the tokens' logits were read from
 * @param trace receives `stop_head.0` to `stop_head.4`
 * @returns `[R, 1]` the logit of each stop probability
 */
export function stopLogits(model: HamburgerModel, hidden: Tensor, trace: Trace): Tensor {
  const { kernels, weights } = model;
  const { stop_head } = weights.micro_step_decoder;
  const module = (index: number, output: Tensor): Tensor => {
    trace.part('stop_head').tensor(`${index}`, output);
    return output;
  };
  // 1. Let the logit be the output of modules 0 to 4, linear and SiLU in turn.
  let x = module(0, linear(kernels, hidden, stop_head[0]));
  x = module(1, silu(kernels, x));
  x = module(2, linear(kernels, x, stop_head[2]));
  x = module(3, silu(kernels, x));
  return module(4, linear(kernels, x, stop_head[4]));
}

/**
 * @param hidden `[R, d]`
 * @param trace receives what {@link stopLogits} shows, and `stop_probability`
 * @returns `[R, 1]` the stop probabilities
 */
export function stopProbabilities(model: HamburgerModel, hidden: Tensor, trace: Trace): Tensor {
  const { kernels } = model;
  const x = stopLogits(model, hidden, trace);
  // 2. Let p be sigmoid(logit).
  const p = kernels.empty(x.shape);
  kernels.sigmoid(x, p);
  trace.tensor('stop_probability', p);
  return p;
}
