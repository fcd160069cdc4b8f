/**
 * SPEC #verification — the target: a plain decoder that says of given tokens what it would have expected.
 *
 * @module
 */

import { baseLayers, featuresOfRows, languageModelHead, tokenEmbeddings } from '../model/base.ts';
import { baseOf, inWorkspace, type Model } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { discardTrace, type Trace } from '../trace.ts';
import { createKvCache, type EntryCache } from './kv-cache.ts';
import { promptEntries, runEarlierRows } from './run.ts';

/** The state of a target. Every token is an entry of its own, at the position of its index. */
export interface Target {
  readonly cache: EntryCache;
  /** Passes so far. */
  readonly passes: number;
  /**
   * One pass over the tokens that the target has not seen, and a draft behind them.
   *
   * @returns `[draft.length + 1, V]` row i the logits that predict token i of the draft, the last those of the token after it; they live
   *   until the next pass
   */
  score(draft: readonly number[]): Tensor;
  /**
   * Forgets what was not accepted.
   *
   * @param accepted how many tokens of the draft last scored stay
   * @param next the token that follows them; it is seen in the next pass
   */
  settle(accepted: number, next: number): void;
  /** Gives back the memory; the cache's positions can still be read. */
  end(): void;
}

/**
 * A target that has not seen the prompt yet. HAMburger modules, if the model has them, are not used.
 *
 * @param capacity most KV entries
 * @param trace receives the tensors of pass r below `target.{r}`
 */
export function startTarget(
  given: Model,
  prompt: readonly number[],
  capacity: number,
  trace: Trace = discardTrace,
): Target {
  const kept = given.kernels.workspace();
  const model = inWorkspace(baseOf(given));
  const cache = createKvCache(kept, model.config, model.config.numHiddenLayers, capacity);
  let unseen = prompt;
  let passes = 0;
  /** Entries of tokens that are settled. */
  let settled = 0;

  return {
    cache,
    get passes() {
      return passes;
    },
    score(draft) {
      if (passes === 0 && !trace.wanted) {
        const [left] = runEarlierRows(model, [
          { entries: promptEntries(unseen), cache, ropeTableRounding: 'mode' },
        ]);
        unseen = left!.entries.flatMap(({ tokens }) => tokens);
      }
      model.kernels.reset();
      const passTrace = trace.part('target', passes);
      passes += 1;
      const rows = [...unseen, ...draft];
      const positions = rows.map((_, t) => cache.length + t);
      const outputRows = draft.length + 1;
      const pass = [{ positions, cache, outputRows }];
      const outputs = baseLayers(model, tokenEmbeddings(model, rows), pass, passTrace.part('model'));
      settled = cache.length - draft.length;
      const hidden = featuresOfRows(model, outputs, pass, passTrace).at(-1)!;
      const logits = languageModelHead(model, hidden);
      passTrace.tensor('logits', logits);
      return logits;
    },
    settle(accepted, next) {
      cache.truncate(settled + accepted);
      unseen = [next];
    },
    end() {
      model.kernels.free();
      kept.free();
    },
  };
}
