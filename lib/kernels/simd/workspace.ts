/**
 * Tensors in the kernels' memory: for as long as the kernels live, or in a workspace.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import { sameShape, showShape, sizeOf, Tensor } from '../../tensor/tensor.ts';
import type { Kernels, Workspace } from '../kernels.ts';
import type { Heap } from './heap.ts';
import { BYTES } from './operands.ts';

/** A workspace block that is outgrown is replaced by one with this much to spare, so that growing shapes rarely move. */
const SLACK = 1.5;

/** A block of a workspace and the tensor that was last put there. */
interface Slot {
  readonly start: number;
  readonly bytes: number;
  readonly tensor: Tensor;
}

/** `empty` and `workspace` of a kernel set that works in `heap`; `primitives` are all its other members. */
export function tensorsIn(
  heap: Heap,
  primitives: Omit<Kernels, 'empty' | 'workspace'>,
): Pick<Kernels, 'empty' | 'workspace'> {
  const tensorAt = (start: number, shape: readonly number[]): Tensor =>
    new Tensor(new Float32Array(heap.buffer, start, sizeOf(shape)), shape);

  const workspace = (): Workspace => {
    const slots: Slot[] = [];
    let used = 0;

    /** The next slot anew, in the block of the old one if that is large enough. */
    const place = (old: Slot | undefined, shape: readonly number[]): Tensor => {
      const bytes = bytesOf(shape);
      let { start, bytes: room } = old ?? { start: 0, bytes: -1 };
      if (room < bytes) {
        const larger = old === undefined ? bytes : Math.max(bytes, Math.ceil(room * SLACK));
        start = heap.allocate(larger);
        if (old !== undefined) heap.release(old.start, old.bytes);
        room = larger;
      }
      const tensor = tensorAt(start, shape);
      slots[used++] = { start, bytes: room, tensor };
      return tensor;
    };

    return {
      ...primitives,
      workspace,
      empty(shape) {
        const old = slots[used];
        if (old === undefined || !sameShape(old.tensor.shape, shape)) return place(old, shape);
        used++;
        return old.tensor;
      },
      reset() {
        used = 0;
      },
      free() {
        used = 0;
        for (const { start, bytes } of slots) heap.release(start, bytes);
        slots.length = 0;
      },
    };
  };

  return { empty: (shape) => tensorAt(heap.allocate(bytesOf(shape)), shape), workspace };
}

/** Bytes of a tensor. @throws CallerError if a dimension is not a non-negative integer */
function bytesOf(shape: readonly number[]): number {
  if (!shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 0)) {
    throw new CallerError({
      subject: 'tensor shape',
      expected: 'non-negative integers',
      found: showShape(shape),
    });
  }
  return sizeOf(shape) * BYTES;
}
