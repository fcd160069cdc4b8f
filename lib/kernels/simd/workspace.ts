/**
 * Tensors in the kernels' memory: for as long as the kernels live, or in a workspace.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import { type Pending, STORAGE_BYTES, sameShape, showShape, sizeOf, Tensor } from '../../tensor/tensor.ts';
import type { Kernels, TensorMaker, Workspace } from '../kernels.ts';
import type { Heap } from './heap.ts';
import { BYTES } from './operands.ts';

/** A workspace block that is outgrown is replaced by one with this much to spare, so that growing shapes rarely move. */
const SLACK = 1.5;

/** A block of a workspace and the tensor that was last put there. */
interface Slot {
  readonly start: number;
  readonly bytes: number;
  tensor: Tensor;
}

/** What a workspace holds at one depth of scopes. */
interface Level {
  readonly slots: Slot[];
  /** Slots that are taken. */
  used: number;
}

/** What makes tensors of a kernel set that works in `heap`; `primitives` are all its other members, which may be pending. */
export function tensorsIn(
  heap: Heap,
  primitives: Omit<Kernels, TensorMaker>,
  pending: Pending,
): Pick<Kernels, TensorMaker> {
  const tensorAt = (start: number, shape: readonly number[]): Tensor =>
    new Tensor(new Float32Array(heap.buffer, start, sizeOf(shape)), shape, pending);

  const workspace = (): Workspace => {
    // One list of slots for each depth of scopes: shapes that do not alternate in a slot stay the very same tensors.
    const levels: Level[] = [{ slots: [], used: 0 }];
    let depth = 0;

    const empty = (shape: readonly number[]): Tensor => {
      const level = levels[depth]!;
      const old = level.slots[level.used];
      const slot = old === undefined || !sameShape(old.tensor.shape, shape) ? replaced(old, shape) : old;
      level.slots[level.used++] = slot;
      return slot.tensor;
    };

    /** A slot of that shape, in the block of the old one if that is large enough. */
    const replaced = (old: Slot | undefined, shape: readonly number[]): Slot => {
      const bytes = bytesOf(shape);
      if (old !== undefined && old.bytes >= bytes) {
        old.tensor = tensorAt(old.start, shape);
        return old;
      }
      const room = old === undefined ? bytes : Math.max(bytes, Math.ceil(old.bytes * SLACK));
      const start = heap.allocate(room);
      if (old !== undefined) heap.release(old.start, old.bytes);
      return { start, bytes: room, tensor: tensorAt(start, shape) };
    };

    return {
      workspace,
      empty,
      scoped(shape, compute) {
        const result = empty(shape);
        depth++;
        levels[depth] ??= { slots: [], used: 0 };
        levels[depth]!.used = 0;
        try {
          primitives.copyRows(compute(), 0, shape[0]!, result, 0);
        } finally {
          depth--;
        }
        return result;
      },
      reset() {
        levels[0]!.used = 0;
      },
      free() {
        for (const level of levels) {
          for (const { start, bytes } of level.slots) heap.release(start, bytes);
          level.slots.length = 0;
          level.used = 0;
        }
      },
      // Last: with members added to what was spread first, V8 gives each of these objects a hidden class of its own, and what uses a new
      // workspace in every generation is compiled again and again.
      ...primitives,
    };
  };

  return {
    empty: (shape) => tensorAt(heap.allocate(bytesOf(shape)), shape),
    emptyBf16(shape) {
      const start = heap.allocate((bytesOf(shape) * STORAGE_BYTES.bf16) / BYTES);
      return new Tensor(new Uint16Array(heap.buffer, start, sizeOf(shape)), shape);
    },
    scoped: (_, compute) => compute(),
    workspace,
  };
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
