import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JudgedDraft, JudgedRun } from '../../lib/decode/judged-drafts.ts';
import type { DraftedTokenRecord } from '../../lib/decode/verification-statistics.ts';
import {
  acceptanceByConfidence,
  CONFIDENCE_BINS,
  speaksAgainst,
  suggestedThreshold,
  type ThresholdFigures,
  thresholdFigures,
} from '../../lib/evaluate/calibration.ts';
import { estimatedRatio, estimatedShare } from '../../lib/evaluate/estimate.ts';

const draft = (draftedWith: number, agrees: boolean, more: Partial<JudgedDraft> = {}): JudgedDraft => ({
  ...{ microIndex: 1, heldBack: false },
  draftedWith,
  agrees,
  ...more,
});
const runOf = (...drafts: JudgedDraft[]): JudgedRun => ({
  ...{ outputTokens: 6, macroSteps: 2, firsts: [true, false] },
  drafts,
});

describe('ratios', () => {
  it('calibration/C4: with one thing a unit it is the share, with n - 1 in its error', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 2, maxLength: 30 }), (outcomes) => {
        const ratio = estimatedRatio(outcomes.map((so) => ({ of: 1, are: so ? 1 : 0 })))!;
        const { value, standard_error } = estimatedShare(outcomes)!;
        const n = outcomes.length;
        expect(ratio.value).toBeCloseTo(value, 12);
        expect(ratio.standard_error).toBeCloseTo(standard_error! * Math.sqrt(n / (n - 1)), 12);
      }),
      { seed: 3, numRuns: 50 },
    );
  });

  it('calibration/C4: things of one unit are not independent: twice as many that say the same are no more certain', () => {
    const units = [
      { of: 2, are: 2 },
      { of: 3, are: 1 },
      { of: 1, are: 1 },
    ];
    const doubled = units.map(({ of, are }) => ({ of: 2 * of, are: 2 * are }));
    expect(estimatedRatio(doubled)).toEqual(estimatedRatio(units));
    // p = 2/3: deviations 2/3, -1, 1/3; squares 14/9.
    expect(estimatedRatio(units)!.standard_error).toBeCloseTo(Math.sqrt((1.5 * 14) / 9) / 6, 12);
  });

  it('calibration/C4: the error is that of many repetitions', () => {
    // Units of 1 to 4 things, those of a unit all so or all not, with a chance of 0.8.
    let state = 1;
    const uniform = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    const repetitions = Array.from({ length: 400 }, () =>
      estimatedRatio(
        Array.from({ length: 60 }, () => {
          const of = 1 + Math.floor(4 * uniform());
          return { of, are: uniform() < 0.8 ? of : 0 };
        }),
      ),
    );
    const values = repetitions.map((each) => each!.value);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
    const told = repetitions.reduce((sum, each) => sum + each!.standard_error!, 0) / repetitions.length;
    expect(mean).toBeCloseTo(0.8, 2);
    expect(told / spread).toBeGreaterThan(0.9);
    expect(told / spread).toBeLessThan(1.1);
  });

  it('calibration/C4: one unit has no error, units without things no part, no things no ratio', () => {
    expect(estimatedRatio([{ of: 4, are: 1 }])).toEqual({ value: 0.25, standard_error: null });
    expect(
      estimatedRatio([
        { of: 4, are: 1 },
        { of: 0, are: 0 },
      ]),
    ).toEqual({ value: 0.25, standard_error: null });
    expect(estimatedRatio([{ of: 0, are: 0 }])).toBeNull();
  });
});

describe('figures of a threshold', () => {
  const figures = thresholdFigures(0.8, [
    runOf(draft(0.9, true), draft(0.95, true, { microIndex: 2 }), draft(0.1, false, { heldBack: true })),
    runOf(draft(1, false), draft(0.7999, true, { heldBack: true })),
  ]);

  it('calibration/C2: held-back drafts are in the bins and not in the agreement', () => {
    expect(figures).toMatchObject({ drafts: 3, agreement: { value: 2 / 3 } });
    expect(figures.reliability.reduce((sum, { drafts }) => sum + drafts, 0)).toBe(5);
    expect(figures.by_micro_index.map(({ drafts }) => drafts)).toEqual([2, 1]);
    expect(figures).toMatchObject({
      output_tokens: 12,
      macro_steps: 4,
      tokens_per_macro_step: 3,
      prompts: 2,
    });
    expect(figures.agreement_at_micro_index_0).toEqual({ value: 0.5, standard_error: 0 });
  });

  it('calibration/C5: a bin begins with its lower bound, and the last one has 1', () => {
    const filled = figures.reliability.filter(({ drafts }) => drafts > 0);
    expect(filled.map(({ from }) => from)).toEqual([0.1, 0.7, 0.9, 0.95, 0.999]);
    expect(figures.reliability.map(({ from }) => from)).toEqual([...CONFIDENCE_BINS]);
    expect(figures.reliability.at(-1)!.to).toBe(1);
  });

  it('calibration/C5: the error weighs bins by their drafts; a perfect stop head has none', () => {
    const half = Array.from({ length: 10 }, (_, i) => draft(0.5, i < 5));
    expect(thresholdFigures(0, [runOf(...half)]).expected_calibration_error).toBe(0);
    const sure = thresholdFigures(0, [runOf(...half, ...half, draft(1, false))]);
    expect(sure.expected_calibration_error).toBeCloseTo(1 / 21, 12);
    expect(thresholdFigures(0, [runOf()]).expected_calibration_error).toBeNull();
  });
});

describe('suggested threshold', () => {
  const of = (threshold: number, agreement_at_least: number | null, drafts = 10) =>
    ({ threshold, agreement_at_least, drafts }) as ThresholdFigures;

  it('calibration/C6: the lowest that gives what is wanted, and all above it', () => {
    const figures = [of(0.9, 0.97), of(0.5, 0.9), of(0.7, 0.95)];
    expect(suggestedThreshold(figures, 0.95)).toBe(0.7);
    expect(suggestedThreshold(figures, 0.9)).toBe(0.5);
    expect(suggestedThreshold(figures, 0.98)).toBeNull();
    expect(suggestedThreshold([of(0.5, 0.96), of(0.7, 0.94), of(0.9, 0.97)], 0.95)).toBe(0.9);
    expect(suggestedThreshold([], 0.5)).toBeNull();
  });

  it('calibration/C6: a threshold that lets nothing through gives everything; one of which nothing is sure gives nothing', () => {
    expect(suggestedThreshold([of(1, null, 0)], 1)).toBe(1);
    expect(suggestedThreshold([of(0.9, null, 5), of(1, null, 0)], 0.1)).toBe(1);
  });

  it('calibration/C6: what is sure lies 1.645 errors below the estimate; of all agreeing, at 1 - 3 / N', () => {
    const mixed = thresholdFigures(0.5, [
      runOf(draft(1, true), draft(1, true)),
      runOf(draft(1, false), draft(1, true)),
    ]);
    expect(mixed.agreement_at_least).toBeCloseTo(0.75 - 1.645 * mixed.agreement!.standard_error!, 12);
    const agreeing = Array.from({ length: 30 }, () => draft(1, true));
    expect(thresholdFigures(0.5, [runOf(...agreeing), runOf(...agreeing)]).agreement_at_least).toBe(0.95);
    expect(thresholdFigures(0.5, [runOf(...agreeing)]).agreement_at_least).toBeNull();
  });

  it('calibration/C7: other prompts speak against it only beyond their own error', () => {
    const check = (value: number, standard_error: number | null) =>
      ({ agreement: { value, standard_error } }) as ThresholdFigures;
    expect(speaksAgainst(check(0.94, 0.01), 0.95)).toBe(false);
    expect(speaksAgainst(check(0.93, 0.01), 0.95)).toBe(true);
    expect(speaksAgainst(check(0.94, null), 0.95)).toBe(true);
    expect(speaksAgainst({ agreement: null } as ThresholdFigures, 0.95)).toBe(false);
  });
});

describe('acceptance by confidence', () => {
  it('verification/C9: counts drafted, judged and accepted tokens of each bin; those at micro index 0 have none', () => {
    const token = (draftedWith: number | null, fate: DraftedTokenRecord['fate']): DraftedTokenRecord => ({
      ...{ round: 0, id: 1, microIndex: draftedWith === null ? 0 : 1, targetChoice: 1 },
      draftedWith,
      fate,
    });
    const bins = acceptanceByConfidence([
      token(null, 'accepted'),
      token(0.95, 'accepted'),
      token(0.96, 'rejected'),
      token(1, 'not-judged'),
    ]);
    expect(bins).toEqual([
      { from: 0.95, to: 0.99, drafted: 2, judged: 2, accepted: 1 },
      { from: 0.999, to: 1, drafted: 1, judged: 0, accepted: 0 },
    ]);
  });
});
