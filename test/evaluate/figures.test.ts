import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { figuresOf, meanFigures, meanSpeed, speedOf } from '../../lib/evaluate/figures.ts';

const run = { seed: 1, numRuns: 100 };

const time = (decodeTokens: number, decodeSeconds: number) => ({
  ...{ decodeTokens, decodeSeconds, firstTokenSeconds: 0.5, seconds: decodeSeconds + 0.5 },
});

describe('figures of answers', () => {
  it('evaluation/C3: KV entries saved are counted entry by entry, the last token never among them', () => {
    const segments = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 });
    const sample = fc.record({ prompt: fc.integer({ min: 1, max: 9 }), segments });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 6 }), (samples) => {
        // Every entry by itself: of the prompt, then of what is fed back.
        let [plain, held, plainWithPrompt, heldWithPrompt] = [0, 0, 0, 0];
        for (const { prompt, segments } of samples) {
          for (let t = 0; t < prompt; t++) {
            plainWithPrompt++;
            heldWithPrompt++;
          }
          segments.forEach((size, s) => {
            const last = s === segments.length - 1;
            for (let i = 0; i < size; i++) {
              if (last && i === size - 1) continue;
              plain++;
              plainWithPrompt++;
            }
            if (!last) {
              held++;
              heldWithPrompt++;
            }
          });
        }
        const { kv_entries_saved, output_tokens, macro_steps } = figuresOf(
          samples.map(({ prompt, segments }) => ({
            ...{ correct: true, ended: true, promptTokens: prompt, macroSteps: segments.length },
            outputTokens: segments.reduce((sum, size) => sum + size, 0),
            entries: prompt + segments.length - 1,
          })),
        );
        expect(kv_entries_saved.response).toBe(plain === 0 ? null : 1 - held / plain);
        expect(kv_entries_saved.with_prompt).toBe(1 - heldWithPrompt / plainWithPrompt);
        expect([output_tokens, macro_steps]).toEqual([
          samples.flatMap((one) => one.segments).reduce((sum, size) => sum + size, 0),
          samples.flatMap((one) => one.segments).length,
        ]);
      }),
      run,
    );
  });

  it('evaluation/C2: tokens per macro-step is a mean over samples, not of all tokens by all macro-steps', () => {
    const answer = { correct: false, ended: false, promptTokens: 1, entries: 1 };
    const figures = figuresOf([
      { ...answer, outputTokens: 4, macroSteps: 1 },
      { ...answer, outputTokens: 10, macroSteps: 10 },
    ]);
    expect(figures.tokens_per_macro_step!.value).toBe(2.5);
    expect(figures.ended).toBe(0);
  });

  it('evaluation/C5: families count the same, however many samples they have; without a share there is no mean of shares', () => {
    const of = (value: number, response: number | null) => ({
      score: { value, standard_error: 0 },
      tokens_per_macro_step: { value, standard_error: null },
      kv_entries_saved: { response, with_prompt: 0.5 },
    });
    expect(meanFigures([of(0, 0.25), of(1, 0.75)])).toEqual({
      score: { value: 0.5, standard_error: 0 },
      tokens_per_macro_step: { value: 0.5, standard_error: null },
      kv_entries_saved: { response: 0.5, with_prompt: 0.5 },
    });
    expect(meanFigures([of(0, null), of(1, 0.75)]).kv_entries_saved.response).toBeNull();
  });
});

describe('speed', () => {
  it('evaluation/C4: rates are of decoding alone; the median is over samples, the overall rate over tokens', () => {
    const speed = speedOf([time(10, 1), time(40, 2), time(0, 0)], null);
    expect(speed).toEqual({
      ...{ decode_tokens: 50, decode_seconds: 3, seconds: 4.5, median_first_token_seconds: 0.5 },
      ...{ median_tokens_per_second: 15, overall_tokens_per_second: 50 / 3 },
      ...{ ratio: null, overall_ratio: null },
    });
  });

  it('evaluation/C4: a ratio is of the same sample, and one without decoding has none', () => {
    const own = [time(30, 1), time(0, 0), time(20, 1)];
    const base = [time(10, 1), time(10, 1), time(20, 1)];
    // 3 and 1; the second sample has no part in it.
    expect(speedOf(own, base).ratio).toEqual({ value: 2, standard_error: 1 });
    // 25 tokens/s by 40 in 3 s.
    expect(speedOf(own, base).overall_ratio).toBeCloseTo(1.875, 12);
  });

  it('nothing that was decoded is no rate, and no mean with it', () => {
    const none = speedOf([time(0, 0)], [time(5, 1)]);
    expect([none.median_tokens_per_second, none.overall_tokens_per_second, none.ratio]).toEqual([
      null,
      null,
      null,
    ]);
    expect(meanSpeed([none, speedOf([time(5, 1)], [time(5, 1)])]).overall_tokens_per_second).toBeNull();
    expect(meanSpeed([speedOf([time(5, 1)], null), speedOf([time(7, 1)], null)])).toMatchObject({
      ...{ median_tokens_per_second: 6, overall_tokens_per_second: 6 },
    });
  });
});
