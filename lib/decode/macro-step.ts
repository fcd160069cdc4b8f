/**
 * SPEC #generation — one macro-step: a pass of the base over new KV entries, then micro-steps for as long as the caller asks.
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';
import { baseLayers, features, languageModelHead, tokenEmbeddings } from '../model/base.ts';
import type { KvCache } from '../model/decoder-layer.ts';
import { microStepDecoder } from '../model/micro-step-decoder.ts';
import { isHamburger, type Model } from '../model/model.ts';
import { stopProbability } from '../model/stop-head.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { createKvCache, type EntryCache } from './kv-cache.ts';

/** What one micro-step gives, before a token is chosen. */
export interface MicroStep {
  /** `[1, V]` */
  readonly logits: Tensor;
  /** p, a number of the mode; `null` for a plain base, which has no stop head. */
  readonly stopProbability: number | null;
}

/** A macro-step whose base pass is done. */
export interface MacroStep {
  /**
   * The next micro-step: the first call gives micro index 0, the second micro index 1, ...
   *
   * @param previous the token chosen at the micro index before; absent at micro index 0
   */
  microStep(previous?: number): MicroStep;
}

/**
 * Runs the base over the new entries and opens the macro-step.
 *
 * @param entries `[T, d]` embeddings: of every prompt token in the first macro-step, of one segment later
 * @param positions their RoPE positions
 * @param cache the base's; it gains `T` entries
 * @param trace receives the tensors of the macro-step
 */
export function openMacroStep(
  model: Model,
  entries: Tensor,
  positions: readonly number[],
  cache: KvCache,
  trace: Trace,
): MacroStep {
  // Features are read at the last position alone.
  const outputs = baseLayers(model, entries, { positions, cache, outputRows: 1 }, trace.part('model'));
  const f = features(model, outputs, trace);
  const F = f.shape[0]!;
  let microIndex = 0;
  // Laid out at micro index 1, dropped with the macro-step (micro-step-decoder/C3).
  let microCache: EntryCache | undefined;

  /** The hidden state of the next token. */
  const hiddenState = (previous: number | undefined, microTrace: Trace): Tensor => {
    // 1. Micro index 0 skips the decoder: its hidden state is the last feature (micro-step-decoder/C1).
    if (microIndex === 0) return f.rows(F - 1, F);
    assertInvariant(
      isHamburger(model) && previous !== undefined,
      'micro-step',
      'modules and a token',
      () => `none at micro index ${microIndex}`,
    );
    // 2. At micro index 1 the features and E(t_0) enter together; later, one token's embedding.
    const token = tokenEmbeddings(model, [previous]);
    if (microCache !== undefined) return microStepDecoder(model, token, microCache, microTrace);
    const { numMicroLayers, maxSteps } = model.config.hamburger;
    microCache = createKvCache(model.kernels, model.config, numMicroLayers, F + maxSteps - 1);
    const rows = model.kernels.empty([F + 1, model.config.hiddenSize]);
    rows.data.set(f.data);
    rows.data.set(token.data, f.data.length);
    return microStepDecoder(model, rows, microCache, microTrace);
  };

  return {
    microStep(previous) {
      const microTrace = trace.part('micro', microIndex);
      const hidden = hiddenState(previous, microTrace);
      microTrace.tensor('hidden', hidden);
      // 3. Both heads read the same hidden state (stop-head/C1).
      const logits = languageModelHead(model, hidden);
      microTrace.tensor('logits', logits);
      microIndex += 1;
      return {
        logits,
        stopProbability: isHamburger(model) ? stopProbability(model, hidden, microTrace) : null,
      };
    },
  };
}
