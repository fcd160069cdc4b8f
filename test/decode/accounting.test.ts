import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allFlops,
  type Counts,
  countedGeneration,
  countedVerification,
  formulaCounts,
  growthExponent,
  growthOf,
  kvBytes,
  meter,
  plainDecoderCounts,
} from '../../lib/decode/accounting.ts';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { modelParts, parameterCount } from '../../lib/model/cost.ts';
import { baseOf } from '../../lib/model/model.ts';
import { finish, modelOf, randomWeights, segmentsOf, smallConfig } from '../helpers/models.ts';

/** Configurations in which no two dimensions have to be the same. */
const configs: fc.Arbitrary<ModelConfig> = fc
  .record({
    vocabSize: fc.integer({ min: 2, max: 40 }),
    intermediateSize: fc.integer({ min: 1, max: 30 }),
    numHiddenLayers: fc.integer({ min: 1, max: 4 }),
    group: fc.integer({ min: 1, max: 3 }),
    numKeyValueHeads: fc.integer({ min: 1, max: 3 }),
    halfHead: fc.integer({ min: 1, max: 3 }),
    tieWordEmbeddings: fc.boolean(),
    maxSteps: fc.integer({ min: 1, max: 6 }),
    mergerHeads: fc.nat(),
    numMicroLayers: fc.integer({ min: 1, max: 3 }),
    features: fc.nat(),
    plain: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ group, halfHead, mergerHeads, features, maxSteps, numMicroLayers, plain, ...rest }) => {
    const numAttentionHeads = group * rest.numKeyValueHeads;
    const hiddenSize = 2 * halfHead * numAttentionHeads;
    const divisors = Array.from({ length: hiddenSize }, (_, i) => i + 1).filter((n) => hiddenSize % n === 0);
    const last = rest.numHiddenLayers - 1;
    const earlier = Array.from({ length: last }, (_, layer) => layer).filter(
      (layer) => Math.floor(features / 2 ** layer) % 2 === 1,
    );
    return {
      ...smallConfig,
      ...rest,
      numAttentionHeads,
      hiddenSize,
      hamburger:
        plain === 0
          ? null
          : {
              maxSteps,
              numMicroLayers,
              numMergerHeads: divisors[mergerHeads % divisors.length]!,
              featureLayerIndices: [...earlier, last],
            },
    };
  });

/** A run, free and forced; some prompts are so long that they go through the base in several passes. */
const runs = fc.record({
  config: configs,
  promptTokens: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(64, 65, 130)),
  maxTokens: fc.integer({ min: 1, max: 12 }),
  confidence: fc.constantFrom(0, 0.3, 0.5, 1),
  sizes: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
});

const promptOf = (config: ModelConfig, length: number) =>
  Array.from({ length }, (_, i) => (7 * i + 3) % config.vocabSize);

describe('accounting', () => {
  it('cost/C4: what runs is what the closed formulas say, at every token, on 50 random configurations', () => {
    let merged = 0;
    fc.assert(
      fc.property(runs, ({ config, promptTokens, maxTokens, confidence, sizes }) => {
        const model = modelOf(config, 'f64', randomWeights());
        const prompt = promptOf(config, promptTokens);
        // Free, where the model says how long a macro-step is.
        const { tokens, result } = finish(countedGeneration(model, { prompt, maxTokens, confidence }));
        const own = segmentsOf(tokens).map(({ length }) => length);
        expect(tokens.map(({ counts }) => counts)).toEqual(formulaCounts(config, promptTokens, own));
        expect(result.counts.kvEntries).toBe(result.entryPositions.length);
        expect(result.counts).toEqual(tokens.at(-1)!.counts);
        // Forced, with macro-steps of any length.
        const M = config.hamburger?.maxSteps ?? 1;
        const segments = sizes.map((size, m) =>
          promptOf(config, 1 + (size % M)).map((id) => (id + m) % config.vocabSize),
        );
        const counted = meter(model);
        teacherForced(counted.model, { prompt, segments, trace: counted.trace });
        const forced = segments.map(({ length }) => length);
        expect(counted.read()).toEqual(formulaCounts(config, promptTokens, forced).at(-1));
        merged += forced.slice(0, -1).filter((size) => size > 1).length;
      }),
      { seed: 6, numRuns: 50 },
    );
    // Otherwise the compositional embedder would not have been seen.
    expect(merged).toBeGreaterThan(40);
  });

  it('cost/C3: the fast kernels compute the same operations', () => {
    const run = (kernels: ReturnType<typeof referenceKernels>) =>
      finish(
        countedGeneration(modelOf(smallConfig, 'f32', randomWeights(), kernels), {
          prompt: promptOf(smallConfig, 130),
          maxTokens: 20,
          confidence: 0,
        }),
      );
    expect(run(simdKernels())).toEqual(run(referenceKernels('f32')));
  });

  it('counting changes no bit of a run, and what is not counted costs nothing', () => {
    const model = modelOf(smallConfig, 'f64');
    const options = { prompt: [1, 2, 3], maxTokens: 15, confidence: 0 };
    const { tokens, result } = finish(countedGeneration(model, options));
    const plain = finish(generate(model, options));
    expect(tokens.map(({ counts, ...token }) => token)).toEqual(plain.tokens);
    expect(result).toMatchObject(plain.result);
  });

  it('cost/C2: forced segments are counted by the same parts', () => {
    const { model, trace, read } = meter(modelOf(smallConfig, 'f32'));
    teacherForced(model, { prompt: [1, 2, 3], segments: [[4, 5], [6], [7, 8, 9, 10]], trace });
    expect(read()).toEqual(formulaCounts(smallConfig, 3, [2, 1, 4]).at(-1));
  });

  it('cost/C2: the base alone has no merger, no micro-step decoder and no stop head', () => {
    const model = baseOf(modelOf(smallConfig, 'f32'));
    const { tokens } = finish(countedGeneration(model, { prompt: [1, 2], maxTokens: 5 }));
    const series = tokens.map(({ counts }) => counts);
    expect(series).toEqual(plainDecoderCounts(smallConfig, 2, 5));
    const { base, lmHead, ...modules } = series.at(-1)!.flops;
    expect(Object.values(modules)).toEqual([0, 0, 0]);
    expect(lmHead).toBe(5 * 2 * smallConfig.vocabSize * smallConfig.hiddenSize);
    expect(base).toBeGreaterThan(0);
  });

  it('cost/C1: a token of a plain decoder is two FLOPs a weight, and little more', () => {
    // The rule of thumb of everyone who estimates: 2 N. The rest is norms, activations, attention over few entries.
    const config = {
      ...smallConfig,
      hiddenSize: 240,
      intermediateSize: 640,
      vocabSize: 500,
      hamburger: null,
    };
    const [first, second] = plainDecoderCounts(config, 1, 2) as [Counts, Counts];
    const weights = parameterCount({ ...config, tieWordEmbeddings: true });
    const perToken = allFlops(second) - allFlops(first);
    expect(perToken / (2 * weights)).toBeGreaterThan(1);
    expect(perToken / (2 * weights)).toBeLessThan(1.03);
  });

  it('cost/C5: bytes are those of keys and values in every layer, 4 or 8 each', () => {
    const { counts } = finish(
      countedGeneration(modelOf(smallConfig, 'f32'), { prompt: [1], maxTokens: 4, confidence: 0 }),
    ).tokens.at(-1)!;
    // 5 layers, 3 heads of 4; 1 entry. 2 layers; 2 features and 3 tokens.
    expect(kvBytes(smallConfig, 'f32', counts)).toEqual({
      base: 4 * 2 * 5 * 12,
      microStepDecoder: 4 * 2 * 2 * 12 * 5,
    });
    expect(kvBytes(smallConfig, 'f64', counts).base).toBe(8 * 2 * 5 * 12);
  });

  it('cost/C6: the exponent of a power is its power, of a constant 0, of one value none', () => {
    const values = (power: number) => Array.from({ length: 40 }, (_, i) => 3 * (i + 1) ** power);
    for (const power of [0, 0.5, 1, 2]) expect(growthExponent(values(power))).toBeCloseTo(power, 12);
    expect(growthExponent([5])).toBeNull();
    expect(growthExponent([])).toBeNull();
  });

  it('cost/C6: of a plain decoder, KV entries grow in proportion and FLOPs a little faster, however long the prompt', () => {
    for (const promptTokens of [1, 50]) {
      const growth = growthOf(smallConfig, promptTokens, plainDecoderCounts(smallConfig, promptTokens, 100));
      expect(growth.kvEntries).toBeCloseTo(1, 12);
      expect(growth.baseFlops).toBeGreaterThan(1);
      expect(growth.allFlops).toBeGreaterThan(1);
    }
  });

  it('cost/C6: segments that become longer grow slower than the output, those of one length as fast as it', () => {
    const growth = (sizes: readonly number[]) =>
      growthOf(smallConfig, 10, formulaCounts(smallConfig, 10, sizes)).kvEntries!;
    const longer = [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4];
    expect(growth(longer)).toBeLessThan(0.8);
    expect(Math.abs(growth(Array(100).fill(4)) - 1)).toBeLessThan(0.06);
  });

  it('cost/C4: refuses what is no run', () => {
    expect(() => formulaCounts(smallConfig, 0, [1])).toThrow(/cost\/C4/);
    expect(() => formulaCounts(smallConfig, 1, [5])).toThrow(/max_steps/);
    expect(() => formulaCounts({ ...smallConfig, hamburger: null }, 1, [2])).toThrow(/from 1 to 1/);
    expect(formulaCounts(smallConfig, 1, [])).toEqual([]);
  });

  it('every part is named once', () => {
    expect(new Set(modelParts).size).toBe(modelParts.length);
  });

  it('cost/C2: what a target computes is its passes over prompt, drafts and its own tokens, whatever was drafted', () => {
    // A draft model that is its own target: everything is accepted, so the target sees each token once.
    const model = modelOf(smallConfig, 'f64');
    const base = baseOf(model);
    const options = { prompt: [1, 2, 3], maxTokens: 12, draftSteps: 3 };
    const { tokens, result } = finish(countedVerification(base, base, options));
    expect(result.statistics.accepted).toBe(result.statistics.drafted);
    const plain = plainDecoderCounts(smallConfig, 3, tokens.length).at(-1)!;
    expect(result.counts.targetFlops).toBe(allFlops(plain));
    expect(result.counts.draft.flops.compositionalEmbedder).toBe(0);
  });
});
