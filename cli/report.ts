/**
 * Runs as JSON: the same members wherever a command reports one.
 *
 * @module
 */

import type { GeneratedToken } from '../lib/index.ts';

/** A token of a report. */
export interface ReportedToken
  extends Pick<GeneratedToken, 'id' | 'probability' | 'stopProbability' | 'confidence'> {
  /** What it adds to the text; absent where there is no tokenizer. */
  readonly text?: string;
}

/** One token as JSON. */
export function tokenJson({ id, text, probability, stopProbability, confidence }: ReportedToken): object {
  return {
    id,
    ...(text === undefined ? {} : { text }),
    probability: finite(probability),
    stop_probability: finite(stopProbability),
    confidence: finite(confidence),
  };
}

/** A number that JSON can say, else `null`: the stop head of a broken checkpoint can overflow. */
export function finite(value: number | null): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Tokens by macro-step, in order. */
export function byMacroStep<T extends { readonly macroStep: number }>(
  tokens: readonly T[],
): readonly (readonly T[])[] {
  const steps: T[][] = [];
  for (const token of tokens) {
    steps[token.macroStep] ??= [];
    steps[token.macroStep]!.push(token);
  }
  return steps;
}
