import { describe, expect, it } from 'vitest';
import { generate } from '../../lib/decode/generate.ts';
import { samplingChoice } from '../../lib/decode/token-choice.ts';
import { type ExplainedRun, explain } from '../../lib/explain/explain.ts';
import { recordedGeneration } from '../../lib/explain/record.ts';
import { replayedUniforms } from '../../lib/math/random.ts';
import { macroStepCost } from '../../lib/model/cost.ts';
import { baseOf, type Model } from '../../lib/model/model.ts';
import { recordTrace } from '../../lib/trace.ts';
import { segmentSizes, slidingStrategy } from '../../lib/train/segmentation.ts';
import { tokenMetrics } from '../../lib/train/token-metrics.ts';
import { dividingThreshold, finish, hamburgerOf, smallConfig } from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const prompt = [3, 1, 4, 1, 5];
const uniforms = () => replayedUniforms(Array.from({ length: 40 }, (_, i) => ((i * 7) % 40) / 40));
const choice = () => samplingChoice({ temperature: 1, uniforms: uniforms() });
const confidence = dividingThreshold(model, { prompt, maxTokens: 14, choice: choice() });
const options = () => ({
  prompt,
  maxTokens: 14,
  confidence,
  choice: choice(),
});

/** A run, recorded. */
function record(of: Model = model): ExplainedRun {
  const { result } = finish(recordedGeneration(of, options()));
  return {
    ...result,
    config: of.config,
    settings: {
      mode: of.config.hamburger === null ? 'base' : 'hamburger',
      profile: 'train',
      confidence,
      numerics: 'f64',
      temperature: 1,
      seed: null,
    },
    prompt,
    tokenizer: null,
    metrics: null,
  };
}

describe('a recorded run', () => {
  it('has the tokens of the same run without a recording, to the bit', () => {
    const plain = finish(generate(model, { ...options(), probabilities: true }));
    const recorded = finish(recordedGeneration(model, options()));
    expect(recorded.tokens).toEqual(plain.tokens);
    expect(recorded.result.entryPositions).toEqual(plain.result.entryPositions);
    expect(recorded.result.macroSteps.flat()).toEqual(plain.tokens);
    // Something is merged, or the test shows nothing.
    expect(recorded.result.macroSteps.some(({ length }) => length > 1)).toBe(true);
  });

  it('keeps all that an explanation reads: that of a full trace is the same', () => {
    const run = record();
    const { trace, tensors } = recordTrace();
    finish(generate(model, { ...options(), trace }));
    expect(tensors.size).toBeGreaterThan(2 * run.tensors.size);
    expect(explain({ ...run, tensors })).toEqual(explain(run));
  });
});

describe('an explanation', () => {
  const run = record();
  const explanation = explain(run);
  const sizes = explanation.macroSteps.map(({ tokens }) => tokens.length);

  it('is plain data, which another thread gets as it is', () => {
    expect(structuredClone(explanation)).toEqual(explanation);
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
  });

  it('counts entries as the cache does, and those of a plain decoder by tokens', () => {
    expect(explanation.entryPositions).toHaveLength(prompt.length + sizes.length - 1);
    expect(explanation.plainEntries).toBe(prompt.length + 14 - 1);
    expect(explanation.macroSteps.map(({ positions }) => positions.length)).toEqual(
      sizes.map((_, m) => (m === 0 ? prompt.length : 1)),
    );
    expect(explanation.macroSteps.flatMap(({ positions }) => positions)).toEqual(explanation.entryPositions);
  });

  it('divides the traffic of a macro-step without losing any', () => {
    explanation.macroSteps.forEach(({ traffic }, m) => {
      const whole = macroStepCost(model.config, {
        newEntries: m === 0 ? prompt.length : 1,
        earlierEntries: m === 0 ? 0 : prompt.length + m - 1,
        segmentTokens: m === 0 ? 1 : sizes[m - 1]!,
        emittedTokens: sizes[m]!,
      });
      const parts = traffic.embedder + traffic.base + traffic.microSteps.reduce((a, b) => a + b, 0);
      expect(parts).toBe(whole.numbersRead);
      expect(traffic.embedder > 0).toBe(m > 0 && sizes[m - 1]! > 1);
    });
  });

  it('attention is that of the last row: weights over entries, merged tokens and features sum to 1', () => {
    explanation.macroSteps.forEach(({ detail, tokens }, m) => {
      expect(detail!.base.attention.shape).toEqual([5 * 6, prompt.length + m]);
      expect(detail!.base.layers.shape).toEqual([5, 24]);
      const { merger } = detail!.embedder ?? { merger: null };
      expect(merger === null).toBe(m === 0 || sizes[m - 1] === 1);
      for (const row of merger?.weights ?? []) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      detail!.microSteps.forEach(({ attended, likeliest }, i) => {
        if (i === 0) expect(attended).toBeNull();
        else {
          expect(attended).toHaveLength(2 + i);
          expect(attended!.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        }
        const chosen = likeliest.find(({ id }) => id === tokens[i]!.id);
        if (chosen !== undefined) expect(chosen.probability).toBeCloseTo(tokens[i]!.probability!, 12);
        expect(likeliest.map(({ probability }) => probability)).toEqual(
          likeliest.map(({ probability }) => probability).toSorted((a, b) => b - a),
        );
      });
    });
  });

  it('cuts by the entropies of the base, with the M of the model', () => {
    const response = explanation.macroSteps.flatMap(({ tokens }) => tokens.map(({ id }) => id));
    const metrics = tokenMetrics(model, { prompt, response });
    const { segmentation } = explain({ ...run, metrics });
    const sliding = segmentation!.strategies.find(({ name }) => name === 'sliding')!;
    expect(sliding.sizes).toEqual(
      segmentSizes(
        metrics.map(({ entropy }) => entropy),
        { vocabularySize: 23, strategy: slidingStrategy, maxSteps: 4 },
      ),
    );
    expect(segmentation!.tokens).toHaveLength(14);
  });

  it('of a plain base: a token a macro-step, no embedder, no micro-step decoder', () => {
    const base = explain(record(baseOf(model)));
    expect(base.macroSteps).toHaveLength(14);
    expect(base.entryPositions).toHaveLength(base.plainEntries);
    for (const { detail, tokens } of base.macroSteps) {
      expect(tokens).toHaveLength(1);
      expect(detail!.embedder).toBeNull();
      expect(detail!.features).toHaveLength(1);
    }
    const traffic = base.macroSteps.map(({ traffic: { base: pass, microSteps } }) => pass + microSteps[0]!);
    expect(traffic).toEqual(base.plainTraffic);
  });

  it('without tensors still tells tokens and caches', () => {
    const bare = explain({ ...run, tensors: new Map() });
    expect(bare.macroSteps.every(({ detail }) => detail === null)).toBe(true);
    expect(bare.macroSteps.map(({ tokens }) => tokens)).toEqual(
      explanation.macroSteps.map(({ tokens }) => tokens),
    );
  });
});
