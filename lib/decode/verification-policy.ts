/**
 * SPEC #verification — policies between a draft and its target, as data: what is accepted, and what the target says instead of what is not.
 * The loop reads them, and never asks for a policy's name.
 *
 * All arithmetic is binary64 on the stored logits, in every mode (numerics/N8).
 *
 * @module
 */

import { CallerError, show } from '../errors.ts';
import { exp } from '../math/exp.ts';
import { log } from '../math/log.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';
import { probabilitiesById, probabilityOf, type TokenDistribution } from './token-distribution.ts';

/** What is known of a drafted token when it is judged. */
export interface DraftEvidence {
  readonly id: number;
  /** z: the target's logits at its place, adjusted, `[V]`. */
  readonly logits: Elements;
  /** q: what the target would draw from; where nothing is drawn, the same at temperature 1. */
  target(): TokenDistribution;
  /** p: what the draft model drew it from. @throws InvariantError where nothing is drawn */
  draft(): TokenDistribution;
  /** u: the next uniform. @throws InvariantError where nothing is drawn */
  uniform(): number;
}

/** What is accepted of a draft. */
export interface VerificationPolicy {
  /** As the command line spells it. */
  readonly name: string;
  /** Whether there is a target. Without one everything is accepted. */
  readonly asksTarget: boolean;
  /** Whether tokens have to be drawn, must not be, or may be. */
  readonly sampling: 'required' | 'refused' | 'allowed';
  /** Whether the token is accepted; asked for one token after the other, up to the first that is not. */
  accepts(evidence: DraftEvidence): boolean;
  /** Where tokens are drawn: what the target's token is drawn from in the place of one that was not accepted. */
  afterRejection(evidence: DraftEvidence): TokenDistribution;
}

/** The target's own distribution. */
const fromTarget = ({ target }: DraftEvidence): TokenDistribution => target();

/** Everything is accepted: HAMburger alone. */
export const blindPolicy: VerificationPolicy = {
  name: 'blind',
  asksTarget: false,
  sampling: 'allowed',
  accepts: () => true,
  afterRejection: fromTarget,
};

/** What the target would have said itself: the output is its greedy text. */
export const greedyPolicy: VerificationPolicy = {
  name: 'greedy',
  asksTarget: true,
  sampling: 'refused',
  accepts: ({ id, logits }) => id === argmax(logits),
  afterRejection: fromTarget,
};

/** Rejection sampling: the output has the target's distribution. */
export const samplingPolicy: VerificationPolicy = {
  name: 'sampling',
  asksTarget: true,
  sampling: 'required',
  // u < q / p without the quotient. One uniform, whatever the probabilities (verification/C7).
  accepts: ({ id, target, draft, uniform }) =>
    uniform() * probabilityOf(draft(), id) < probabilityOf(target(), id),
  afterRejection: ({ logits, target, draft }) => excess(target(), draft(), logits.length),
};

/** Thresholds of {@link typicalPolicy}. */
export interface TypicalThresholds {
  /** From 0 to 1. */
  readonly threshold: number;
  /** At least 0. */
  readonly entropyFactor: number;
}

const DEFAULT_TYPICAL: TypicalThresholds = { threshold: 0.09, entropyFactor: 0.3 };

/** What the target finds probable enough: `q >= min(threshold, factor * e^-H)`, so the less sure it is, the less is enough. @throws CallerError verification/C1 */
export function typicalPolicy(thresholds: TypicalThresholds = DEFAULT_TYPICAL): VerificationPolicy {
  const { threshold, entropyFactor } = thresholds;
  if (!(0 <= threshold && threshold <= 1))
    refuse('threshold of the policy typical', 'a number from 0 to 1', threshold);
  if (!(0 <= entropyFactor && entropyFactor < Number.POSITIVE_INFINITY))
    refuse('entropy factor of the policy typical', 'a finite number of at least 0', entropyFactor);
  return {
    name: `typical:${threshold},${entropyFactor}`,
    asksTarget: true,
    sampling: 'allowed',
    accepts({ id, target }) {
      const q = target();
      return probabilityOf(q, id) >= Math.min(threshold, entropyFactor * exp(-entropyOf(q)));
    },
    afterRejection: fromTarget,
  };
}

/** What is among the k likeliest tokens of the target. @throws CallerError verification/C1 */
export function lenientPolicy(k: number): VerificationPolicy {
  if (!(Number.isSafeInteger(k) && k >= 1)) refuse('k of the policy lenient', 'an integer of at least 1', k);
  return {
    name: `lenient:${k}`,
    asksTarget: true,
    sampling: 'allowed',
    accepts: ({ id, logits }) => rankOf(logits, id) < k,
    afterRejection: fromTarget,
  };
}

/** How policies are spelled. */
export const VERIFICATION_POLICIES =
  'blind, greedy, sampling, typical, typical:THRESHOLD,FACTOR or lenient:K';

/** A policy by its name. @throws CallerError verification/C1 */
export function verificationPolicy(name: string): VerificationPolicy {
  const [kind, numbers, ...more] = name.split(':') as [string, string?, ...string[]];
  const values = numbers?.split(',').map((text) => (text.trim() === '' ? Number.NaN : Number(text))) ?? [];
  const plain = [blindPolicy, greedyPolicy, samplingPolicy].find((policy) => policy.name === name);
  if (plain !== undefined) return plain;
  if (name === 'typical') return typicalPolicy();
  if (more.length > 0) return refuse('policy', VERIFICATION_POLICIES, show(name));
  if (kind === 'typical' && values.length === 2)
    return typicalPolicy({ threshold: values[0]!, entropyFactor: values[1]! });
  if (kind === 'lenient' && values.length === 1) return lenientPolicy(values[0]!);
  return refuse('policy', VERIFICATION_POLICIES, show(name));
}

function refuse(subject: string, expected: string, found: number | string): never {
  throw new CallerError({ rule: 'verification/C1', subject, expected, found: `${found}` });
}

/** `H = -Σ q ln q` in nats, over the tokens that were kept, in their order, left to right. */
export function entropyOf({ weights, total }: TokenDistribution): number {
  let entropy = 0;
  for (const weight of weights) {
    // A weight that underflowed adds nothing: x ln x tends to 0.
    if (weight > 0) entropy -= (weight / total) * log(weight / total);
  }
  return entropy;
}

/** How many tokens come before this one: of a larger logit, or of an equal one and a lower id. */
function rankOf(logits: Elements, id: number): number {
  const own = logits[id]!;
  let rank = 0;
  for (let v = 0; v < logits.length; v++) {
    const logit = logits[v]!;
    if (logit > own || (logit === own && v < id)) rank += 1;
  }
  return rank;
}

/**
 * Of each token that the target gives more probability than the draft model, by how much: `max(q - p, 0)`, in the order of q. Where nothing is left,
 * which rounding alone can bring about, q itself.
 */
function excess(
  target: TokenDistribution,
  draft: TokenDistribution,
  vocabularySize: number,
): TokenDistribution {
  const p = probabilitiesById(draft, vocabularySize);
  const { ids } = target;
  const weights = target.weights.map((weight, i) => Math.max(weight / target.total - p[ids[i]!]!, 0));
  let total = 0;
  for (const weight of weights) total += weight;
  return total > 0 ? { ids, weights, total } : target;
}
