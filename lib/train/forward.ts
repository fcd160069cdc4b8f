/**
 * SPEC #training — what the model says at every response token of a sample, in one pass of the base and one of the micro-step decoder. The same
 * functions of `lib/model/` run here as in decoding (training/C6); only the rows of all macro-steps go together.
 *
 * @module
 */

import { checkForced } from '../decode/generate.ts';
import { promptPositions, segmentPosition } from '../decode/positions.ts';
import { trainProfile } from '../decode/profiles.ts';
import { CallerError } from '../errors.ts';
import { baseLayers, featuresOfRows, finalNorm, languageModelHead, tokenEmbeddings } from '../model/base.ts';
import { segmentEmbeddings } from '../model/compositional-embedder.ts';
import type { KvCache, SequenceRows } from '../model/decoder-layer.ts';
import { microStepLayers } from '../model/micro-step-decoder.ts';
import { baseOf, type HamburgerModel, type Model } from '../model/model.ts';
import { stopLogits } from '../model/stop-head.ts';
import { gatherRows, type RowSource } from '../ops/gather-rows.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { discardTrace } from '../trace.ts';

/** A prompt and its response, cut into segments. */
export interface TrainingSample {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** The tokens of each macro-step, 1 to `max_steps` each; at least one segment. */
  readonly segments: readonly (readonly number[])[];
}

/** What the model says at each of the N response tokens. */
export interface Predictions {
  /** `[N, V]` the logits that predict each token. */
  readonly logits: Tensor;
  /** `[N, 1]` the logit of the stop probability at each token. */
  readonly stopLogits: Tensor;
}

/** The cache of a pass that has all its rows: nothing is earlier, and nothing is kept. */
const noEarlierEntries: KvCache = {
  length: 0,
  append: (_, keys, values) => ({ keys, values }),
  complete: () => {},
};

/**
 * Teacher forcing over one sample: the hidden states at the prompt's last position and at every segment but the last predict the
 * next segment.
 *
 * @throws CallerError training/C5 (no segments), generation/C1 (prompt), compositional-embedder/C1 (a segment's size), base/C1 (an id
 *   outside the vocabulary)
 */
export function predictSegments(model: HamburgerModel, { prompt, segments }: TrainingSample): Predictions {
  checkForced(model, { prompt, segments });
  const N = segments.length;
  requireSome(segments, 'segments');
  // 1. Let the entries be the embeddings of the prompt's tokens, un-merged, and of all segments but the last.
  const fedBack = segments.slice(0, -1);
  const entries = below(model, [
    tokenEmbeddings(model, prompt),
    ...(fedBack.length === 0 ? [] : [segmentEmbeddings(model, fedBack, discardTrace)]),
  ]);
  const positions = [...promptPositions(prompt.length)];
  let tokens = prompt.length;
  for (const { length } of fedBack) {
    tokens += length;
    positions.push(segmentPosition(tokens, trainProfile));
  }

  // 2. Let f_0, ..., f_{F-1} be the features at the last N entries: entry T - 1 + n predicts segment n.
  const pass = [{ positions, cache: noEarlierEntries, outputRows: N }];
  const outputs = baseLayers(model, entries, pass, discardTrace);
  const features = featuresOfRows(model, outputs, pass, discardTrace);

  // 3. Let hidden be the last feature at micro index 0, and a row of the micro-step decoder at each later one.
  const hidden = hiddenStates(model, features, segments);

  // 4. Both heads read the same hidden states (stop-head/C1).
  return {
    logits: languageModelHead(model, hidden),
    stopLogits: stopLogits(model, hidden, discardTrace),
  };
}

/** Step 3, `[tokens, d]`: macro-steps are packed, each a sequence of its own (micro-step-decoder/C3). */
function hiddenStates(
  model: HamburgerModel,
  features: readonly Tensor[],
  segments: readonly (readonly number[])[],
): Tensor {
  const F = features.length;
  const d = model.config.hiddenSize;
  // Of each segment, the tokens that predict another one: all but the last.
  const previous = segments.map((segment) => segment.slice(0, -1));
  const rows: RowSource[] = [];
  const sequences: SequenceRows[] = [];
  const given = previous.flat();
  const hidden: ((microStates: Tensor | undefined) => RowSource)[] = [];
  const embeddings = given.length === 0 ? undefined : tokenEmbeddings(model, given);
  let token = 0;
  previous.forEach((ids, n) => {
    hidden.push(() => ({ tensor: features[F - 1]!, row: n }));
    if (ids.length === 0) return;
    for (const feature of features) rows.push({ tensor: feature, row: n });
    ids.forEach(() => {
      const row = rows.push({ tensor: embeddings!, row: token++ }) - 1;
      hidden.push((microStates) => ({ tensor: microStates!, row }));
    });
    const count = F + ids.length;
    const positions = Array.from({ length: count }, (_, t) => t);
    sequences.push({ positions, cache: noEarlierEntries, outputRows: count });
  });
  const microStates =
    rows.length === 0
      ? undefined
      : microStepLayers(model, gatherRows(model.kernels, d, rows), sequences, discardTrace);
  return gatherRows(
    model.kernels,
    d,
    hidden.map((source) => source(microStates)),
  );
}

/** The rows of several tensors, one below the other. */
function below(model: Model, tensors: readonly Tensor[]): Tensor {
  const sources = tensors.flatMap((tensor) =>
    Array.from({ length: tensor.shape[0]! }, (_, row) => ({ tensor, row })),
  );
  return gatherRows(model.kernels, model.config.hiddenSize, sources);
}

/**
 * What a base alone says at each response token when it sees every token before it, none merged: the loss of a base in training is of
 * this, and so is what a teacher says.
 *
 * @param model a base, or a HAMburger of which the base is taken
 * @returns logits `[N, V]`, one row for each response token
 * @throws CallerError training/C5 (no response), generation/C1 (prompt, length), base/C1 (an id outside the vocabulary)
 */
export function predictTokens(model: Model, { prompt, segments }: TrainingSample): Tensor {
  const base = baseOf(model);
  const response = segments.flat();
  checkForced(base, { prompt, segments: response.map((id) => [id]) });
  requireSome(response, 'response');
  const entries = tokenEmbeddings(base, [...prompt, ...response.slice(0, -1)]);
  const positions = promptPositions(entries.shape[0]!);
  const pass = [{ positions, cache: noEarlierEntries, outputRows: response.length }];
  const last = baseLayers(base, entries, pass, discardTrace).at(-1)!;
  return languageModelHead(base, finalNorm(base, last));
}

function requireSome(list: readonly unknown[], subject: string): void {
  if (list.length > 0) return;
  throw new CallerError({ rule: 'training/C5', subject, expected: 'at least one', found: 'none' });
}
