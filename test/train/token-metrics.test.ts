import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { tokenProbability } from '../../lib/decode/token-choice.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { baseOf } from '../../lib/model/model.ts';
import { metricsOf, type TokenMetrics, tokenMetrics } from '../../lib/train/token-metrics.ts';
import { goldenModel } from '../helpers/goldens.ts';
import { hamburgerOf, smallConfig } from '../helpers/models.ts';

const goldens = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-segmentation/segmentation.json', import.meta.url), 'utf8'),
);

describe('entropy and probability of a row of logits', () => {
  it.each(
    goldens.logits as {
      name: string;
      logits: number[];
      token: number;
      entropy: number;
      probability: number;
    }[],
  )(
    'segmentation/C2: $name: as 60 digits have it, in both modes',
    ({ logits, token, entropy, probability }) => {
      for (const stored of [Float64Array.from(logits), Float32Array.from(logits)]) {
        const found = metricsOf(stored, token);
        // Sums of V terms, each within a rounding or two; ln Z is as good as Z, which is at least 1.
        const rounding = 2 ** -52 * Math.sqrt(logits.length);
        expect(Math.abs(found.entropy - entropy)).toBeLessThanOrEqual(4 * rounding * (entropy + 1));
        expect(Math.abs(found.probability - probability)).toBeLessThanOrEqual(
          4 * rounding * probability + 2 ** -1074,
        );
        expect(found.entropy).toBeGreaterThanOrEqual(0);
      }
    },
  );

  it('segmentation/C2: logits of -Infinity have no part in it, where 0 * Infinity would be NaN', () => {
    const logits = Float64Array.of(Number.NEGATIVE_INFINITY, 1, 1);
    expect(metricsOf(logits, 1)).toEqual({ entropy: Math.LN2, probability: 0.5 });
    expect(metricsOf(logits, 0)).toEqual({ entropy: Math.LN2, probability: 0 });
  });

  it('segmentation/C2: what has no distribution is refused', () => {
    expect(() => metricsOf(Float32Array.of(0, Number.NaN), 0)).toThrow('expected a number, found NaN');
    for (const logits of [
      [Number.POSITIVE_INFINITY, 0],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
    ]) {
      expect(() => metricsOf(Float64Array.from(logits), 0)).toThrow(
        'segmentation/C2: largest logit: expected a finite number',
      );
    }
  });

  it('the probability is that of token choice, to the bit', () => {
    const { logits } = goldens.logits.find(({ name }: { name: string }) => name === '200 of spread 1');
    const row = Float32Array.from(logits as number[]);
    for (let id = 0; id < row.length; id++)
      expect(metricsOf(row, id).probability).toBe(tokenProbability(row, id));
  });
});

describe('the golden text', () => {
  const { prompt, response, runs } = goldens.text;

  it.each(runs as { window: number | null; entropies: number[]; probabilities: number[] }[])(
    'segmentation/C4: window $window: as the independent base has it, which masks a full matrix',
    ({ window, entropies, probabilities }) => {
      for (const [numerics, tolerance] of [
        ['f64', 1e-12],
        ['f32', 2e-5],
      ] as const) {
        const found = tokenMetrics(goldenModel('distinct', numerics), {
          prompt,
          response,
          ...(window === null ? {} : { window }),
        });
        expect(found).toHaveLength(response.length);
        found.forEach(({ entropy, probability }, t) => {
          expect(Math.abs(entropy - entropies[t]!), `${numerics}, entropy ${t}`).toBeLessThan(tolerance);
          expect(Math.abs(probability - probabilities[t]!), `${numerics}, probability ${t}`).toBeLessThan(
            tolerance,
          );
        });
      }
    },
  );
});

describe('a whole response', () => {
  const model = hamburgerOf(smallConfig, 'f32');
  // More rows than go through the base at once, and a prompt that ends inside the second pass.
  const ids = Array.from({ length: 101 }, (_, i) => (i * i + 3 * i) % smallConfig.vocabSize);
  const prompt = ids.slice(0, 41);
  const response = ids.slice(41);
  /** One token at a time, by the base that decodes. */
  const oneByOne = (): TokenMetrics[] =>
    teacherForced(baseOf(model), { prompt, segments: response.map((id) => [id]) }).map(([token]) =>
      metricsOf(token!.logits.data, token!.id),
    );

  it('segmentation/C1: is what the base says token by token as it decodes, to the bit: row t predicts token t + 1', () => {
    expect(tokenMetrics(model, { prompt, response })).toEqual(oneByOne());
  });

  it('modules of HAMburger and the kernel set change no bit', () => {
    const expected = tokenMetrics(model, { prompt, response });
    expect(tokenMetrics(baseOf(model), { prompt, response })).toEqual(expected);
    const fast = hamburgerOf(smallConfig, 'f32', undefined, simdKernels());
    expect(tokenMetrics(fast, { prompt, response })).toEqual(expected);
    expect(tokenMetrics(fast, { prompt, response, window: 7 })).toEqual(
      tokenMetrics(model, { prompt, response, window: 7 }),
    );
  });

  it('where the prompt ends changes what is reported, not what is measured', () => {
    const all = tokenMetrics(model, { prompt: ids.slice(0, 1), response: ids.slice(1) });
    expect(all.slice(40)).toEqual(tokenMetrics(model, { prompt, response }));
  });

  it('segmentation/C4: a window that no row reaches the end of changes no bit; one less does', () => {
    const whole = tokenMetrics(model, { prompt, response });
    expect(tokenMetrics(model, { prompt, response, window: 1000 })).toEqual(whole);
    expect(tokenMetrics(model, { prompt, response, window: 100 })).toEqual(whole);
    const shorter = tokenMetrics(model, { prompt, response, window: 99 });
    // Only the last row has 100 entries to see.
    expect(shorter.slice(0, -1)).toEqual(whole.slice(0, -1));
    expect(shorter.at(-1)).not.toEqual(whole.at(-1));
  });

  it('segmentation/C4: a window of one sees the row itself, so that only token and position count', () => {
    const [first] = tokenMetrics(model, { prompt, response: response.slice(0, 1), window: 1 });
    const other = prompt.map((id, t) => (t === prompt.length - 1 ? id : (id + 5) % smallConfig.vocabSize));
    expect(tokenMetrics(model, { prompt: other, response: response.slice(0, 1), window: 1 })).toEqual([
      first,
    ]);
    expect(tokenMetrics(model, { prompt: other, response: response.slice(0, 1), window: 2 })).not.toEqual([
      first,
    ]);
  });

  it('tells how far it is, to the end, and gives its memory back', () => {
    const told: number[] = [];
    const kernels = simdKernels({ fixedBytes: 1 << 21 });
    const small = hamburgerOf(smallConfig, 'f32', undefined, kernels);
    // Far more than fits, if it were kept.
    for (let i = 0; i < 40; i++) {
      tokenMetrics(small, { prompt, response, onTokens: (done, total) => told.push(done / total) });
    }
    expect(told.slice(0, 4)).toEqual([33 / 101, 65 / 101, 97 / 101, 1]);
  });

  it('segmentation/C1, segmentation/C4, base/C1: what cannot be is refused', () => {
    const most = smallConfig.maxPositionEmbeddings + 1;
    const long = Array.from({ length: most - 1 }, () => 0);
    expect(tokenMetrics(model, { prompt: [1], response: long })).toHaveLength(most - 1);
    expect(() => tokenMetrics(model, { prompt: [1, 1], response: long })).toThrow(
      `segmentation/C1: prompt and response: expected at most ${most} tokens, one for each position and the last, found ${most + 1}`,
    );
    expect(() => tokenMetrics(model, { prompt: [], response })).toThrow(
      'segmentation/C1: prompt: expected at least one token, found none',
    );
    expect(() => tokenMetrics(model, { prompt, response, window: 0 })).toThrow(
      'segmentation/C4: window: expected an integer of at least 1, found 0',
    );
    expect(() => tokenMetrics(model, { prompt: [1, 23], response })).toThrow(
      'base/C1: token id at index 1 of the prompt: expected an integer from 0 to 22, found 23',
    );
    // Also the last, which the embedding never sees.
    for (const id of [-1, 23, 0.5]) {
      expect(() => tokenMetrics(model, { prompt: [1], response: [2, id] })).toThrow(
        `base/C1: token id at index 1 of the response: expected an integer from 0 to 22, found ${id}`,
      );
    }
  });

  it('segmentation/C5: no tokens, no metrics', () => {
    expect(
      tokenMetrics(hamburgerOf(smallConfig, 'f64', undefined, referenceKernels('f64')), {
        prompt: [1],
        response: [],
      }),
    ).toEqual([]);
  });
});
