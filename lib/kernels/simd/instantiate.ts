/**
 * An instance of the compiled `assembly/` on a memory of its own.
 *
 * @module
 */

import { CallerError } from '../../errors.ts';
import { FIXED_BINARY, SHARED_BINARY } from './binary.ts';
import { Heap } from './heap.ts';
import { webAssembly } from './webassembly.ts';

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Whether the engine has what {@link instantiate} needs: WebAssembly with 128-bit SIMD and bulk memory operations. */
export function simdSupported(): boolean {
  return webAssembly?.validate(decode(FIXED_BINARY)) ?? false;
}

/** What {@link instantiate} makes. */
export interface Instance {
  readonly heap: Heap;
  readonly module: object;
  readonly exports: object;
}

/**
 * @param subject what is being made, for the message
 * @param fixedBytes size of a memory that never grows; `undefined` for one that grows if the engine can
 * @throws CallerError if the engine has no WebAssembly SIMD, or `fixedBytes` is out of range
 */
export function instantiate(subject: string, fixedBytes?: number): Instance {
  if (webAssembly === undefined || !simdSupported()) {
    throw new CallerError({
      subject,
      expected: 'an engine with WebAssembly SIMD',
      found: 'none',
      hint: 'Use the reference kernels; they give the same results',
    });
  }
  const heap = new Heap(webAssembly, fixedBytes);
  const module = new webAssembly.Module(decode(heap.shared ? SHARED_BINARY : FIXED_BINARY));
  const { exports } = new webAssembly.Instance(module, { env: { memory: heap.memory } });
  return { heap, module, exports };
}
