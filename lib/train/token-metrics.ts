/**
 * SPEC #segmentation — what a base says of each token of a given response: the entropy of its prediction, and the probability that it gave to
 * the token.
 *
 * All arithmetic is binary64 on the stored logits, in every mode (segmentation/C2).
 *
 * @module
 */

import { createKvCache } from '../decode/kv-cache.ts';
import { CallerError } from '../errors.ts';
import { exp } from '../math/exp.ts';
import { log } from '../math/log.ts';
import { baseLayers, finalNorm, languageModelHead, tokenEmbeddings } from '../model/base.ts';
import { inWorkspace, type Model } from '../model/model.ts';
import { argmax } from '../ops/argmax.ts';
import type { Elements } from '../tensor/tensor.ts';
import { discardTrace } from '../trace.ts';
import { createSlidingKvCache } from './sliding-kv-cache.ts';

/**
 * Rows that go through the base at once. As many rows as there are would give the same bits (numerics/N6), but take room for
 * `[H, T, S]` scores and `[T, V]` logits; many more than this are no faster.
 */
const ROWS_PER_PASS = 32;

/** What the base says of one token, given all tokens before it. */
export interface TokenMetrics {
  /** H, in nats, of the distribution that predicts the token. */
  readonly entropy: number;
  /** The probability of the token itself in that distribution. */
  readonly probability: number;
}

/** A response to be measured, and what it answers. */
export interface TokenMetricsOptions {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** Token ids; the metrics are theirs. */
  readonly response: readonly number[];
  /** Attention sees so many entries, the row's own included; all when absent. */
  readonly window?: number;
  /** Called after each pass with the number of tokens done, those of the prompt included, and of all. */
  readonly onTokens?: (done: number, total: number) => void;
}

/**
 * Runs the base over prompt and response, every token an entry of its own. Modules of HAMburger are not used.
 *
 * @returns for each token of the response, in order
 * @throws CallerError segmentation/C1 (lengths), segmentation/C4 (window), base/C1 (an id outside the vocabulary), segmentation/C2 (logits
 *   without a distribution)
 */
export function tokenMetrics(given: Model, options: TokenMetricsOptions): readonly TokenMetrics[] {
  const { prompt, response, window, onTokens } = options;
  checkTokens(given, options);
  if (response.length === 0) return [];
  const ids = [...prompt, ...response];
  // The last token predicts nothing that is asked for.
  const T = ids.length - 1;
  const { numHiddenLayers: layers } = given.config;
  const kept = given.kernels.workspace();
  const model = inWorkspace(given);
  const slides = window !== undefined && window < T;
  const cache = slides
    ? createSlidingKvCache(kept, model.config, layers, window)
    : createKvCache(kept, model.config, layers, T);
  const rowsPerPass = slides ? 1 : ROWS_PER_PASS;
  const measured: TokenMetrics[] = [];
  try {
    for (let from = 0; from < T; from += rowsPerPass) {
      model.kernels.reset();
      const to = Math.min(from + rowsPerPass, T);
      // 1. Let x be the residual stream after the last layer, row t standing at position t.
      const entries = tokenEmbeddings(model, ids.slice(from, to));
      const positions = Array.from({ length: to - from }, (_, i) => from + i);
      //    Row t predicts token t + 1; go on with the rows that predict the response.
      const first = Math.min(Math.max(from, prompt.length - 1), to);
      const outputRows = to - first;
      const pass = [{ positions, cache, outputRows }];
      const x = baseLayers(model, entries, pass, discardTrace).at(-1)!;
      if (outputRows > 0) {
        const logits = languageModelHead(model, finalNorm(model, x));
        for (let t = first; t < to; t++)
          measured.push(metricsOf(logits.rows(t - first, t - first + 1).data, ids[t + 1]!));
      }
      onTokens?.(to + 1, ids.length);
    }
  } finally {
    model.kernels.free();
    kept.free();
  }
  return measured;
}

/**
 * Entropy and probability of one token.
 *
 * With m the largest logit, `w_i = exp(x_i - m)` and `Z = Σ w_i`, the probabilities are `w_i / Z` and the entropy
 * `-Σ p ln p = ln Z + Σ w_i (m - x_i) / Z`: two terms that are never negative, so that nothing cancels.
 *
 * @param logits `[V]`
 * @throws CallerError segmentation/C2 (a logit is NaN, or the largest is infinite)
 */
export function metricsOf(logits: Elements, id: number): TokenMetrics {
  // 2. Let m be the largest logit,
  const m = logits[argmax(logits)]!;
  if (!Number.isFinite(m)) {
    throw new CallerError({
      rule: 'segmentation/C2',
      subject: 'largest logit',
      expected: 'a finite number',
      found: `${m}`,
      hint: 'The activations overflowed; try --numerics f64',
    });
  }
  //    Z the sum of the weights exp(x - m), and A that of the weights times m - x, both left to right by id.
  let Z = 0;
  let A = 0;
  for (const x of logits) {
    const w = exp(x - m);
    Z += w;
    // A weight of 0 adds 0, also where m - x is infinite.
    if (w > 0) A += w * (m - x);
  }
  // 3. Let H be ln Z + A / Z, and p the token's own weight divided by Z.
  return { entropy: log(Z) + A / Z, probability: exp(logits[id]! - m) / Z };
}

function checkTokens({ config }: Model, { prompt, response, window }: TokenMetricsOptions): void {
  const rule = 'segmentation/C1';
  if (prompt.length === 0) {
    throw new CallerError({ rule, subject: 'prompt', expected: 'at least one token', found: 'none' });
  }
  const most = config.maxPositionEmbeddings + 1;
  const tokens = prompt.length + response.length;
  if (tokens > most) {
    throw new CallerError({
      rule,
      subject: 'prompt and response',
      expected: `at most ${most} tokens, one for each position and the last`,
      found: `${tokens}`,
    });
  }
  if (window !== undefined && !(Number.isSafeInteger(window) && window >= 1)) {
    throw new CallerError({
      rule: 'segmentation/C4',
      subject: 'window',
      expected: 'an integer of at least 1',
      found: `${window}`,
    });
  }
  checkIds(prompt, config.vocabSize, 'prompt');
  checkIds(response, config.vocabSize, 'response');
}

/** Here and not by the embedding, which never sees the last token. */
function checkIds(ids: readonly number[], V: number, whose: string): void {
  ids.forEach((id, t) => {
    if (Number.isInteger(id) && 0 <= id && id < V) return;
    throw new CallerError({
      rule: 'base/C1',
      subject: `token id at index ${t} of the ${whose}`,
      expected: `an integer from 0 to ${V - 1}`,
      found: `${id}`,
    });
  });
}
