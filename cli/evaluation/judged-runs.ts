/**
 * Runs of a calibration: prompts answered with several thresholds, every draft judged by the target.
 *
 * @module
 */

import { corpus } from '../../fixtures/corpus/corpus.ts';
import {
  type Checkpoint,
  decodeUtf8,
  type JudgedRun,
  judgedRun,
  type Model,
  parsePrompts,
  readWhole,
  type ThresholdFigures,
  thresholdFigures,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { oneAfterAnother } from '../interrupt.ts';
import { namingOptions } from '../option-names.ts';
import { promptIds } from '../prompt-ids.ts';
import type { ReadPrompt } from '../same-text.ts';

/** A prompt to calibrate with. */
export type CalibrationPrompt = ReadPrompt;

/** The first prompts of a file of JSON Lines, all by default. */
export function promptsOfFile(
  checkpoint: Checkpoint,
  file: string,
  chat: boolean,
  limit = Number.POSITIVE_INFINITY,
): readonly CalibrationPrompt[] {
  return parsePrompts(decodeUtf8(readWhole(file), file), file)
    .slice(0, limit)
    .map(({ prompt, place }) => ({ name: place, text: prompt, ids: promptIds(checkpoint, prompt, chat) }));
}

/** Prompts of the toy corpus that no training has seen: those of its validation split, so many of each family. */
export function promptsOfCorpus(
  checkpoint: Checkpoint,
  chat: boolean,
  limit: number,
): readonly CalibrationPrompt[] {
  return corpus('validation', limit).map(({ id, prompt }) => ({
    name: id,
    text: prompt,
    ids: promptIds(checkpoint, prompt, chat),
  }));
}

/** A model, a target, and how far they go. */
export interface Judging {
  readonly model: Model;
  readonly target: Model;
  readonly maxTokens: number;
  readonly maxPositions: number;
}

/**
 * The figures of every threshold.
 *
 * @param label of the progress bar
 */
export async function figuresByThreshold(
  { output, interruptibly: interruptiblyOnce }: Context,
  { model, target, maxTokens, maxPositions }: Judging,
  prompts: readonly CalibrationPrompt[],
  thresholds: readonly number[],
  label: string,
): Promise<readonly ThresholdFigures[]> {
  const interruptibly = oneAfterAnother(interruptiblyOnce);
  const figures: ThresholdFigures[] = [];
  const progress = output.progress(label);
  let done = 0;
  try {
    for (const confidence of thresholds) {
      const runs: JudgedRun[] = [];
      for (const { name, ids } of prompts) {
        const answer = () => judgedRun(model, target, { prompt: ids, maxTokens, maxPositions, confidence });
        runs.push(namingOptions({ prompt: `prompt of ${name}` }, () => interruptibly(answer)));
        progress.update(++done, prompts.length * thresholds.length);
        await output.turn();
      }
      figures.push(thresholdFigures(confidence, runs));
    }
  } finally {
    progress.stop();
  }
  return figures;
}
