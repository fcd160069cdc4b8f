/**
 * SPEC #optimiser — where a number first stopped being finite.
 *
 * @module
 */

import { teacherForced } from '../decode/generate.ts';
import { CallerError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { Elements } from '../tensor/tensor.ts';
import { namedTrace } from '../trace.ts';
import type { TrainingSample } from './forward.ts';
import type { TrainableParameter } from './trainable.ts';

const finite = (elements: Elements): boolean => elements.every(Number.isFinite);

/** Thrown by the trace, so that the run ends at the tensor. */
class Found extends Error {
  readonly tensor: string;

  constructor(tensor: string) {
    super(tensor);
    this.tensor = tensor;
  }
}

/**
 * The first tensor of a forward pass with a number that is not finite: a parameter, else one of the trace, in the order of execution.
 *
 * @returns `null` if all are finite, and the loss itself overflowed
 */
export function firstNonFinite(
  model: Model,
  parameters: readonly TrainableParameter[],
  { prompt, segments }: TrainingSample,
): string | null {
  const parameter = parameters.find(({ values }) => !finite(values.data));
  if (parameter !== undefined) return `parameter ${parameter.name}`;
  const trace = namedTrace((name, { data }) => {
    if (!finite(data)) throw new Found(name);
  });
  const hamburger = model.config.hamburger !== null;
  try {
    teacherForced(model, {
      prompt,
      segments: hamburger ? segments : segments.flat().map((id) => [id]),
      trace,
    });
    return null;
  } catch (error) {
    if (error instanceof Found) return error.tensor;
    throw error;
  }
}

/** The error of a step that went wrong (optimiser/C7). */
export function nonFiniteError(what: string, value: number, step: number, where: string): CallerError {
  return new CallerError({
    rule: 'optimiser/C7',
    subject: `step ${step}: ${what}`,
    expected: 'a finite number',
    found: `${value}; ${where}`,
    hint: 'The training has diverged; a lower learning rate, a longer warm-up or a smaller clip may help',
  });
}
