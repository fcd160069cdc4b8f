import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { generateBatch } from '../../lib/decode/generate-batch.ts';
import {
  gptFastProfile,
  hfGenerateProfile,
  type Profile,
  profiles,
  trainProfile,
} from '../../lib/decode/profiles.ts';
import { greedyChoice, samplingChoice, type TokenChoice } from '../../lib/decode/token-choice.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { seededUniforms } from '../../lib/math/random.ts';
import { baseOf } from '../../lib/model/model.ts';
import { argmax } from '../../lib/ops/argmax.ts';
import { namedTrace, recordTrace } from '../../lib/trace.ts';
import {
  finish,
  hamburgerOf,
  modelOf,
  naiveOf,
  randomWeights,
  segmentsOf,
  smallConfig,
} from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const f32Model = hamburgerOf(smallConfig, 'f32');
const prompt = [3, 14, 15, 9, 2];
const seed = { seed: 20438 };

const tokenId = fc.integer({ min: 0, max: smallConfig.vocabSize - 1 });
const prompts = fc.array(tokenId, { minLength: 1, maxLength: 6 });
const segmentLists = fc.array(fc.array(tokenId, { minLength: 1, maxLength: 4 }), {
  minLength: 1,
  maxLength: 5,
});

describe('generate against the naive implementation', () => {
  const naive = naiveOf(smallConfig);

  it.each([0, 0.3, 0.5, 0.8, 1, null])('same tokens in the same segments at confidence %s', (confidence) => {
    for (const start of [[7], [1, 2], prompt]) {
      const { tokens } = finish(generate(model, { prompt: start, maxTokens: 14, confidence }));
      expect(segmentsOf(tokens)).toEqual(naive.generate(start, 14, confidence, []));
    }
  });

  it('same logits and stop probabilities whatever the tokens and segments', () => {
    fc.assert(
      fc.property(prompts, segmentLists, (start, segments) => {
        const forced = teacherForced(model, { prompt: start, segments });
        segments.forEach((segment, m) => {
          segment.forEach((_, i) => {
            const expected = naive.next(start, segments.slice(0, m), segment.slice(0, i));
            const { logits, stopProbability } = forced[m]![i]!;
            expected.logits.forEach((value, v) => {
              expect(logits.data[v]).toBeCloseTo(value, 10);
            });
            expect(stopProbability).toBeCloseTo(expected.stopProbability!, 12);
          });
        });
      }),
      { ...seed, numRuns: 12 },
    );
  });

  it('a plain base, tied table and llama3 scaling', () => {
    const config = {
      ...smallConfig,
      hamburger: null,
      tieWordEmbeddings: true,
      ropeTheta: 100,
      ropeScaling: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 },
    };
    const { tokens } = finish(generate(modelOf(config, 'f64'), { prompt, maxTokens: 12 }));
    expect(segmentsOf(tokens)).toEqual(naiveOf(config).generate(prompt, 12, null, []));
  });
});

describe('generation', () => {
  it('generation/C1: refuses what cannot be run, naming it', () => {
    const run = (options: object) => () => finish(generate(model, { prompt, maxTokens: 4, ...options }));
    expect(run({ prompt: [] })).toThrow('generation/C1: prompt: expected at least one token, found none');
    expect(run({ maxTokens: -1 })).toThrow('max tokens: expected an integer of at least 0, found -1');
    expect(run({ maxTokens: 1.5 })).toThrow('found 1.5');
    expect(run({ maxPositions: 4 })).toThrow(
      'prompt: expected at most 4 tokens, one for each position, found 5',
    );
    expect(run({ maxPositions: 201 })).toThrow(
      'expected an integer from 1 to 200 (max_position_embeddings), found 201',
    );
    expect(run({ maxPositions: 0 })).toThrow('max positions');
    expect(run({ prompt: [23] })).toThrow(
      'base/C1: token id at index 0: expected an integer from 0 to 22, found 23',
    );
    expect(run({ prompt: [-1] })).toThrow('base/C1');
    expect(run({ prompt: [0.5] })).toThrow('base/C1');
    expect(run({ confidence: 1.01 })).toThrow('termination/C1');
    expect(run({ confidence: Number.NaN })).toThrow('termination/C1');
  });

  it.each(['train', 'hf-generate', 'gpt-fast'])(
    'stop-strings/C1, stop-strings/C5: the token after which the caller stops is the last one, and emitted, whatever its macro-step would still emit (%s)',
    (name) => {
      const profile = profiles.get(name)!;
      const options = { prompt, maxTokens: 14, confidence: 0, profile, eosTokenIds: [] };
      const whole = finish(generate(model, options));
      for (let n = 1; n < whole.tokens.length; n++) {
        const seen: number[] = [];
        const stopAfter = (id: number) => seen.push(id) === n;
        const { tokens, result } = finish(generate(model, { ...options, stopAfter }));
        expect(seen).toEqual(tokens.map(({ id }) => id));
        expect(tokens).toEqual([
          ...whole.tokens.slice(0, n - 1),
          { ...whole.tokens[n - 1], end: 'stop-string' },
        ]);
        const macroSteps = tokens.at(-1)!.macroStep + 1;
        const entryPositions = whole.result.entryPositions.slice(0, prompt.length + macroSteps - 1);
        expect(result).toEqual({
          stopReason: 'stop-string',
          promptTokens: prompt.length,
          outputTokens: n,
          macroSteps,
          entryPositions,
        });
      }
    },
  );

  it('stop-strings/C1: comes after EOS and before the limit among the reasons; of tokens that a profile cuts off nobody is asked', () => {
    const first = finish(generate(model, { prompt, maxTokens: 1 })).tokens[0]!.id;
    const reasonOf = (options: object) =>
      finish(generate(model, { prompt, maxTokens: 9, confidence: 0, stopAfter: () => true, ...options }));
    expect(reasonOf({ eosTokenIds: [first] }).result.stopReason).toBe('eos');
    expect(reasonOf({ maxTokens: 1, eosTokenIds: [] }).result.stopReason).toBe('stop-string');
    let asked = 0;
    const stopAfter = () => ++asked > 99;
    const cut = reasonOf({ maxTokens: 5, eosTokenIds: [], profile: gptFastProfile, stopAfter });
    expect({ asked, reason: cut.result.stopReason }).toEqual({ asked: 5, reason: 'length' });
  });

  it('a choice sees prompt and output so far, tokens of its own macro-step included', () => {
    const seen: number[][] = [];
    const choice: TokenChoice = (logits, previousTokens) => {
      seen.push([...previousTokens]);
      return greedyChoice(logits, previousTokens);
    };
    const { tokens } = finish(
      generate(model, { prompt, maxTokens: 9, confidence: 0, eosTokenIds: [], choice }),
    );
    const ids = tokens.map(({ id }) => id);
    expect(seen).toEqual(ids.map((_, i) => [...prompt, ...ids.slice(0, i)]));
  });

  it.each([
    ['reference', referenceKernels('f32')],
    ['simd', simdKernels()],
  ])(
    'token-choice/C1: a choice is told the token of the largest logit, in a batch of its own row: %s',
    (_, kernels) => {
      const random = randomWeights();
      // So few different logits that the largest is often there twice.
      const given = modelOf(
        smallConfig,
        'f32',
        (name, i) => (name.endsWith('lm_head.weight') ? (i % 24 === 0 ? (i / 24) % 3 : 0) : random(name, i)),
        kernels,
      );
      let told = 0;
      const choice: TokenChoice = (logits, previousTokens, likeliest) => {
        expect(likeliest).toBe(argmax(logits));
        told += 1;
        return (previousTokens.at(-1)! + 5) % smallConfig.vocabSize;
      };
      const requests = [[3], [14, 15], [9, 2, 6]].map((start) => ({
        prompt: start,
        maxTokens: 9,
        confidence: 0.4,
        choice,
      }));
      for (const _ of generateBatch(given, requests)) {
      }
      expect(told).toBe(27);
    },
  );

  it.each([
    ['reference', referenceKernels('f32')],
    ['simd', simdKernels()],
  ])('token-choice/C2: logits that are NaN are an error, not token 0: %s', (_, kernels) => {
    const random = randomWeights();
    const given = modelOf(
      smallConfig,
      'f32',
      (name, i) => (name.endsWith('lm_head.weight') && i === 24 * 7 ? Number.NaN : random(name, i)),
      kernels,
    );
    expect(() => finish(generate(given, { prompt, maxTokens: 1 }))).toThrow(
      'token-choice/C2: logit 7: expected a number, found NaN',
    );
  });

  it('log-probabilities/C1: of every token on request; a number of alternatives that is none is refused', () => {
    const { tokens } = finish(
      generate(model, { prompt, maxTokens: 5, alternatives: 2, probabilities: true }),
    );
    for (const { id, probability, logProbabilities } of tokens) {
      expect(Math.exp(logProbabilities!.logProbability)).toBeCloseTo(probability!, 14);
      expect(logProbabilities!.alternatives[0]!.id).toBe(id);
      expect(logProbabilities!.alternatives).toHaveLength(2);
    }
    expect(finish(generate(model, { prompt, maxTokens: 1 })).tokens[0]!.logProbabilities).toBeNull();
    for (const alternatives of [-1, 0.5])
      expect(() => finish(generate(model, { prompt, maxTokens: 1, alternatives }))).toThrow(
        'log-probabilities/C1',
      );
  });

  it('generation/C1: max_tokens 0 emits nothing', () => {
    const { tokens, result } = finish(generate(model, { prompt, maxTokens: 0 }));
    expect(tokens).toEqual([]);
    expect(result).toMatchObject({ stopReason: 'length', macroSteps: 0, outputTokens: 0 });
  });

  it.each([
    ['HAMburger, greedy segments', 0, 17],
    ['one token a macro-step', 1, 17],
  ])(
    'generation/C2: prompt and output fill max_positions + 1 tokens, then stop (%s)',
    (_, confidence, maxPositions) => {
      const { tokens, result } = finish(
        generate(model, { prompt, maxTokens: 100, maxPositions, confidence }),
      );
      expect(prompt.length + tokens.length).toBe(maxPositions + 1);
      expect(result.stopReason).toBe('positions');
      expect(Math.max(...result.entryPositions)).toBeLessThan(maxPositions);
    },
  );

  it('generation/C2: the positions end a macro-step only with the last token that fits, not one before', () => {
    const { tokens } = finish(generate(model, { prompt, maxTokens: 100, maxPositions: 18, confidence: 0 }));
    expect(segmentsOf(tokens).map((segment) => segment.length)).toEqual([4, 4, 4, 2]);
    expect(tokens.at(-1)!.end).toBe('limit');
  });

  it('generation/C3: the reason reported is the first that holds', () => {
    const { tokens } = finish(generate(model, { prompt, maxTokens: 8, confidence: 0 }));
    expect(tokens.map(({ end }) => end)).toEqual([null, null, null, 'max-steps', null, null, null, 'limit']);
    // EOS at the last micro index of a macro-step that is also the last of max_tokens.
    const eos = finish(
      generate(model, { prompt, maxTokens: 4, confidence: 0, eosTokenIds: [tokens[3]!.id] }),
    ).tokens;
    const first = eos.findIndex(({ id }) => id === tokens[3]!.id);
    expect(eos.at(-1)).toMatchObject({ end: 'eos', microIndex: first });
  });

  let free: number[] = [];
  beforeAll(() => {
    free = finish(generate(model, { prompt, maxTokens: 12, confidence: 0 })).tokens.map(({ id }) => id);
  });

  /** The run with EOS set to the token that a free run emits at `index`, which must be its first occurrence there. */
  const withEos = (profile: Profile, index: number, maxTokens = 12) => {
    const id = free[index]!;
    expect(free.indexOf(id)).toBe(index);
    return finish(
      generate(model, {
        prompt,
        maxTokens,
        confidence: 0,
        profile: { ...profile, entryPositionOffset: 0, ropeTable: 'mode' },
        eosTokenIds: [id],
      }),
    );
  };

  it('generation/C4: nothing comes after EOS, or the macro-step runs on where the profile says so', () => {
    const index = free.findIndex((id, i) => i % 4 === 1 && free.indexOf(id) === i);
    expect(withEos(trainProfile, index).tokens.map(({ id }) => id)).toEqual(free.slice(0, index + 1));
    const kept = withEos(hfGenerateProfile, index);
    expect(kept.tokens.map(({ id }) => id)).toEqual(free.slice(0, index + 3));
    expect(kept.result.stopReason).toBe('eos');
  });

  it('generation/C5: EOS in the first macro-step is overlooked only where the profile says so', () => {
    const index = free.findIndex((id, i) => i < 4 && free.indexOf(id) === i);
    expect(withEos(hfGenerateProfile, index).result.macroSteps).toBe(1);
    expect(withEos(gptFastProfile, index).result.macroSteps).toBeGreaterThan(1);
  });

  it('generation/C6: at max_tokens the macro-step ends, overshoots, or is cut', () => {
    const run = (atMaxTokens: Profile['atMaxTokens']) =>
      finish(
        generate(model, { prompt, maxTokens: 6, confidence: 0, profile: { ...trainProfile, atMaxTokens } }),
      );
    expect(run('end-macro-step').tokens.map(({ id }) => id)).toEqual(free.slice(0, 6));
    expect(run('overshoot').tokens.map(({ id }) => id)).toEqual(free.slice(0, 8));
    expect(run('cut').tokens.map(({ id }) => id)).toEqual(free.slice(0, 6));
    expect(run('cut').result).toMatchObject({ outputTokens: 6, macroSteps: 2, stopReason: 'length' });
  });

  it('generation/C7: eos comes before length, length before positions', () => {
    const stop = (options: object) =>
      finish(generate(model, { prompt, maxTokens: 4, confidence: 0, ...options })).result.stopReason;
    const last = free[free.findIndex((id, i) => i < 4 && free.indexOf(id) === i)]!;
    expect(stop({ eosTokenIds: [last], maxTokens: free.indexOf(last) + 1 })).toBe('eos');
    expect(stop({ maxPositions: prompt.length + 3 })).toBe('length');
    expect(stop({ maxPositions: prompt.length + 2 })).toBe('positions');
  });

  it('generation/C8, kv-cache/C2: the prompt is one entry a token, a segment one entry', () => {
    const { result } = finish(generate(model, { prompt, maxTokens: 9, confidence: 0 }));
    expect(result.entryPositions).toEqual([0, 1, 2, 3, 4, 8, 12]);
    expect(result.macroSteps).toBe(3);
  });

  it('positions/C2: in hf-generate a segment of one token, too, stands one further', () => {
    const run = finish(generate(model, { prompt, maxTokens: 3, confidence: 1, profile: hfGenerateProfile }));
    expect(run.result.entryPositions).toEqual([0, 1, 2, 3, 4, 6, 7]);
  });

  it.each(['f64', 'f32'] as const)(
    'generation/C9, base/C4: with segments of one token HAMburger is its base, to the bit (%s)',
    (numerics) => {
      const hamburger = numerics === 'f64' ? model : f32Model;
      fc.assert(
        fc.property(prompts, fc.array(tokenId, { minLength: 1, maxLength: 6 }), (start, ids) => {
          const segments = ids.map((id) => [id]);
          const merged = teacherForced(hamburger, { prompt: start, segments });
          const plain = teacherForced(baseOf(hamburger), { prompt: start, segments });
          merged.forEach(([token], m) => {
            expect(token!.logits.data).toEqual(plain[m]![0]!.logits.data);
          });
        }),
        { ...seed, numRuns: 10 },
      );
    },
  );

  it.each(['f64', 'f32'] as const)(
    'numerics/N6: prefill equals decoding token by token, to the bit (%s)',
    (numerics) => {
      const base = baseOf(numerics === 'f64' ? model : f32Model);
      fc.assert(
        fc.property(fc.array(tokenId, { minLength: 2, maxLength: 12 }), tokenId, (ids, next) => {
          const [prefilled] = teacherForced(base, { prompt: ids, segments: [[next]] });
          const decoded = teacherForced(base, {
            prompt: [ids[0]!],
            segments: [...ids.slice(1), next].map((id) => [id]),
          });
          expect(decoded.at(-1)![0]!.logits.data).toEqual(prefilled![0]!.logits.data);
        }),
        { ...seed, numRuns: 10 },
      );
    },
  );

  it('token-choice/C4, C5: a seed fixes the text, another seed changes it, confidence stays that of the stop head', () => {
    const sample = (s: string) =>
      finish(
        generate(model, {
          prompt,
          maxTokens: 20,
          confidence: 0.5,
          choice: samplingChoice({ temperature: 1.5, uniforms: seededUniforms(s) }),
        }),
      ).tokens;
    expect(sample('1')).toEqual(sample('1'));
    expect(sample('1').map(({ id }) => id)).not.toEqual(sample('2').map(({ id }) => id));
    // Micro index 0 of the first macro-step: p depends on the prompt alone, not on the token drawn (stop-head/C1).
    expect(sample('1')[0]!.stopProbability).toBe(sample('2')[0]!.stopProbability);
  });

  it('probability: that of the token under the model, and only when asked for', () => {
    const run = (probabilities: boolean) =>
      finish(generate(model, { prompt, maxTokens: 2, confidence: 0, probabilities })).tokens;
    expect(run(false)[0]!.probability).toBeNull();
    const [forced] = teacherForced(model, { prompt, segments: [run(false).map(({ id }) => id)] });
    run(true).forEach(({ id, probability }, i) => {
      const logits = [...forced![i]!.logits.data];
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      expect(probability).toBeCloseTo(Math.exp(logits[id]!) / total, 12);
    });
  });

  it('memory given back: generations that take turns, or are broken off, do not disturb each other', () => {
    const fast = hamburgerOf(smallConfig, 'f32', undefined, simdKernels());
    const options = (first: number) => ({ prompt: [first, 3, 5], maxTokens: 12, confidence: 0.5 });
    const alone = [1, 2].map((first) => finish(generate(f32Model, options(first))).tokens);
    const [a, b] = [generate(fast, options(1)), generate(fast, options(2))];
    const together: unknown[][] = [[], []];
    for (let i = 0; i < 12; i++) {
      together[0]!.push(a.next().value);
      together[1]!.push(b.next().value);
      // Broken off after its first token: what it held is given to others.
      for (const _ of generate(fast, options(3))) break;
    }
    expect(together).toEqual(alone);
  });

  it('trace/T2: tracing changes no result', () => {
    const { trace } = recordTrace();
    const plain = finish(generate(f32Model, { prompt, maxTokens: 9 }));
    expect(finish(generate(f32Model, { prompt, maxTokens: 9, trace }))).toEqual(plain);
  });
});

describe('teacherForced', () => {
  it('compositional-embedder/C1: refuses a segment that is empty or longer than max_steps', () => {
    expect(() => teacherForced(model, { prompt, segments: [[1], []] })).toThrow(
      'segment 1: expected 1 to 4 tokens (max_steps), found 0',
    );
    expect(() => teacherForced(model, { prompt, segments: [[1, 1, 1, 1, 1]] })).toThrow(
      'segment 0: expected 1 to 4 tokens',
    );
  });

  it('generation/C1: refuses segments that leave the positions', () => {
    const segments = Array.from({ length: 60 }, () => [1, 2, 3, 4]);
    expect(() => teacherForced(model, { prompt, segments })).toThrow(
      'segments: expected positions below 200, found 240',
    );
  });

  it('termination/C5: every macro-step emits a token before it is judged, even at confidence 1', () => {
    const { tokens, result } = finish(generate(model, { prompt, maxTokens: 5, confidence: 1 }));
    expect(tokens.map(({ microIndex }) => microIndex)).toEqual([0, 0, 0, 0, 0]);
    expect(result.macroSteps).toBe(5);
  });

  it('forced with its own greedy choices it says what generate said', () => {
    const { tokens } = finish(generate(model, { prompt, maxTokens: 12, confidence: 0.6 }));
    const forced = teacherForced(model, { prompt, segments: segmentsOf(tokens) });
    expect(forced.flat().map(({ stopProbability }) => stopProbability)).toEqual(
      tokens.map(({ stopProbability }) => stopProbability),
    );
  });
});

describe('memory of a run', () => {
  /** Kernels whose tensors are full of NaN until they are written. */
  const poisoned = (kernels: Kernels): Kernels => {
    const empty = (inner: Kernels) => (shape: readonly number[]) => {
      const tensor = inner.empty(shape);
      tensor.data.fill(Number.NaN);
      return tensor;
    };
    return {
      ...kernels,
      empty: empty(kernels),
      workspace() {
        const space = kernels.workspace();
        return { ...space, empty: empty(space) };
      },
    };
  };

  it('a macro-step puts every tensor where the last one had it: nothing is allocated as decoding goes on', () => {
    const kernels = simdKernels();
    const places = new Map<string, Set<number>>();
    const trace = namedTrace((name, { data }) => {
      const [, macroStep, tensor] = name.match(/^macro\.(\d+)\.(.*)$/)!;
      // The first two lay things out: the prompt goes in at once, its segment is merged for the first time.
      if (Number(macroStep) < 2) return;
      places.set(tensor!, (places.get(tensor!) ?? new Set()).add(data.byteOffset));
    });
    const m = hamburgerOf(smallConfig, 'f32', undefined, kernels);
    const { result } = finish(generate(m, { prompt, maxTokens: 80, confidence: 0, trace }));
    expect(result.macroSteps).toBe(20);
    expect(places.size).toBeGreaterThan(100);
    // Attention weights grow with the cache: their place moves now and then.
    const moved = [...places].filter(([name, at]) => at.size > 1 && !name.endsWith('.weights'));
    expect(moved.map(([name]) => name)).toEqual([]);
  });

  it.each([
    ['reference', referenceKernels('f32')],
    ['SIMD', simdKernels()],
  ])('no operation reads an element of a result that it has not written (%s kernels)', (_, kernels) => {
    const run = (used: Kernels) => {
      const { trace, tensors } = recordTrace();
      const m = hamburgerOf(smallConfig, 'f32', undefined, used);
      finish(generate(m, { prompt, maxTokens: 12, confidence: 0, trace }));
      return [...tensors].map(([name, { data }]) => [name, [...data]]);
    };
    expect(run(poisoned(kernels))).toEqual(run(kernels));
  });
});
