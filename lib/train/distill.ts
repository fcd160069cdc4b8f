/**
 * Responses of a base to prompts: what HAMburger modules learn from, so that they learn the base's own words and not those of others.
 *
 * @module
 */

import type { GenerateOptions } from '../decode/generate.ts';
import { type BatchOptions, type BatchRequest, generateBatch } from '../decode/generate-batch.ts';
import type { TokenChoice } from '../decode/token-choice.ts';
import { namedUniforms, type UniformSource } from '../math/random.ts';
import { baseOf, type Model } from '../model/model.ts';

/** How the base answers, and how many prompts at a time (#batching). */
export interface DistillOptions extends Pick<GenerateOptions, 'maxTokens'>, BatchOptions {
  /** How the tokens of a response are chosen, from the stream of uniforms that is the response's own. */
  readonly choice: (uniforms: UniformSource) => TokenChoice;
  readonly seed: string;
}

/** A response. */
export interface DistilledResponse {
  /** The number of its prompt, from 0. */
  readonly prompt: number;
  /** Without the token that ends it. */
  readonly ids: readonly number[];
  /** Whether the base ended it; otherwise a limit cut it short. */
  readonly ended: boolean;
}

/**
 * The responses of a base to prompts, each as soon as it is there. HAMburger modules, if the model has them, are not used. The draws of a response are
 * those of the stream `distill, n`, n being the number of its prompt, so that it depends neither on other prompts nor on how many are
 * answered at a time.
 *
 * @throws CallerError as {@link generateBatch}, and for sampling options out of range
 */
export function* distill(
  model: Model,
  prompts: readonly (readonly number[])[],
  { maxTokens, choice, seed, ...batch }: DistillOptions,
): Generator<DistilledResponse, void> {
  const requests = prompts.map(
    (prompt, n): BatchRequest => ({
      prompt,
      maxTokens,
      choice: choice(namedUniforms(seed, 'distill', n)),
    }),
  );
  const ids = prompts.map((): number[] => []);
  for (const event of generateBatch(baseOf(model), requests, batch)) {
    const { request: prompt } = event;
    const response = ids[prompt]!;
    if (event.kind === 'token') response.push(event.token.id);
    else if (event.generation.stopReason !== 'eos') yield { prompt, ids: response, ended: false };
    else yield { prompt, ids: response.slice(0, -1), ended: true };
  }
}
