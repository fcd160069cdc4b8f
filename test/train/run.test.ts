import { describe, expect, it } from 'vitest';
import { initialiser } from '../../lib/checkpoint/initialise.ts';
import { CallerError } from '../../lib/errors.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import type { Model } from '../../lib/model/model.ts';
import { Tensor } from '../../lib/tensor/tensor.ts';
import type { GraftRecipe, Recipe } from '../../lib/train/recipe.ts';
import { parseRecipe } from '../../lib/train/recipe.ts';
import {
  createTrainingRun,
  type RunState,
  type TrainingEvent,
  type TrainingRun,
  type TrainingRunOptions,
} from '../../lib/train/run.ts';
import type { Sample } from '../../lib/train/samples.ts';
import { metrics, segmentSizes, strategies } from '../../lib/train/segmentation.ts';
import { tokenMetrics } from '../../lib/train/token-metrics.ts';
import { faultOf, plainConfig } from '../helpers/checkpoint-folders.ts';
import { modelOf, randomWeights } from '../helpers/models.ts';
import { graftJson, pretrainJson } from '../helpers/recipes.ts';

/** Samples of 6 to 10 tokens, which follow one another in a few ways. */
const samples: readonly Sample[] = Array.from({ length: 7 }, (_, n) => ({
  prompt: [1, 3 + n],
  response: Array.from({ length: 4 + (n % 5) }, (_, i) => 3 + ((n + 2 * i) % 16)),
  place: `line ${n}`,
}));
const heldOut = samples.slice(0, 2).map((sample) => ({ ...sample, prompt: [1, 18] }));

const recipe = (changes: object = {}): GraftRecipe =>
  parseRecipe(
    graftJson({
      epochs: undefined,
      steps: 6,
      batch_tokens: 24,
      learning_rate: { base: 3e-3, modules: 1e-2, warm_up_steps: 2 },
      segmentation: { strategy: 'sliding', confidence: 0.3 },
      loss: { stop: 0.5, teacher: 0.25 },
      evaluate_every: 2,
      snapshot_every: 3,
      ...changes,
    }),
    'r.json',
  ) as GraftRecipe;

/** A run that grafts modules on a small base. */
function runOf(
  given: Recipe = recipe(),
  kernels: Kernels = referenceKernels('f32'),
  segmentationBase: Model | null = null,
): TrainingRun {
  const hamburger = given.phase === 'graft' ? given.modules : null;
  const config: ModelConfig = { ...plainConfig, hamburger };
  const fresh = initialiser(given.seed, config);
  const base = modelOf(plainConfig, kernels.numerics, randomWeights(), kernels);
  const options: TrainingRunOptions = {
    recipe: given,
    config,
    kernels,
    initial: (name, shape) => new Tensor(fresh(name, shape), shape),
    base: given.phase === 'graft' ? base : null,
    segmentationBase,
    samples,
    heldOut,
  };
  return createTrainingRun(options);
}

const told = (events: readonly TrainingEvent[]) => events.filter(({ kind }) => kind !== 'sample');

const copyOf = (state: RunState): RunState => ({
  ...state,
  tensors: new Map([...state.tensors].map(([name, tensor]) => [name, tensor.clone()])),
});

const bits = ({ tensors }: RunState) =>
  [...tensors].map(([name, { data }]) => [
    name,
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex'),
  ]);

describe('a run of training', () => {
  it('what happens in it, in order: evaluations before the first step and at the end, a snapshot after its evaluation', () => {
    const run = runOf();
    const events = told([...run.events()]).map((event) =>
      event.kind === 'snapshot' || event.kind === 'sample'
        ? event.kind
        : `${event.kind} ${event.record.step}`,
    );
    expect(events).toEqual([
      'evaluation 0',
      'step 1',
      'step 2',
      'evaluation 2',
      'step 3',
      'snapshot',
      'step 4',
      'evaluation 4',
      'step 5',
      'step 6',
      'evaluation 6',
      'snapshot',
    ]);
    expect([run.step, run.steps]).toEqual([6, 6]);
  });

  it('recipe/R7: from a snapshot after any step, it comes to the same bits and tells the same', () => {
    const whole = runOf();
    const events: TrainingEvent[] = [];
    const states: { state: RunState; before: number }[] = [{ state: copyOf(whole.snapshot()), before: 0 }];
    for (const event of whole.events()) {
      if (event.kind !== 'sample' && event.kind !== 'snapshot') {
        events.push(event);
        states.push({ state: copyOf(whole.snapshot()), before: events.length });
      }
    }
    expect(states.length).toBeGreaterThan(8);
    for (const { state, before } of states) {
      const run = runOf();
      run.restore(state);
      expect(run.step).toBe(state.step);
      const rest = told([...run.events()]).filter(({ kind }) => kind !== 'snapshot');
      expect(rest).toEqual(events.slice(before));
      expect(bits(run.snapshot())).toEqual(bits(whole.snapshot()));
    }
  });

  it('recipe/R7: broken off in the middle of a step, its state is that of the step before', () => {
    const [run, other] = [runOf(), runOf()];
    let steps = 0;
    for (const { kind } of run.events()) {
      if (kind === 'step') steps++;
      else if (kind === 'sample' && steps === 3) break;
    }
    for (const { kind } of other.events()) if (kind === 'step' && other.step === 3) break;
    expect(run.step).toBe(3);
    expect(bits(run.snapshot())).toEqual(bits(other.snapshot()));
  });

  it('recipe/R7: no bit depends on the kernels or the number of threads', () => {
    const threads = simdKernels({ threads: 2, leastSharedWork: 0 });
    const [a, b] = [runOf(), runOf(recipe(), threads)];
    const events = told([...a.events()]);
    expect(told([...b.events()])).toEqual(events);
    expect(bits(b.snapshot())).toEqual(bits(a.snapshot()));
    threads.close();
  });

  it('recipe/R7: the state of another model is refused', () => {
    const { tensors, ...rest } = runOf().snapshot();
    const without = new Map([...tensors].slice(1));
    expect(faultOf(() => runOf().restore({ ...rest, tensors: without }))).toMatchObject({
      rule: 'recipe/R7',
      found: 'none',
    });
    const [name, tensor] = [...tensors][0]!;
    const reshaped = new Map([...tensors, [name, tensor.reshape([...tensor.shape].reverse())]]);
    expect(faultOf(() => runOf().restore({ ...rest, tensors: reshaped }))).toMatchObject({
      rule: 'recipe/R7',
      subject: `snapshot: tensor "${name}"`,
    });
  });

  it('learns: loss on held-out data falls, with modules and for a base alone', () => {
    const evaluations = (run: TrainingRun) =>
      [...run.events()].flatMap((event) => (event.kind === 'evaluation' ? [event.record] : []));
    const graft = evaluations(
      runOf(
        recipe({ steps: 20, evaluate_every: 20, loss: {}, learning_rate: { base: 1e-2, modules: 2e-2 } }),
      ),
    );
    expect(graft.map(({ step }) => step)).toEqual([0, 20]);
    expect(graft[1]!.loss).toBeLessThan(0.9 * graft[0]!.loss);
    const pretrain = parseRecipe(
      pretrainJson({ steps: 20, evaluate_every: 20, learning_rate: { base: 1e-2 } }),
      'r',
    );
    const base = evaluations(runOf(pretrain));
    expect(base[1]!.loss).toBeLessThan(0.9 * base[0]!.loss);
    const count = heldOut.reduce((sum, { response }) => sum + response.length, 0);
    expect(base[0]).toMatchObject({ tokens: count, hits: { count: [count], stops: null } });
  });

  it("recipe/R5: held-out samples are cut by the base's segmentation alone; so are all, without breaks", () => {
    const base = modelOf(plainConfig, 'f32');
    const sizes = [...heldOut, ...samples].map(({ prompt, response }) =>
      segmentSizes(
        tokenMetrics(base, { prompt, response }).map(({ entropy }) => entropy),
        { vocabularySize: plainConfig.vocabSize, maxSteps: 4, ...recipe().segmentation, confidence: 0.3 },
      ),
    );
    // Tokens with each micro index.
    const counts = (list: readonly (readonly number[])[]) =>
      [0, 1, 2, 3].map((i) => list.flat().filter((size) => size > i).length).filter((count) => count > 0);
    expect(counts(sizes.slice(0, 2)).length).toBeGreaterThan(1);
    const records = (breaks: object) =>
      [...runOf(recipe({ breaks, steps: undefined, epochs: 1 })).events()].flatMap((event) =>
        event.kind === 'step' || event.kind === 'evaluation' ? [event] : [],
      );
    const total = (list: ReturnType<typeof records>) => {
      const all = list.flatMap(({ kind, record }) => (kind === 'step' ? [record.hits.count] : []));
      return [0, 1, 2, 3]
        .map((i) => all.reduce((sum, count) => sum + (count[i] ?? 0), 0))
        .filter((count) => count > 0);
    };
    const [none, unmerged] = [records({ forced: 0, unmerged: 0 }), records({ forced: 0, unmerged: 1 })];
    for (const list of [none, unmerged]) {
      expect(list[0]).toMatchObject({
        kind: 'evaluation',
        record: { hits: { count: counts(sizes.slice(0, 2)) } },
      });
    }
    expect(total(none)).toEqual(counts(sizes.slice(2)));
    expect(total(unmerged)).toEqual([samples.flatMap(({ response }) => response).length]);
  });

  it('recipe/R8: another base cuts, if there is one, and sees as much of the prompt as it should', () => {
    const base = modelOf(plainConfig, 'f32');
    const other = modelOf(plainConfig, 'f32', randomWeights(2));
    const entropies = (by: Model, promptTokens: number) =>
      heldOut.map(({ prompt, response }) =>
        tokenMetrics(by, { prompt: prompt.slice(-promptTokens), response }).map(({ entropy }) => entropy),
      );
    const cutBy = (by: Model | null, prompt_tokens: number, min_threshold: number) => {
      const segmentation = { min_threshold, ratio_threshold: 0, prompt_tokens };
      const run = runOf(recipe({ segmentation, steps: 2 }), undefined, by);
      const event = [...run.events()].find(({ kind }) => kind === 'evaluation');
      return event?.kind === 'evaluation' ? event.record.hits.count[0] : undefined;
    };
    const ways = [
      [null, entropies(base, 2), 2],
      [null, entropies(base, 1), 1],
      [other, entropies(other, 1), 1],
    ] as const;
    // Thresholds between the uncertainties of tokens: at some of them one way begins a segment where another does not.
    const thresholds = ways.flatMap(([, list]) => [...list[0]!.slice(1), ...list[1]!.slice(1)]);
    const differing = new Set<number>();
    for (const threshold of thresholds) {
      const counts = ways.map(([by, list, promptTokens]) => {
        const sizes = list.flatMap((u) =>
          segmentSizes(u, {
            vocabularySize: plainConfig.vocabSize,
            maxSteps: 4,
            strategy: strategies.get('decreasing_v2')!,
            metric: metrics.get('entropy')!,
            minThreshold: threshold,
            ratioThreshold: 0,
          }),
        );
        expect(cutBy(by, promptTokens, threshold)).toBe(sizes.length);
        return sizes.length;
      });
      counts.forEach((count, i) => {
        if (i > 0 && count !== counts[i - 1]) differing.add(i);
      });
    }
    expect([...differing].sort()).toEqual([1, 2]);
  });

  it('recipe/R5: a sample is broken in another way in another epoch, and in the same way in another run', () => {
    const counts = () =>
      [
        ...runOf(recipe({ breaks: { forced: 1 }, steps: undefined, epochs: 2, batch_tokens: 100 })).events(),
      ].flatMap((event) => (event.kind === 'step' ? [event.record.hits.count] : []));
    // One batch is an epoch, so only the breaks can differ.
    const [first, second, ...more] = counts();
    expect(more).toEqual([]);
    expect(second).not.toEqual(first);
    expect(counts()).toEqual([first, second]);
  });

  it('optimiser/C7: a number that is not finite ends it, with step, sample and tensor; the parameters are as before', () => {
    const run = runOf();
    for (const { kind } of run.events()) if (kind === 'step' && run.step === 2) break;
    const state = copyOf(run.snapshot());
    const o = state.tensors.get('parameter.micro_step_decoder.stop_head.0.weight')!;
    // Finite, and its products are not.
    o.data.fill(3e38);
    run.restore(state);
    const before = bits(run.snapshot());
    const fault = faultOf(() => [...run.events()], CallerError);
    expect(fault).toMatchObject({
      rule: 'optimiser/C7',
      subject: expect.stringMatching(/^step 3: loss of line \d$/),
      found: expect.stringMatching(
        /^(NaN|Infinity); the first tensor not finite is macro\.0\.micro\.0\.stop_head\.0$/,
      ),
    });
    expect(bits(run.snapshot())).toEqual(before);
    o.data.fill(Number.NaN);
    run.restore(state);
    expect(faultOf(() => [...run.events()], CallerError).found).toBe(
      'NaN; the first tensor not finite is parameter micro_step_decoder.stop_head.0.weight',
    );
  });
});
