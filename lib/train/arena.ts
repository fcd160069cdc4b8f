/**
 * SPEC #training — memory in which every tensor has a place for its gradient.
 *
 * A {@link Place} is two stretches of memory of the same length: what is at some offset of the one has its gradient at the same offset of the
 * other. So a view of a tensor (another shape, some of its rows, a head) has the gradient of what it is a view of, without being told.
 *
 * @module
 */

import { InvariantError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { MODE_BYTES, showShape, sizeOf, type Tensor } from '../tensor/tensor.ts';

/** Values and their gradients, `[n]` each. */
export interface Place {
  readonly values: Tensor;
  readonly gradients: Tensor;
}

/** Tensors start at multiples of this many elements: 64 bytes of binary32, a cache line. */
const ALIGNMENT = 16;

/** Elements of the first block of an arena: 4 MiB of binary32. What is needed is known after the first pass. */
const FIRST_BLOCK = 1 << 20;

/** Elements that a tensor of that shape takes in a place. */
export function roomFor(shape: readonly number[]): number {
  return Math.ceil(sizeOf(shape) / ALIGNMENT) * ALIGNMENT;
}

/** The tensor at `offset` of `values` or `gradients`. */
export function tensorAt(stretch: Tensor, offset: number, shape: readonly number[]): Tensor {
  return stretch.rows(offset, offset + sizeOf(shape)).reshape(shape);
}

/** The gradient of `t`, if `t` lies in `place`. */
export function gradientIn({ values, gradients }: Place, t: Tensor): Tensor | undefined {
  if (t.buffer !== values.buffer) return undefined;
  const offset = (t.byteOffset - values.byteOffset) / MODE_BYTES[values.numerics];
  const inside = 0 <= offset && offset + t.size <= values.size;
  return inside ? tensorAt(gradients, offset, t.shape) : undefined;
}

/** Tensors that are made one after the other and given back together. */
export interface Arena {
  /** A tensor; its elements are unspecified. */
  empty(shape: readonly number[]): Tensor;
  /** The gradient of `t`. @throws InvariantError if `t` is not in the arena */
  gradient(t: Tensor): Tensor;
  /** Sets all gradients to 0. */
  zeroGradients(): void;
  /** Elements of all tensors, gradients not counted. */
  readonly used: number;
  /** Gives back all tensors. The memory is kept, from now on as one block. */
  reset(): void;
  /** As {@link reset}, and gives back the memory. */
  free(): void;
}

interface Block extends Place {
  used: number;
}

/** An arena in the memory of `kernels`. */
export function createArena(kernels: Kernels): Arena {
  const memory = kernels.workspace();
  let blocks: Block[] = [];

  const addBlock = (size: number): Block => {
    const block = { values: memory.empty([size]), gradients: memory.empty([size]), used: 0 };
    blocks.push(block);
    return block;
  };
  const total = (count: (block: Block) => number) => blocks.reduce((sum, block) => sum + count(block), 0);
  const capacity = () => total(({ values }) => values.size);
  const free = () => {
    blocks = [];
    memory.free();
  };

  return {
    empty(shape) {
      const room = roomFor(shape);
      let block = blocks.at(-1);
      if (block === undefined || block.used + room > block.values.size) {
        block = addBlock(Math.max(room, capacity(), FIRST_BLOCK));
      }
      const tensor = tensorAt(block.values, block.used, shape);
      block.used += room;
      return tensor;
    },
    gradient(t) {
      for (const block of blocks) {
        const gradient = gradientIn(block, t);
        if (gradient !== undefined) return gradient;
      }
      throw new InvariantError({
        rule: 'training/C2',
        subject: `gradient of a tensor of shape ${showShape(t.shape)}`,
        expected: 'a parameter, or a result of this pass',
        found: 'a tensor from elsewhere',
      });
    },
    zeroGradients() {
      for (const { gradients, used } of blocks) gradients.data.fill(0, 0, used);
    },
    get used() {
      return total(({ used }) => used);
    },
    reset() {
      const size = capacity();
      if (blocks.length > 1) {
        free();
        addBlock(size);
      }
      for (const block of blocks) block.used = 0;
    },
    free,
  };
}
