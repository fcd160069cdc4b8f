/**
 * From a recorded run to its explanation: nothing is computed again, all is read from the run's own tensors.
 *
 * @module
 */

import { exp } from '../math/exp.ts';
import { headSize, type ModelConfig } from '../model/config.ts';
import {
  baseCost,
  embedderCost,
  type MacroStepShape,
  microStepCosts,
  parameterCount,
} from '../model/cost.ts';
import { Tensor } from '../tensor/tensor.ts';
import { streamingDecoder } from '../text/streaming-decoder.ts';
import type { TextTokenizer } from '../text/tokenizer.ts';
import {
  DEFAULT_MAX_STEPS,
  entropyMetric,
  segmentSizes,
  strategies,
  type Thresholds,
  theta,
} from '../train/segmentation.ts';
import type { TokenMetrics } from '../train/token-metrics.ts';
import type {
  BaseDetail,
  EmbedderDetail,
  ExplainedMacroStep,
  ExplainedSegmentation,
  ExplainedToken,
  Explanation,
  MacroStepDetail,
  MicroStepDetail,
  ModelFacts,
  RunSettings,
  ShownToken,
  Traffic,
} from './explanation.ts';
import { heatMap } from './heat-map.ts';
import type { Recording } from './record.ts';

/** A recorded run, and what it was a run of. */
export interface ExplainedRun extends Recording {
  readonly config: ModelConfig;
  readonly settings: RunSettings;
  readonly prompt: readonly number[];
  /** Spells the tokens; `null` if there is none. */
  readonly tokenizer: TextTokenizer | null;
  /** What the base says of each output token (`tokenMetrics`); `null` if it was not asked. */
  readonly metrics: readonly TokenMetrics[] | null;
}

/** Tokens shown beside the one that was chosen. */
const LIKELIEST = 5;

/** Entries named of those that the base attends to. */
const MOST_ATTENDED = 4;

/** Explains a run. */
export function explain(run: ExplainedRun): Explanation {
  const { config, settings, prompt, macroSteps, tokenizer, metrics } = run;
  const texts = outputTexts(run);
  const sizes = macroSteps.map(({ length }) => length);
  const tokens = sizes.reduce((sum, size) => sum + size, 0);
  let from = 0;
  return {
    settings,
    model: modelFacts(run),
    prompt: spelled(tokenizer, prompt),
    macroSteps: macroSteps.map((segment, m): ExplainedMacroStep => {
      const first = from;
      from += segment.length;
      return {
        positions: run.entryPositions.slice(
          ...(m === 0 ? [0, prompt.length] : [prompt.length + m - 1, prompt.length + m]),
        ),
        tokens: segment.map((token, i): ExplainedToken => ({ ...plain(token), text: texts[first + i]! })),
        traffic: trafficOf(config, {
          newEntries: m === 0 ? prompt.length : 1,
          earlierEntries: m === 0 ? 0 : prompt.length + m - 1,
          segmentTokens: m === 0 ? 1 : sizes[m - 1]!,
          emittedTokens: segment.length,
        }),
        detail: detailOf(run, m),
      };
    }),
    stopReason: run.stopReason,
    entryPositions: run.entryPositions,
    plainEntries: prompt.length + Math.max(tokens - 1, 0),
    plainTraffic: plainTraffic(config, prompt.length, tokens),
    segmentation: metrics === null ? null : segmentationOf(config, metrics),
  };
}

/** The members of an explained token alone. */
function plain({ id, probability, stopProbability, confidence, end }: Omit<ExplainedToken, 'text'>) {
  return { id, probability, stopProbability, confidence, end };
}

function modelFacts({ config, settings }: ExplainedRun): ModelFacts {
  const { hamburger } = config;
  const size = headSize(config);
  const bytes = settings.numerics === 'f64' ? 8 : 4;
  return {
    V: config.vocabSize,
    d: config.hiddenSize,
    f: config.intermediateSize,
    L: config.numHiddenLayers,
    H: config.numAttentionHeads,
    Hkv: config.numKeyValueHeads,
    size,
    M: hamburger?.maxSteps ?? 1,
    Hm: hamburger?.numMergerHeads ?? null,
    featureLayers: hamburger?.featureLayerIndices ?? [config.numHiddenLayers - 1],
    microLayers: hamburger?.numMicroLayers ?? 0,
    parameters: parameterCount(config),
    entryBytes: 2 * config.numHiddenLayers * config.numKeyValueHeads * size * bytes,
  };
}

/** How a token is spelled: what it adds to the text, special tokens as they are written. */
function spelled(tokenizer: TextTokenizer | null, ids: readonly number[]): ShownToken[] {
  const texts = textsAfter(tokenizer, [], ids);
  return ids.map((id, i) => ({ id, text: texts[i]! }));
}

function outputTexts({ tokenizer, prompt, macroSteps }: ExplainedRun): readonly (string | null)[] {
  return textsAfter(
    tokenizer,
    prompt,
    macroSteps.flatMap((segment) => segment.map(({ id }) => id)),
  );
}

function textsAfter(
  tokenizer: TextTokenizer | null,
  before: readonly number[],
  ids: readonly number[],
): (string | null)[] {
  if (tokenizer === null) return ids.map(() => null);
  // A table of embeddings may be longer than the vocabulary.
  const known = (id: number): boolean => id < tokenizer.vocabularySize;
  const decoder = streamingDecoder(tokenizer, before.filter(known), { skipSpecialTokens: false });
  const texts = ids.map((id) => (known(id) ? decoder.push(id) : `<${id}>`));
  const rest = decoder.flush();
  const last = texts.pop();
  return last === undefined ? [] : [...texts, last + rest];
}

/** One token by itself, where it stands in no text. */
function alone(tokenizer: TextTokenizer | null, id: number): string | null {
  if (tokenizer === null) return null;
  return id < tokenizer.vocabularySize ? tokenizer.decode([id], { skipSpecialTokens: false }) : `<${id}>`;
}

/** The traffic of a macro-step by where it arises. */
function trafficOf(
  config: ModelConfig,
  { newEntries, earlierEntries, segmentTokens, emittedTokens }: MacroStepShape,
): Traffic {
  const microSteps = Array.from({ length: emittedTokens }, (_, i) => {
    const { microStepDecoder, stopHead, lmHead } = microStepCosts(config, i);
    // The LM head's first use belongs to the base, which has its own next token from it (base/C4).
    return microStepDecoder.numbersRead + stopHead.numbersRead + (i === 0 ? 0 : lmHead.numbersRead);
  });
  const { lmHead } = microStepCosts(config, 0);
  return {
    embedder: embedderCost(config, segmentTokens).numbersRead,
    base: baseCost(config, newEntries, earlierEntries).numbersRead + lmHead.numbersRead,
    microSteps,
  };
}

/** The traffic of each pass of a plain decoder. */
function plainTraffic(config: ModelConfig, promptTokens: number, tokens: number): readonly number[] {
  const { lmHead } = microStepCosts(config, 0);
  return Array.from({ length: tokens }, (_, n) => {
    const pass = n === 0 ? baseCost(config, promptTokens, 0) : baseCost(config, 1, promptTokens + n - 1);
    return pass.numbersRead + lmHead.numbersRead;
  });
}

function segmentationOf(config: ModelConfig, metrics: readonly TokenMetrics[]): ExplainedSegmentation {
  const V = config.vocabSize;
  const maxSteps = config.hamburger?.maxSteps ?? DEFAULT_MAX_STEPS;
  const uncertainties = metrics.map((token) => entropyMetric.uncertainty(token));
  return {
    tokens: metrics.map(({ entropy, probability }) => ({ entropy, probability })),
    strategies: [...strategies.values()].map((strategy) => ({
      name: strategy.name,
      rule: ruleOf(strategy.defaults, V),
      sizes: segmentSizes(uncertainties, { vocabularySize: V, strategy, maxSteps }),
    })),
  };
}

/** The thresholds of a strategy, in nats where they are. */
function ruleOf({ minThreshold, ratioThreshold, confidence }: Partial<Thresholds>, V: number): string {
  return [
    ...(minThreshold === undefined ? [] : [`${minThreshold} nats`]),
    ...(ratioThreshold === undefined ? [] : [`${ratioThreshold} of an earlier one`]),
    ...(confidence === undefined ? [] : [`θ(${confidence}) = ${theta(confidence, V).toFixed(2)} nats`]),
  ].join(', or ');
}

/** `null` if the tensors of the macro-step are not there. */
function detailOf(run: ExplainedRun, m: number): MacroStepDetail | null {
  const { tensors, config, prompt, macroSteps } = run;
  const tensor = (name: string): Tensor | undefined => tensors.get(`macro.${m}.${name}`);
  const features = tensor('features');
  const base = baseDetail(tensor, config, m === 0 ? 0 : prompt.length + m - 1);
  const microSteps = macroSteps[m]!.map((_, i) => microStepDetail(run, tensor, i));
  if (features === undefined || base === undefined || microSteps.some((each) => each === undefined))
    return null;
  return {
    embedder: embedderDetail(tensor),
    base,
    features: Array.from({ length: features.shape[0]! }, (_, i) => heatMap(features.rows(i, i + 1))),
    microSteps: microSteps as readonly MicroStepDetail[],
  };
}

type TensorsOfStep = (name: string) => Tensor | undefined;

function embedderDetail(tensor: TensorsOfStep): EmbedderDetail | null {
  const output = tensor('comp_embedder.output');
  if (output === undefined) return null;
  const embeddings = tensor('comp_embedder.embeddings');
  const mean = tensor('comp_embedder.mean');
  const added = tensor('comp_embedder.out_proj');
  const weights = tensor('comp_embedder.merger.weights');
  const inside = embeddings !== undefined && mean && added && weights;
  const result = heatMap(output);
  if (!inside) return { merger: null, output: result };
  const [heads, s] = [weights.shape[0]!, weights.shape.at(-1)!];
  return {
    merger: {
      // One scale for all, so that the rows can be compared.
      embeddings: heatMap(embeddings, result.full),
      mean: heatMap(mean, result.full),
      added: heatMap(added, result.full),
      weights: Array.from({ length: heads }, (_, h) => [...weights.data.subarray(h * s, (h + 1) * s)]),
    },
    output: result,
  };
}

/** Rows of tensors one below the other; `undefined` if one is missing or there is none. */
function stacked(list: readonly (Tensor | undefined)[]): Tensor | undefined {
  const first = list[0];
  if (first === undefined || list.some((each) => each === undefined)) return undefined;
  const columns = first.shape.at(-1)!;
  const rows = list.flatMap((each) => [...each!.data]);
  return new Tensor(Float64Array.from(rows), [rows.length / columns, columns]);
}

const lastRow = (tensor: Tensor | undefined): Tensor | undefined =>
  tensor?.rows(tensor.shape[0]! - 1, tensor.shape[0]!);

/** `[H, T, n]` to the last row's `[H, n]`. */
function lastRowOfHeads(weights: Tensor | undefined): Tensor | undefined {
  if (weights === undefined) return undefined;
  const [H, T, n] = weights.shape as [number, number, number];
  const rows = Array.from({ length: H }, (_, h) =>
    weights.reshape([H * T, n]).rows((h + 1) * T - 1, (h + 1) * T),
  );
  return stacked(rows);
}

/** The mean over the rows of `[rows, n]`. */
function meanOfRows({ data, shape }: Tensor): number[] {
  const [rows, n] = shape as [number, number];
  return Array.from({ length: n }, (_, j) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += data[row * n + j]!;
    return sum / rows;
  });
}

function baseDetail(
  tensor: TensorsOfStep,
  { numHiddenLayers }: ModelConfig,
  earlierEntries: number,
): BaseDetail | undefined {
  const each = Array.from({ length: numHiddenLayers }, (_, l) => `model.layers.${l}`);
  const layers = stacked(each.map((name) => lastRow(tensor(`${name}.output`))));
  const attention = stacked(each.map((name) => lastRowOfHeads(tensor(`${name}.self_attn.weights`))));
  if (layers === undefined || attention === undefined) return undefined;
  const attended = meanOfRows(attention)
    .map((weight, entry) => ({ entry, weight }))
    .sort((a, b) => b.weight - a.weight)
    .slice(0, MOST_ATTENDED);
  return { earlierEntries, layers: heatMap(layers), attention: heatMap(attention), attended };
}

function microStepDetail(
  { config, tokenizer }: ExplainedRun,
  tensor: TensorsOfStep,
  i: number,
): MicroStepDetail | undefined {
  const hidden = tensor(`micro.${i}.hidden`);
  const logits = tensor(`micro.${i}.logits`);
  if (hidden === undefined || logits === undefined) return undefined;
  const layers = i === 0 ? 0 : (config.hamburger?.numMicroLayers ?? 0);
  const attention = stacked(
    Array.from({ length: layers }, (_, l) =>
      lastRowOfHeads(tensor(`micro.${i}.decoders.${l}.self_attn.weights`)),
    ),
  );
  return {
    attention: attention === undefined ? null : heatMap(attention, 1),
    attended: attention === undefined ? null : meanOfRows(attention),
    hidden: heatMap(hidden),
    likeliest: likeliest(logits.data).map((one) => ({ ...one, text: alone(tokenizer, one.id) })),
  };
}

/** The tokens of the largest logits, the lower id first in a tie, and their probabilities. */
function likeliest(logits: Tensor['data']): { id: number; probability: number }[] {
  const best = Array.from(logits, (_, id) => id)
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, LIKELIEST);
  const largest = logits[best[0]!]!;
  let total = 0;
  for (const logit of logits) total += exp(logit - largest);
  return best.map((id) => ({ id, probability: exp(logits[id]! - largest) / total }));
}
