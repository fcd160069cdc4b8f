/**
 * What `bench` measures in each repetition: work that can be run again and again, and what it comes to.
 *
 * @module
 */

import {
  generate,
  headSize,
  type Kernels,
  type MacroStepShape,
  type Model,
  type ModelConfig,
  macroStepCost,
  type SimdCeilings,
  type Storage,
} from '../../lib/index.ts';

/** Bytes of a binary32 number. */
export const F32_BYTES = 4;

/** A loop of short calls goes on for at least this long, so that neither the clock nor a short pause shows. */
const LEAST_SECONDS = 0.05;

/**
 * What is measured runs for so long before the clock starts. After other work the first passes over the weights take twice as long, until
 * they are in the caches again and the processor is at speed: some 20 ms, seen with 60 MB. Neither a rate nor its ceiling should have them.
 */
const WARM_UP_SECONDS = 0.03;

/** Calls of {@link SimdCeilings.multiplyAdd} between two looks at the clock: some 10 µs each. */
const WALKS = 2000;

/** Model and kernels that can be told how many threads take part. */
export interface Engine {
  readonly kernels: 'simd' | 'reference';
  readonly threads: number;
  /** To be called before any work. */
  use(): void;
}

/** A figure that is measured once in each repetition. */
export interface Variant {
  /** Does the work and returns the figure: seconds, or a rate, as whoever made it says. */
  measure(): number;
}

function now(): number {
  return performance.now() / 1000;
}

/** Runs `work` until it is warm. */
function warmUp(work: () => void): void {
  const started = now();
  do work();
  while (now() - started < WARM_UP_SECONDS);
}

/** Runs `work` again and again, from when it is warm; `amount` of work per second. */
export function rateOf(work: () => number): number {
  warmUp(work);
  const started = now();
  let amount = 0;
  for (;;) {
    amount += work();
    const seconds = now() - started;
    if (seconds >= LEAST_SECONDS) return amount / seconds;
  }
}

/** Floating-point operations per second of the kernels' inner loop. */
export function peakOf(ceilings: SimdCeilings): Variant {
  return { measure: () => rateOf(() => ceilings.multiplyAdd(WALKS)) };
}

/** Bytes read per second. */
export function readingOf(ceilings: SimdCeilings, streams: 1 | 4): Variant {
  const read = (): number => {
    ceilings.read(streams);
    return ceilings.bytes;
  };
  return { measure: () => rateOf(read) };
}

/** Sizes of a product `out[m,n] = Σ_k a[m,k] * b[n,k]`. */
export interface ProductShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The products of a base's linear layers, with one row as in decoding and with many as over a prompt. */
export function productShapes(config: ModelConfig, promptTokens: number): readonly ProductShape[] {
  const { hiddenSize: d, intermediateSize: f, vocabSize: V } = config;
  const layer = [
    [d, d],
    [config.numKeyValueHeads * headSize(config), d],
    [f, d],
    [d, f],
  ] as const;
  const distinct = layer.filter(([N, K], i) => layer.findIndex(([n, k]) => n === N && k === K) === i);
  const shapes = (M: number, sizes: readonly (readonly [number, number])[]) =>
    sizes.map(([N, K]) => ({ M, N, K }));
  // Of a prompt only the last row reaches the LM head.
  return [...shapes(1, [...distinct, [V, d]]), ...shapes(promptTokens, distinct)];
}

/** 1 in bfloat16. */
const BF16_ONE = 0x3f80;

/** Products per second, by one engine or another; the operands are the same, `b` stored as weights are. */
export function productOf(
  kernels: Kernels,
  { M, N, K }: ProductShape,
  storage: Storage,
): (engine: Engine) => Variant {
  const matrix = (rows: number, columns: number, tensor = kernels.empty([rows, columns])) => {
    tensor.stored.fill(tensor.storage === 'bf16' ? BF16_ONE : 1);
    return tensor.matrix();
  };
  const weight = storage === 'bf16' ? kernels.emptyBf16!([N, K]) : undefined;
  const [a, b, out] = [matrix(M, K), matrix(N, K, weight), matrix(M, N)];
  const product = (): number => {
    kernels.matmulNT(a, b, out);
    kernels.settle();
    return 1;
  };
  return (engine) => ({
    measure() {
      engine.use();
      return rateOf(product);
    },
  });
}

/** Token ids that are nothing in particular. */
export function someTokens(config: ModelConfig, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => (1 + 7 * i) % config.vocabSize);
}

/** The most tokens of a macro-step; with confidence 0, the number of all but the last. */
export function tokensPerMacroStep(config: ModelConfig): number {
  return config.hamburger?.maxSteps ?? 1;
}

/** Generates; ends with the token limit and with nothing else, and every macro-step is as long as it can be. */
function endless(model: Model, prompt: readonly number[], maxTokens: number) {
  return generate(model, { prompt, maxTokens, confidence: 0, eosTokenIds: [] });
}

/** Has an engine decode short texts that nobody reads, until the model is warm. */
function warmUpModel(model: Model, engine: Engine): void {
  engine.use();
  const prompt = someTokens(model.config, 1);
  const limit = 2 * tokensPerMacroStep(model.config);
  warmUp(() => Array.from(endless(model, prompt, limit)));
}

/** Seconds until the first token after a prompt. */
export function prefillOf(model: Model, promptTokens: number, engine: Engine): Variant {
  const prompt = someTokens(model.config, promptTokens);
  return {
    measure() {
      warmUpModel(model, engine);
      const started = now();
      const tokens = endless(model, prompt, 1);
      tokens.next();
      const seconds = now() - started;
      // The rest of the generation gives its memory back.
      tokens.next();
      return seconds;
    },
  };
}

/** Seconds for `macroSteps` whole macro-steps after that of the prompt. */
export function decodeOf(model: Model, promptTokens: number, macroSteps: number, engine: Engine): Variant {
  const prompt = someTokens(model.config, promptTokens);
  const M = tokensPerMacroStep(model.config);
  return {
    measure() {
      warmUpModel(model, engine);
      const tokens = endless(model, prompt, M * (macroSteps + 1));
      for (let i = 0; i < M; i++) tokens.next();
      const started = now();
      while (!tokens.next().done);
      return now() - started;
    },
  };
}

/**
 * Seconds for `macroSteps` whole macro-steps of a generation that goes on from one measurement to the next: a long prompt is read
 * only once, by the engine `reader`.
 *
 * @param repetitions how often it can be measured
 */
export function continuationOf(
  model: Model,
  promptTokens: number,
  macroSteps: number,
  repetitions: number,
  { reader, engine }: { readonly reader: Engine; readonly engine: Engine },
): Variant {
  const M = tokensPerMacroStep(model.config);
  const tokens = endless(model, someTokens(model.config, promptTokens), M * (1 + macroSteps * repetitions));
  let read = false;
  return {
    measure() {
      if (!read) {
        reader.use();
        for (let i = 0; i < M; i++) tokens.next();
        read = true;
      }
      warmUpModel(model, engine);
      const started = now();
      for (let i = 0; i < M * macroSteps; i++) tokens.next();
      return now() - started;
    },
  };
}

/**
 * What `macroSteps` macro-steps after a prompt cost together: floating-point operations, and bytes that are read.
 *
 * @param linearWeightBytes bytes of a weight of a linear layer
 */
export function decodeCost(
  config: ModelConfig,
  promptTokens: number,
  macroSteps: number,
  linearWeightBytes: number,
): { readonly operations: number; readonly bytes: number } {
  const M = tokensPerMacroStep(config);
  let [operations, bytes] = [0, 0];
  for (let i = 0; i < macroSteps; i++) {
    const shape: MacroStepShape = {
      newEntries: 1,
      earlierEntries: promptTokens + i,
      segmentTokens: M,
      emittedTokens: M,
    };
    const { multiplyAdds, numbersRead, linearWeightsRead } = macroStepCost(config, shape);
    operations += 2 * multiplyAdds;
    bytes += F32_BYTES * (numbersRead - linearWeightsRead) + linearWeightBytes * linearWeightsRead;
  }
  return { operations, bytes };
}

/** Floating-point operations of the pass over a prompt and of its first token. */
export function prefillOperations(config: ModelConfig, promptTokens: number): number {
  const shape = { newEntries: promptTokens, earlierEntries: 0, segmentTokens: 1, emittedTokens: 1 };
  return 2 * macroStepCost(config, shape).multiplyAdds;
}
