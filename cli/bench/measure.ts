/**
 * The measurements of `bench`: which there are, their repetitions in turn, and the figures that follow.
 *
 * @module
 */

import {
  kvCacheSize,
  type Model,
  type ModelConfig,
  type SimdKernels,
  STORAGE_BYTES,
  type Storage,
  simdCeilings,
} from '../../lib/index.ts';
import { peakMemory } from './memory.ts';
import { pairedRatios, type Summary, summarise } from './statistics.ts';
import {
  continuationOf,
  decodeCost,
  decodeOf,
  type Engine,
  F32_BYTES,
  type ProductShape,
  peakOf,
  prefillOf,
  prefillOperations,
  productOf,
  productShapes,
  readingOf,
  tokensPerMacroStep,
  type Variant,
} from './variants.ts';

export const PARTS = ['products', 'decode', 'prefill', 'context', 'memory'] as const;
export type Part = (typeof PARTS)[number];

export const MODES = ['base', 'hamburger'] as const;
export type Mode = (typeof MODES)[number];

/** Prompt before the tokens whose speed is measured: short, so that the context is as long as the tokens make it. */
export const SHORT_PROMPT = 8;

/** The reference kernels do this part of the tokens of the others, but no fewer than so many, to take a bearable time. */
const REFERENCE_SHARE = 1 / 16;
const REFERENCE_TOKENS = 8;

/** Tokens of one repetition where the context is long already. */
const CONTEXT_TOKENS = 8;

/** More than any cache holds: reading a larger region is not slower, and costs memory. */
const LARGEST_REGION = 1 << 30;

/** What to measure. */
export interface Plan {
  readonly parts: readonly Part[];
  readonly modes: readonly Mode[];
  readonly promptTokens: number;
  readonly tokens: number;
  readonly contexts: readonly number[];
  readonly repetitions: number;
  readonly threads: readonly number[];
}

/** One kernel set, the numbers of threads it is measured with, and the models that run on it. */
export interface Setup {
  readonly kernels: 'simd' | 'reference';
  readonly engines: readonly Engine[];
  readonly models: ReadonlyMap<Mode, Model>;
  /** How the weights of linear layers lie in memory: most of them, if they differ. */
  readonly storage: Storage;
  /** Bytes of all weights in memory. */
  readonly weightBytes: number;
}

/** What was measured with what. */
interface Subject {
  readonly kernels: string;
  readonly threads: number;
}

interface ModeSubject extends Subject {
  readonly mode: Mode;
}

/** Rates are per second; `of...` are shares of a ceiling. */
export interface Report {
  readonly ceilings: {
    /** Floating-point operations of the kernels' inner loop. */
    readonly operations: Summary;
    /** Bytes of the region: as many as decoding reads for a token. */
    readonly regionBytes: number;
    readonly bytesInOneStream: Summary;
    readonly bytesInFourStreams: Summary;
    /** The faster of the two, repetition by repetition. */
    readonly bytes: Summary;
  };
  readonly products: readonly (Subject & {
    readonly shape: readonly [M: number, N: number, K: number];
    readonly operations: Summary;
    readonly ofPeak: Summary;
    readonly bytes: Summary;
  })[];
  readonly decode: readonly (ModeSubject & {
    readonly outputTokens: number;
    readonly tokensPerMacroStep: number;
    readonly tokens: Summary;
    readonly secondsPerMacroStep: Summary;
    readonly operations: Summary;
    readonly bytes: Summary;
    readonly bytesPerToken: number;
    readonly operationsPerToken: number;
    readonly ofReading: Summary;
  })[];
  readonly prefill: readonly (ModeSubject & {
    readonly promptTokens: number;
    readonly tokens: Summary;
    readonly operations: Summary;
    readonly ofPeak: Summary;
  })[];
  readonly context: readonly (ModeSubject & {
    /** KV entries in the middle of what was measured. */
    readonly entries: number;
    readonly secondsPerToken: Summary;
  })[];
  readonly memory: {
    /** Peak of a process that only loads the library and makes the kernels. */
    readonly engineBytes: number;
    readonly generations: readonly (ModeSubject & {
      readonly promptTokens: number;
      readonly outputTokens: number;
      readonly weightBytes: number;
      readonly cacheBytes: number;
      readonly peakBytes: number;
      /** What the peak has beyond the engine's, over weights and caches. */
      readonly ratio: number;
    })[];
  } | null;
  readonly comparisons: readonly {
    readonly name: string;
    /** Within a repetition. */
    readonly ratio: Summary;
    /** Of the best figure of one to the best of the other: what is left of noise where other work takes the processor away. */
    readonly ratioOfBest: number;
  }[];
}

/** Macro-steps for about so many tokens. */
function macroStepsFor(config: ModelConfig, tokens: number): number {
  return Math.max(1, Math.ceil(tokens / tokensPerMacroStep(config)));
}

/** Positions that a measurement at a context of `entries` needs. */
function contextPositions(config: ModelConfig, entries: number, repetitions: number): number {
  const M = tokensPerMacroStep(config);
  return entries + M * (1 + macroStepsFor(config, CONTEXT_TOKENS) * (repetitions + 1));
}

/** A plan held within the positions of a model, and what had to be left out or cut. */
export function withinPositions(plan: Plan, config: ModelConfig): { plan: Plan; notes: string[] } {
  const most = config.maxPositionEmbeddings;
  const M = tokensPerMacroStep(config);
  const notes: string[] = [];
  const cut = (name: string, wanted: number, possible: number): number => {
    if (wanted <= possible) return wanted;
    notes.push(`${name}: ${possible} instead of ${wanted}, because the model has ${most} positions`);
    return possible;
  };
  const tokens = cut('--tokens', plan.tokens, most - SHORT_PROMPT - 2 * M);
  const promptTokens = cut('--prompt-tokens', plan.promptTokens, most - tokens - 2 * M);
  const contexts = plan.contexts.filter(
    (entries) => contextPositions(config, entries, plan.repetitions) <= most,
  );
  const left = plan.contexts.filter((entries) => !contexts.includes(entries));
  if (plan.parts.includes('context') && left.length > 0)
    notes.push(`--contexts: ${left.join(', ')} left out, because the model has ${most} positions`);
  return { plan: { ...plan, tokens, promptTokens, contexts }, notes };
}

/** Positions that a model needs to have everything measured. */
export function positionsFor(plan: Plan, config: ModelConfig): number {
  const M = tokensPerMacroStep(config);
  const generation = Math.max(SHORT_PROMPT, plan.promptTokens) + plan.tokens + 2 * M;
  return Math.max(
    generation,
    ...plan.contexts.map((entries) => contextPositions(config, entries, plan.repetitions)),
  );
}

/** Variants, each with the figure of every repetition so far. */
class Series {
  readonly #all: { readonly variant: Variant; readonly values: number[] }[] = [];

  /** The list that will have the figures. */
  add(variant: Variant): readonly number[] {
    const values: number[] = [];
    this.#all.push({ variant, values });
    return values;
  }

  /** Runs all in turn, once to get warm and then so often. `measure` runs one, `turn` returns whether to go on. */
  async run(repetitions: number, step: Step): Promise<void> {
    const total = (repetitions + 1) * this.#all.length;
    let done = 0;
    for (let repetition = 0; repetition <= repetitions; repetition++) {
      for (const { variant, values } of this.#all) {
        const value = await step(() => variant.measure(), ++done, total);
        if (repetition > 0) values.push(value);
      }
    }
  }
}

/** Runs one measurement; can be interrupted. `done` of `total` are begun. */
export type Step = (work: () => number, done: number, total: number) => Promise<number>;

/** What a part adds to the measurements; returns what makes rows of the figures afterwards. */
interface Bench {
  readonly plan: Plan;
  readonly setups: readonly Setup[];
  readonly series: Series;
  /** Operations and bytes per second that are possible, one for each repetition. */
  readonly peak: readonly number[];
  readonly reading: () => readonly number[];
}

/**
 * Measures.
 *
 * @param folder the checkpoint, for processes of their own
 */
export async function measure(
  folder: string,
  config: ModelConfig,
  plan: Plan,
  setups: readonly Setup[],
  step: Step,
): Promise<Report> {
  const series = new Series();
  const baseConfig = { ...config, hamburger: null };
  const { bytes } = decodeCost(baseConfig, SHORT_PROMPT, plan.tokens, STORAGE_BYTES[setups[0]!.storage]);
  const bytesPerToken = bytes / plan.tokens;
  const ceilings = simdCeilings(Math.min(LARGEST_REGION, Math.round(bytesPerToken)));
  const peak = series.add(peakOf(ceilings));
  const oneStream = series.add(readingOf(ceilings, 1));
  const fourStreams = series.add(readingOf(ceilings, 4));
  const reading = (): number[] => oneStream.map((rate, r) => Math.max(rate, fourStreams[r]!));
  const bench: Bench = { plan, setups, series, peak, reading };

  const has = (part: Part): boolean => plan.parts.includes(part);
  const decode = has('decode') || has('prefill') ? decoding(bench) : () => [];
  const prefill = has('prefill') ? prefilling(bench) : () => [];
  const products = has('products') ? multiplying(bench) : () => [];
  const context = has('context') ? growing(bench) : () => [];
  await series.run(plan.repetitions, step);
  const decoded = decode();
  const prefilled = prefill();
  return {
    ceilings: {
      operations: summarise(peak),
      regionBytes: ceilings.bytes,
      bytesInOneStream: summarise(oneStream),
      bytesInFourStreams: summarise(fourStreams),
      bytes: summarise(reading()),
    },
    products: products(),
    decode: decoded.map(({ row }) => row),
    prefill: prefilled.map(({ row }) => row),
    context: context(),
    memory: has('memory') ? await memory(folder, config, plan, setups) : null,
    comparisons: comparisons(decoded, prefilled, reading()),
  };
}

/** Each kernel set with each number of threads and each mode. */
function subjects(setups: readonly Setup[]) {
  return setups.flatMap(({ kernels, engines, models, storage }) =>
    engines.flatMap((engine) =>
      Array.from(models, ([mode, model]) => ({
        ...{ kernels, engine, mode, model, threads: engine.threads },
        linearWeightBytes: STORAGE_BYTES[storage],
      })),
    ),
  );
}

/** How many of `tokens` tokens a kernel set is measured with. */
function share(kernels: string, tokens: number): number {
  if (kernels !== 'reference') return tokens;
  return Math.min(tokens, Math.max(REFERENCE_TOKENS, Math.ceil(tokens * REFERENCE_SHARE)));
}

function multiplying({ plan, setups, series, peak }: Bench): () => Report['products'] {
  const rows = setups
    .filter(({ kernels }) => kernels === 'simd')
    .flatMap(({ kernels, engines, models, storage }) => {
      const [model] = models.values();
      return productShapes(model!.config, plan.promptTokens).flatMap((shape) => {
        const by = productOf(model!.kernels, shape, storage);
        return engines.map((engine) => ({ kernels, engine, shape, storage, rates: series.add(by(engine)) }));
      });
    });
  return () =>
    rows.map(({ kernels, engine, shape, storage, rates }) => {
      const operations = rates.map((rate) => rate * 2 * shape.M * shape.N * shape.K);
      return {
        kernels,
        threads: engine.threads,
        shape: [shape.M, shape.N, shape.K],
        operations: summarise(operations),
        ofPeak: summarise(pairedRatios(operations, peak)),
        bytes: summarise(rates.map((rate) => rate * bytesOf(shape, storage))),
      };
    });
}

/** Bytes that a product reads and writes, each once. */
function bytesOf({ M, N, K }: ProductShape, storage: Storage): number {
  return F32_BYTES * (M * K + M * N) + STORAGE_BYTES[storage] * N * K;
}

/** A row of the report and the figure of each repetition. */
interface Measured<Row> {
  readonly row: Row;
  /** Seconds for one token. */
  readonly perToken: readonly number[];
}

function decoding({ plan, setups, series, reading }: Bench): () => Measured<Report['decode'][number]>[] {
  const rows = subjects(setups).map((subject) => {
    const macroSteps = macroStepsFor(subject.model.config, share(subject.kernels, plan.tokens));
    const seconds = series.add(decodeOf(subject.model, SHORT_PROMPT, macroSteps, subject.engine));
    return { ...subject, macroSteps, seconds };
  });
  return () =>
    rows.map(({ kernels, threads, mode, model, linearWeightBytes, macroSteps, seconds }) => {
      const outputTokens = macroSteps * tokensPerMacroStep(model.config);
      const cost = decodeCost(model.config, SHORT_PROMPT, macroSteps, linearWeightBytes);
      const bytes = seconds.map((s) => cost.bytes / s);
      const row = {
        kernels,
        threads,
        mode,
        outputTokens,
        tokensPerMacroStep: outputTokens / macroSteps,
        tokens: summarise(seconds.map((s) => outputTokens / s)),
        secondsPerMacroStep: summarise(seconds.map((s) => s / macroSteps)),
        operations: summarise(seconds.map((s) => cost.operations / s)),
        bytes: summarise(bytes),
        bytesPerToken: cost.bytes / outputTokens,
        operationsPerToken: cost.operations / outputTokens,
        ofReading: summarise(pairedRatios(bytes, reading())),
      };
      return { row, perToken: seconds.map((s) => s / outputTokens) };
    });
}

function prefilling({ plan, setups, series, peak }: Bench): () => Measured<Report['prefill'][number]>[] {
  const rows = subjects(setups).map((subject) => {
    const promptTokens = share(subject.kernels, plan.promptTokens);
    return {
      ...subject,
      promptTokens,
      seconds: series.add(prefillOf(subject.model, promptTokens, subject.engine)),
    };
  });
  return () =>
    rows.map(({ kernels, threads, mode, model, promptTokens, seconds }) => {
      const total = prefillOperations(model.config, promptTokens);
      const operations = seconds.map((s) => total / s);
      const row = {
        kernels,
        threads,
        mode,
        promptTokens,
        tokens: summarise(seconds.map((s) => promptTokens / s)),
        operations: summarise(operations),
        ofPeak: summarise(pairedRatios(operations, peak)),
      };
      return { row, perToken: seconds.map((s) => s / promptTokens) };
    });
}

/** By the fastest kernels on the fewest threads; all threads read the prompt. */
function growing({ plan, setups, series }: Bench): () => Report['context'] {
  const { kernels, engines, models } = setups[0]!;
  const engine = engines[0]!;
  const rows = plan.contexts.flatMap((entries) =>
    Array.from(models, ([mode, model]) => {
      const macroSteps = macroStepsFor(model.config, CONTEXT_TOKENS);
      // The first macro-step and the measurement that is not counted come before, half of those that count after.
      const before = 1 + macroSteps + Math.floor((macroSteps * plan.repetitions) / 2);
      const promptTokens = Math.max(1, entries - before);
      const seconds = series.add(
        continuationOf(model, promptTokens, macroSteps, plan.repetitions + 1, {
          reader: engines.at(-1)!,
          engine,
        }),
      );
      return { mode, model, macroSteps, entries: promptTokens + before, seconds };
    }),
  );
  return () =>
    rows.map(({ mode, model, macroSteps, entries, seconds }) => ({
      kernels,
      threads: engine.threads,
      mode,
      entries,
      secondsPerToken: summarise(seconds.map((s) => s / (macroSteps * tokensPerMacroStep(model.config)))),
    }));
}

async function memory(
  folder: string,
  config: ModelConfig,
  plan: Plan,
  setups: readonly Setup[],
): Promise<Report['memory']> {
  // All parameters are loaded, whatever the mode.
  const { kernels, engines, weightBytes } = setups[0]!;
  const { threads } = engines[0]!;
  const engineBytes = await peakMemory({ kernels, threads, generation: null });
  const generations = [];
  for (const mode of plan.modes) {
    for (const promptTokens of [SHORT_PROMPT, plan.promptTokens]) {
      const run = mode === 'base' ? { ...config, hamburger: null } : config;
      const macroSteps = macroStepsFor(run, plan.tokens);
      const M = tokensPerMacroStep(run);
      const outputTokens = M * (macroSteps + 1);
      const generation = { folder, mode, promptTokens, macroSteps };
      const peakBytes = await peakMemory({ kernels, threads, generation });
      const cacheBytes = F32_BYTES * kvCacheSize(run, promptTokens + outputTokens);
      const ratio = (peakBytes - engineBytes) / (weightBytes + cacheBytes);
      const sizes = { promptTokens, outputTokens, weightBytes, cacheBytes, peakBytes, ratio };
      generations.push({ kernels, threads, mode, ...sizes });
    }
  }
  return { engineBytes, generations };
}

/** On one thread, or as few as there are: what the fast kernels gain, and how near they come to what is possible. */
function comparisons(
  decoded: readonly Measured<Report['decode'][number]>[],
  prefilled: readonly Measured<Report['prefill'][number]>[],
  reading: readonly number[],
): Report['comparisons'] {
  const result: { name: string; ratio: Summary; ratioOfBest: number }[] = [];
  const find = <Row extends ModeSubject>(rows: readonly Measured<Row>[], kernels: string, mode: Mode) =>
    rows.find(({ row }) => row.kernels === kernels && row.mode === mode);
  /** How many times as fast it is, from the seconds per token of both. */
  const add = (name: string, slow: readonly number[] | undefined, fast: readonly number[] | undefined) => {
    if (slow === undefined || fast === undefined) return;
    const ratio = summarise(pairedRatios(slow, fast));
    result.push({ name, ratio, ratioOfBest: Math.min(...slow) / Math.min(...fast) });
  };
  for (const mode of MODES) {
    const simd = find(decoded, 'simd', mode);
    const reference = find(decoded, 'reference', mode);
    add(`decode ${mode}: simd over reference, per token`, reference?.perToken, simd?.perToken);
    const prefill = find(prefilled, 'simd', mode);
    add(`${mode}, simd: prefill over decode, per token`, simd?.perToken, prefill?.perToken);
    if (simd !== undefined) {
      const ratioOfBest = simd.row.bytes.most / Math.max(...reading);
      result.push({
        name: `decode ${mode}, simd: reading over its ceiling`,
        ratio: simd.row.ofReading,
        ratioOfBest,
      });
    }
  }
  const base = find(decoded, 'simd', 'base');
  const hamburger = find(decoded, 'simd', 'hamburger');
  add('decode, simd: hamburger over base, per token', base?.perToken, hamburger?.perToken);
  return result;
}

/** The engines of the fast kernels, one for each number of threads. */
export function simdEngines(kernels: SimdKernels, threads: readonly number[]): Engine[] {
  return threads.map((count) => ({
    kernels: 'simd',
    threads: count,
    use: () => kernels.useThreads(count),
  }));
}
