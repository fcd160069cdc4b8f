/**
 * What an evaluation is of: samples, their prompts, and the decoders that answer them.
 *
 * @module
 */

import { drawing } from '../../fixtures/corpus/draw.ts';
import { FAMILIES, readSamples, type Sample } from '../../fixtures/corpus/sample.ts';
import { type Checkpoint, DataError, decodeUtf8, type Model, readWhole, show } from '../../lib/index.ts';
import { promptIds } from '../prompt-ids.ts';

/** A sample that is ready to be answered. */
export interface Task {
  readonly sample: Sample;
  readonly prompt: readonly number[];
}

/** A model, and how it decodes. */
export interface Decoder {
  readonly mode: 'base' | 'hamburger';
  /** `null` for the base. */
  readonly confidence: number | null;
  readonly model: Model;
}

/** Which samples of a file. */
export interface Selection {
  /** The most of each family; all by default. */
  readonly limit?: number;
  /** Draws them; without it they are the first ones. */
  readonly seed?: string;
}

/** Families that the samples have, in the order of the corpus. */
export function familiesOf(samples: readonly Sample[]): readonly string[] {
  return FAMILIES.filter((family) => samples.some((sample) => sample.family === family));
}

/** Reads samples, and chooses some of each family; they stay in the order of the file. @throws DataError if there is none */
export function selectSamples(file: string, { limit, seed }: Selection): readonly Sample[] {
  const all = readSamples(decodeUtf8(readWhole(file), file), file);
  if (all.length === 0) {
    throw new DataError({ subject: file, expected: 'at least one sample of the corpus', found: 'none' });
  }
  const chosen = new Set(
    familiesOf(all).flatMap((family) => {
      const own = all.filter((sample) => sample.family === family);
      const count = Math.min(limit ?? own.length, own.length);
      return seed === undefined ? own.slice(0, count) : drawing(`eval/${family}/${seed}`).several(own, count);
    }),
  );
  return all.filter((sample) => chosen.has(sample));
}

/**
 * The prompts as ids.
 *
 * @param positions that every model has
 * @throws DataError for a prompt that is too long to be answered
 */
export function tasksOf(
  checkpoint: Checkpoint,
  samples: readonly Sample[],
  chat: boolean,
  positions: number,
): readonly Task[] {
  return samples.map((sample) => {
    const prompt = promptIds(checkpoint, sample.prompt, chat);
    if (prompt.length > positions) {
      throw new DataError({
        subject: `prompt of ${show(sample.id)}`,
        expected: `at most ${positions} tokens, the positions that there are`,
        found: `${prompt.length}`,
      });
    }
    return { sample, prompt };
  });
}
