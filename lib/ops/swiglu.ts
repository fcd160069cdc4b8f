/**
 * SPEC #swiglu — `y = W_down( silu(W_gate x) * (W_up x) )`
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { type LinearWeights, linear } from './linear.ts';

/** The three matrices of a feed-forward block. */
export interface SwigluWeights {
  /** `[f, d]` */
  readonly gate_proj: LinearWeights;
  /** `[f, d]` */
  readonly up_proj: LinearWeights;
  /** `[d, f]` */
  readonly down_proj: LinearWeights;
}

/**
 * @param x `[T, d]`
 * @param trace receives `gate_proj`, `up_proj`, `activation` `[T, f]` and `down_proj` `[T, d]`
 * @returns `[T, d]`
 * @throws CallerError linear/C1 (shapes)
 */
export function swiglu(kernels: Kernels, x: Tensor, weights: SwigluWeights, trace: Trace): Tensor {
  // 1. Let gate be W_gate x and up be W_up x.
  const gate = linear(kernels, x, weights.gate_proj);
  const up = linear(kernels, x, weights.up_proj);
  trace.tensor('gate_proj', gate);
  trace.tensor('up_proj', up);
  // 2. Let activation be silu(gate) * up: SiLU on the gate, not on up (swiglu/C1).
  const activation = gatedActivation(kernels, gate, up);
  trace.tensor('activation', activation);
  // 3. Let y be W_down activation.
  const y = linear(kernels, activation, weights.down_proj);
  trace.tensor('down_proj', y);
  return y;
}

/** Step 2. */
function gatedActivation(kernels: Kernels, gate: Tensor, up: Tensor): Tensor {
  const activation = kernels.empty(gate.shape);
  kernels.gatedSilu(gate, up, activation);
  kernels.tape?.record(({ kernels, gradient }) =>
    gatedActivationBackward(kernels, { gate, up }, gradient(activation), {
      gate: gradient(gate),
      up: gradient(up),
    }),
  );
  return activation;
}

/** Adds the gradients of gate and up to `into`, given that of the activation; steps 1 and 3 go back as linear layers. */
export function gatedActivationBackward(
  kernels: Kernels,
  { gate, up }: { readonly gate: Tensor; readonly up: Tensor },
  dactivation: Tensor,
  into: { readonly gate: Tensor; readonly up: Tensor },
): void {
  // Forward step 2: activation = silu(gate) * up.
  const factor = kernels.empty(gate.shape);
  kernels.silu(gate, factor);
  kernels.addProduct(dactivation, factor, into.up);
  kernels.siluGradient(gate, factor);
  kernels.multiply(factor, up, factor);
  kernels.addProduct(dactivation, factor, into.gate);
}
