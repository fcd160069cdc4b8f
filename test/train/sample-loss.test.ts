import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { argmax } from '../../lib/ops/argmax.ts';
import { predictSegments } from '../../lib/train/forward.ts';
import { sampleLoss, tokenLoss } from '../../lib/train/sample-loss.ts';
import { baseConfig, sample, trainingModel } from '../helpers/training.ts';

const weights = { stop: 0.5, teacher: 0 };

describe('the loss of a sample', () => {
  const { model } = trainingModel();
  const tokens = sample.segments.flat().length;

  it('hits, by micro index and of the stop head, are those of decoding with these tokens', () => {
    const { hits } = sampleLoss(model, sample, weights, 1, null);
    const forced = teacherForced(model, sample);
    const correct = [0, 0, 0, 0, 0];
    const count = [0, 0, 0, 0, 0];
    let stops = 0;
    forced.forEach((segment, m) => {
      segment.forEach(({ id, logits, stopProbability }, i) => {
        count[i]! += 1;
        if (argmax(logits.data) === id) correct[i]! += 1;
        if (stopProbability! > 0.5 === (i === forced[m]!.length - 1)) stops += 1;
      });
    });
    expect(hits).toEqual({ correct, count, stops });
    expect(stops).toBeGreaterThan(0);
    expect(stops).toBeLessThan(tokens);
  });

  it('a right token is a hit', () => {
    const [first] = teacherForced(model, { prompt: sample.prompt, segments: [[1]] })[0]!;
    const segments = [[argmax(first!.logits.data)]];
    expect(sampleLoss(model, { prompt: sample.prompt, segments }, weights, 1, null).hits.correct).toEqual([
      1,
    ]);
  });

  it('recipe/R5: stop targets that are given go before the ends of the segments', () => {
    const stops = Array.from({ length: tokens }, (_, n) => n % 3 === 0);
    const { stopLogits } = predictSegments(model, sample);
    const expected = stops.reduce((sum, stop, n) => {
      const z = stopLogits.data[n]!;
      // p where it stops, 1 - p where it goes on.
      return sum + Math.log(1 + Math.exp(stop ? -z : z));
    }, 0);
    const given = sampleLoss(model, { ...sample, stops }, weights, 1, null);
    expect(given.stopCrossEntropy).toBeCloseTo(expected, 10);
    expect(given.stopCrossEntropy).not.toBeCloseTo(
      sampleLoss(model, sample, weights, 1, null).stopCrossEntropy,
      3,
    );
  });

  it('a base alone has all its hits at micro index 0, and none of a stop head', () => {
    const base = trainingModel(undefined, baseConfig).model;
    const { hits, tokens } = tokenLoss(base, { prompt: [1, 2], segments: [[3, 4], [5]] }, 1);
    expect([tokens, hits.count, hits.stops]).toEqual([3, [3], null]);
  });
});
