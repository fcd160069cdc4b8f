/**
 * The hash of the traced, teacher-forced golden run: which bytes are hashed, and what comes out. For whoever has the model in memory,
 * so that it serves under every engine.
 */

import { machineToLittleEndian } from '../../lib/checkpoint/byte-order.ts';
import { teacherForced } from '../../lib/decode/generate.ts';
import type { Model } from '../../lib/model/model.ts';
import type { Numerics } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';

/**
 * Mode → SHA-256 over name, shape and little-endian elements of every tensor, in order. The hashes come from this package itself: they
 * prove no correctness, which is the goldens' task, but that every engine, machine and later version gives the same bits.
 * If one changes, SPEC #numerics has changed, or something is wrong.
 */
export const PINNED_TRACE: Readonly<Record<Numerics, string>> = {
  f32: 'ee5e0781933092b83dca88c2ba648c8852411d302b58740245781cae0ab0d1b0',
  f64: '90d913ede383c93287505d552c14f01120e935fb2c32992161e3d729aefc8d30',
};

/** What this needs of `teacher.json`. */
export interface GoldenTeacher {
  readonly prompt_ids: readonly number[];
  readonly macro_steps: readonly { readonly tokens: readonly number[] }[];
}

/** Runs the golden segments through the golden model `distinct`; gives the bytes to be hashed to `update`, piece by piece. */
export function hashGoldenTrace(
  model: Model,
  teacher: GoldenTeacher,
  update: (bytes: Uint8Array) => void,
): void {
  const { trace, tensors } = recordTrace();
  const segments = teacher.macro_steps.map(({ tokens }) => tokens);
  teacherForced(model, { prompt: teacher.prompt_ids, segments, trace });
  for (const [name, { shape, data }] of tensors) {
    // Names are ASCII: one byte a character.
    update(Uint8Array.from(`${name} ${shape.join(' ')}\n`, (character) => character.charCodeAt(0)));
    update(machineToLittleEndian(data));
  }
}
