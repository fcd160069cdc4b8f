/**
 * SPEC #generation — the state of a run of HAMburger: the base's cache, the tokens so far, and what enters the base next.
 *
 * @module
 */

import type { Workspace } from '../kernels/kernels.ts';
import { baseLayers, tokenEmbeddings } from '../model/base.ts';
import { segmentEmbeddings } from '../model/compositional-embedder.ts';
import type { KvCache } from '../model/decoder-layer.ts';
import { isHamburger, type Model } from '../model/model.ts';
import { discardTrace, type Trace } from '../trace.ts';
import { createKvCache, type EntryCache } from './kv-cache.ts';
import { type MacroStep, openMacroStep } from './macro-step.ts';
import { promptPositions, segmentPosition } from './positions.ts';
import type { Profile } from './profiles.ts';

/** Rows of a prompt that go through the layers together: enough for fast products, few enough to need little room. */
const ROWS_AT_ONCE = 64;

/**
 * Runs the first rows of a prompt, until few enough are left for the pass whose output is read. Cut in passes or not, the bits are the
 * same (numerics/N6).
 *
 * @param workspace the model's kernels
 * @returns how many rows were run
 */
export function runEarlierRows(
  model: Model,
  workspace: Workspace,
  prompt: readonly number[],
  cache: KvCache,
): number {
  const positions = promptPositions(prompt.length);
  let done = 0;
  for (; prompt.length - done > ROWS_AT_ONCE; done += ROWS_AT_ONCE) {
    workspace.reset();
    const rows = [done, done + ROWS_AT_ONCE] as const;
    // Nothing reads their last layer's output; it gives keys and values alone.
    const pass = { positions: positions.slice(...rows), cache, outputRows: 0 };
    baseLayers(model, tokenEmbeddings(model, prompt.slice(...rows)), pass, discardTrace);
  }
  return done;
}

/** Tokens that become one KV entry, and where it stands. */
export interface PendingEntry {
  readonly tokens: readonly number[];
  readonly position: number;
}

/** The state of a run. */
export interface Run {
  readonly cache: EntryCache;
  /** Macro-steps opened so far, those included that were rolled back. */
  readonly macroSteps: number;
  /** Where the last of what is pending will stand. */
  readonly lastPosition: number;
  /** Opens the next macro-step over what is pending. */
  next(): MacroStep;
  /** Makes a finished segment pending. */
  push(segment: readonly number[]): void;
  /**
   * Forgets what was not accepted: keeps the first `entries` KV entries, and makes others pending, which enter the base together.
   *
   * @param tokens all tokens of prompt and output, the pending ones included
   */
  rollBack(entries: number, pending: readonly PendingEntry[], tokens: number): void;
  /** Gives back the memory of the run; the positions of the cache can still be read. */
  end(): void;
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
  const kept = given.kernels.workspace();
  const perMacroStep = given.kernels.workspace();
  const model: Model = { ...given, kernels: perMacroStep, ropeTableRounding: profile.ropeTable };
  const cache = createKvCache(kept, model.config, model.config.numHiddenLayers, capacity);
  let macroSteps = 0;
  let tokens = prompt.length;
  // The prompt is never merged: every token is an entry of its own (generation/C8).
  const positions = promptPositions(prompt.length);
  let pending: readonly PendingEntry[] = prompt.map((token, i) => ({
    tokens: [token],
    position: positions[i]!,
  }));

  return {
    cache,
    get macroSteps() {
      return macroSteps;
    },
    get lastPosition() {
      return pending.at(-1)!.position;
    },
    next() {
      // A trace that is wanted shows the whole prompt as one pass.
      if (macroSteps === 0 && !trace.wanted) {
        pending = pending.slice(runEarlierRows(model, perMacroStep, prompt, cache));
      }
      perMacroStep.reset();
      const macroTrace = trace.part('macro', macroSteps);
      const segments = pending.map((entry) => entry.tokens);
      const entries =
        macroSteps === 0 || !isHamburger(model)
          ? tokenEmbeddings(model, segments.flat())
          : segmentEmbeddings(model, segments, macroTrace.part('comp_embedder'));
      macroSteps += 1;
      const at = pending.map((entry) => entry.position);
      return openMacroStep(model, entries, at, cache, macroTrace);
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
    end() {
      perMacroStep.free();
      kept.free();
    },
  };
}
