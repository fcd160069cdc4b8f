/** Reads `fixtures/goldens`: expected values from the independent PyTorch generator. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { fileSource } from '../../lib/checkpoint/file-source.ts';
import { openSafetensors } from '../../lib/checkpoint/safetensors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { HamburgerModel } from '../../lib/model/model.ts';
import { type Numerics, type Tensor, zeros } from '../../lib/tensor/tensor.ts';

/** Path of a file or folder of goldens. */
export const goldenPath = (name: string) =>
  fileURLToPath(new URL(`../../fixtures/goldens/${name}`, import.meta.url));

/** A JSON file of goldens. */
// biome-ignore lint/suspicious/noExplicitAny: each reader knows the file's shape; the generator's README describes it.
export const goldenJson = (name: string): any => JSON.parse(readFileSync(goldenPath(name), 'utf8'));

/** All tensors of a file of goldens; inputs rounded to the mode. */
export function goldenTensors(name: string, numerics: Numerics = 'f64'): (key: string) => Tensor {
  const source = fileSource(goldenPath(name));
  const file = openSafetensors(source);
  return (key) => {
    const entry = file.tensors.get(key);
    if (entry === undefined) throw new RangeError(`${name} has no tensor ${key}`);
    const tensor = zeros(numerics, entry.shape);
    file.readFloats(key, tensor.data);
    return tensor;
  };
}

/** One case of `ops.json`, its tensors read. */
export interface OpCase {
  readonly id: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters differ by operation.
  readonly params: any;
  readonly mistakes: readonly string[];
  input(name: string): Tensor;
  has(name: string): boolean;
  output(name: string): Tensor;
  readonly outputs: readonly string[];
}

/** The cases of an operation; at least one, so that a renamed operation cannot pass unseen. */
export function opCases(op: string, numerics: Numerics): readonly OpCase[] {
  const inputs = goldenTensors('ops.safetensors', numerics);
  const outputs = goldenTensors('ops.safetensors');
  const cases = goldenJson('ops.json').filter((entry: { op: string }) => entry.op === op);
  if (cases.length === 0) throw new RangeError(`ops.json has no case of ${op}`);
  // biome-ignore lint/suspicious/noExplicitAny: as in the file.
  return cases.map((entry: any) => ({
    id: entry.id,
    params: entry.params ?? {},
    mistakes: entry.mistakes,
    input: (name: string) => inputs(entry.inputs[name]),
    has: (name: string) => name in entry.inputs,
    output: (name: string) => outputs(entry.outputs[name]),
    outputs: Object.keys(entry.outputs),
  }));
}

/** A golden model, loaded. */
export function goldenModel(
  name: string,
  numerics: Numerics,
  kernels = referenceKernels(numerics),
): HamburgerModel {
  const checkpoint = openCheckpoint(goldenPath(`models/${name}`));
  try {
    return checkpoint.loadModel(kernels) as HamburgerModel;
  } finally {
    checkpoint.close();
  }
}

/** Agreement asked of each mode, relative to the largest element: rounding differs by order, f32 also by its digits. */
export const agreement: Record<Numerics, number> = { f64: 1e-12, f32: 2e-5 };
