/**
 * What a training tells: lines of its log, lines of talk, and curves.
 *
 * @module
 */

import type { EvaluationRecord, Hits, MeanLoss, StepRecord } from '../lib/index.ts';
import { chart, type Series } from './chart.ts';

/** Means over response tokens, as a line of the log has them. */
interface LoggedLoss {
  readonly loss: number;
  readonly token_cross_entropy: number;
  readonly stop_cross_entropy: number;
  readonly teacher_divergence: number;
  /** Share of right tokens by micro index; `null` where there were none. */
  readonly accuracy: readonly (number | null)[];
  /** `null` for a base alone. */
  readonly stop_accuracy: number | null;
  /** Response tokens. */
  readonly tokens: number;
  readonly samples: number;
}

/** A line of the log: a step, or an evaluation on held-out data after so many steps. */
export type LogLine =
  | (LoggedLoss & {
      readonly step: number;
      readonly epoch: number;
      readonly gradient_norm: number;
      readonly learning_rate: { readonly base: number; readonly modules: number };
    })
  | { readonly step: number; readonly held_out: LoggedLoss };

function loggedLoss({ samples, ...mean }: MeanLoss & { readonly samples: number }): LoggedLoss {
  return {
    loss: mean.loss,
    token_cross_entropy: mean.tokenCrossEntropy,
    stop_cross_entropy: mean.stopCrossEntropy,
    teacher_divergence: mean.teacherDivergence,
    accuracy: shares(mean.hits),
    stop_accuracy: mean.hits.stops === null ? null : mean.hits.stops / mean.tokens,
    tokens: mean.tokens,
    samples,
  };
}

function shares({ correct, count }: Hits): (number | null)[] {
  return count.map((all, i) => (all === 0 ? null : correct[i]! / all));
}

/** A step as a line of the log. */
export function stepLine(record: StepRecord): LogLine {
  return {
    step: record.step,
    epoch: record.epoch,
    ...loggedLoss(record),
    gradient_norm: record.gradientNorm,
    learning_rate: record.learningRates,
  };
}

/** An evaluation as a line of the log. */
export function evaluationLine(record: EvaluationRecord): LogLine {
  return { step: record.step, held_out: loggedLoss(record) };
}

/** Loss and accuracies, for people: `loss 1.234  accuracy .71 .98 .99  stop .93`. */
export function shownLoss({ loss, hits, tokens }: MeanLoss): string {
  const share = (value: number | null) =>
    value === null ? '-' : value.toFixed(value < 1 ? 3 : 2).replace(/^0/, '');
  const stop = hits.stops === null ? '' : `  stop ${share(hits.stops / tokens)}`;
  return `loss ${loss.toFixed(4)}  accuracy ${shares(hits).map(share).join(' ')}${stop}`;
}

/** `3:05`, or `1:02:03`. */
export function shownTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => `${value}`.padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h === 0 ? `${m}:${two(s)}` : `${h}:${two(m)}:${two(s)}`;
}

/** The log as curves: losses, and accuracies of the last evaluations or, without any, of the steps. */
export function trainingCurves(lines: readonly LogLine[], title: string): string {
  const steps = lines.flatMap((line) => ('held_out' in line ? [] : [line]));
  const evaluations = lines.flatMap((line) =>
    'held_out' in line ? [{ ...line.held_out, step: line.step }] : [],
  );
  const judged = evaluations.length > 0 ? evaluations : steps;
  const curve = (
    name: string,
    list: readonly (LoggedLoss & { readonly step: number })[],
    value: (line: LoggedLoss) => number | null | undefined,
  ): Series => ({ name, points: list.map((line) => [line.step, value(line) ?? Number.NaN] as const) });
  const micro = Math.max(0, ...judged.map(({ accuracy }) => accuracy.length));
  const losses = [curve('training', steps, ({ loss }) => loss)];
  if (evaluations.length > 0) losses.push(curve('held out', evaluations, ({ loss }) => loss));
  // The picture tells five apart; later micro-steps are like the one before.
  const accuracies = Array.from({ length: Math.min(micro, 5) }, (_, i) =>
    curve(micro === 1 ? 'token' : `token, micro index ${i}`, judged, ({ accuracy }) => accuracy[i]),
  );
  if (judged.some((line) => line.stop_accuracy !== null))
    accuracies.push(curve('stop', judged, ({ stop_accuracy }) => stop_accuracy));
  const of = evaluations.length > 0 ? 'on held-out data' : 'in training';
  return chart(title, 'step', [
    { title: 'loss, nats per token', series: losses },
    { title: `accuracy ${of}`, series: accuracies },
  ]);
}
