/**
 * The numbers of the kit's models and tensors: from a 32-bit linear congruential generator, so that anyone can make them again in any language.
 *
 * @module
 */

import { roundToBf16 } from '../math/float.ts';
import { headSize, type ModelConfig } from '../model/config.ts';
import { sizeOf, Tensor } from '../tensor/tensor.ts';

/** Numbers in [-1, 1). */
export type Numbers = () => number;

/**
 * `state = state * 1664525 + 1013904223 mod 2^32`, beginning with the FNV-1a hash of the seed; a number is `state / 2^31 - 1`, rounded to bfloat16.
 *
 * @param seed ASCII
 */
export function numbersOf(seed: string): Numbers {
  let state = [...seed].reduce((hash, c) => Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0, 0x811c9dc5);
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return roundToBf16(state / 2147483648 - 1);
  };
}

/** A tensor of such numbers, each times `scale` plus `offset`, rounded to bfloat16 again. */
export function tensorFrom(seed: string, shape: readonly number[], scale = 1, offset = 0): Tensor {
  const next = numbersOf(seed);
  const data = Float64Array.from({ length: sizeOf(shape) }, () => roundToBf16(scale * next() + offset));
  return new Tensor(data, shape);
}

/**
 * The weights of a model of the kit: of every size that its stages neither vanish nor overflow, no bias or position zero, norms around 1, the stop head wide enough
 * that probabilities fall on both sides of every threshold.
 */
export function kitWeight(config: ModelConfig, seed: string, name: string, shape: readonly number[]): Tensor {
  const at = `${seed}/${name}`;
  const inputs = shape.at(-1)!;
  // A row of n numbers, evenly from -1 to 1, has the length sqrt(n / 3).
  const unit = Math.sqrt(3 / inputs);
  if (/norm\.weight$/.test(name)) return tensorFrom(at, shape, 0.4, 1);
  if (/\.bias$/.test(name)) return tensorFrom(at, shape, 0.4);
  if (/merger\.pos$/.test(name)) return tensorFrom(at, shape, 0.8);
  if (/embed_tokens/.test(name)) return tensorFrom(at, shape, 1);
  if (/lm_head/.test(name)) return tensorFrom(at, shape, 2 * unit);
  if (/stop_head\.4/.test(name)) return tensorFrom(at, shape, 8 * unit);
  // Scores of attention should tell entries apart.
  if (/(q_proj|k_proj)\.weight$/.test(name))
    return tensorFrom(at, shape, 1.5 * unit * Math.min(1, headSize(config)));
  return tensorFrom(at, shape, unit);
}
