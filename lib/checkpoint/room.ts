/**
 * Whether a model has room, said before any of its weights is read (Node.js only).
 *
 * @module
 */

import { totalmem } from 'node:os';
import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { MOST_HEAP_BYTES } from '../kernels/simd/heap.ts';
import { MODE_BYTES } from '../tensor/tensor.ts';
import { type StoredWeight, weightBytes, weightMemoryOf } from './weight-storage.ts';

const MEBIBYTE = 1 << 20;

/** What a model needs: its weights, and the numbers in the caches of a run, 0 if no run is known yet. */
export interface Needs {
  readonly tensors: readonly StoredWeight[];
  readonly cacheNumbers: number;
}

/**
 * Refuses what is larger than everything there is: the address space of WebAssembly, or the memory of the machine or of the container.
 * Activations and the engine come on top, so that what passes may still be too large; that is said when it shows.
 *
 * @param machineBytes memory of the machine
 * @throws CallerError with both sizes
 */
export function checkRoom(
  subject: string,
  { tensors, cacheNumbers }: Needs,
  kernels: Pick<Kernels, 'name' | 'numerics' | 'emptyBf16'>,
  machineBytes: number = memoryBytes(),
): void {
  const { name, numerics } = kernels;
  const caches = MODE_BYTES[numerics] * cacheNumbers;
  const needed = weightBytes(weightMemoryOf(kernels), tensors) + caches;
  const simd = name === 'simd' && MOST_HEAP_BYTES < machineBytes;
  const most = simd ? MOST_HEAP_BYTES : machineBytes;
  if (needed <= most) return;
  const fewer = caches > 0 ? 'fewer positions, ' : '';
  const [where, hint] = simd
    ? ['the memory of the simd kernels', `Use the reference kernels, ${fewer}or a smaller model`]
    : ['the memory of this machine', `Use ${fewer}a smaller model, or a machine with more memory`];
  throw new CallerError({
    subject: `${caches > 0 ? 'weights and caches' : 'weights'} of ${subject}`,
    expected: `at most ${mebibytes(most)}, ${where}`,
    found: `${mebibytes(needed)} in ${numerics}${caches > 0 ? `, of which caches ${mebibytes(caches)}` : ''}`,
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
