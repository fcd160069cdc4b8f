import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GeneratedToken, type Generation, generate } from '../../lib/decode/generate.ts';
import { type BatchRequest, generateBatch, generateTogether } from '../../lib/decode/generate-batch.ts';
import { type GenerationState, startGeneration } from '../../lib/decode/generation-state.ts';
import { gptFastProfile, hfGenerateProfile, trainProfile } from '../../lib/decode/profiles.ts';
import { samplingChoice } from '../../lib/decode/token-choice.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import { recordedUniforms, seededUniforms } from '../../lib/math/random.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import type { Model } from '../../lib/model/model.ts';
import { recordTrace } from '../../lib/trace.ts';
import { finish, hamburgerOf, modelOf, randomWeights, smallConfig } from '../helpers/models.ts';

/** As small as can be while heads are grouped, features are of two layers and no two dimensions are the same. */
const tiny: ModelConfig = {
  ...smallConfig,
  vocabSize: 13,
  hiddenSize: 12,
  intermediateSize: 10,
  numHiddenLayers: 3,
  numAttentionHeads: 3,
  numKeyValueHeads: 1,
  hamburger: { maxSteps: 4, numMergerHeads: 2, featureLayerIndices: [0, 2], numMicroLayers: 2 },
};

const models: readonly (readonly [name: string, model: Model])[] = [
  ['f64', modelOf(tiny, 'f64')],
  ['f32, reference kernels', modelOf(tiny, 'f32')],
  ['f32, SIMD kernels', modelOf(tiny, 'f32', undefined, simdKernels())],
  ['f32, SIMD kernels, a plain base', modelOf({ ...tiny, hamburger: null }, 'f32', undefined, simdKernels())],
  ['f32, SIMD kernels, other sizes', modelOf(smallConfig, 'f32', randomWeights(0.4), simdKernels())],
];

const ids = fc.nat(tiny.vocabSize - 1);

/** A request as data, so that it can be run twice: a choice that draws has a stream of its own each time. */
const requestData = fc.record({
  // More rows than go through the layers at once, now and then.
  prompt: fc.oneof(
    { arbitrary: fc.array(ids, { minLength: 1, maxLength: 9 }), weight: 12 },
    { arbitrary: fc.array(ids, { minLength: 40, maxLength: 140 }), weight: 1 },
  ),
  maxTokens: fc.oneof({ arbitrary: fc.nat(12), weight: 9 }, { arbitrary: fc.constant(0), weight: 1 }),
  spare: fc.oneof(fc.constant(undefined), fc.nat(8)),
  confidence: fc.oneof(
    fc.constantFrom(0, 1, null, undefined),
    fc.double({ min: 0, max: 1, noNaN: true, noDefaultInfinity: true }),
  ),
  profile: fc.constantFrom(trainProfile, hfGenerateProfile, gptFastProfile),
  eosTokenIds: fc.array(ids, { maxLength: 2 }),
  stopOn: fc.option(ids),
  sampling: fc.option(
    fc.record({ seed: fc.string({ minLength: 1 }), temperature: fc.constantFrom(0.5, 1, 3) }),
  ),
});
type RequestData = typeof requestData extends fc.Arbitrary<infer T> ? T : never;

function requestOf({ sampling, confidence, spare, stopOn, ...rest }: RequestData): BatchRequest {
  const { seed, temperature } = sampling ?? {};
  return {
    ...rest,
    probabilities: true,
    alternatives: 2,
    ...(stopOn === null ? {} : { stopAfter: (id: number) => id === stopOn }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(spare === undefined ? {} : { maxPositions: rest.prompt.length + spare }),
    ...(seed === undefined || temperature === undefined
      ? {}
      : { choice: samplingChoice({ temperature, uniforms: seededUniforms(seed) }) }),
  };
}

/** All keys and values of a cache, layer by layer. */
function contentOf({ sequence: { cache } }: GenerationState, { config }: Model): number[][] {
  return Array.from({ length: config.numHiddenLayers }, (_, layer) => {
    const { keys, values } = cache.entries(layer);
    return [...keys.data, ...values.data];
  });
}

interface Outcome {
  readonly tokens: GeneratedToken[];
  generation?: Generation;
  cache?: number[][];
}

/** Runs generations together; what each came to, and what was in its cache at the end. */
function together(model: Model, requests: readonly BatchRequest[], places: number): Outcome[] {
  const outcomes: Outcome[] = requests.map(() => ({ tokens: [] }));
  const starts = requests.map((request, n) => (): GenerationState => {
    const state = startGeneration(model, request);
    return {
      sequence: state.sequence,
      get goesOnWith() {
        return state.goesOnWith;
      },
      choose: state.choose,
      decide() {
        const generation = state.decide();
        if (generation !== null) outcomes[n]!.cache = contentOf(state, model);
        return generation;
      },
    };
  });
  for (const event of generateTogether(model, starts, places)) {
    if (event.kind === 'token') outcomes[event.request]!.tokens.push(event.token);
    else outcomes[event.request]!.generation = event.generation;
  }
  return outcomes;
}

describe('batched = alone', () => {
  it('batching/C1: tokens, probabilities, results and caches of 200 random batches are those of each sequence alone, to the bit', () => {
    const seen = { batches: 0, sequences: 0, tokens: 0, waited: 0, joined: 0 };
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: models.length - 1 }),
        fc.array(requestData, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 6 }),
        (which, data, places) => {
          const [name, model] = models[which]!;
          const batch = together(model, data.map(requestOf), places);
          for (const [n, one] of data.entries()) {
            const [alone] = together(model, [requestOf(one)], 1);
            expect(batch[n], `request ${n}, ${name}`).toEqual(alone);
          }
          seen.batches += 1;
          seen.sequences += data.length;
          seen.tokens += batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
          if (data.length > places) seen.joined += 1;
          if (new Set(batch.map(({ generation }) => generation!.macroSteps)).size > 1) seen.waited += 1;
        },
      ),
      { seed: 6, numRuns: 200 },
    );
    expect(seen.batches).toBe(200);
    // The batches are not empty of what they are to show.
    expect(seen.sequences).toBeGreaterThan(500);
    expect(seen.tokens).toBeGreaterThan(2000);
    expect(seen.joined).toBeGreaterThan(40);
    expect(seen.waited).toBeGreaterThan(100);
  }, 120_000);

  it('batching/C1: a public batch gives what generate gives', () => {
    const model = hamburgerOf(smallConfig, 'f32', undefined, simdKernels());
    const requests = [[1, 2], [3], [4, 5, 6, 7], [8]].map((prompt, n) => ({
      prompt,
      maxTokens: 5 + 3 * n,
      confidence: n / 4,
    }));
    const { tokens: events, result } = finish(generateBatch(model, requests, { places: 3 }));
    for (const [n, request] of requests.entries()) {
      const alone = finish(generate(model, request));
      const mine = events.filter((event) => event.request === n);
      expect(mine.flatMap((event) => (event.kind === 'token' ? [event.token] : []))).toEqual(alone.tokens);
      expect(mine.at(-1)).toEqual({ kind: 'end', request: n, generation: alone.result });
      expect(result[n]).toEqual(alone.result);
    }
  });

  it('batching/C2: another profile beside it changes neither positions nor the rounding of cosines', () => {
    const model = modelOf(smallConfig, 'f32');
    const profiles = [trainProfile, gptFastProfile, hfGenerateProfile];
    const requests = profiles.map((profile) => ({
      prompt: [3, 14, 15],
      maxTokens: 12,
      confidence: 0,
      profile,
    }));
    const { result } = finish(generateBatch(model, requests));
    expect(result.map(({ entryPositions }) => entryPositions)).toEqual([
      [0, 1, 2, 6, 10],
      [0, 1, 2, 6, 10],
      [0, 1, 2, 7, 11],
    ]);
    expect(together(model, requests, 3).map(({ cache }) => cache)).toEqual(
      requests.map((request) => together(model, [request], 1)[0]!.cache),
    );
  });
});

/** Kernels that count the rows and the calls of products with the LM head, which is as wide as the vocabulary. */
function countingKernels(vocabSize: number) {
  const count = { calls: 0, rows: 0 };
  const counted = <K extends Kernels>(inner: K): K => ({
    ...inner,
    workspace: () => counted(inner.workspace()),
    matmulNT(a, b, out) {
      if (out.columns === vocabSize) {
        count.calls += 1;
        count.rows += out.rows;
      }
      inner.matmulNT(a, b, out);
    },
  });
  return { kernels: counted(referenceKernels('f32')), count };
}

describe('a batch', () => {
  const prompts = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]];

  it('reads the weights once for all sequences: as many passes as the longest has, not as all of them', () => {
    const { kernels, count } = countingKernels(smallConfig.vocabSize);
    const model = modelOf(smallConfig, 'f32', undefined, kernels);
    const requests = prompts.map((prompt) => ({ prompt, maxTokens: 8, confidence: 0 }));
    finish(generateBatch(model, requests));
    // Two macro-steps of four tokens.
    expect(count).toEqual({ calls: 8, rows: 32 });
    finish(generateBatch(model, requests, { places: 2 }));
    expect(count).toEqual({ calls: 24, rows: 64 });
  });

  it('batching/C4: computes nothing for a sequence whose macro-step has ended while others go on, and draws nothing', () => {
    const { kernels, count } = countingKernels(smallConfig.vocabSize);
    const model = modelOf(smallConfig, 'f32', undefined, kernels);
    const uniforms = recordedUniforms(seededUniforms('3'));
    const requests = [
      { prompt: [1, 2], maxTokens: 12, confidence: 0 },
      {
        prompt: [3],
        maxTokens: 3,
        confidence: 1,
        choice: samplingChoice({ temperature: 1, uniforms }),
      },
    ];
    const { tokens } = finish(generateBatch(model, requests));
    const order = tokens.map((event) => (event.kind === 'token' ? `${event.request}` : 'end'));
    expect(order.join(' ')).toBe('0 1 0 0 0 0 1 0 0 0 0 1 0 0 0 end end');
    expect(count.rows).toBe(15);
    expect(uniforms.drawn.length).toBe(3);
  });

  it('batching/C1: a place is taken again as soon as it is free, and requests are made when their turn comes', () => {
    const model = modelOf(tiny, 'f32');
    const log: string[] = [];
    function* requests() {
      try {
        for (let n = 0; n < 7; n++) {
          log.push(`+${n}`);
          yield { prompt: [n], maxTokens: n === 1 ? 0 : 1 + (n % 3), confidence: 1, eosTokenIds: [] };
        }
      } finally {
        log.push('closed');
      }
    }
    for (const event of generateBatch(model, requests(), { places: 2 })) {
      if (event.kind === 'end') log.push(`-${event.request}`);
    }
    // Request 1 has nothing to emit. Never are there more than two between a plus and its minus.
    expect(log).toEqual([
      ...['+0', '+1', '-1', '+2', '-0', '+3', '-3', '+4', '-2', '+5'],
      ...['-4', '+6', '-6', 'closed', '-5'],
    ]);
  });

  it('no requests: nothing is given', () => {
    expect(finish(generateBatch(modelOf(tiny, 'f32'), []))).toEqual({ tokens: [], result: [] });
  });

  it('batching/C3: what is wrong is said, with the number of the request, and before anything runs', () => {
    const { kernels, count } = countingKernels(tiny.vocabSize);
    const model = modelOf(tiny, 'f32', undefined, kernels);
    const good = { prompt: [1], maxTokens: 2 };
    const run =
      (requests: Iterable<BatchRequest>, places = 2) =>
      () =>
        finish(generateBatch(model, requests, { places }));
    for (const places of [0, -1, 1.5, Number.NaN]) {
      expect(run([good], places)).toThrow(
        `batching/C3: places of a batch: expected an integer of at least 1, found ${places}`,
      );
    }
    expect(run([good, good, good, { ...good, prompt: [] }])).toThrow(
      'generation/C1: prompt of request 3: expected at least one token, found none',
    );
    expect(run([good, { ...good, prompt: [1, 13] }])).toThrow(
      'base/C1: token id at index 1 of request 1: expected an integer from 0 to 12, found 13',
    );
    expect(run([{ ...good, confidence: 2 }])).toThrow('termination/C1: confidence of request 0');
    const { trace } = recordTrace();
    expect(run([good, { ...good, trace } as BatchRequest])).toThrow(
      'batching/C3: trace of request 1: expected none, found one',
    );
    expect(count.calls).toBe(0);
    // Of requests that come one by one, the same, when their turn comes.
    expect(run(new Set([good, { ...good, maxTokens: -1 }]))).toThrow('max tokens of request 1');
  });

  it.each(['broken off', 'ended', 'failed'])(
    'gives back all memory when it is %s, and closes the requests',
    (how) => {
      const kernels = simdKernels();
      const model = modelOf(tiny, 'f32', undefined, kernels);
      let closed = 0;
      const round = () => {
        function* requests() {
          try {
            for (let n = 0; n < 9; n++)
              yield { prompt: [n], maxTokens: how === 'failed' && n === 7 ? -1 : 4 + n };
          } finally {
            closed += 1;
          }
        }
        let left = how === 'broken off' ? 20 : Number.POSITIVE_INFINITY;
        for (const _ of generateBatch(model, requests(), { places: 3 })) if (--left === 0) break;
      };
      const attempt = () => (how === 'failed' ? expect(round).toThrow('max tokens of request 7') : round());
      attempt();
      // Blocks that were given back are found again at the same address.
      const probe = () => {
        const space = kernels.workspace();
        const { byteOffset } = space.empty([1 << 20]);
        space.free();
        return byteOffset;
      };
      const before = probe();
      for (let i = 0; i < 50; i++) attempt();
      expect(probe()).toBe(before);
      expect(closed).toBe(51);
    },
  );

  it('a sequence for which there is no room gives back what it had got of it', () => {
    const config = { ...tiny, maxPositionEmbeddings: 1 << 20 };
    const model = modelOf(config, 'f32', undefined, simdKernels({ fixedBytes: 1 << 20 }));
    /** The first token, for which the whole cache is laid out. */
    const first = (maxTokens: number) => {
      for (const token of generate(model, { prompt: [1], maxTokens })) return token;
      return undefined;
    };
    // A layer of its cache would fit, all of them do not.
    for (let i = 0; i < 5; i++) expect(() => first(20_000)).toThrow('room for');
    expect(first(5_000)).toBeDefined();
  });
});
