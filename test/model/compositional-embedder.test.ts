import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tokenEmbeddings } from '../../lib/model/base.ts';
import { compositionalEmbedder } from '../../lib/model/compositional-embedder.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { hamburgerOf, naiveOf, randomWeights, smallConfig, type WeightSource } from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const merge = (segment: readonly number[], m = model) => [
  ...compositionalEmbedder(m, segment, discardTrace).data,
];

/** The model with some parameters replaced. */
const withWeights = (override: (name: string) => number | undefined) => {
  const random = randomWeights();
  const source: WeightSource = (name, index) => override(name) ?? random(name, index);
  return hamburgerOf(smallConfig, 'f64', source);
};

const mean = (segment: readonly number[]) => {
  const e = tokenEmbeddings(model, segment);
  return Array.from(
    { length: smallConfig.hiddenSize },
    (_, i) => segment.reduce((sum, _id, j) => sum + e.get(j, i), 0) / segment.length,
  );
};

const close = (actual: readonly number[], expected: readonly number[]) => {
  expected.forEach((value, i) => {
    expect(actual[i]).toBeCloseTo(value, 12);
  });
};

describe('compositional embedder', () => {
  it('compositional-embedder/C1: refuses no token, and more than max_steps', () => {
    expect(() => merge([])).toThrow(
      'compositional-embedder/C1: segment: expected 1 to 4 tokens (max_steps), found 0',
    );
    expect(() => merge([1, 2, 3, 4, 5])).toThrow('found 5');
  });

  it('compositional-embedder/C2: a single token is its own embedding, to the bit; it does not pass the merger', () => {
    expect(merge([7])).toEqual([...tokenEmbeddings(model, [7]).data]);
  });

  it('compositional-embedder/C3: the mean is divided by the tokens that are there, not by max_steps', () => {
    const { trace, tensors } = recordTrace();
    compositionalEmbedder(model, [3, 9], trace);
    close([...tensors.get('mean')!.data], mean([3, 9]));
  });

  it('compositional-embedder/C4: the scale is that of a merger head, not of the width nor of the base heads', () => {
    const { trace, tensors } = recordTrace();
    compositionalEmbedder(model, [3, 9], trace);
    const heads = smallConfig.hamburger!.numMergerHeads;
    const size = smallConfig.hiddenSize / heads;
    const [q, k, a] = ['q_proj', 'k_proj', 'weights'].map((name) => tensors.get(`merger.${name}`)!);
    for (let h = 0; h < heads; h++) {
      const score = (j: number) => {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += q!.get(0, h * size + i) * k!.get(j, h * size + i);
        return sum;
      };
      // The ratio of two weights is the exponential of the scaled difference of their scores.
      expect(Math.log(a!.get(h, 0, 0) / a!.get(h, 0, 1)) * Math.sqrt(size)).toBeCloseTo(
        score(0) - score(1),
        10,
      );
    }
  });

  it('compositional-embedder/C5: the mean is added (mean residual): with a silent merger it is all that is left', () => {
    const silent = withWeights((name) => (name.startsWith('comp_embedder.out_proj') ? 0 : undefined));
    close(merge([3, 9, 4], silent), mean([3, 9, 4]));
  });

  it('compositional-embedder/C6: order matters, and only through the learned positions', () => {
    const apart = (m: typeof model) =>
      merge([3, 9], m).some((value, i) => Math.abs(value - merge([9, 3], m)[i]!) > 1e-9);
    expect(apart(model)).toBe(true);
    expect(apart(withWeights((name) => (name === 'comp_embedder.merger.pos' ? 0.5 : undefined)))).toBe(false);
  });

  it('compositional-embedder/C6: token j has row j of the learned positions beside it, counted from the first token', () => {
    const d = smallConfig.hiddenSize;
    const { pos } = model.weights.comp_embedder.merger;
    for (const segment of [
      [3, 9],
      [3, 9, 4],
      [3, 3, 3, 3],
    ]) {
      const { trace, tensors } = recordTrace();
      compositionalEmbedder(model, segment, trace);
      const positioned = tensors.get('merger.positioned')!;
      segment.forEach((_, j) => {
        const beside = positioned.rows(j, j + 1).data.slice(d);
        expect([...beside], `token ${j} of ${segment.length}`).toEqual([...pos.rows(j, j + 1).data]);
      });
    }
  });

  it('the biases count: each of the four changes the output', () => {
    for (const name of ['merger.q_proj', 'merger.v_proj', 'out_proj'] as const) {
      const other = withWeights((parameter) => (parameter === `comp_embedder.${name}.bias` ? 3 : undefined));
      expect(merge([3, 9], other), name).not.toEqual(merge([3, 9]));
    }
    // The key bias shifts all scores of a head alike: softmax does not feel it. It must still be added.
    const { trace, tensors } = recordTrace();
    compositionalEmbedder(
      withWeights((parameter) => (parameter === 'comp_embedder.merger.k_proj.bias' ? 100 : undefined)),
      [3, 9],
      trace,
    );
    expect(tensors.get('merger.k_proj')!.get(0, 0)).toBeGreaterThan(50);
  });

  it('agrees with the naive implementation on every segment', () => {
    const naive = naiveOf(smallConfig);
    const ids = fc.array(fc.integer({ min: 0, max: smallConfig.vocabSize - 1 }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(ids, (segment) => close(merge(segment), naive.merge(segment))),
      { seed: 5 },
    );
  });
});
