import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { stopProbabilities } from '../../lib/model/stop-head.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';
import { discardTrace } from '../../lib/trace.ts';
import { hamburgerOf, randomWeights, smallConfig } from '../helpers/models.ts';

const d = smallConfig.hiddenSize;

describe('stop head', () => {
  it('stop-head/C1: p depends on the hidden state, not on the token that was chosen from it', () => {
    const model = hamburgerOf(smallConfig, 'f64');
    const p = (segment: number[]) =>
      teacherForced(model, { prompt: [1, 2], segments: [segment] })[0]!.map((token) => token.stopProbability);
    expect(p([3, 4])[0]).toBe(p([5, 4])[0]);
    expect(p([3, 4])[1]).not.toBe(p([5, 4])[1]);
  });

  it('two SiLUs, three biases: as the formula, on a chain of single numbers', () => {
    // Only component 0 is connected: 2 h + 0.5, then -1.5 x + 0.25, then 3 x - 0.75.
    const connected: Record<string, readonly [number, number]> = {
      '0': [2, 0.5],
      '2': [-1.5, 0.25],
      '4': [3, -0.75],
    };
    const random = randomWeights();
    const model = hamburgerOf(smallConfig, 'f64', (name, index) => {
      const [, module, kind] = name.match(/stop_head\.(\d)\.(\w+)/) ?? [];
      if (module === undefined) return random(name, index);
      return index > 0 ? 0 : connected[module]![kind === 'weight' ? 0 : 1];
    });
    const silu = (x: number) => x / (1 + Math.exp(-x));
    for (const h of [-2, 0, 0.3, 5]) {
      const logit = 3 * silu(-1.5 * silu(2 * h + 0.5) + 0.25) - 0.75;
      const hidden = tensorOf('f64', [1, d], [h, ...Array(d - 1).fill(7)]);
      expect(stopProbabilities(model, hidden, discardTrace).data[0]).toBeCloseTo(
        1 / (1 + Math.exp(-logit)),
        12,
      );
    }
  });
});
