/**
 * verification/C8 with trained models: what is verified greedily is the target's own greedy text, for the prompts of the toy corpus, and for a
 * model that others have trained, which is not part of the project: where it is not there, its test is skipped.
 *
 * `VERIFICATION_PROMPTS=1000` (`npm run verification:prompts`) asks for more prompts, and prints what was accepted.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { corpus } from '../../fixtures/corpus/corpus.ts';
import { promptText } from '../../fixtures/corpus/tokenizer.ts';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { importLlama2c } from '../../lib/checkpoint/import-llama2c.ts';
import { graft } from '../../lib/checkpoint/initialise.ts';
import { generate } from '../../lib/decode/generate.ts';
import { samplingChoice } from '../../lib/decode/token-choice.ts';
import { generateVerified, type VerifiedOptions } from '../../lib/decode/verified.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { seededUniforms } from '../../lib/math/random.ts';
import type { Model } from '../../lib/model/model.ts';
import { workFolder } from '../cli/run.ts';
import { finish } from '../helpers/models.ts';
import { realModel } from '../helpers/real-model.ts';

const given = process.env.VERIFICATION_PROMPTS;
const toyPrompts = Number(given ?? 10);
const realPrompts = Number(given ?? 4);

const root = fileURLToPath(new URL('../..', import.meta.url));
const present = existsSync(realModel);
const kernels = simdKernels();

/** Compares for every prompt, and adds up what was accepted. */
function compare(
  draft: Model,
  target: Model,
  prompts: readonly (readonly number[])[],
  options: Omit<VerifiedOptions, 'prompt'>,
) {
  const sums = { prompts: prompts.length, tokens: 0, rounds: 0, drafted: 0, accepted: 0, different: 0 };
  for (const prompt of prompts) {
    const own = finish(generate(target, { prompt, maxTokens: options.maxTokens }));
    const verified = finish(generateVerified(draft, target, { ...options, prompt }));
    const [expected, found] = [own, verified].map(({ tokens }) => tokens.map(({ id }) => id));
    sums.different += Number(
      `${expected}` !== `${found}` || own.result.stopReason !== verified.result.stopReason,
    );
    const { rounds, drafted, accepted } = verified.result.statistics;
    sums.tokens += own.tokens.length;
    sums.rounds += rounds;
    sums.drafted += drafted;
    sums.accepted += accepted;
  }
  const figures = {
    ...sums,
    mean_accepted_length: sums.accepted / sums.rounds,
    tokens_per_target_pass: sums.tokens / sums.rounds,
  };
  if (given !== undefined) console.log(JSON.stringify(figures));
  return figures;
}

describe('greedily verified text of trained models', { timeout: 3_600_000 }, () => {
  it('verification/C8: the toy drafts, and its base says every word, in all families', () => {
    const [toy, base] = ['toy', 'toy-base'].map((name) =>
      openCheckpoint(join(root, 'fixtures/checkpoints', name)),
    );
    const { tokenizer } = toy!;
    const prompts = corpus('test', toyPrompts).map((sample) => tokenizer!.encode(promptText(sample)));
    const [draft, target] = [toy!.loadModel(kernels), base!.loadModel(kernels)];
    const figures = compare(draft, target, prompts, { maxTokens: 256, draftSteps: 3 });
    expect(figures.different).toBe(0);
    // Both have learnt the same answers, so that drafts are worth their while; and not all are accepted.
    expect(figures.tokens_per_target_pass).toBeGreaterThan(2);
    expect(figures.accepted).toBeLessThan(figures.drafted);
  });

  it.skipIf(!present)(
    `verification/C8: a model of llama2.c, and a grafted copy that drafts${present ? '' : ' (skipped: ../shared/real/tok105 is not there)'}`,
    () => {
      const folder = workFolder();
      const place = (name: string) => join(folder, name);
      importLlama2c({
        model: join(realModel, 'model.bin'),
        tokenizer: join(realModel, 'tokenizer.bin'),
        out: place('tok105'),
      });
      const base = openCheckpoint(place('tok105'));
      const hamburger = { maxSteps: 4, numMergerHeads: 4, featureLayerIndices: [1, 4], numMicroLayers: 1 };
      graft(base, hamburger, '7', { out: place('grafted') });
      const target = base.loadModel(kernels);
      const draft = openCheckpoint(place('grafted')).loadModel(kernels);
      // Beginnings that the model draws itself, of 1 to 24 tokens.
      const prompts = Array.from({ length: realPrompts }, (_, n) => {
        const choice = samplingChoice({ temperature: 1, uniforms: seededUniforms(`beginning ${n}`) });
        const { tokens } = finish(generate(target, { prompt: [1], maxTokens: n % 24, choice }));
        return [1, ...tokens.map(({ id }) => id)];
      });
      const figures = compare(draft, target, prompts, { maxTokens: 60, draftSteps: 2, confidence: null });
      expect(figures.different).toBe(0);
      expect(figures.accepted).toBeGreaterThan(0);
      expect(figures.accepted).toBeLessThan(figures.drafted);
    },
  );
});
