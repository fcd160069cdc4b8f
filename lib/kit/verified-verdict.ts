/**
 * SPEC #verification — what a port says of the rounds of a verified run: whether what is left after each follows from what it accepted, and whether
 * what it decided follows from its own tensors.
 *
 * @module
 */

import { segmentPosition } from '../decode/positions.ts';
import { type Profile, profiles } from '../decode/profiles.ts';
import { type JudgedDraft, rolledBack } from '../decode/roll-back.ts';
import { HamburgerError } from '../errors.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { AnsweredRound, Decisions } from './case.ts';
import { decidedFrom, type VerifiedAnswer, type VerifiedTask } from './verified-run.ts';

/** What is wrong, and the notes of mistakes that it looks like. */
export interface RunProblem {
  readonly message: string;
  readonly mistakes: readonly string[];
}

/** What is left after a round. */
type Left = Pick<AnsweredRound, 'entries' | 'pending' | 'target_entries'>;

const LEFT = ['entries', 'pending', 'target_entries'] as const;

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What a round finds. */
interface Before {
  readonly tokens: number;
  readonly entries: readonly number[];
  readonly pending: readonly (readonly [number, readonly number[]])[];
}

/** The first round after which something else is left than follows from what was drafted and accepted; `null` if all is well. */
export function roundProblem(
  { prompt, profile: name }: VerifiedTask,
  { rounds }: VerifiedAnswer,
): RunProblem | null {
  const profile = profiles.get(name)!;
  let before: Before = { tokens: prompt.length, entries: [], pending: prompt.map((id, i) => [i, [id]]) };
  for (const [r, round] of rounds.entries()) {
    const drafted = round.drafted.flat();
    if (round.drafted.some(({ length }) => length === 0) || round.accepted > drafted.length)
      return { message: `round ${r}: ${round.accepted} tokens accepted of ${drafted.length}`, mistakes: [] };
    for (const [what, { length }] of [
      ['confidences', round.confidences],
      ['choices', round.choices],
    ] as const) {
      const wanted = drafted.length + (what === 'choices' ? 1 : 0);
      if (length !== wanted)
        return { message: `round ${r}: ${length} ${what} instead of ${wanted}`, mistakes: [] };
    }
    if (round.next === null && r < rounds.length - 1)
      return {
        message: `round ${r}: no token of the target, though another round follows`,
        mistakes: round.accepted === drafted.length ? ['no-token-behind-an-accepted-draft'] : [],
      };
    const want = leftAfter(before, round, profile);
    const wrong = LEFT.find((what) => !same(round[what], want[what]));
    if (wrong !== undefined) {
      const fitting = mistakesIn(before, round, profile).filter(([, left]) =>
        LEFT.every((what) => same(round[what], left[what])),
      );
      return {
        message: `round ${r}: ${wrong} are ${JSON.stringify(round[wrong])} instead of ${JSON.stringify(want[wrong])}`,
        mistakes: [...new Set(fitting.map(([mistake]) => mistake))],
      };
    }
    const { entries, pending } = want;
    before = {
      tokens: before.tokens + round.accepted + (round.next === null ? 0 : 1),
      entries,
      pending: round.drafted.length === 0 ? before.pending : pending,
    };
  }
  return null;
}

/** verification/C4, C5 */
function leftAfter({ tokens, entries, pending }: Before, round: AnsweredRound, profile: Profile): Left {
  const { drafted, accepted, next } = round;
  const targetEntries = upTo(tokens + accepted);
  if (drafted.length === 0) return { entries: [...entries], pending: [], target_entries: targetEntries };
  const all = allEntries({ tokens, entries, pending }, drafted, profile);
  if (next === null) return { entries: all, pending: [], target_entries: targetEntries };
  const left = rolledBack({ tokensBefore: tokens, segments: drafted, accepted, next }, profile);
  return {
    entries: all.slice(0, entries.length + pending.length + left.entriesKept),
    pending: left.pending.map(({ position, tokens: ids }) => [position, [...ids]]),
    target_entries: targetEntries,
  };
}

/** Entries while the last segment of a draft is predicted: those before, what was pending, and all segments but the last. */
function allEntries(
  { tokens, entries, pending }: Before,
  drafted: readonly (readonly number[])[],
  profile: Profile,
): number[] {
  const fedBack = drafted.slice(0, -1);
  const ends = fedBack.map((_, s) => tokens + fedBack.slice(0, s + 1).flat().length);
  return [
    ...entries,
    ...pending.map(([position]) => position),
    ...ends.map((end) => segmentPosition(end, profile)),
  ];
}

/** What mistakes leave after a round, by the ids of their notes. */
function mistakesIn(
  before: Before,
  round: AnsweredRound,
  profile: Profile,
): readonly (readonly [string, Left])[] {
  const { drafted, accepted, next } = round;
  const right = leftAfter(before, round, profile);
  if (next === null || drafted.length === 0) return [];
  const all = allEntries(before, drafted, profile);
  const judged: JudgedDraft = { tokensBefore: before.tokens, segments: drafted, accepted, next };
  const pendingIn = (afterVerification: Profile['afterVerification']): Left['pending'] =>
    rolledBack(judged, { ...profile, afterVerification }).pending.map(({ position, tokens }) => [
      position,
      [...tokens],
    ]);
  const last = right.pending.at(-1)!;
  const rest = right.pending.slice(0, -1);
  const rejected = drafted.flat()[accepted];
  const withLast = (tokens: number[]): Left => ({ ...right, pending: [...rest, [last[0], tokens]] });
  const ofOthers = (['merged', 'merged-at-first'] as const).map(pendingIn);
  const mistakes: (readonly [string, Left])[] = [
    ...Array.from(
      { length: all.length - right.entries.length },
      (_, n) =>
        [
          'entry-of-a-broken-segment-kept',
          { ...right, entries: all.slice(0, right.entries.length + n + 1) },
        ] as const,
    ),
    ['target-not-rolled-back', { ...right, target_entries: upTo(before.tokens + drafted.flat().length) }],
    ...(rejected === undefined
      ? []
      : ([
          ['rejected-token-merged', withLast([...last[1].slice(0, -1), rejected, next])],
          ['rejected-token-merged', withLast([...last[1].slice(0, -1), rejected])],
        ] as const)),
    ['survivors-lost', withLast([next])],
    ['last-segment-lost', { ...right, pending: [last] }],
    ...(profile.afterVerification === 'separate-last'
      ? ofOthers.map((pending) => ['last-not-separate', { ...right, pending }] as const)
      : ([['last-separate', { ...right, pending: pendingIn('separate-last') }]] as const)),
  ];
  const tokensOf = (pending: Left['pending']) => pending.map(([, ids]) => ids);
  if (same(tokensOf(round.pending), tokensOf(right.pending)) && same(round.entries, right.entries))
    mistakes.push(['position-after-rollback', { ...right, pending: round.pending }]);
  return mistakes.filter(([, left]) => !same(left, right));
}

/** Why the decisions of a verified run do not follow from its own tensors; `null` if they do. */
export function verifiedProblem(
  task: VerifiedTask,
  given: VerifiedAnswer,
  tensors: ReadonlyMap<string, Tensor>,
  models: { draft: HamburgerModel; target: HamburgerModel; round: (value: number) => number },
): RunProblem | null {
  class Differs extends Error {}
  let rounds = 0;
  try {
    const want = decidedFrom(task, models, tensors, (round, r) => {
      rounds = r + 1;
      const got = given.rounds[r];
      if (got === undefined) throw new Differs(`the run ends after round ${r - 1}, though it goes on`);
      const wrong = DECIDED.find((what) => !sameDecided(what, got, round, models.round));
      if (wrong !== undefined)
        throw new Differs(
          `round ${r}: ${wrong} ${JSON.stringify(got[wrong])} instead of ${JSON.stringify(round[wrong])}, which follows from the tensors`,
        );
    });
    if (given.rounds.length > rounds)
      return { message: `round ${rounds}: the run goes on, though it ends here`, mistakes: [] };
    if (!same(want.macro_steps, given.macro_steps))
      return {
        message: `macro_steps ${JSON.stringify(given.macro_steps)} instead of ${JSON.stringify(want.macro_steps)}, which follows from the rounds`,
        mistakes: [],
      };
    return want.stop_reason === given.stop_reason
      ? null
      : {
          message: `the generation ends for ${given.stop_reason}; it would be ${want.stop_reason}`,
          mistakes: [],
        };
  } catch (error) {
    if (error instanceof Differs) return { message: error.message, mistakes: [] };
    if (error instanceof HamburgerError)
      return {
        message: `round ${rounds}: drafted tokens do not follow from the tensors: ${error.message}`,
        mistakes: [],
      };
    throw error;
  }
}

const DECIDED = ['drafted', 'confidences', 'accepted', 'next', 'choices'] as const;

/** Whether a round was decided so; a confidence may be rounded to what the port stores. */
const sameDecided = (
  what: (typeof DECIDED)[number],
  got: AnsweredRound,
  want: AnsweredRound,
  round: (value: number) => number,
): boolean =>
  what === 'confidences'
    ? got.confidences.every((c, i) => {
        const wanted = want.confidences[i]!;
        return c === wanted || (wanted !== null && c === round(wanted));
      })
    : same(got[what], want[what]);

/** Whether two runs came to the same; confidences aside, which depend on how a port rounds. */
export const sameRun = (a: Decisions & { rounds: readonly AnsweredRound[] }, b: VerifiedAnswer): boolean => {
  const bare = ({ macro_steps, stop_reason, rounds }: Decisions & { rounds: readonly AnsweredRound[] }) => [
    macro_steps,
    stop_reason,
    rounds.map(({ drafted, accepted, next, choices, entries, pending, target_entries }) => [
      drafted,
      accepted,
      next,
      choices,
      entries,
      pending,
      target_entries,
    ]),
  ];
  return same(bare(a), bare(b));
};
