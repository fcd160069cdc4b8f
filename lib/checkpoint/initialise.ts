/**
 * Weights to begin training with: of a whole model, or of the HAMburger modules on a trained base (Node.js only).
 *
 * | parameter | value |
 * |---|---|
 * | weights of linear layers, embedding tables | normal, mean 0, standard deviation 0.02 (`initializer_range` of Llama) unless another is asked for |
 * | biases | 0 |
 * | RMSNorm | 1 |
 * | `merger.pos`, `[M, d/2]` | Xavier-normal as published: mean 0, standard deviation `sqrt(2 / (M + d/2))` |
 *
 * Every parameter is drawn from a random stream of its own that follows from seed and name, so its values depend neither on
 * the order in which parameters are asked for nor on which others there are: one seed gives a base the same weights with and
 * without HAMburger modules under its names there.
 *
 * @module
 */

import { CallerError, InvariantError, show } from '../errors.ts';
import { normalsFrom, seededUniforms } from '../math/random.ts';
import { configFault, type HamburgerConfig, INITIAL_DEVIATION, type ModelConfig } from '../model/config.ts';
import { basePrefix } from '../model/weights.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { Checkpoint } from './checkpoint.ts';
import { readCompanions } from './folder-files.ts';
import { storedWeights } from './stored-weights.ts';
import { type WriteOptions, writeCheckpoint } from './write-checkpoint.ts';

/**
 * Values for the parameters of a configuration, as the table above has them: binary64, rows in order.
 *
 * @param seed any text but the empty one
 * @param standardDeviation of weights of linear layers and embedding tables
 * @throws CallerError for an empty seed or a configuration that breaks a rule
 */
export function initialiser(
  seed: string,
  config: ModelConfig,
  standardDeviation: number = INITIAL_DEVIATION,
): (name: string, shape: readonly number[]) => Float64Array {
  const fault = configFault(config);
  if (fault !== undefined) throw new CallerError(fault);
  seededUniforms(seed); // Refuses what is no seed now and not at the first parameter.
  const prefix = basePrefix(config);
  return (name, shape) => {
    const values = new Float64Array(sizeOf(shape));
    if (/norm\.weight$/.test(name)) return values.fill(1);
    if (name.endsWith('.bias')) return values;
    const deviation = name.endsWith('.pos') ? xavierNormal(shape) : standardDeviation;
    const streamName = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    const normals = normalsFrom(seededUniforms(JSON.stringify([seed, streamName])));
    for (let i = 0; i < values.length; i++) values[i] = deviation * normals.next();
    return values;
  };
}

/** Standard deviation of Glorot and Bengio (2010) for a table `[inputs, outputs]`. */
function xavierNormal(shape: readonly number[]): number {
  const [first, second] = shape;
  if (first === undefined || second === undefined) {
    throw new InvariantError({ subject: 'Xavier-normal', expected: 'a table', found: show(shape) });
  }
  return Math.sqrt(2 / (first + second));
}

/**
 * Writes a HAMburger checkpoint: the weights of a trained base, bit for bit and in their element types, under the names that they
 * have there, and new modules from {@link initialiser} in the element type of the base's embedding table. Tokenizer, chat
 * template and `generation_config.json` are taken along.
 *
 * @throws CallerError if `base` has HAMburger modules already, if the configuration that results breaks a rule, if the seed is
 *   empty, or as `writeCheckpoint`
 * @throws DataError if an element of the base is not finite
 */
export function graft(
  base: Checkpoint,
  hamburger: HamburgerConfig,
  seed: string,
  { out, ...options }: WriteOptions & { readonly out: string },
): void {
  if (base.config.hamburger !== null) {
    throw new CallerError({
      subject: base.folder,
      expected: 'a plain base',
      found: 'a checkpoint that has HAMburger modules already',
      hint: 'Its base alone can be had by "hamburger export"',
    });
  }
  const config: ModelConfig = { ...base.config, hamburger };
  const fresh = initialiser(seed, config);
  const prefix = basePrefix(config);
  const inherited = new Map(base.tensors.map((stored) => [prefix + stored.name, stored]));
  const weights = storedWeights(
    (name) => inherited.get(name),
    base.readTensor,
    base.tensors[0]!.dtype,
    fresh,
  );
  writeCheckpoint(out, { config, ...weights, files: readCompanions(base.folder) }, options);
}
