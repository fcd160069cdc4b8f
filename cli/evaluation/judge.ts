/**
 * Judges of the corpus, applied to what decoders said.
 *
 * @module
 */

import { createJudge } from '../../fixtures/corpus/corpus.ts';
import type { TextTokenizer } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { judged, type RawAnswer } from './answers.ts';
import type { DecoderRun } from './report.ts';
import type { Decoder, Task } from './task.ts';

/** Judges all answers, `[decoder][task]`. */
export async function judgeAll(
  { output, interruptibly }: Context,
  decoders: readonly Decoder[],
  tasks: readonly Task[],
  answers: readonly (readonly RawAnswer[])[],
  tokenizer: TextTokenizer,
): Promise<readonly DecoderRun[]> {
  const judge = await createJudge();
  const runs: DecoderRun[] = [];
  const progress = output.progress('Judging');
  try {
    for (const [d, { mode, confidence }] of decoders.entries()) {
      const raw = answers[d]!;
      const run = { mode, confidence, times: raw.map(({ time }) => time) };
      const judgeOf = (answer: RawAnswer, t: number) => judged(answer, tasks[t]!, tokenizer, judge);
      runs.push({ ...run, answers: interruptibly(() => raw.map(judgeOf)) });
      progress.update(d + 1, decoders.length);
      await output.turn();
    }
  } finally {
    progress.stop();
  }
  return runs;
}
