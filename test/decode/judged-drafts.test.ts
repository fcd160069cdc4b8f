import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { freeRun, judgedRun, targetChoices } from '../../lib/decode/judged-drafts.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { baseOf } from '../../lib/model/model.ts';
import { argmax } from '../../lib/ops/argmax.ts';
import { finish, modelOf, smallConfig } from '../helpers/models.ts';

const kernels = simdKernels();
const load = (name: string) =>
  openCheckpoint(new URL(`../../fixtures/checkpoints/${name}`, import.meta.url).pathname);
const toyCheckpoint = load('toy');
const toy = toyCheckpoint.loadModel(kernels);
const toyBase = load('toy-base').loadModel(kernels);
const promptOf = (text: string) => toyCheckpoint.tokenizer!.encode(`<|user|>${text}<|assistant|>`);
const prompt = promptOf('Tell a story in 3 sentences with the words kite, hungry, goat.');
const maxTokens = 120;

describe('free runs', () => {
  it.each([0, 0.5, 0.8, 1])(
    'calibration/C2: with threshold %d they are those of generate, though they look further',
    (confidence) => {
      const { tokens, macroSteps } = freeRun(toy, { prompt, maxTokens, confidence });
      const generated = finish(generate(toy, { prompt, maxTokens, confidence }));
      expect(tokens.map(({ heldBack, ...token }) => token)).toEqual(
        generated.tokens.map(({ id, microIndex, confidence: c, end }) => ({
          id,
          microIndex,
          confidence: c,
          end,
        })),
      );
      expect(macroSteps).toBe(generated.result.macroSteps);
    },
  );

  it('they end as generate ends: at a limit of tokens, of positions, and before the first token', () => {
    for (const limits of [
      { maxTokens: 7 },
      { maxTokens: 90, maxPositions: prompt.length + 4 },
      { maxTokens: 0 },
    ]) {
      const { tokens } = freeRun(toy, { prompt, confidence: 0.8, ...limits });
      const generated = finish(generate(toy, { prompt, confidence: 0.8, ...limits })).tokens;
      expect(tokens.map(({ id }) => id)).toEqual(generated.map(({ id }) => id));
    }
  });

  it('calibration/C2: a token is held back where the threshold ends a macro-step, and nowhere else', () => {
    const { tokens } = freeRun(toy, { prompt, maxTokens, confidence: 0.8 });
    const ended = tokens.filter(({ end }) => end === 'confidence').length;
    expect(tokens.every(({ end, heldBack }) => (heldBack !== null) === (end === 'confidence'))).toBe(true);
    expect(ended).toBeGreaterThan(5);
    expect(new Set(tokens.map(({ end }) => end)).size).toBeGreaterThan(2);
  });

  it('calibration/C2: it is the token that a lower threshold lets through, after the same tokens', () => {
    // With threshold 1 the first macro-step ends after its first token; with 0 it goes on.
    const [first] = freeRun(toy, { prompt, maxTokens, confidence: 1 }).tokens;
    const free = finish(generate(toy, { prompt, maxTokens: 2, confidence: 0 })).tokens;
    expect(first!.heldBack).toBe(free[1]!.id);
  });
});

describe('target choices', () => {
  it('are those of decoding with the target, one token after the other, however long the text', () => {
    // Longer than goes through the target at once.
    const { tokens } = finish(generate(toy, { prompt, maxTokens, confidence: 0.5 }));
    const output = [...prompt, ...tokens.map(({ id }) => id), ...prompt];
    expect(prompt.length + output.length).toBeGreaterThan(70);
    const forced = teacherForced(toyBase, { prompt, segments: output.map((id) => [id]) });
    const naive = forced.map(([token]) => argmax(token!.logits.data));
    expect(targetChoices(toyBase, prompt, output)).toEqual(naive);
    expect(targetChoices(toyBase, prompt, [])).toEqual([]);
  });
});

describe('judged run', () => {
  it('calibration/C1: drafts are judged on the text that the HAMburger wrote, with the confidence of the token before', () => {
    const { tokens } = freeRun(toy, { prompt, maxTokens, confidence: 0.8 });
    const choices = targetChoices(
      toyBase,
      prompt,
      tokens.map(({ id }) => id),
    );
    const run = judgedRun(toy, toyBase, { prompt, maxTokens, confidence: 0.8 });
    const emitted = tokens.flatMap((token, n) =>
      token.microIndex === 0
        ? []
        : [
            {
              microIndex: token.microIndex,
              draftedWith: tokens[n - 1]!.confidence,
              heldBack: false,
              agrees: token.id === choices[n],
            },
          ],
    );
    expect(run.drafts.filter(({ heldBack }) => !heldBack)).toEqual(emitted);
    const heldBack = run.drafts.filter((draft) => draft.heldBack);
    expect(heldBack.map(({ agrees }) => agrees)).toEqual(
      tokens.flatMap(({ heldBack }, n) =>
        heldBack === null || n === tokens.length - 1 ? [] : [heldBack === choices[n + 1]],
      ),
    );
    expect(run.drafts.every(({ draftedWith, heldBack: held }) => held === draftedWith < 0.8)).toBe(true);
    expect(run.firsts).toEqual(
      tokens.flatMap(({ id, microIndex }, n) => (microIndex === 0 ? [id === choices[n]] : [])),
    );
    expect(run).toMatchObject({ outputTokens: tokens.length, macroSteps: run.firsts.length });
    // Emitted and held back, with and against the target.
    expect(new Set(run.drafts.map(({ agrees, heldBack: held }) => `${agrees} ${held}`)).size).toBeGreaterThan(
      2,
    );
  });

  it('a base agrees with itself: where nothing was merged, every first token is its own', () => {
    const run = judgedRun(toy, baseOf(toy), { prompt, maxTokens, confidence: 1 });
    expect(run.drafts.filter(({ heldBack }) => !heldBack)).toEqual([]);
    expect(run.firsts.every(Boolean)).toBe(true);
    expect(run.firsts.length).toBe(run.outputTokens);
  });

  it('calibration/C3: refuses a model without modules, another vocabulary, and a target that is too short', () => {
    const options = { prompt: [1], maxTokens: 3, confidence: 0.5 };
    const small = modelOf(smallConfig, 'f64');
    const other = modelOf({ ...smallConfig, vocabSize: 24, hamburger: null }, 'f64');
    const short = modelOf({ ...smallConfig, maxPositionEmbeddings: 10, hamburger: null }, 'f64');
    expect(() => judgedRun(baseOf(small), small, options)).toThrow(/calibration\/C3.*modules/s);
    expect(() => judgedRun(small, other, options)).toThrow(/calibration\/C3.*23 tokens.*24/s);
    expect(() => judgedRun(small, short, options)).toThrow(/calibration\/C3.*at least 200.*10/s);
    expect(judgedRun(small, short, { ...options, maxPositions: 10 }).outputTokens).toBe(3);
  });
});
