/**
 * Responses of a base to prompts: what HAMburger modules learn from, so that they learn the base's own words and not those of others.
 *
 * @module
 */

import { type GenerateOptions, generate } from '../decode/generate.ts';
import type { TokenChoice } from '../decode/token-choice.ts';
import { namedUniforms, type UniformSource } from '../math/random.ts';
import { baseOf, type Model } from '../model/model.ts';

/** How the base answers. */
export interface DistillOptions extends Pick<GenerateOptions, 'maxTokens'> {
  /** How the tokens of a response are chosen, from the stream of uniforms that is the response's own. */
  readonly choice: (uniforms: UniformSource) => TokenChoice;
  readonly seed: string;
}

/** A response. */
export interface DistilledResponse {
  /** Without the token that ends it. */
  readonly ids: readonly number[];
  /** Whether the base ended it; otherwise a limit cut it short. */
  readonly ended: boolean;
}

/**
 * The response of a base to a prompt. HAMburger modules, if the model has them, are not used.
 *
 * @param n number of the prompt: its draws are those of the stream `distill, n`, so they do not depend on other prompts
 * @throws CallerError as {@link generate}, and for sampling options out of range
 */
export function distill(
  model: Model,
  prompt: readonly number[],
  n: number,
  { maxTokens, choice, seed }: DistillOptions,
): DistilledResponse {
  const base = baseOf(model);
  const ids: number[] = [];
  const steps = generate(base, {
    prompt,
    maxTokens,
    choice: choice(namedUniforms(seed, 'distill', n)),
  });
  for (;;) {
    const { done, value } = steps.next();
    if (!done) ids.push(value.id);
    else if (value.stopReason === 'eos') return { ids: ids.slice(0, -1), ended: true };
    else return { ids, ended: false };
  }
}
