import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formulaCounts } from '../../lib/decode/accounting.ts';
import { teacherForced } from '../../lib/decode/generate.ts';
import { createKvCache } from '../../lib/decode/kv-cache.ts';
import { type Kernels, mostVisible, type Workspace } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { type Cost, kvCacheSize, macroStepCost, parameterCount } from '../../lib/model/cost.ts';
import { baseOf } from '../../lib/model/model.ts';
import { modelOf, smallConfig } from '../helpers/models.ts';

const sizes = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Kernels that count what {@link macroStepCost} counts, call by call, and the numbers that they are asked to make room for. */
function countingKernels() {
  const count = { multiplyAdds: 0, numbersRead: 0, linearWeightsRead: 0, room: 0 };
  const counted = (inner: Kernels): Kernels => ({
    ...inner,
    empty(shape) {
      count.room += sizes(shape);
      return inner.empty(shape);
    },
    workspace() {
      const space = inner.workspace();
      const { reset, free } = space;
      return { ...counted(space), reset, free } satisfies Workspace;
    },
    matmulNT(a, b, out) {
      count.multiplyAdds += out.rows * out.columns * a.columns;
      count.numbersRead += b.rows * b.columns;
      count.linearWeightsRead += b.rows * b.columns;
      inner.matmulNT(a, b, out);
    },
    attention(operands, scale, weights, out) {
      const { keys, visible } = operands;
      const [, H, size] = out.shape as [number, number, number];
      // The scores of a row are as many products as its context, where it does not see all entries.
      count.multiplyAdds += 2 * H * size * visible.reduce((sum, seen) => sum + seen, 0);
      count.numbersRead += 2 * keys.rows(0, mostVisible(visible)).data.length;
      inner.attention(operands, scale, weights, out);
    },
    rmsNorm(x, weight, eps, r, out) {
      count.numbersRead += weight.data.length;
      inner.rmsNorm(x, weight, eps, r, out);
    },
    addRow(x, row, out) {
      count.numbersRead += row.data.length;
      inner.addRow(x, row, out);
    },
  });
  return { kernels: counted(referenceKernels('f32')), count };
}

/** Prompts are no longer than attention takes at a time, so that it reads keys and values once. */
const runs = fc.record({
  prompt: fc.array(fc.nat(22), { minLength: 1, maxLength: 12 }),
  segments: fc.array(fc.array(fc.nat(22), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
});

/** The formula, summed over the macro-steps of a run. */
function formula(
  config: ModelConfig,
  prompt: readonly number[],
  segments: readonly (readonly number[])[],
): Omit<Cost, 'flops'> {
  const total = { multiplyAdds: 0, numbersRead: 0, linearWeightsRead: 0 };
  segments.forEach((segment, m) => {
    const cost = macroStepCost(config, {
      newEntries: m === 0 ? prompt.length : 1,
      earlierEntries: m === 0 ? 0 : prompt.length + m - 1,
      segmentTokens: m === 0 ? 1 : segments[m - 1]!.length,
      emittedTokens: segment.length,
    });
    total.multiplyAdds += cost.multiplyAdds;
    total.numbersRead += cost.numbersRead;
    total.linearWeightsRead += cost.linearWeightsRead;
  });
  return total;
}

/** What `fixtures/goldens-cost/generate.py` counted, one operation of two numbers after the other. */
// biome-ignore lint/suspicious/noExplicitAny: the generator's README describes the file.
const goldens: any[] = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-cost/cost.json', import.meta.url), 'utf8'),
);

describe('cost', () => {
  it.each(goldens.map((golden, i) => [i, golden] as const))(
    'cost/C1, C2, C3: golden run %i, counted number by number in another language',
    (_, { config: c, promptTokens, segments, counts }) => {
      const config: ModelConfig = {
        ...smallConfig,
        vocabSize: c.vocab_size,
        hiddenSize: c.hidden_size,
        intermediateSize: c.intermediate_size,
        numHiddenLayers: c.num_hidden_layers,
        numAttentionHeads: c.num_attention_heads,
        numKeyValueHeads: c.num_key_value_heads,
        hamburger: c.hamburger && {
          maxSteps: c.hamburger.max_steps,
          numMergerHeads: c.hamburger.num_merger_heads,
          featureLayerIndices: c.hamburger.feature_layer_indices,
          numMicroLayers: c.hamburger.num_micro_layers,
        },
      };
      expect(formulaCounts(config, promptTokens, segments)).toEqual(counts);
    },
  );

  it('of a run of macro-steps, it is what the kernels are called for: no layer, head or row is left out or counted twice', () => {
    fc.assert(
      fc.property(runs, ({ prompt, segments }) => {
        const { kernels, count } = countingKernels();
        const model = modelOf(smallConfig, 'f32', undefined, kernels);
        teacherForced(model, { prompt, segments });
        const positions = segments
          .slice(0, -1)
          .filter(({ length }) => length > 1)
          .reduce((sum, { length }) => sum + (length * smallConfig.hiddenSize) / 2, 0);
        // The positions of the merger are copied beside the embeddings, which no kernel sees.
        expect({ ...count, numbersRead: count.numbersRead + positions }).toMatchObject(
          formula(smallConfig, prompt, segments),
        );
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('of a plain base, it is the base alone, one token at a time', () => {
    const { kernels, count } = countingKernels();
    const model = baseOf(modelOf(smallConfig, 'f32', undefined, kernels));
    const segments = [[1], [2], [3], [4]];
    teacherForced(model, { prompt: [5, 6, 7], segments });
    expect(count).toMatchObject(formula(model.config, [5, 6, 7], segments));
  });

  it('of decoding with a plain base, all weights are read but the embedding table that is not the LM head', () => {
    const config = { ...smallConfig, hamburger: null };
    const shape = { newEntries: 1, earlierEntries: 0, segmentTokens: 1, emittedTokens: 1 };
    const oneEntry = kvCacheSize(config, 1);
    const table = config.vocabSize * config.hiddenSize;
    expect(macroStepCost(config, shape).numbersRead).toBe(parameterCount(config) - table + oneEntry);
    const tied = { ...config, tieWordEmbeddings: true };
    expect(macroStepCost(tied, shape).numbersRead).toBe(parameterCount(tied) + oneEntry);
  });

  it('parameters and caches are as many numbers as room is made for', () => {
    const { kernels, count } = countingKernels();
    modelOf(smallConfig, 'f32', undefined, kernels);
    expect(parameterCount(smallConfig)).toBe(count.room);
    count.room = 0;
    createKvCache(kernels, smallConfig, 5, 17);
    // The cache of a macro-step: 2 layers; 2 features and the 3 tokens that are fed back.
    createKvCache(kernels, smallConfig, 2, 2 + 3);
    expect(kvCacheSize(smallConfig, 17)).toBe(count.room);
  });
});
