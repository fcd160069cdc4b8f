/**
 * SPEC #optimiser — AdamW with decoupled weight decay, and clipping of gradients by their common norm.
 *
 * @module
 */

import { CallerError, show } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { pow } from '../math/pow.ts';
import { type Tensor, zeros } from '../tensor/tensor.ts';
import type { TrainableParameter } from './trainable.ts';

/** Parameters that share their settings. */
export interface ParameterGroup {
  /** Names begin with one of these; the empty text takes all that are left. A parameter belongs to the first group that takes it. */
  readonly prefixes: readonly string[];
  readonly weightDecay: number;
}

/** Settings of {@link createAdamW}. */
export interface AdamWOptions {
  readonly groups: readonly ParameterGroup[];
  /** Of the running mean of gradients. */
  readonly beta1: number;
  /** Of the running mean of their squares. */
  readonly beta2: number;
  /** Added to the root of the second mean. */
  readonly eps: number;
}

/** The two running means of a parameter's gradient, in the mode. */
export interface Moments {
  readonly name: string;
  readonly first: Tensor;
  readonly second: Tensor;
}

/** The optimiser, with the state that it keeps for each parameter. */
export interface AdamW {
  /** Steps taken. */
  readonly steps: number;
  /** In the order of the parameters. To go on with a training that was interrupted, they are filled, and {@link resume} is told the steps. */
  readonly moments: readonly Moments[];
  /**
   * One step: changes every parameter by its gradient, which stays as it is.
   *
   * @param learningRates one for each group
   */
  step(learningRates: readonly number[]): void;
  /** Says how many steps the moments have seen. @throws CallerError optimiser/C1 (no integer of at least 0) */
  resume(steps: number): void;
}

/** Defaults of PyTorch, but for the groups, which are a matter of the recipe. */
export const adamWDefaults = { beta1: 0.9, beta2: 0.999, eps: 1e-8 } as const;

/**
 * An optimiser for these parameters; its means are 0.
 *
 * @throws CallerError optimiser/C1 (a setting out of range), optimiser/C2 (a parameter that no group takes)
 */
export function createAdamW(
  kernels: Kernels,
  parameters: readonly TrainableParameter[],
  { groups, beta1, beta2, eps }: AdamWOptions,
): AdamW {
  checkFraction('beta1', beta1);
  checkFraction('beta2', beta2);
  checkPositive('eps', eps);
  for (const { weightDecay } of groups) checkNotNegative('weight decay', weightDecay);
  const groupOf = parameters.map(({ name }) => groupIndex(groups, name));
  const zero = (shape: readonly number[]): Tensor => {
    const tensor = kernels.empty(shape);
    tensor.data.fill(0);
    return tensor;
  };
  const moments = parameters.map(({ name, values }) => ({
    name,
    first: zero(values.shape),
    second: zero(values.shape),
  }));
  const { round } = kernels;
  let steps = 0;

  return {
    get steps() {
      return steps;
    },
    moments,
    step(learningRates) {
      if (learningRates.length !== groups.length) {
        throw new CallerError({
          rule: 'optimiser/C2',
          subject: 'learning rates',
          expected: `${groups.length}, one for each group`,
          found: `${learningRates.length}`,
        });
      }
      for (const learningRate of learningRates) checkNotNegative('learning rate', learningRate);
      steps += 1;
      // The corrections are binary64 in both modes, and rounded when they enter the arithmetic (optimiser/C4).
      const firstCorrection = 1 - powerOf(beta1, steps);
      const secondCorrection = Math.sqrt(1 - powerOf(beta2, steps));
      parameters.forEach((parameter, i) => {
        const learningRate = learningRates[groupOf[i]!]!;
        const { weightDecay } = groups[groupOf[i]!]!;
        const { first, second } = moments[i]!;
        kernels.adamW(parameter.values, parameter.gradients, first, second, {
          keep: round(1 - learningRate * weightDecay),
          towards: round(1 - beta1),
          secondDecay: round(beta2),
          secondShare: round(1 - beta2),
          secondCorrection: round(secondCorrection),
          eps: round(eps),
          size: round(learningRate / firstCorrection),
        });
      });
    },
    resume(taken) {
      if (!(Number.isSafeInteger(taken) && taken >= 0)) {
        refuse('steps taken', 'an integer of at least 0', taken);
      }
      steps = taken;
    },
  };
}

/** `beta^steps`; `pow` is defined for positive bases alone. */
function powerOf(beta: number, steps: number): number {
  return beta === 0 ? 0 : pow(beta, steps);
}

/** Index of the group that takes a parameter. */
function groupIndex(groups: readonly ParameterGroup[], name: string): number {
  const index = groups.findIndex(({ prefixes }) => prefixes.some((prefix) => name.startsWith(prefix)));
  if (index >= 0) return index;
  throw new CallerError({
    rule: 'optimiser/C2',
    subject: `parameter ${show(name)}`,
    expected: 'a group that takes it',
    found: 'none',
    hint: 'A group with the empty prefix takes all that are left',
  });
}

/**
 * The common norm of all gradients: the root of the sum, in binary64 and in the order of the parameters, of each parameter's dot product with
 * itself (numerics/N3).
 */
export function gradientNorm(kernels: Kernels, parameters: readonly TrainableParameter[]): number {
  const squares = zeros(kernels.numerics, [1]);
  let sum = 0;
  for (const { gradients } of parameters) {
    kernels.rowSumsOfSquares(gradients.reshape([gradients.data.length]), squares);
    sum += squares.data[0]!;
  }
  return Math.sqrt(sum);
}

/**
 * Scales all gradients down to a common norm of at most `limit`.
 *
 * @returns the norm that they had
 * @throws CallerError optimiser/C3 (the norm is infinite or NaN; nothing is changed)
 */
export function clipGradients(
  kernels: Kernels,
  parameters: readonly TrainableParameter[],
  limit: number,
): number {
  checkPositive('limit of the gradient norm', limit);
  const norm = gradientNorm(kernels, parameters);
  if (!Number.isFinite(norm)) {
    throw new CallerError({
      rule: 'optimiser/C3',
      subject: 'norm of the gradients',
      expected: 'a finite number',
      found: `${norm}`,
      hint: 'The training has diverged; use a lower learning rate',
    });
  }
  if (norm > limit) {
    const factor = kernels.round(limit / norm);
    for (const { gradients } of parameters) kernels.scale(gradients, factor, gradients);
  }
  return norm;
}

function checkFraction(subject: string, value: number): void {
  if (!(value >= 0 && value < 1)) refuse(subject, 'a number from 0 to below 1', value);
}

function checkPositive(subject: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) refuse(subject, 'a positive number', value);
}

function checkNotNegative(subject: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) refuse(subject, 'a number of at least 0', value);
}

function refuse(subject: string, expected: string, value: number): never {
  throw new CallerError({ rule: 'optimiser/C1', subject, expected, found: `${value}` });
}
