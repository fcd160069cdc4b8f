/**
 * SPEC #verification — the target's verdict on a draft: how much of it is accepted, and which token follows.
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';
import type { UniformSource } from '../math/random.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements, Tensor } from '../tensor/tensor.ts';
import type { ChosenToken } from './drafting.ts';
import {
  adjustLogits,
  type DistributionOptions,
  drawToken,
  type LogitAdjustments,
  type TokenDistribution,
  tokenDistribution,
} from './token-distribution.ts';
import type { DraftEvidence, VerificationPolicy } from './verification-policy.ts';

/** How tokens are chosen from logits, those of the draft model and those of the target alike. */
export interface Choosing {
  /** The logits with bias and repetition penalty. */
  adjusted(logits: Elements, previousTokens: readonly number[]): Elements;
  /** What tokens are drawn from; where nothing is drawn, the distribution at temperature 1. */
  distribution(logits: Elements, previousTokens: readonly number[]): TokenDistribution;
  /** `null` where nothing is drawn: the likeliest token is taken. */
  readonly uniforms: UniformSource | null;
}

/** @throws CallerError token-distribution/C1 (an option out of range) */
export function choosing(
  sampling: (DistributionOptions & { readonly uniforms: UniformSource }) | undefined,
  adjustments: LogitAdjustments,
): Choosing {
  const options = sampling ?? { ...adjustments, temperature: 1 };
  return {
    adjusted: (logits, previousTokens) => adjustLogits(logits, previousTokens, options),
    distribution: tokenDistribution(options),
    uniforms: sampling?.uniforms ?? null,
  };
}

/** The choice of a draft model, and what it was drawn from. */
export function chooseToken(
  { adjusted, distribution, uniforms }: Choosing,
  logits: Elements,
  previousTokens: readonly number[],
): ChosenToken {
  if (uniforms === null) return { id: argmax(adjusted(logits, previousTokens)), distribution: null };
  const drawnFrom = distribution(logits, previousTokens);
  return { id: drawToken(drawnFrom, uniforms.next()), distribution: drawnFrom };
}

/** What the target says. */
export interface Verdict {
  /** How many drafted tokens are accepted: the first ones. */
  readonly accepted: number;
  /** The token that follows them; `null` if the last of them ends the text. */
  readonly next: number | null;
  /** At each place of the draft, and behind it, the target's likeliest token after the same tokens. */
  readonly choices: readonly number[];
}

/**
 * Judges a draft.
 *
 * @param tokens prompt and output before it
 * @param scores `[drafted.length + 1, V]` the target's logits at each of its tokens, and behind it
 */
export function verdictOn(
  drafted: readonly ChosenToken[],
  tokens: readonly number[],
  scores: Tensor,
  policy: VerificationPolicy,
  how: Choosing,
  eosTokenIds: readonly number[],
): Verdict {
  const written = [...tokens, ...drafted.map(({ id }) => id)];
  const beforePlace = (i: number) => written.slice(0, tokens.length + i);
  const logits = Array.from({ length: drafted.length + 1 }, (_, i) =>
    how.adjusted(rowOf(scores, i), beforePlace(i)),
  );
  const choices = logits.map(argmax);
  const evidence = (i: number): DraftEvidence => ({
    id: written[tokens.length + i]!,
    logits: logits[i]!,
    target: once(() => how.distribution(rowOf(scores, i), beforePlace(i))),
    draft: () => drawn(drafted[i]!.distribution),
    uniform: () => drawn(how.uniforms).next(),
  });

  // 1. Accept the drafted tokens in order, up to the first that the policy rejects.
  let accepted = 0;
  let judged = evidence(0);
  while (accepted < drafted.length && policy.accepts(judged)) judged = evidence(++accepted);

  // 2. Where the text has not ended, one more token is the target's.
  const last = drafted[accepted - 1];
  if (last !== undefined && eosTokenIds.includes(last.id)) return { accepted, next: null, choices };
  if (how.uniforms === null) return { accepted, next: choices[accepted]!, choices };
  const drawnFrom = accepted < drafted.length ? policy.afterRejection(judged) : judged.target();
  return { accepted, next: drawToken(drawnFrom, how.uniforms.next()), choices };
}

/** What there is only where tokens are drawn; the policy says whether it needs that. */
function drawn<T>(value: T | null): T {
  assertInvariant(value !== null, 'verification', 'tokens that are drawn', 'greedy choice');
  return value;
}

/** Calls a function at most once. */
function once<T>(compute: () => T): () => T {
  let value: T | undefined;
  return () => (value ??= compute());
}

/** Row i of `[rows, V]`. */
export function rowOf(scores: Tensor, i: number): Elements {
  const V = scores.shape[1]!;
  return scores.data.subarray(i * V, (i + 1) * V);
}
