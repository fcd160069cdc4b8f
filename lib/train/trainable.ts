/**
 * SPEC #training — a model whose parameters lie side by side, with a gradient for each.
 *
 * @module
 */

import type { Kernels } from '../kernels/kernels.ts';
import type { ModelConfig } from '../model/config.ts';
import { createModel, type Model } from '../model/model.ts';
import { parameters } from '../model/weights.ts';
import { sizeOf, type Tensor } from '../tensor/tensor.ts';
import { type Place, roomFor, tensorAt } from './arena.ts';

/** A parameter that is trained. */
export interface TrainableParameter {
  /** Its name in the checkpoint. */
  readonly name: string;
  readonly values: Tensor;
  readonly gradients: Tensor;
}

/** A model to be trained. */
export interface TrainableModel {
  readonly model: Model;
  /** In file order (#checkpoint); a shared table is one parameter. */
  readonly parameters: readonly TrainableParameter[];
  /** Where all of them lie. */
  readonly place: Place;
}

/**
 * Copies the parameters of a model into memory of its own; all gradients are 0.
 *
 * @param kernels without a tape
 * @param read as for {@link createModel}
 */
export function trainableModel(
  config: ModelConfig,
  kernels: Kernels,
  read: (name: string, shape: readonly number[]) => Tensor,
): TrainableModel {
  const size = parameters(config).reduce((sum, { shape }) => sum + roomFor(shape), 0);
  const place = { values: kernels.empty([size]), gradients: kernels.empty([size]) };
  // What lies between the parameters stays 0.
  place.values.data.fill(0);
  place.gradients.data.fill(0);
  const list: TrainableParameter[] = [];
  let offset = 0;
  const model = createModel(config, kernels, (name, shape) => {
    const values = tensorAt(place.values, offset, shape);
    values.data.set(read(name, shape).data);
    list.push({ name, values, gradients: tensorAt(place.gradients, offset, shape) });
    offset += roomFor(shape);
    return values;
  });
  return { model, parameters: list, place };
}

/** Number of parameters. */
export function parameterCount({ parameters }: TrainableModel): number {
  return parameters.reduce((sum, { values }) => sum + sizeOf(values.shape), 0);
}
