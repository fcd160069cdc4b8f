import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { sigmoid } from '../../lib/math/sigmoid.ts';
import { baseOf } from '../../lib/model/model.ts';
import { predictSegments, predictTokens } from '../../lib/train/forward.ts';
import { sample, trainingModel } from '../helpers/training.ts';

describe('training forward', () => {
  it.each(['f64', 'f32'] as const)(
    'training/C1, C5, C6: in one pass, with a tape or without, the very bits that teacher forcing gives token by token, %s',
    (numerics) => {
      const { model, recording } = trainingModel(referenceKernels(numerics));
      const forced = teacherForced(model, sample).flat();
      for (const each of [model, recording]) {
        const { logits, stopLogits } = predictSegments(each, sample);
        expect(logits.shape).toEqual([12, 17]);
        forced.forEach((token, n) => {
          expect([...logits.rows(n, n + 1).data], `logits of token ${n}`).toEqual([...token.logits.data]);
          const p = model.kernels.round(sigmoid(stopLogits.data[n]!));
          expect(p, `stop probability of token ${n}`).toBe(token.stopProbability);
        });
      }
    },
  );

  it('training/C5: one segment of one token, and only segments of one token', () => {
    const { model } = trainingModel();
    for (const segments of [[[5]], [[5], [6], [7]], [[5, 6]]]) {
      const { logits } = predictSegments(model, { prompt: [3], segments });
      teacherForced(model, { prompt: [3], segments })
        .flat()
        .forEach((token, n) => {
          expect([...logits.rows(n, n + 1).data]).toEqual([...token.logits.data]);
        });
    }
  });

  it('training/C5: refuses what cannot be predicted', () => {
    const { model } = trainingModel();
    expect(() => predictSegments(model, { prompt: [3], segments: [] })).toThrow(/training\/C5/);
    expect(() => predictSegments(model, { prompt: [], segments: [[1]] })).toThrow(/generation\/C1/);
    expect(() => predictSegments(model, { prompt: [3], segments: [[1, 2, 3, 4, 5, 6]] })).toThrow(
      /compositional-embedder\/C1/,
    );
    expect(() => predictTokens(model, { prompt: [1, 2], segments: [] })).toThrow(/training\/C5/);
    expect(() => predictTokens(model, { prompt: [], segments: [[1]] })).toThrow(/generation\/C1/);
  });

  it('losses/C5: a teacher sees every token before, none merged', () => {
    const { model } = trainingModel();
    const ids = sample.segments.flat();
    const logits = predictTokens(model, sample);
    const forced = teacherForced(baseOf(model), {
      prompt: sample.prompt,
      segments: ids.map((id) => [id]),
    }).flat();
    expect(logits.shape[0]).toBe(ids.length);
    forced.forEach((token, n) => {
      expect([...logits.rows(n, n + 1).data]).toEqual([...token.logits.data]);
    });
  });
});
