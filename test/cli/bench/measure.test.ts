import { describe, expect, it } from 'vitest';
import { type Plan, positionsFor, withinPositions } from '../../../cli/bench/measure.ts';
import { decodeCost, productShapes } from '../../../cli/bench/variants.ts';
import { macroStepCost } from '../../../lib/model/cost.ts';
import { tiedConfig } from '../../helpers/checkpoint-folders.ts';

const plan: Plan = {
  parts: ['context'],
  modes: ['base', 'hamburger'],
  promptTokens: 512,
  tokens: 64,
  contexts: [64, 256, 4096],
  repetitions: 5,
  threads: [1],
};

describe('what is measured', () => {
  it('a plan fits a model that has the positions it asks for, and not one with fewer', () => {
    const positions = positionsFor(plan, tiedConfig);
    const fits = { ...tiedConfig, maxPositionEmbeddings: positions };
    expect(withinPositions(plan, fits)).toEqual({ plan, notes: [] });
    const { plan: cut, notes } = withinPositions(plan, { ...fits, maxPositionEmbeddings: positions - 1 });
    expect(cut).toEqual({ ...plan, contexts: [64, 256] });
    expect(notes).toEqual([`--contexts: 4096 left out, because the model has ${positions - 1} positions`]);
  });

  it('a plan is cut to a model with few positions, and says so', () => {
    const { plan: cut, notes } = withinPositions(plan, { ...tiedConfig, maxPositionEmbeddings: 256 });
    expect(cut).toEqual({ ...plan, promptTokens: 256 - 64 - 8, contexts: [64] });
    expect(notes).toEqual([
      '--prompt-tokens: 184 instead of 512, because the model has 256 positions',
      '--contexts: 256, 4096 left out, because the model has 256 positions',
    ]);
  });

  it('the cost of decoding is that of whole macro-steps, each with one more entry in the cache', () => {
    const step = (earlierEntries: number) =>
      macroStepCost(tiedConfig, { newEntries: 1, earlierEntries, segmentTokens: 4, emittedTokens: 4 });
    const [first, second] = [step(9), step(10)];
    const operations = 2 * (first.multiplyAdds + second.multiplyAdds);
    const bytes = 4 * (first.numbersRead + second.numbersRead);
    expect(decodeCost(tiedConfig, 9, 2, 4)).toEqual({ operations, bytes });
    // In bfloat16, the weights of linear layers are half of that; caches, norms and biases are not.
    const saved = 2 * (first.linearWeightsRead + second.linearWeightsRead);
    expect(decodeCost(tiedConfig, 9, 2, 2)).toEqual({ operations, bytes: bytes - saved });
    expect(first.linearWeightsRead).toBeGreaterThan(first.numbersRead / 2);
    expect(second.numbersRead).toBeGreaterThan(first.numbersRead);
  });

  it('products: each shape of a layer once, the LM head for one row alone', () => {
    expect(productShapes(tiedConfig, 50).map(({ M, N, K }) => [M, N, K])).toEqual([
      [1, 16, 16],
      [1, 8, 16],
      [1, 22, 16],
      [1, 16, 22],
      [1, 19, 16],
      [50, 16, 16],
      [50, 8, 16],
      [50, 22, 16],
      [50, 16, 22],
    ]);
  });
});
