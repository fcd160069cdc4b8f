/**
 * Whether a model has room, said before any of its weights is read (Node.js only).
 *
 * @module
 */

import { totalmem } from 'node:os';
import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { MOST_HEAP_BYTES } from '../kernels/simd/heap.ts';
import { MODE_BYTES, type Numerics, sizeOf } from '../tensor/tensor.ts';

const MEBIBYTE = 1 << 20;

/** What of a tensor says how large it is. */
interface Sized {
  readonly shape: readonly number[];
}

/** Bytes that tensors take in a mode, whatever they are stored as. */
export function bytesIn(numerics: Numerics, tensors: readonly Sized[]): number {
  return MODE_BYTES[numerics] * tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/**
 * Refuses weights that are larger than everything there is: the address space of WebAssembly, or the memory of the machine or of the container.
 * Caches and activations come on top, so that what passes may still be too large; that is said when it shows.
 *
 * @param machineBytes memory of the machine
 * @throws CallerError with both sizes
 */
export function checkRoom(
  subject: string,
  tensors: readonly Sized[],
  { name, numerics }: Pick<Kernels, 'name' | 'numerics'>,
  machineBytes: number = memoryBytes(),
): void {
  const needed = bytesIn(numerics, tensors);
  const simd = name === 'simd' && MOST_HEAP_BYTES < machineBytes;
  const most = simd ? MOST_HEAP_BYTES : machineBytes;
  if (needed <= most) return;
  const [where, hint] = simd
    ? ['the memory of the simd kernels', 'Use the reference kernels, or a smaller model']
    : ['the memory of this machine', 'Use a smaller model, or a machine with more memory'];
  throw new CallerError({
    subject: `weights of ${subject}`,
    expected: `at most ${mebibytes(most)}, ${where}`,
    found: `${mebibytes(needed)} in ${numerics}`,
    hint,
  });
}

/** Memory of the machine, or of the container that the process is in. */
function memoryBytes(): number {
  const machine = totalmem();
  // 0 where nothing is constrained; of a huge number the same is meant.
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(machine, constrained) : machine;
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MEBIBYTE)} MiB`;
}
