import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { baseOf } from '../../lib/model/model.ts';
import { rope, ropeTable } from '../../lib/ops/rope.ts';
import { recordTrace } from '../../lib/trace.ts';
import { hamburgerOf, naiveOf, randomWeights, smallConfig } from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const prompt = [3, 14, 15];
const F = smallConfig.hamburger!.featureLayerIndices.length;

/** A traced teacher-forced run. */
function run(segments: readonly (readonly number[])[], m = model) {
  const { trace, tensors } = recordTrace();
  const forced = teacherForced(m, { prompt, segments, trace });
  return { forced, tensor: (name: string) => tensors.get(name)! };
}

describe('micro-step decoder', () => {
  it('micro-step-decoder/C1: the first token skips the decoder: its logits are the base’s own, to the bit', () => {
    const { forced, tensor } = run([[1, 2, 3]]);
    const base = teacherForced(baseOf(model), { prompt, segments: [[1]] })[0]![0]!;
    expect(forced[0]![0]!.logits.data).toEqual(base.logits.data);
    expect([...tensor('macro.0.micro.0.hidden').data]).toEqual([
      ...tensor('macro.0.features').rows(F - 1, F).data,
    ]);
  });

  it('micro-step-decoder/C2: features stand first, at 0 to F - 1, and positions go on from them', () => {
    const { tensor } = run([[1, 2, 3, 4]]);
    for (const [i, positions] of [
      [1, [0, 1, 2]],
      [2, [3]],
      [3, [4]],
    ] as const) {
      const name = `macro.0.micro.${i}.decoders.0.self_attn`;
      const turned = tensor(`${name}.q_rope`);
      const table = ropeTable(model.kernels, model.ropeFrequencies, positions, 'mode');
      expect(turned.data).toEqual(
        rope(model.kernels, tensor(`${name}.q_proj`).reshape(turned.shape), table).data,
      );
    }
  });

  it('micro-step-decoder/C2: a feature does not see the token behind it, the token sees all features', () => {
    const { tensor } = run([[1, 2]]);
    const weights = tensor('macro.0.micro.1.decoders.0.self_attn.weights');
    expect(weights.shape).toEqual([smallConfig.numAttentionHeads, F + 1, F + 1]);
    expect(weights.get(0, 0, 1)).toBe(0);
    expect(weights.get(0, F - 1, F)).toBe(0);
    for (let j = 0; j <= F; j++) expect(weights.get(0, F, j)).toBeGreaterThan(0);
  });

  it('micro-step-decoder/C3: its cache lives for one macro-step: the next one sees F + 1 rows again', () => {
    const { tensor } = run([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(tensor('macro.0.micro.2.decoders.0.self_attn.weights').shape).toEqual([
      smallConfig.numAttentionHeads,
      1,
      F + 2,
    ]);
    expect(tensor('macro.1.micro.1.decoders.0.self_attn.weights').shape).toEqual([
      smallConfig.numAttentionHeads,
      F + 1,
      F + 1,
    ]);
  });

  it('micro-step-decoder/C4: no norm behind its layers: the residual stream goes into the heads as it is', () => {
    const { tensor } = run([[1, 2]]);
    const output = tensor('macro.0.micro.1.decoders.1.output');
    expect([...tensor('macro.0.micro.1.hidden').data]).toEqual([...output.rows(F, F + 1).data]);
  });

  it('micro-step-decoder/C5: tokens enter by the base’s embedding table, un-merged', () => {
    const { tensor } = run([[1, 2, 3]]);
    const random = randomWeights();
    const table = Array.from({ length: smallConfig.vocabSize * smallConfig.hiddenSize }, (_, i) =>
      random('model.model.embed_tokens.weight', i),
    );
    // Row 0 of the pass at micro index 2 is E(t_1): its RMSNorm is proportional to it.
    const e = table.slice(2 * smallConfig.hiddenSize, 3 * smallConfig.hiddenSize);
    const meanSquare = e.reduce((sum, value) => sum + value * value, 0) / e.length;
    const normed = tensor('macro.0.micro.2.decoders.0.input_layernorm');
    const weight = model.weights.micro_step_decoder.decoders[0]!.input_layernorm;
    e.forEach((value, i) => {
      expect(normed.get(0, i)).toBeCloseTo(
        (value / Math.sqrt(meanSquare + smallConfig.rmsNormEps)) * weight.get(i),
        12,
      );
    });
  });

  it('agrees with the naive implementation at every micro index', () => {
    const naive = naiveOf(smallConfig);
    const { forced } = run([[5, 6, 7, 8]]);
    forced[0]!.forEach(({ logits }, i) => {
      naive.next(prompt, [], [5, 6, 7, 8].slice(0, i)).logits.forEach((value, v) => {
        expect(logits.get(0, v)).toBeCloseTo(value, 11);
      });
    });
  });

  it('max_steps 1: there is never a second micro-step', () => {
    const single = hamburgerOf(
      { ...smallConfig, hamburger: { ...smallConfig.hamburger!, maxSteps: 1 } },
      'f64',
    );
    expect(run([[1], [2]], single).forced.flat()).toHaveLength(2);
    expect(() => run([[1, 2]], single)).toThrow('expected 1 to 1 tokens');
  });
});
