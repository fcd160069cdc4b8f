import { describe, expect, it } from 'vitest';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import { generate } from '../../lib/decode/generate.ts';
import { DataError } from '../../lib/errors.ts';
import { readTracedRun } from '../../lib/explain/read-trace.ts';
import { Tensor } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';
import { dividingThreshold, finish, hamburgerOf, segmentsOf, smallConfig } from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const prompt = [3, 1, 4];
const confidence = dividingThreshold(model, { prompt, maxTokens: 9 });
const { trace, tensors } = recordTrace();
const { tokens, result } = finish(generate(model, { prompt, maxTokens: 9, confidence, trace }));
const segments = segmentsOf(tokens);
const json = {
  config: configJson(smallConfig, 'F64'),
  settings: { mode: 'hamburger', profile: 'train', confidence, numerics: 'f64' },
  prompt_ids: prompt,
  macro_steps: segments.map((segment, m) => ({
    positions: m === 0 ? [0, 1, 2] : [result.entryPositions[2 + m]],
    tokens: segment.map((id) => ({ id, probability: 0.5, stop_probability: 0.5, confidence: 0.5 })),
  })),
  entry_positions: result.entryPositions,
};

describe('a run from files', () => {
  it('is the run that was traced', () => {
    const run = readTracedRun(json, tensors, 'run.json');
    expect(run.macroSteps.map((step) => step.map(({ id }) => id))).toEqual(segments);
    expect(run.settings).toMatchObject({ mode: 'hamburger', confidence, temperature: 0, seed: null });
    expect(run.stopReason).toBeNull();
  });

  it.each([
    ['no prompt', { prompt_ids: [] }, 'run.json: prompt_ids'],
    [
      'a probability above 1',
      {
        macro_steps: [
          { ...json.macro_steps[0], tokens: [{ id: 1, probability: 2, stop_probability: 0, confidence: 1 }] },
        ],
      },
      'probability',
    ],
    ['entries that the segments do not give', { entry_positions: [0, 1] }, 'kv-cache/C2'],
    ['a configuration that is none', { config: { vocab_size: -1 } }, 'config'],
    ['markup for a mode', { settings: { ...json.settings, mode: '<b>' } }, 'settings.mode'],
  ])('%s is refused by name', (_, change, place) => {
    expect(() => readTracedRun({ ...json, ...change }, tensors, 'run.json')).toThrow(DataError);
    expect(() => readTracedRun({ ...json, ...change }, tensors, 'run.json')).toThrow(place);
  });

  it.each([
    ['macro.1.features', [1, 24]],
    ['macro.0.micro.0.logits', [1, 22]],
    ['macro.0.model.layers.2.output', [3, 25]],
    ['macro.0.model.layers.2.output', [0, 24]],
    ['macro.1.model.layers.0.self_attn.weights', [6, 1, 3]],
    ['macro.1.comp_embedder.output', [24]],
  ])('%s of shape %j does not fit the run', (name, shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const wrong = new Map([...tensors, [name, new Tensor(new Float64Array(size), shape)]]);
    expect(() => readTracedRun(json, wrong, 'run.json')).toThrow(`run.json, tensor ${name}: expected shape`);
  });
});
