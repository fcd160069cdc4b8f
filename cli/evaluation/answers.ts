/**
 * Answers of decoders, and how long each took.
 *
 * @module
 */

import type { Verdict } from '../../fixtures/corpus/family.ts';
import {
  type AnswerCount,
  type AnswerTime,
  type GeneratedToken,
  type GenerateOptions,
  type Generation,
  generate,
  type TextTokenizer,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { oneAfterAnother } from '../interrupt.ts';
import { namingOptions } from '../option-names.ts';
import { byMacroStep } from '../report.ts';
import { tokenText } from '../token-text.ts';
import type { Decoder, Task } from './task.ts';

/** Limits of an answer; the same for all decoders, so that none is cut short where another goes on. */
export type Limits = Required<Pick<GenerateOptions, 'maxTokens' | 'maxPositions'>>;

/** The tokens of one macro-step. */
export interface AnswerSegment {
  readonly ids: readonly number[];
  readonly text: string;
}

/** What a decoder made of a prompt. */
export interface RawAnswer {
  readonly tokens: readonly GeneratedToken[];
  readonly generation: Generation;
  readonly time: AnswerTime;
}

/** An answer that has been judged. */
export interface Answer extends AnswerCount {
  readonly task: Task;
  readonly text: string;
  readonly segments: readonly AnswerSegment[];
  readonly stopReason: Generation['stopReason'];
  /** Why it is wrong; empty if it is not. */
  readonly reason: string;
}

/** Greedy answer to a prompt; nothing but decoding happens while the clock is running (evaluation/C4). */
export function timedAnswer(
  { model, confidence }: Decoder,
  prompt: readonly number[],
  limits: Limits,
): RawAnswer {
  const tokens: GeneratedToken[] = [];
  const steps = generate(model, { prompt, ...limits, ...(confidence === null ? {} : { confidence }) });
  let prefillTokens = 0;
  const started = performance.now();
  let next = steps.next();
  const first = performance.now();
  let decodingSince: number | undefined;
  for (; !next.done; next = steps.next()) {
    const token = next.value;
    tokens.push(token);
    if (token.macroStep === 0 && token.end !== null) {
      decodingSince = performance.now();
      prefillTokens = tokens.length;
    }
  }
  const ended = performance.now();
  const decodeTokens = tokens.length - prefillTokens;
  return {
    tokens,
    generation: next.value,
    time: {
      firstTokenSeconds: (first - started) / 1000,
      decodeSeconds: decodeTokens === 0 ? 0 : (ended - decodingSince!) / 1000,
      decodeTokens,
      seconds: (ended - started) / 1000,
    },
  };
}

/**
 * The answers of every decoder to every task, `[decoder][task]`. All decoders answer a prompt one after the other, and another one begins each
 * time, so that what else happens on the machine meets all of them.
 */
export async function answerAll(
  { output, interruptibly: interruptiblyOnce }: Context,
  decoders: readonly Decoder[],
  tasks: readonly Task[],
  limits: Limits,
): Promise<readonly (readonly RawAnswer[])[]> {
  const interruptibly = oneAfterAnother(interruptiblyOnce);
  const answers = decoders.map((): RawAnswer[] => []);
  const answer = (decoder: Decoder, { sample, prompt }: Task): RawAnswer =>
    namingOptions({ prompt: `prompt of ${sample.id}` }, () =>
      interruptibly(() => timedAnswer(decoder, prompt, limits)),
    );
  const progress = output.progress('Answering');
  try {
    // The first time code runs, the engine has not compiled it yet.
    for (const decoder of decoders) {
      answer(decoder, tasks[0]!);
      await output.turn();
    }
    for (const [n, task] of tasks.entries()) {
      for (let turn = 0; turn < decoders.length; turn++) {
        const d = (n + turn) % decoders.length;
        answers[d]!.push(answer(decoders[d]!, task));
        progress.update(n * decoders.length + turn + 1, tasks.length * decoders.length);
        await output.turn();
      }
    }
  } finally {
    progress.stop();
  }
  return answers;
}

/** An answer as text, judged. */
export function judged(
  raw: RawAnswer,
  task: Task,
  tokenizer: TextTokenizer,
  judge: (sample: Task['sample'], text: string) => Verdict,
): Answer {
  const { generation } = raw;
  const decoder = tokenText(tokenizer, task.prompt);
  const segments = byMacroStep(raw.tokens).map((segment) => ({
    ids: segment.map(({ id }) => id),
    text: segment.map(({ id }) => decoder.push(id)).join(''),
  }));
  // Bytes of a character that was never finished belong to the last segment.
  const rest = decoder.flush();
  const spelled = segments.map((segment, s) =>
    s === segments.length - 1 ? { ...segment, text: segment.text + rest } : segment,
  );
  const text = spelled.map((segment) => segment.text).join('');
  const { correct, reason } = judge(task.sample, text);
  return {
    task,
    text,
    segments: spelled,
    stopReason: generation.stopReason,
    correct,
    reason,
    ended: generation.stopReason === 'eos',
    promptTokens: generation.promptTokens,
    outputTokens: generation.outputTokens,
    macroSteps: generation.macroSteps,
    entries: generation.entryPositions.length,
  };
}

/** An answer as a line of `samples.jsonl`. */
export function answerLine({ mode, confidence }: Omit<Decoder, 'model'>, answer: Answer): string {
  const { id, family, unseen, prompt } = answer.task.sample;
  const line = {
    id,
    family,
    unseen,
    mode,
    confidence,
    correct: answer.correct,
    reason: answer.reason,
    stop_reason: answer.stopReason,
    prompt,
    text: answer.text,
    prompt_tokens: answer.promptTokens,
    output_tokens: answer.outputTokens,
    macro_steps: answer.macroSteps,
    entries: answer.entries,
    segments: answer.segments,
  };
  return `${JSON.stringify(line)}\n`;
}
