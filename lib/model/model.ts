/**
 * A model ready to run: configuration, weights, kernels, and the RoPE frequencies that follow from the configuration.
 * Immutable; everything that changes during a run belongs to `lib/decode/`.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels, Workspace } from '../kernels/kernels.ts';
import { ropeFrequencies } from '../ops/rope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { configFault, type HamburgerConfig, headSize, type ModelConfig } from './config.ts';
import {
  bindWeights,
  type CompositionalEmbedder,
  type MicroStepDecoder,
  type ModelWeights,
} from './weights.ts';

/** A base, with or without HAMburger modules. */
export interface Model {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  readonly kernels: Kernels;
  /** `[size / 2]`, binary64 (#rope). */
  readonly ropeFrequencies: Float64Array;
}

/** A model that computes in a workspace: what it makes is overwritten after the next {@link Workspace.reset}. */
export interface ModelInWorkspace extends Model {
  readonly kernels: Workspace;
}

/** A model that has the HAMburger modules. */
export interface HamburgerModel extends Model {
  readonly config: ModelConfig & { readonly hamburger: HamburgerConfig };
  readonly weights: ModelWeights & {
    readonly comp_embedder: CompositionalEmbedder<Tensor>;
    readonly micro_step_decoder: MicroStepDecoder<Tensor>;
  };
}

/**
 * Builds a model.
 *
 * @param read returns the parameter of that name and shape, in the mode of `kernels`
 * @throws CallerError if the configuration breaks a rule of SPEC #configuration
 */
export function createModel(
  config: ModelConfig,
  kernels: Kernels,
  read: (name: string, shape: readonly number[]) => Tensor,
): Model {
  const fault = configFault(config);
  if (fault !== undefined) throw new CallerError(fault);
  return {
    config,
    weights: bindWeights(config, read),
    kernels,
    ropeFrequencies: ropeFrequencies(headSize(config), config.ropeTheta, config.ropeScaling),
  };
}

/** The same model in a workspace of its own, which whoever asks for it frees. */
export function inWorkspace(model: Model): ModelInWorkspace {
  const { config, weights, ropeFrequencies } = model;
  return { config, weights, kernels: model.kernels.workspace(), ropeFrequencies };
}

/** Whether the model has the HAMburger modules. */
export function isHamburger(model: Model): model is HamburgerModel {
  return model.config.hamburger !== null;
}

/** The base alone of a model: the same weights without the HAMburger modules, so that every macro-step emits one token (base/C4). */
export function baseOf(model: Model): Model {
  return {
    ...model,
    config: { ...model.config, hamburger: null },
    weights: { ...model.weights, comp_embedder: null, micro_step_decoder: null },
  };
}
