/**
 * SPEC #cost — what a run costs, token by token: FLOPs of each part of the model, KV entries. Counted while it runs ({@link countedGeneration}),
 * and by the closed formulas ({@link formulaCounts}); both come to the same numbers (cost/C4).
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { countingKernels } from '../kernels/flops.ts';
import { log } from '../math/log.ts';
import type { ModelConfig } from '../model/config.ts';
import {
  type ByPart,
  baseCost,
  embedderCost,
  type ModelPart,
  microStepCosts,
  modelParts,
  numbersPerEntry,
  numbersPerMicroRow,
} from '../model/cost.ts';
import type { Model } from '../model/model.ts';
import type { Numerics } from '../tensor/tensor.ts';
import type { Trace } from '../trace.ts';
import { type GeneratedToken, type GenerateOptions, type Generation, generate } from './generate.ts';
import {
  generateVerified,
  type VerifiedGeneration,
  type VerifiedOptions,
  type VerifiedToken,
} from './verified.ts';

/** What has been done since a run began, and what it holds. */
export interface Counts {
  /** FLOPs of each part, the prompt's included. */
  readonly flops: ByPart<number>;
  /** KV entries in the base's cache. */
  readonly kvEntries: number;
  /** Rows in the cache of the macro-step: features and tokens that its micro-step decoder has seen. */
  readonly microRows: number;
}

/** Counts what a model computes. */
export interface Meter {
  /** The same model, counted: to be run in place of the one that was given, with {@link Meter.trace}. */
  readonly model: Model;
  /** Tells the meter whose work was done; it wants no tensor, so it makes none be computed. */
  readonly trace: Trace;
  /** The counts so far. */
  read(): Counts;
}

/**
 * A meter for a model. The part at work is known from the trace: what runs belongs to the part whose tensor is shown next (cost/C2).
 */
export function meter(model: Model): Meter {
  const flops = Object.fromEntries(modelParts.map((part) => [part, 0])) as Record<ModelPart, number>;
  /** Of what has run since the last tensor was shown. */
  let pending = 0;
  let attended = 0;
  const held = { base: 0, microStepDecoder: 0 };

  const settle = (part: ModelPart): void => {
    flops[part] += pending;
    pending = 0;
    if (attended > 0 && (part === 'base' || part === 'microStepDecoder')) held[part] = attended;
    attended = 0;
  };
  const kernels = countingKernels(model.kernels, {
    flops: (count) => {
      pending += count;
    },
    attended: (entries) => {
      attended = entries;
    },
  });
  return {
    model: { ...model, kernels },
    trace: attributingTrace(settle, () => {
      held.microStepDecoder = 0;
    }),
    read: () => ({ flops: { ...flops }, kvEntries: held.base, microRows: held.microStepDecoder }),
  };
}

/** Parts of the model by the names that they have in a trace (#trace); names below them, such as `layers`, change nothing. */
const PART_OF_TRACE: Readonly<Record<string, ModelPart>> = {
  comp_embedder: 'compositionalEmbedder',
  model: 'base',
  micro: 'microStepDecoder',
  stop_head: 'stopHead',
};

/** Tensors that another part gives than the trace they are shown in. */
const PART_OF_TENSOR: Readonly<Record<string, ModelPart>> = {
  logits: 'lmHead',
  stop_probability: 'stopHead',
};

/** Calls `settle` with the part of every tensor that is shown, and `onMacroStep` when a macro-step begins. */
function attributingTrace(settle: (part: ModelPart) => void, onMacroStep: () => void): Trace {
  const traces = new Map<ModelPart, Trace>();
  for (const part of modelParts) {
    traces.set(part, {
      wanted: false,
      part(name) {
        if (name === 'macro') onMacroStep();
        return traces.get(PART_OF_TRACE[name] ?? part)!;
      },
      tensor: (name) => settle(PART_OF_TENSOR[name] ?? part),
    });
  }
  return traces.get('base')!;
}

/** A value with the counts when it came. */
export type Counted<T, C = Counts> = T & { readonly counts: C };

/** As {@link generate}, counted. The same tokens, to the bit. @throws CallerError as {@link generate} */
export function countedGeneration(
  model: Model,
  options: Omit<GenerateOptions, 'trace'>,
): Generator<Counted<GeneratedToken>, Counted<Generation>> {
  const { model: counted, trace, read } = meter(model);
  return withCounts(generate(counted, { ...options, trace }), read);
}

/** Counts of a verified generation. */
export interface VerifiedCounts {
  /** Of the draft model, what was rolled back included. */
  readonly draft: Counts;
  /** FLOPs of the target, all parts together (cost/C2); 0 without one. */
  readonly targetFlops: number;
}

/** As {@link generateVerified}, counted. The same tokens, to the bit. @throws CallerError as {@link generateVerified} */
export function countedVerification(
  draft: Model,
  target: Model | null,
  options: Omit<VerifiedOptions, 'trace'>,
): Generator<Counted<VerifiedToken, VerifiedCounts>, Counted<VerifiedGeneration, VerifiedCounts>> {
  const drafts = meter(draft);
  const verdicts = target === null ? null : meter(target);
  // Names begin with the model whose work they are (#trace).
  const trace: Trace = {
    wanted: false,
    part: (name) => (name === 'draft' || verdicts === null ? drafts : verdicts).trace,
    tensor: () => {},
  };
  const run = generateVerified(drafts.model, verdicts?.model ?? null, { ...options, trace });
  return withCounts(run, () => ({
    draft: drafts.read(),
    targetFlops: verdicts === null ? 0 : allFlops(verdicts.read()),
  }));
}

/** What a run yields and returns, with the counts at that time. */
export function* withCounts<T, R, C>(
  steps: Generator<T, R>,
  read: () => C,
): Generator<Counted<T, C>, Counted<R, C>> {
  let ended = false;
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done) {
        ended = true;
        return { ...value, counts: read() };
      }
      yield { ...value, counts: read() };
    }
  } finally {
    // Where the caller breaks off, the run has to give back its memory. What it returns then is nobody's.
    if (!ended) steps.return(undefined as R);
  }
}

/**
 * The counts at every output token, by the closed formulas of SPEC #cost (cost/C4).
 *
 * @param promptTokens T
 * @param segmentSizes tokens that each macro-step emits
 * @throws CallerError cost/C4 (no prompt; a macro-step of no or too many tokens)
 */
export function formulaCounts(
  config: ModelConfig,
  promptTokens: number,
  segmentSizes: readonly number[],
): readonly Counts[] {
  checkRun(config, promptTokens, segmentSizes);
  const flops = Object.fromEntries(modelParts.map((part) => [part, 0])) as Record<ModelPart, number>;
  const features = config.hamburger?.featureLayerIndices.length ?? 0;
  return segmentSizes.flatMap((size, m) => {
    const earlier = promptTokens + m - 1;
    flops.base += (m === 0 ? baseCost(config, promptTokens, 0) : baseCost(config, 1, earlier)).flops;
    if (m > 0) flops.compositionalEmbedder += embedderCost(config, segmentSizes[m - 1]!).flops;
    return Array.from({ length: size }, (_, i): Counts => {
      const costs = microStepCosts(config, i);
      for (const part of ['microStepDecoder', 'stopHead', 'lmHead'] as const)
        flops[part] += costs[part].flops;
      return { flops: { ...flops }, kvEntries: promptTokens + m, microRows: i === 0 ? 0 : features + i };
    });
  });
}

/** The counts of the base alone at every one of `outputTokens` tokens: what {@link Counts} of a HAMburger are compared with. */
export function plainDecoderCounts(
  config: ModelConfig,
  promptTokens: number,
  outputTokens: number,
): readonly Counts[] {
  const base = { ...config, hamburger: null };
  return formulaCounts(
    base,
    promptTokens,
    Array.from({ length: outputTokens }, () => 1),
  );
}

function checkRun(config: ModelConfig, promptTokens: number, segmentSizes: readonly number[]): void {
  const rule = 'cost/C4';
  const maxSteps = config.hamburger?.maxSteps ?? 1;
  if (!(Number.isSafeInteger(promptTokens) && promptTokens >= 1)) {
    throw new CallerError({
      rule,
      subject: 'prompt tokens',
      expected: 'an integer of at least 1',
      found: `${promptTokens}`,
    });
  }
  segmentSizes.forEach((size, m) => {
    if (Number.isInteger(size) && 1 <= size && size <= maxSteps) return;
    throw new CallerError({
      rule,
      subject: `tokens of macro-step ${m}`,
      expected: `an integer from 1 to ${maxSteps} (max_steps)`,
      found: `${size}`,
    });
  });
}

/** FLOPs of all parts together. */
export function allFlops({ flops }: Counts): number {
  return modelParts.reduce((sum, part) => sum + flops[part], 0);
}

/** Bytes of both caches: the base's, and that of the macro-step (cost/C5). */
export function kvBytes(
  config: ModelConfig,
  numerics: Numerics,
  { kvEntries, microRows }: Counts,
): { readonly base: number; readonly microStepDecoder: number } {
  const bytes = numerics === 'f64' ? 8 : 4;
  return {
    base: bytes * kvEntries * numbersPerEntry(config),
    microStepDecoder: bytes * microRows * numbersPerMicroRow(config),
  };
}

/** How something grows with the number of output tokens: 1 is in proportion, less is slower (cost/C6). */
export interface Growth {
  readonly kvEntries: number | null;
  readonly baseFlops: number | null;
  readonly allFlops: number | null;
}

/**
 * Growth exponents of a run (cost/C6).
 *
 * @param series the counts at every output token
 */
export function growthOf(config: ModelConfig, promptTokens: number, series: readonly Counts[]): Growth {
  // What the prompt costs without its last token, which is in the pass that gives the first output token.
  const context = promptTokens === 1 ? 0 : baseCost(config, promptTokens - 1, 0, 0).flops;
  return {
    kvEntries: growthExponent(series.map(({ kvEntries }) => kvEntries - (promptTokens - 1))),
    baseFlops: growthExponent(series.map(({ flops }) => flops.base - context)),
    allFlops: growthExponent(series.map((counts) => allFlops(counts) - context)),
  };
}

/**
 * The least-squares slope of `ln y(n)` against `ln n`, n from 1 (cost/C6).
 *
 * @param values y(1), y(2), ...; positive
 * @returns `null` for fewer than two
 */
export function growthExponent(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const xs = values.map((_, i) => log(i + 1));
  const ys = values.map(log);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [meanX, meanY] = [mean(xs), mean(ys)];
  let [above, below] = [0, 0];
  xs.forEach((x, i) => {
    above += (x - meanX) * (ys[i]! - meanY);
    below += (x - meanX) * (x - meanX);
  });
  return above / below;
}
