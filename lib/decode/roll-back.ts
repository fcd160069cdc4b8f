/**
 * SPEC #verification — what is left of a draft when its target has judged it: the segments that stay KV entries, and what enters the base next.
 *
 * @module
 */

import { segmentPosition } from './positions.ts';
import type { Profile } from './profiles.ts';
import type { PendingEntry } from './run.ts';

/** A draft whose tokens were judged. */
export interface JudgedDraft {
  /** All tokens of prompt and output before it. */
  readonly tokensBefore: number;
  /** Its segments; all but the last are KV entries. At least one. */
  readonly segments: readonly (readonly number[])[];
  /** How many of its tokens were accepted: the first ones. */
  readonly accepted: number;
  /** The target's token, which follows them. */
  readonly next: number;
}

/** What is left. */
export interface RolledBackDraft {
  /** How many of the segments stay KV entries: the first ones. */
  readonly entriesKept: number;
  /** What enters the base in the next pass. */
  readonly pending: readonly PendingEntry[];
  /** How the accepted tokens and the target's are cut into segments. */
  readonly segments: readonly (readonly number[])[];
}

/** The state of HAMburger after a verification (verification/C4, C5). */
export function rolledBack(draft: JudgedDraft, profile: Profile): RolledBackDraft {
  const { tokensBefore, segments, accepted, next } = draft;
  // 1. Let the complete segments be those that survive whole, in order, and the survivors the tokens of the next one that do.
  const complete: (readonly number[])[] = [];
  let tokens = 0;
  for (const segment of segments) {
    if (tokens + segment.length > accepted) break;
    complete.push(segment);
    tokens += segment.length;
  }
  const survivors = segments[complete.length]?.slice(0, accepted - tokens) ?? [];
  // 2. Complete segments stay entries, or, the last of the draft, become one.
  const entriesKept = Math.min(complete.length, segments.length - 1);
  const fresh = complete.slice(entriesKept);
  const index = tokensBefore + accepted;

  if (profile.afterVerification === 'separate-last') {
    // 3b. What goes before the target's token is one entry, where its first token is; the token another, at the next position.
    const before = [...fresh, ...(survivors.length === 0 ? [] : [survivors])];
    const first = index - (before[0]?.length ?? 0);
    return {
      entriesKept,
      pending: [...before, [next]].map((each, i) => ({ tokens: each, position: first + i })),
      segments: [...complete, ...(survivors.length === 0 ? [] : [survivors]), [next]],
    };
  }
  // 3a. The survivors and the target's token are one segment.
  const last = [...survivors, next];
  const position =
    profile.afterVerification === 'merged-at-first'
      ? index - survivors.length
      : segmentPosition(index + 1, profile);
  return {
    entriesKept,
    pending: [
      ...fresh.map((each) => ({ tokens: each, position: segmentPosition(index, profile) })),
      { tokens: last, position },
    ],
    segments: [...complete, last],
  };
}
