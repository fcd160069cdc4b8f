/** The parts of the model, and whole runs, against the independent PyTorch goldens. */

import { describe, expect, it } from 'vitest';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { createKvCache } from '../../lib/decode/kv-cache.ts';
import { hfGenerateProfile, hfSeparateLastProfile, profiles } from '../../lib/decode/profiles.ts';
import { baseLayers, features, languageModelHead, tokenEmbeddings } from '../../lib/model/base.ts';
import { compositionalEmbedder } from '../../lib/model/compositional-embedder.ts';
import { microStepDecoder } from '../../lib/model/micro-step-decoder.ts';
import { stopProbabilities } from '../../lib/model/stop-head.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { expectClose } from '../helpers/compare.ts';
import { agreement, goldenJson, goldenModel, goldenTensors, opCases } from '../helpers/goldens.ts';
import { finish, segmentsOf } from '../helpers/models.ts';

const models = {
  f64: { distinct: goldenModel('distinct', 'f64'), odd: goldenModel('odd', 'f64') },
  f32: { distinct: goldenModel('distinct', 'f32'), odd: goldenModel('odd', 'f32') },
};
type Name = keyof typeof models.f64;

describe.each(['f64', 'f32'] as const)('parts of the model, %s', (numerics) => {
  const named = (name: string) => models[numerics][name as Name];
  const positions = (n: number) => Array.from({ length: n }, (_, i) => i);

  it.each(opCases('compositional-embedder', numerics))('golden $id', ({ params, output }) => {
    const entry = compositionalEmbedder(named(params.model), params.tokens, discardTrace);
    expectClose(entry.reshape(output('output').shape), output('output'), agreement[numerics]);
  });

  it.each(opCases('features', numerics))('golden $id', ({ params, output }) => {
    const model = named(params.model);
    const { tokens } = params;
    const cache = createKvCache(model.kernels, model.config, model.config.numHiddenLayers, tokens.length);
    const rows = [{ positions: positions(tokens.length), cache, outputRows: 1 }];
    const outputs = baseLayers(model, tokenEmbeddings(model, tokens), rows, discardTrace);
    expectClose(features(model, outputs, rows, discardTrace), output('features'), agreement[numerics]);
  });

  it.each(opCases('micro-step-decoder', numerics))('golden $id', ({ params, input, output }) => {
    const model = named(params.model);
    const f = input('features');
    const [F, d] = f.shape as [number, number];
    const count = params.tokens.length + 1;
    const cache = createKvCache(
      model.kernels,
      model.config,
      model.config.hamburger.numMicroLayers,
      F + count,
    );
    const probabilities: number[] = [];
    for (let i = 0; i < count; i++) {
      let hidden = f.rows(F - 1, F);
      if (i > 0) {
        const token = tokenEmbeddings(model, [params.tokens[i - 1]]);
        const rows = i === 1 ? tensorOf(numerics, [F + 1, d], [...f.data, ...token.data]) : token;
        hidden = microStepDecoder(model, rows, [{ cache }], discardTrace);
      }
      expectClose(hidden, output('hidden').rows(i, i + 1), agreement[numerics], `hidden at micro index ${i}`);
      expectClose(
        languageModelHead(model, hidden),
        output('logits').rows(i, i + 1),
        agreement[numerics],
        `logits at micro index ${i}`,
      );
      probabilities.push(stopProbabilities(model, hidden, discardTrace).data[0]!);
    }
    expectClose(
      tensorOf('f64', output('stop_probability').shape, probabilities),
      output('stop_probability'),
      agreement[numerics],
    );
  });

  it.each(opCases('stop-head', numerics))('golden $id', ({ params, input, output }) => {
    const hidden = input('hidden');
    const n = hidden.shape[0]!;
    const p: number[] = [];
    const logits: number[] = [];
    for (let r = 0; r < n; r++) {
      const { trace, tensors } = recordTrace();
      p.push(stopProbabilities(named(params.model), hidden.rows(r, r + 1), trace).data[0]!);
      logits.push(tensors.get('stop_head.4')!.get(0, 0));
    }
    const column = (values: number[], shape: readonly number[]) => tensorOf('f64', shape, values);
    expectClose(column(p, output('stop_probability').shape), output('stop_probability'), agreement[numerics]);
    expectClose(column(logits, output('logit').shape), output('logit'), agreement[numerics]);
  });
});

describe.each(['f64', 'f32'] as const)('teacher-forced run, segments 3, 1, 4, 2, %s', (numerics) => {
  const { prompt_ids, macro_steps, tensors: names } = goldenJson('teacher.json');
  const golden = goldenTensors('teacher.safetensors');
  const { trace, tensors } = recordTrace();
  const segments = macro_steps.map(({ tokens }: { tokens: number[] }) => tokens);
  teacherForced(models[numerics].distinct, { prompt: prompt_ids, segments, trace });

  it('trace/T1: the golden and the run show the same tensors, in the order of execution', () => {
    expect(segments.map((segment: number[]) => segment.length)).toEqual([3, 1, 4, 2]);
    expect(names.length).toBeGreaterThan(400);
    expect([...tensors.keys()]).toEqual(names);
  });

  it('every tensor agrees', () => {
    // f32 errors grow along the run; which f32 error is honest is what the anchored check decides.
    const relative = numerics === 'f64' ? 1e-11 : 2e-3;
    for (const name of names) expectClose(tensors.get(name)!, golden(name), relative, name);
  });
});

describe('free greedy runs in all profiles', () => {
  const cases = goldenJson('free.json');

  it('each profile differs from each other in some case', () => {
    const differ = (a: string, b: string) =>
      cases.filter(
        ({ expected }: { expected: Record<string, { ids: number[] }> }) =>
          JSON.stringify(expected[a]!.ids) !== JSON.stringify(expected[b]!.ids),
      ).length;
    expect(differ('train', 'hf-generate')).toBeGreaterThan(5);
    expect(differ('train', 'gpt-fast')).toBeGreaterThan(5);
    expect(differ('hf-generate', 'gpt-fast')).toBeGreaterThan(5);
  });

  for (const numerics of ['f64', 'f32'] as const) {
    for (const [name, profile] of profiles) {
      it(`${name}, ${numerics}: ids, segments, positions, probabilities, stop reason`, () => {
        expect(cases.length).toBeGreaterThan(50);
        for (const { id, model, prompt_ids, confidence, max_tokens, eos_token_id, expected } of cases) {
          // Where nothing is verified, nobody else's token is there to be kept apart.
          const { ids, stop_reason, macro_steps } =
            expected[name === hfSeparateLastProfile.name ? hfGenerateProfile.name : name];
          const { tokens, result } = finish(
            generate(models[numerics][model as Name], {
              prompt: prompt_ids,
              maxTokens: max_tokens,
              confidence,
              profile,
              eosTokenIds: [eos_token_id],
              probabilities: true,
            }),
          );
          expect(
            tokens.map((token) => token.id),
            id,
          ).toEqual(ids);
          expect(result.stopReason, id).toBe(stop_reason);
          expect(result.macroSteps, id).toBe(macro_steps.length);
          const flat = (key: string) =>
            macro_steps.flatMap((step: Record<string, number[]>) => step[key]).slice(0, ids.length);
          expect(segmentsOf(tokens).flat(), id).toEqual(flat('tokens'));
          tokens.forEach((token, i) => {
            const digits = numerics === 'f64' ? 10 : 2;
            expect(token.probability, `${id}, token ${i}`).toBeCloseTo(
              flat('token_probabilities')[i],
              digits,
            );
            expect(token.stopProbability, `${id}, token ${i}`).toBeCloseTo(
              flat('stop_probabilities')[i],
              digits,
            );
          });
          // Entry positions: a step's position is that of the row it reads the features at.
          expect(result.entryPositions.slice(prompt_ids.length - 1), id).toEqual(
            macro_steps.map(({ position }: { position: number }) => position),
          );
        }
      });
    }
  }
});
