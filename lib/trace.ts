/**
 * The one stream through which every stage shows its intermediate tensors. Off by default, at no cost: {@link discardTrace}
 * builds no names and keeps nothing.
 *
 * A tensor is named by the path of the module whose output it is, e.g. `macro.1.model.layers.0.self_attn.q_rope`;
 * SPEC #trace lists the names and shapes.
 *
 * @module
 */

import { InvariantError } from './errors.ts';
import type { Tensor } from './tensor/tensor.ts';

/** Receives the tensors of a run. Passed down as a parameter; never global. */
export interface Trace {
  /** Whether anyone looks. If not, what nothing else reads need not be computed. */
  readonly wanted: boolean;
  /** The trace of a part: its names are prefixed with `name` and, where given, `index`. */
  part(name: string, index?: number): Trace;
  /** Shows a tensor. It may be changed or reused afterwards, so a trace that keeps it copies it (`trace/T2`). */
  tensor(name: string, tensor: Tensor): void;
}

/** Ignores everything. */
export const discardTrace: Trace = {
  wanted: false,
  part: () => discardTrace,
  tensor: () => {},
};

/** Calls `receive` with the full name of every tensor. */
export function namedTrace(receive: (name: string, tensor: Tensor) => void, prefix = ''): Trace {
  return {
    wanted: true,
    part: (name, index) => namedTrace(receive, `${prefix}${name}.${index === undefined ? '' : `${index}.`}`),
    tensor: (name, tensor) => receive(prefix + name, tensor),
  };
}

/** Keeps a copy of every tensor, in the order of execution. @throws InvariantError if a name comes twice (`trace/T1`) */
export function recordTrace(): { trace: Trace; tensors: ReadonlyMap<string, Tensor> } {
  const tensors = new Map<string, Tensor>();
  const trace = namedTrace((name, tensor) => {
    if (tensors.has(name)) {
      throw new InvariantError({
        rule: 'trace/T1',
        subject: 'trace',
        expected: 'each name once',
        found: `${name} twice`,
      });
    }
    tensors.set(name, tensor.clone());
  });
  return { trace, tensors };
}
