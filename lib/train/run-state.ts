/**
 * SPEC #recipe — the state of a run as JSON and tensors: what a snapshot holds, and whose it is.
 *
 * @module
 */

import { DataError } from '../errors.ts';
import { parseWith, z } from '../schema.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { RunState } from './run.ts';

/** A state, and what it is the state of. */
export interface StoredRun extends RunState {
  /** The recipe, as JSON. */
  readonly recipe: unknown;
  /** Stands for samples and initial parameters: other ones have another text. */
  readonly inputs: string;
  /** Bytes of the log up to this state. */
  readonly logBytes: number;
}

const schema = z.strictObject({
  recipe: z.unknown(),
  inputs: z.string(),
  step: z.int().min(0),
  evaluated: z.int().min(-1),
  log_bytes: z.int().min(0),
});

/** The JSON value for everything but the tensors. */
export function storedRunJson({ recipe, inputs, step, evaluated, logBytes }: StoredRun): unknown {
  return { recipe, inputs, step, evaluated, log_bytes: logBytes };
}

/** The state that a snapshot holds. @throws DataError if the JSON value is another one */
export function parseStoredRun(
  json: unknown,
  tensors: ReadonlyMap<string, Tensor>,
  subject: string,
): StoredRun {
  const { recipe, inputs, step, evaluated, log_bytes } = parseWith(schema, json, `${subject}: state`);
  return { recipe, inputs, step, evaluated, logBytes: log_bytes, tensors };
}

/** @throws DataError recipe/R7 if the state is not one of a run with this recipe and these inputs */
export function checkSameRun(
  stored: StoredRun,
  { recipe, inputs }: Pick<StoredRun, 'recipe' | 'inputs'>,
  subject: string,
): void {
  const [was, is] = [stored.recipe, recipe].map((value) => JSON.stringify(value));
  if (was === is && stored.inputs === inputs) return;
  throw new DataError({
    rule: 'recipe/R7',
    subject,
    expected:
      was === is ? 'the data and the base that the run began with' : 'the recipe that the run began with',
    found: 'another one',
    hint: 'A run that goes on with something else would be neither; begin a new one',
  });
}
