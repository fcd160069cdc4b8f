/**
 * SPEC #generation — the state of a run: the base's cache, the tokens so far, and what enters the base next; and the macro-step over what is pending,
 * of one sequence ({@link startRun}) or of several together ({@link nextMacroSteps}, #batching).
 *
 * @module
 */

import type { Kernels, Workspace } from '../kernels/kernels.ts';
import { baseLayers, tokenEmbeddings } from '../model/base.ts';
import { segmentEmbeddings, tokensOf } from '../model/compositional-embedder.ts';
import type { ModelConfig } from '../model/config.ts';
import type { KvCache, SequenceRows } from '../model/decoder-layer.ts';
import { inWorkspace, isHamburger, type Model, type ModelInWorkspace } from '../model/model.ts';
import type { RopeTableRounding } from '../ops/rope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { discardTrace, type Trace } from '../trace.ts';
import { createKvCache, type EntryCache } from './kv-cache.ts';
import { type MacroStep, type MacroSteps, onlyMacroStep, openMacroSteps } from './macro-step.ts';
import { promptPositions, segmentPosition } from './positions.ts';
import type { Profile } from './profiles.ts';

/** Rows of prompts that go through the layers together: enough for fast products, few enough to need little room. */
const ROWS_AT_ONCE = 64;

/** Tokens that become one KV entry, and where it stands. */
export interface PendingEntry {
  readonly tokens: readonly number[];
  readonly position: number;
}

/** The entries of a prompt, which is never merged: every token is an entry of its own (generation/C8). */
export function promptEntries(prompt: readonly number[]): readonly PendingEntry[] {
  const positions = promptPositions(prompt.length);
  return prompt.map((token, i) => ({ tokens: [token], position: positions[i]! }));
}

/** Entries of one sequence that are to go through the base. */
export interface PendingRows {
  readonly entries: readonly PendingEntry[];
  readonly cache: KvCache;
  readonly ropeTableRounding: RopeTableRounding;
}

/** The vectors of entries, `[entries.length, d]`. */
function embed(model: Model, entries: readonly PendingEntry[], trace: Trace): Tensor {
  const segments = entries.map(({ tokens }) => tokens);
  // A segment of one token is its own embedding, so that prompts and segments can go together.
  return isHamburger(model)
    ? segmentEmbeddings(model, segments, trace)
    : tokenEmbeddings(model, tokensOf(segments));
}

/** Entries as rows of a pass. */
function rowsOf({ entries, cache, ropeTableRounding }: PendingRows, outputRows: number): SequenceRows {
  return { positions: entries.map(({ position }) => position), cache, outputRows, ropeTableRounding };
}

/**
 * Runs the first rows of long prompts, until few enough are left for the pass whose output is read, and at least one of each sequence. Cut
 * in passes or not, the bits are the same (numerics/N6).
 *
 * @returns what is left of each sequence
 */
export function runEarlierRows(
  model: ModelInWorkspace,
  sequences: readonly PendingRows[],
): readonly PendingRows[] {
  const total = sequences.reduce((sum, { entries }) => sum + entries.length, 0);
  let room = Math.min(ROWS_AT_ONCE, total - ROWS_AT_ONCE);
  if (room <= 0) return sequences;
  const taken: PendingRows[] = [];
  const left = sequences.map((sequence) => {
    const { entries } = sequence;
    const count = Math.min(room, entries.length - 1);
    room -= count;
    if (count > 0) taken.push({ ...sequence, entries: entries.slice(0, count) });
    return count === 0 ? sequence : { ...sequence, entries: entries.slice(count) };
  });
  // As many sequences as that have one row each.
  if (taken.length === 0) return sequences;
  model.kernels.reset();
  const embedded = embed(
    model,
    taken.flatMap(({ entries }) => entries),
    discardTrace,
  );
  baseLayers(
    model,
    embedded,
    taken.map((rows) => rowsOf(rows, 0)),
    discardTrace,
  );
  return runEarlierRows(model, left);
}

/** The base's cache of a sequence. Where there is no room for all of it, what was made is given back. */
function cacheIn(kept: Workspace, config: ModelConfig, capacity: number): EntryCache {
  try {
    return createKvCache(kept, config, config.numHiddenLayers, capacity);
  } catch (error) {
    kept.free();
    throw error;
  }
}

/** The state of one sequence. */
export interface Sequence {
  readonly profile: Profile;
  readonly cache: EntryCache;
  /** Macro-steps opened so far, those included that were rolled back. */
  readonly macroSteps: number;
  /** Where the last of what is pending will stand. */
  readonly lastPosition: number;
  /** Opens the next macro-step: what enters the base, and the cache that it enters. */
  open(): PendingRows;
  /** Makes a finished segment pending. */
  push(segment: readonly number[]): void;
  /**
   * Forgets what was not accepted: keeps the first `entries` KV entries, and makes others pending, which enter the base together.
   *
   * @param tokens all tokens of prompt and output, the pending ones included
   */
  rollBack(entries: number, pending: readonly PendingEntry[], tokens: number): void;
  /** Gives back the memory; the positions of the cache can still be read. */
  end(): void;
}

/**
 * A sequence with its prompt pending.
 *
 * @param capacity most KV entries
 */
export function startSequence(
  kernels: Kernels,
  config: ModelConfig,
  prompt: readonly number[],
  profile: Profile,
  capacity: number,
): Sequence {
  const kept = kernels.workspace();
  return sequenceOver(cacheIn(kept, config, capacity), prompt, profile, () => kept.free());
}

/**
 * A sequence with its prompt pending, over a cache.
 *
 * @param end gives back the memory of the cache
 */
export function sequenceOver(
  cache: EntryCache,
  prompt: readonly number[],
  profile: Profile,
  end: () => void,
): Sequence {
  let macroSteps = 0;
  let tokens = prompt.length;
  let pending = promptEntries(prompt);

  return {
    profile,
    cache,
    get macroSteps() {
      return macroSteps;
    },
    get lastPosition() {
      return pending.at(-1)!.position;
    },
    open() {
      macroSteps += 1;
      return { entries: pending, cache, ropeTableRounding: profile.ropeTable };
    },
    push(segment) {
      tokens += segment.length;
      pending = [{ tokens: segment, position: segmentPosition(tokens, profile) }];
    },
    rollBack(entries, newPending, newTokens) {
      cache.truncate(entries);
      pending = newPending;
      tokens = newTokens;
    },
    end,
  };
}

/**
 * Opens the next macro-step of every sequence.
 *
 * @param model in a workspace for what lives as long as a macro-step: what there was of the last one is given back
 * @param trace of one sequence: receives the tensors of macro-step m below `macro.{m}`
 */
export function nextMacroSteps(
  model: ModelInWorkspace,
  sequences: readonly Sequence[],
  trace: Trace,
): MacroSteps {
  const m = sequences[0]!.macroSteps;
  const macroTrace = trace.part('macro', m);
  const opened = sequences.map((sequence) => sequence.open());
  // A trace that is wanted shows the whole prompt as one pass.
  const pending = trace.wanted ? opened : runEarlierRows(model, opened);
  model.kernels.reset();
  const entries = pending.length === 1 ? pending[0]!.entries : pending.flatMap((rows) => rows.entries);
  const embedded = embed(model, entries, m === 0 ? discardTrace : macroTrace.part('comp_embedder'));
  // Features are read at the last position alone.
  return openMacroSteps(
    model,
    embedded,
    pending.map((rows) => rowsOf(rows, 1)),
    macroTrace,
  );
}

/** The state of a run of one sequence. */
export interface Run extends Omit<Sequence, 'open'> {
  /** Opens the next macro-step over what is pending. */
  next(): MacroStep;
}

/**
 * Begins a run with the prompt pending.
 *
 * @param capacity most KV entries
 * @param trace receives the tensors of macro-step m below `macro.{m}`
 */
export function startRun(
  given: Model,
  prompt: readonly number[],
  profile: Profile,
  capacity: number,
  trace: Trace = discardTrace,
): Run {
  // The cache lives as long as the run, everything else as long as its macro-step.
  const model = inWorkspace(given);
  const sequence = startSequence(given.kernels, model.config, prompt, profile, capacity);
  const next = () => onlyMacroStep(nextMacroSteps(model, [sequence], trace));
  return runOver(sequence, next, () => model.kernels.free());
}

/**
 * A sequence of which `next` opens the macro-steps.
 *
 * @param end gives back what `next` has used
 */
export function runOver(sequence: Sequence, next: () => MacroStep, end: () => void): Run {
  return {
    profile: sequence.profile,
    cache: sequence.cache,
    get macroSteps() {
      return sequence.macroSteps;
    },
    get lastPosition() {
      return sequence.lastPosition;
    },
    next,
    push: sequence.push,
    rollBack: sequence.rollBack,
    end() {
      end();
      sequence.end();
    },
  };
}
