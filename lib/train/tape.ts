/**
 * SPEC #training — one forward pass, noted down, and the way back through it.
 *
 * @module
 */

import { InvariantError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import type { BackwardPass } from '../kernels/tape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { createArena, gradientIn, type Place } from './arena.ts';

/** A forward pass that can be gone back through. */
export interface TrainingPass {
  /** The kernels to run the model with: they note every operation. Their tensors live until {@link reset}. */
  readonly kernels: Kernels;
  /** The gradient of a parameter or, after {@link backward}, of a result. */
  gradient(t: Tensor): Tensor;
  /** Goes back through all operations, the last one first: adds their shares to the gradients of the parameters (`training/C3`). */
  backward(): void;
  /** Elements of all results of this pass: what activations take, gradients not counted. */
  readonly activations: number;
  /** Forgets the pass; its tensors will be overwritten by those of the next. */
  reset(): void;
  /** As {@link reset}, and gives back the memory. */
  free(): void;
}

/**
 * A pass with these parameters. Memory for results is laid out in the first pass and used again by the following ones (`training/C4`).
 *
 * @param kernels without a tape
 */
export function trainingPass(kernels: Kernels, parameters: Place): TrainingPass {
  const arena = createArena(kernels);
  const scratch = kernels.workspace();
  const backwards: ((pass: BackwardPass) => void)[] = [];
  const gradient = (t: Tensor): Tensor => gradientIn(parameters, t) ?? arena.gradient(t);
  const reset = () => {
    backwards.length = 0;
    arena.reset();
  };

  return {
    kernels: {
      ...kernels,
      empty: arena.empty,
      // What a layer makes is needed on the way back.
      scoped: (_, compute) => compute(),
      // Such tensors would have no gradient: whoever asks for them is no part of training.
      workspace: () => {
        throw new InvariantError({
          rule: 'training/C2',
          subject: 'workspace of kernels with a tape',
          expected: 'none',
          found: 'one',
        });
      },
      tape: { record: (backward) => backwards.push(backward) },
    },
    gradient,
    backward() {
      arena.zeroGradients();
      for (const backward of backwards.reverse()) {
        backward({ kernels: scratch, gradient });
        scratch.reset();
      }
      backwards.length = 0;
    },
    get activations() {
      return arena.used;
    },
    reset,
    free() {
      reset();
      arena.free();
      scratch.free();
    },
  };
}
