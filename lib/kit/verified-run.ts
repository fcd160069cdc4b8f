/**
 * Cases of mode `verified` (INTERPRETING 2.8): a whole verified run of this package, and the run that follows from the tensors that a port shows.
 *
 * @module
 */

import type { EntryCache } from '../decode/kv-cache.ts';
import type { MacroStep } from '../decode/macro-step.ts';
import type { Profile } from '../decode/profiles.ts';
import { type Run, runOver, sequenceOver } from '../decode/run.ts';
import type { Target } from '../decode/target.ts';
import { verificationPolicy } from '../decode/verification-policy.ts';
import { startVerifiedRun, type VerifiedOptions, type VerifiedStates } from '../decode/verified.ts';
import { DataError, InvariantError } from '../errors.ts';
import { replayedUniforms } from '../math/random.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { type AnsweredRound, type Attempt, type Decisions, stopReasonOf } from './case.ts';
import { addToken, profileOf } from './runs.ts';

export type VerifiedTask = Extract<Attempt, { mode: 'verified' }>;

/** What a verified run comes to, as an answer tells it. */
export interface VerifiedAnswer extends Decisions {
  readonly rounds: AnsweredRound[];
}

/** What this package comes to. @throws CallerError for a task that has to be refused */
export function runVerified(
  task: VerifiedTask,
  { draft, target, trace }: { draft: HamburgerModel; target: HamburgerModel; trace?: Trace },
): VerifiedAnswer {
  return answered(task, { draft, target }, trace === undefined ? {} : { trace });
}

/**
 * What follows from the tensors that a port shows: every decision is made anew, with its logits and stop probabilities in the place of the models'.
 *
 * @param round rounding of what the port stores, for a profile whose stop test is done in it
 * @param onRound told of every round
 * @throws DataError where the decisions lead to a tensor that is not there
 */
export function decidedFrom(
  task: VerifiedTask,
  {
    draft,
    target,
    round,
  }: { draft: HamburgerModel; target: HamburgerModel; round: (value: number) => number },
  tensors: ReadonlyMap<string, Tensor>,
  onRound: (round: AnsweredRound, r: number) => void = () => {},
): VerifiedAnswer {
  const shown = (name: string): Tensor => {
    const tensor = tensors.get(name);
    if (tensor !== undefined) return tensor;
    throw new DataError({ subject: 'dump', expected: `${name}, to which the decisions lead`, found: 'none' });
  };
  const rounding: HamburgerModel = { ...draft, kernels: { ...draft.kernels, round } };
  const start = (): VerifiedStates => ({
    draft: shownRun(task, profileOf(task.profile), shown),
    target: shownTarget(task, shown),
  });
  return answered(task, { draft: rounding, target }, { start, onRound });
}

function answered(
  task: VerifiedTask,
  { draft, target }: { draft: HamburgerModel; target: HamburgerModel },
  {
    trace,
    start,
    onRound = () => {},
  }: {
    readonly trace?: Trace;
    readonly start?: () => VerifiedStates;
    readonly onRound?: (round: AnsweredRound, r: number) => void;
  },
): VerifiedAnswer {
  const { temperature } = task;
  const options: VerifiedOptions = {
    prompt: task.prompt,
    maxTokens: task.max_tokens,
    maxPositions: task.max_positions,
    confidence: task.confidence,
    eosTokenIds: task.eos_token_ids,
    profile: profileOf(task.profile),
    policy: verificationPolicy(task.policy),
    draftSteps: task.draft_steps,
    draftConfidence: task.draft_confidence,
    ...(temperature === null ? {} : { sampling: { temperature, uniforms: replayedUniforms(task.uniforms) } }),
    ...(trace === undefined ? {} : { trace }),
  };
  const run = startVerifiedRun(draft, target, options, start);
  const rounds: AnsweredRound[] = [];
  const macroSteps: number[][] = [];
  try {
    for (;;) {
      const { segments, accepted, next, choices, pending, tokens, stopReason } = run.round();
      const round: AnsweredRound = {
        drafted: segments.map((segment) => segment.map(({ id }) => id)),
        confidences: segments.flat().map(({ draftedWith }) => draftedWith),
        accepted,
        next,
        choices: [...choices!],
        entries: [...run.draft.cache.positions],
        pending: pending.map((entry) => [entry.position, [...entry.tokens]]),
        target_entries: [...run.target!.cache.positions],
      };
      rounds.push(round);
      for (const token of tokens) addToken(macroSteps, token);
      onRound(round, rounds.length - 1);
      if (stopReason !== null)
        return { macro_steps: macroSteps, stop_reason: stopReasonOf(stopReason), rounds };
    }
  } finally {
    run.end();
  }
}

/** Positions of a cache, without keys and values. */
function shownCache(): EntryCache {
  let positions: number[] = [];
  const refuse = (): never => {
    throw new InvariantError({ subject: 'cache of shown tensors', expected: 'positions', found: 'a pass' });
  };
  return {
    get length() {
      return positions.length;
    },
    get positions() {
      return positions;
    },
    entries: refuse,
    append: refuse,
    complete(more) {
      positions = [...positions, ...more];
    },
    truncate(length) {
      positions = positions.slice(0, length);
    },
  };
}

/** A run of a draft model whose logits and stop probabilities are shown. */
function shownRun({ prompt }: VerifiedTask, profile: Profile, shown: (name: string) => Tensor): Run {
  const sequence = sequenceOver(shownCache(), prompt, profile, () => {});
  const next = (): MacroStep => {
    const macro = `draft.macro.${sequence.macroSteps}`;
    const { entries, cache } = sequence.open();
    cache.complete(entries.map(({ position }) => position));
    let i = 0;
    return {
      microStep() {
        const micro = `${macro}.micro.${i}`;
        i += 1;
        return {
          logits: shown(`${micro}.logits`),
          likeliest: null,
          stopProbability: shown(`${micro}.stop_probability`).data[0]!,
        };
      },
    };
  };
  return runOver(sequence, next, () => {});
}

/** A target whose logits are shown. */
function shownTarget({ prompt }: VerifiedTask, shown: (name: string) => Tensor): Target {
  const cache = shownCache();
  let unseen = prompt.length;
  let passes = 0;
  let settled = 0;
  return {
    cache,
    get passes() {
      return passes;
    },
    score(draft) {
      settled = cache.length + unseen;
      cache.complete(Array.from({ length: unseen + draft.length }, (_, t) => cache.length + t));
      const logits = shown(`target.${passes}.logits`);
      if (logits.shape[0] !== draft.length + 1)
        throw new DataError({
          subject: `draft of pass ${passes}`,
          expected: `the tokens ${draft.join(', ')}`,
          found: `${logits.shape[0]! - 1}`,
        });
      passes += 1;
      return logits;
    },
    settle(accepted) {
      cache.truncate(settled + accepted);
      unseen = 1;
    },
    end() {},
  };
}
