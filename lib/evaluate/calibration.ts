/**
 * SPEC #calibration — how far the continue confidence can be trusted: agreement by threshold, by confidence and by micro index, and the
 * threshold for a wanted agreement.
 *
 * @module
 */

import type { JudgedDraft, JudgedRun } from '../decode/judged-drafts.ts';
import {
  type AcceptanceCount,
  countAcceptance,
  type DraftedTokenRecord,
} from '../decode/verification-statistics.ts';
import { type Estimate, estimatedRatio, sum, type UnitCount } from './estimate.ts';

/** Where the bins of confidence begin; the last one ends with 1, which belongs to it (calibration/C5). */
export const CONFIDENCE_BINS = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999] as const;

/** How many standard errors below an estimate the true value lies in one case of twenty, one-sided, if errors are normal. */
const CERTAINTY = 1.645;

/** If n out of n agree, the true share is above `1 - 3 / n` in nineteen cases of twenty. */
const RULE_OF_THREE = 3;

/** Drafts of some confidences. */
export interface ReliabilityBin {
  /** The least confidence, and where the next bin begins. */
  readonly from: number;
  readonly to: number;
  readonly drafts: number;
  /** `null` where there is no draft. */
  readonly mean_confidence: number | null;
  readonly agreement: Estimate | null;
}

/** Runs with one threshold over many prompts. */
export interface ThresholdFigures {
  readonly threshold: number;
  readonly prompts: number;
  readonly output_tokens: number;
  readonly macro_steps: number;
  readonly tokens_per_macro_step: number;
  /** Drafts that were emitted. */
  readonly drafts: number;
  /** The share of these with which the target agrees; `null` without drafts. */
  readonly agreement: Estimate | null;
  /** What the agreement is above in nineteen cases of twenty; `null` where that cannot be said (calibration/C6). */
  readonly agreement_at_least: number | null;
  /** The same share of the tokens at micro index 0, which are the base's. */
  readonly agreement_at_micro_index_0: Estimate | null;
  /** From micro index 1. */
  readonly by_micro_index: readonly { readonly drafts: number; readonly agreement: Estimate | null }[];
  /** Of drafts emitted and held back. */
  readonly reliability: readonly ReliabilityBin[];
  readonly expected_calibration_error: number | null;
}

/** The figures of runs, one for each prompt. */
export function thresholdFigures(threshold: number, runs: readonly JudgedRun[]): ThresholdFigures {
  const emitted = ({ heldBack }: JudgedDraft): boolean => !heldBack;
  const output_tokens = sum(runs.map(({ outputTokens }) => outputTokens));
  const macro_steps = sum(runs.map(({ macroSteps }) => macroSteps));
  const most = Math.max(0, ...runs.flatMap(({ drafts }) => drafts.map(({ microIndex }) => microIndex)));
  const reliability = reliabilityOf(runs);
  const all = agreementOf(runs, emitted);
  return {
    threshold,
    prompts: runs.length,
    output_tokens,
    macro_steps,
    tokens_per_macro_step: output_tokens / macro_steps,
    drafts: all.drafts,
    agreement: all.agreement,
    agreement_at_least: leastShare(all.drafts, all.agreement),
    agreement_at_micro_index_0: estimatedRatio(runs.map(({ firsts }) => counted(firsts))),
    by_micro_index: Array.from({ length: most }, (_, i) =>
      agreementOf(runs, (draft) => emitted(draft) && draft.microIndex === i + 1),
    ),
    reliability,
    expected_calibration_error: expectedCalibrationError(reliability),
  };
}

/** How many of the drafts that are wanted there are, and with which share the target agrees. */
function agreementOf(
  runs: readonly JudgedRun[],
  wanted: (draft: JudgedDraft) => boolean,
): { readonly drafts: number; readonly agreement: Estimate | null } {
  const units = runs.map(({ drafts }) => counted(drafts.filter(wanted).map(({ agrees }) => agrees)));
  return { drafts: sum(units.map((unit) => unit.of)), agreement: estimatedRatio(units) };
}

function counted(outcomes: readonly boolean[]): UnitCount {
  return { of: outcomes.length, are: outcomes.filter((outcome) => outcome).length };
}

/** The bins, and which confidences are theirs. */
function confidenceBins() {
  return CONFIDENCE_BINS.map((from, b) => {
    const last = b === CONFIDENCE_BINS.length - 1;
    const to = last ? 1 : CONFIDENCE_BINS[b + 1]!;
    return { from, to, has: (c: number): boolean => from <= c && (c < to || last) };
  });
}

/** Drafted tokens of a verified generation, by the confidence with which they were drafted. */
export interface AcceptanceBin extends AcceptanceCount {
  readonly from: number;
  readonly to: number;
}

/** How many drafted tokens of each confidence a target accepted; bins without any are left out. Tokens at micro index 0 have no confidence. */
export function acceptanceByConfidence(tokens: readonly DraftedTokenRecord[]): readonly AcceptanceBin[] {
  return confidenceBins()
    .map(({ from, to, has }) => ({
      ...{ from, to },
      ...countAcceptance(tokens.filter(({ draftedWith }) => draftedWith !== null && has(draftedWith))),
    }))
    .filter(({ drafted }) => drafted > 0);
}

/** Drafts, emitted and held back, by the confidence with which they were drafted (calibration/C5). */
export function reliabilityOf(runs: readonly JudgedRun[]): readonly ReliabilityBin[] {
  return confidenceBins().map(({ from, to, has }) => {
    const within = ({ draftedWith }: JudgedDraft): boolean => has(draftedWith);
    const confidences = runs.flatMap((run) =>
      run.drafts.filter(within).map(({ draftedWith }) => draftedWith),
    );
    return {
      from,
      to,
      mean_confidence: confidences.length === 0 ? null : sum(confidences) / confidences.length,
      ...agreementOf(runs, within),
    };
  });
}

/** The mean, over all drafts, of how far the agreement of their bin is from its mean confidence; `null` of none (calibration/C5). */
export function expectedCalibrationError(bins: readonly ReliabilityBin[]): number | null {
  const drafts = sum(bins.map((bin) => bin.drafts));
  if (drafts === 0) return null;
  const weighted = bins.map((bin) =>
    bin.agreement === null ? 0 : bin.drafts * Math.abs(bin.agreement.value - bin.mean_confidence!),
  );
  return sum(weighted) / drafts;
}

/** What a share is above in nineteen cases of twenty (calibration/C6); `null` where one unit says nothing about it. */
function leastShare(things: number, share: Estimate | null): number | null {
  if (share === null || share.standard_error === null) return null;
  if (share.value === 1) return Math.max(0, 1 - RULE_OF_THREE / things);
  return share.value - CERTAINTY * share.standard_error;
}

/**
 * The lowest threshold that surely gives the wanted agreement, and above which every other does (calibration/C6).
 *
 * @param figures of several thresholds, in any order
 * @returns `null` if there is none
 */
export function suggestedThreshold(figures: readonly ThresholdFigures[], wanted: number): number | null {
  let suggested: number | null = null;
  for (const { threshold, drafts, agreement_at_least } of figures.toSorted(
    (a, b) => b.threshold - a.threshold,
  )) {
    // What drafts nothing cannot disagree.
    if (drafts > 0 && !(agreement_at_least !== null && agreement_at_least >= wanted)) break;
    suggested = threshold;
  }
  return suggested;
}

/** Whether other prompts than those that a threshold was chosen with show that it does not give the wanted agreement (calibration/C7). */
export function speaksAgainst({ agreement }: ThresholdFigures, wanted: number): boolean {
  return agreement !== null && agreement.value + CERTAINTY * (agreement.standard_error ?? 0) < wanted;
}
