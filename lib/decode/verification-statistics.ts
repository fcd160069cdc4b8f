/**
 * SPEC #verification — what became of drafted tokens, and the figures made of it.
 *
 * @module
 */

/** What the target said to a drafted token: nothing, if it had rejected one before. */
export type DraftedTokenFate = 'accepted' | 'rejected' | 'not-judged';

/** A drafted token and what became of it. */
export interface DraftedTokenRecord {
  /** In which round it was drafted, from 0. */
  readonly round: number;
  readonly id: number;
  /** Its place in its macro-step. */
  readonly microIndex: number;
  /** The continue confidence with which it was drafted: that of the token before it in its macro-step; `null` at micro index 0. */
  readonly draftedWith: number | null;
  readonly fate: DraftedTokenFate;
  /** The target's likeliest token after the same tokens, judged or not; `null` without a target. */
  readonly targetChoice: number | null;
}

/** Figures of a verified generation (verification/C9). */
export interface VerificationStatistics {
  /** Rounds; each is one pass of the target, if there is one. */
  readonly rounds: number;
  /** Macro-steps of the draft model, those included that were rolled back. */
  readonly draftMacroSteps: number;
  readonly drafted: number;
  readonly accepted: number;
  /** Tokens of the target in the place of a rejected one. */
  readonly resampled: number;
  /** Tokens of the target after a draft of which everything was accepted, or that was empty. */
  readonly added: number;
  /** Accepted tokens of a round, on average; `null` without a round. */
  readonly meanAcceptedLength: number | null;
  /** By micro index, from 0. */
  readonly byMicroIndex: readonly AcceptanceCount[];
  /** Every drafted token, in order. */
  readonly tokens: readonly DraftedTokenRecord[];
}

/** How many of some drafted tokens were judged, and how many of those accepted. */
export interface AcceptanceCount {
  readonly drafted: number;
  readonly judged: number;
  readonly accepted: number;
}

/** Counts of drafted tokens. */
export function countAcceptance(tokens: readonly DraftedTokenRecord[]): AcceptanceCount {
  return {
    drafted: tokens.length,
    judged: tokens.filter(({ fate }) => fate !== 'not-judged').length,
    accepted: tokens.filter(({ fate }) => fate === 'accepted').length,
  };
}

/** What a run has counted itself. */
type Counted = Pick<VerificationStatistics, 'rounds' | 'draftMacroSteps' | 'resampled' | 'added'>;

/** The figures of a run. */
export function verificationStatistics(
  counted: Counted,
  tokens: readonly DraftedTokenRecord[],
): VerificationStatistics {
  const { drafted, accepted } = countAcceptance(tokens);
  const most = tokens.reduce((largest, { microIndex }) => Math.max(largest, microIndex + 1), 0);
  return {
    ...counted,
    drafted,
    accepted,
    meanAcceptedLength: counted.rounds === 0 ? null : accepted / counted.rounds,
    byMicroIndex: Array.from({ length: most }, (_, i) =>
      countAcceptance(tokens.filter(({ microIndex }) => microIndex === i)),
    ),
    tokens,
  };
}
