/**
 * SPEC #generation — one macro-step: a pass of the base over new KV entries, then micro-steps for as long as the caller asks. Those of several sequences
 * go together (#batching), each as it is alone.
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';
import { baseLayers, features, languageModelHead, tokenEmbeddings } from '../model/base.ts';
import type { SequenceRows } from '../model/decoder-layer.ts';
import { type MicroSequence, microStepDecoder } from '../model/micro-step-decoder.ts';
import { isHamburger, type Model } from '../model/model.ts';
import { stopProbabilities } from '../model/stop-head.ts';
import { gatherRows, type RowSource } from '../ops/gather-rows.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { createKvCache } from './kv-cache.ts';

/** What one micro-step gives, before a token is chosen. */
export interface MicroStep {
  /** `[1, V]` */
  readonly logits: Tensor;
  /** The token of the largest logit, the lowest id of a tie; `null` if a logit is NaN, or nobody has looked. */
  readonly likeliest: number | null;
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

/** A sequence whose macro-step goes on. */
export interface GoingOn {
  /** Its place among the sequences of the macro-steps. */
  readonly place: number;
  /** The token chosen at the micro index before. */
  readonly previous: number;
}

/** Macro-steps of several sequences, whose base pass is done. */
export interface MacroSteps {
  /**
   * The next micro-step of all sequences whose macro-step goes on.
   *
   * @param goingOn those that go on, in order, one that is left out once is at the end of its macro-step; absent at micro index 0, which all have
   * @returns one for each
   */
  microSteps(goingOn?: readonly GoingOn[]): readonly MicroStep[];
}

/**
 * Runs the base over the new entries of some sequences and opens their macro-steps.
 *
 * @param entries `[T, d]` embeddings, those of one sequence after the other: of prompt tokens in its first macro-step, of a segment later
 * @param sequences their RoPE positions, and the base's caches, which gain them; one output row each, the last one
 * @param trace of one sequence: receives the tensors of the macro-step
 */
export function openMacroSteps(
  model: Model,
  entries: Tensor,
  sequences: readonly SequenceRows[],
  trace: Trace,
): MacroSteps {
  const { kernels } = model;
  const d = model.config.hiddenSize;
  const outputs = baseLayers(model, entries, sequences, trace.part('model'));
  const f = features(model, outputs, sequences, trace);
  const F = f.shape[0]! / sequences.length;
  let microIndex = 0;
  // Each cache is laid out at micro index 1 and dropped with the macro-step (micro-step-decoder/C3).
  const micro: MicroSequence[] = [];

  /** The hidden states of the next tokens, `[N, d]`. */
  const hiddenStates = (goingOn: readonly GoingOn[] | undefined, microTrace: Trace): Tensor => {
    // 1. Micro index 0 skips the decoder: its hidden state is the last feature (micro-step-decoder/C1).
    if (microIndex === 0) {
      if (sequences.length === 1) return f.rows(F - 1, F);
      const last = sequences.map((_, place) => ({ tensor: f, row: place * F + F - 1 }));
      return gatherRows(kernels, d, last);
    }
    assertInvariant(
      isHamburger(model) && goingOn !== undefined,
      'micro-step',
      'modules and a token',
      () => `none at micro index ${microIndex}`,
    );
    // 2. At micro index 1 the features and E(t_0) enter together; later, one token's embedding.
    const tokens = tokenEmbeddings(
      model,
      goingOn.map(({ previous }) => previous),
    );
    if (microIndex > 1) {
      const decoding = goingOn.map(({ place }) => micro[place]!);
      return microStepDecoder(model, tokens, decoding, microTrace);
    }
    const { numMicroLayers, maxSteps } = model.config.hamburger;
    const rows: RowSource[] = [];
    const decoding = goingOn.map(({ place }, row) => {
      for (let i = 0; i < F; i++) rows.push({ tensor: f, row: place * F + i });
      rows.push({ tensor: tokens, row });
      const cache = createKvCache(kernels, model.config, numMicroLayers, F + maxSteps - 1);
      micro[place] = { cache, ropeTableRounding: sequences[place]!.ropeTableRounding };
      return micro[place];
    });
    return microStepDecoder(model, gatherRows(kernels, d, rows), decoding, microTrace);
  };

  return {
    microSteps(goingOn) {
      const microTrace = trace.part('micro', microIndex);
      const hidden = hiddenStates(goingOn, microTrace);
      microTrace.tensor('hidden', hidden);
      // 3. Both heads read the same hidden state (stop-head/C1).
      const logits = languageModelHead(model, hidden);
      microTrace.tensor('logits', logits);
      const count = logits.shape[0]!;
      const likeliest = kernels.empty([count]);
      kernels.rowArgmax(logits, likeliest);
      microIndex += 1;
      const p = isHamburger(model) ? stopProbabilities(model, hidden, microTrace) : null;
      const results: MicroStep[] = [];
      for (let row = 0; row < count; row++) {
        const id = likeliest.data[row]!;
        results.push({
          logits: logits.rows(row, row + 1),
          likeliest: Number.isNaN(id) ? null : id,
          stopProbability: p === null ? null : p.data[row]!,
        });
      }
      return results;
    },
  };
}

/** The macro-step of a sequence that is alone. */
export function onlyMacroStep(macroSteps: MacroSteps): MacroStep {
  return {
    microStep: (previous) =>
      macroSteps.microSteps(previous === undefined ? undefined : [{ place: 0, previous }])[0]!,
  };
}
