/**
 * How an operation leaves its way back.
 *
 * An operation that has run says to the tape of its kernels, if there is one, what its backward is. The tape calls the backwards in
 * reverse order and says where gradients are. It is implemented in `lib/train/`; operations know this much of it.
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import type { Kernels } from './kernels.ts';

/** Receives the backward of each operation, in the order of execution. */
export interface Tape {
  /** To be called once by every operation whose result depends on a tensor that is trained (`training/C2`). */
  record(backward: (pass: BackwardPass) => void): void;
}

/** What a backward is given. */
export interface BackwardPass {
  /** The kernels of the forward, without a tape; tensors made by them are gone after this backward. */
  readonly kernels: Kernels;
  /**
   * The gradient of the loss with respect to `t`, in the shape of `t`. That of a result is complete when its backward runs; to those
   * of the operands the backward adds its share. A view has the gradient of what it is a view of.
   */
  gradient(t: Tensor): Tensor;
}
