/**
 * SPEC #recipe — a run of training: from a recipe and its samples to trained parameters, with evaluations on the way, and from any step on.
 *
 * It is a generator of events. Whoever takes them decides what is shown, logged and kept, and may break off at any event: what {@link TrainingRun.snapshot}
 * gives then is the state at the end of the last whole step. Nothing here looks at a clock, and all that is random follows from the
 * seed and the number of a step or sample; so a run that goes on from a snapshot comes to the same bits (`recipe/R7`).
 *
 * @module
 */

import { DataError, show } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { namedUniforms } from '../math/random.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Model } from '../model/model.ts';
import { sameShape, showShape, type Tensor } from '../tensor/tensor.ts';
import { batchesFrom, totalSteps } from './batches.ts';
import { type Cut, unbroken, withBreaks } from './breaks.ts';
import { predictTokens } from './forward.ts';
import { createAdamW } from './optimiser.ts';
import type { GraftRecipe, Recipe } from './recipe.ts';
import type { LossWeights, SampleLoss } from './sample-loss.ts';
import { lastOf, type Sample, tokensOf } from './samples.ts';
import { learningRateAt } from './schedule.ts';
import { segmentSizes } from './segmentation.ts';
import {
  lossOf,
  type MeanLoss,
  meanLoss,
  type StepResult,
  type StepSample,
  type Trainer,
  trainingStepBySample,
} from './step.ts';
import { trainingPass } from './tape.ts';
import { tokenMetrics } from './token-metrics.ts';
import { type TrainableModel, trainableModel } from './trainable.ts';

/** What a run is made of. */
export interface TrainingRunOptions {
  readonly recipe: Recipe;
  /** Of the model that is trained. */
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  /** Gives the parameters to begin with, in the mode of the kernels. */
  readonly initial: (name: string, shape: readonly number[]) => Tensor;
  /** For phase `graft`: the base as it is before training, which cuts the responses and is the teacher; `null` for `pretrain`. */
  readonly base: Model | null;
  /** The base whose uncertainty cuts the responses, if that is another one; `null` for the same. */
  readonly segmentationBase: Model | null;
  /** Those to learn from, none too long. */
  readonly samples: readonly Sample[];
  readonly heldOut: readonly Sample[];
}

/** What happens in a run. */
export type TrainingEvent =
  /** A sample has been gone through, forward and back or for an evaluation: so many tokens. */
  | { readonly kind: 'sample'; readonly tokens: number }
  | { readonly kind: 'step'; readonly record: StepRecord }
  | { readonly kind: 'evaluation'; readonly record: EvaluationRecord }
  /** A snapshot is due. */
  | { readonly kind: 'snapshot' };

/** What is to be remembered of a step. */
export interface StepRecord extends StepResult {
  /** From 1. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  readonly samples: number;
  readonly learningRates: { readonly base: number; readonly modules: number };
}

/** Losses on held-out samples. */
export interface EvaluationRecord extends MeanLoss {
  /** Steps that were taken before. */
  readonly step: number;
  readonly samples: number;
}

/** The state of a run at the end of a step. */
export interface RunState {
  /** Steps taken. */
  readonly step: number;
  /** The step after which the last evaluation was finished; -1 for none. */
  readonly evaluated: number;
  /** Parameters and the means of the optimiser, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A run. */
export interface TrainingRun {
  /** Steps in all. */
  readonly steps: number;
  /** Steps taken. */
  readonly step: number;
  readonly trained: TrainableModel;
  /** Goes on to the end. */
  events(): Generator<TrainingEvent, void>;
  /** The state; its tensors are those of the run, and change with it. */
  snapshot(): RunState;
  /** Takes over a state. @throws DataError recipe/R7 if it is that of another model */
  restore(state: RunState): void;
}

/** Parameters of the HAMburger modules have a learning rate of their own. */
const MODULES = ['comp_embedder.', 'micro_step_decoder.'];

/** A run at its first step. @throws CallerError as `batchesFrom` */
export function createTrainingRun(options: TrainingRunOptions): TrainingRun {
  const { recipe, config, kernels, initial, samples, heldOut } = options;
  const lengths = samples.map(tokensOf);
  const batchOptions = { lengths, batchTokens: recipe.batchTokens, seed: recipe.seed };
  const steps = totalSteps(recipe.duration, batchOptions);
  const trained = trainableModel(config, kernels, initial);
  const { beta1, beta2, eps, weightDecay } = recipe.adam;
  const groups = [
    { prefixes: MODULES, weightDecay },
    { prefixes: [''], weightDecay },
  ];
  const optimiser = createAdamW(kernels, trained.parameters, { groups, beta1, beta2, eps });
  const lossWeights: LossWeights = recipe.phase === 'graft' ? recipe.loss : { stop: 0, teacher: 0 };
  const trainer: Trainer = {
    trained,
    pass: trainingPass(kernels, trained.place),
    optimiser,
    lossWeights,
    clip: recipe.clip ?? Number.MAX_VALUE,
  };
  const cutter = recipe.phase === 'graft' ? graftCutter(options, recipe) : pretrainCutter;
  let evaluated = -1;

  const due = (step: number, every: number): boolean => step % every === 0 || step === steps;
  const rateAt = (peak: number, step: number): number => {
    const { warmUpSteps, floor } = recipe.learningRates;
    return learningRateAt({ peak, floor: peak * floor, warmUp: warmUpSteps, steps }, step);
  };

  function* oneStep(epoch: number, numbers: readonly number[]): Generator<TrainingEvent, void> {
    const learningRates = {
      base: rateAt(recipe.learningRates.base, optimiser.steps),
      modules: rateAt(recipe.learningRates.modules, optimiser.steps),
    };
    const cut = numbers.map((n) => cutter.forTraining(samples[n]!, n, epoch));
    const work = trainingStepBySample(trainer, cut, [learningRates.modules, learningRates.base]);
    for (;;) {
      const { done, value } = work.next();
      if (done) {
        const record = { ...value, step: optimiser.steps, epoch, samples: numbers.length, learningRates };
        yield { kind: 'step', record };
        return;
      }
      yield { kind: 'sample', tokens: value.prompt.length + value.segments.flat().length };
    }
  }

  function* evaluation(): Generator<TrainingEvent, void> {
    const space = kernels.workspace();
    const model = { ...trained.model, kernels: space };
    const losses: SampleLoss[] = [];
    try {
      for (const sample of heldOut) {
        space.reset();
        losses.push(lossOf(model, cutter.forEvaluation(sample), lossWeights, 1));
        yield { kind: 'sample', tokens: tokensOf(sample) };
      }
    } finally {
      space.free();
    }
    evaluated = optimiser.steps;
    const record = { ...meanLoss(losses, lossWeights), step: evaluated, samples: heldOut.length };
    yield { kind: 'evaluation', record };
  }

  return {
    steps,
    trained,
    get step() {
      return optimiser.steps;
    },
    *events() {
      const batches = batchesFrom(optimiser.steps, batchOptions);
      for (;;) {
        const step = optimiser.steps;
        // Before the first step, too: what the run begins with. After a snapshot, unless it was done before that.
        if (heldOut.length > 0 && due(step, recipe.evaluateEvery) && evaluated < step) yield* evaluation();
        if (step > 0 && due(step, recipe.snapshotEvery)) yield { kind: 'snapshot' };
        if (step >= steps) return;
        const { epoch, samples: numbers } = batches.next().value;
        yield* oneStep(epoch, numbers);
      }
    },
    snapshot: () => ({ step: optimiser.steps, evaluated, tensors: namedTensors(trainer) }),
    restore(state) {
      const own = namedTensors(trainer);
      checkTensors(own, state.tensors);
      for (const [name, { data }] of own) data.set(state.tensors.get(name)!.data);
      optimiser.resume(state.step);
      evaluated = state.evaluated;
    },
  };
}

/** What a snapshot keeps, by name, in file order. */
function namedTensors({ trained, optimiser }: Trainer): ReadonlyMap<string, Tensor> {
  return new Map([
    ...trained.parameters.map(({ name, values }) => [`parameter.${name}`, values] as const),
    ...optimiser.moments.map(({ name, first }) => [`first_moment.${name}`, first] as const),
    ...optimiser.moments.map(({ name, second }) => [`second_moment.${name}`, second] as const),
  ]);
}

function checkTensors(own: ReadonlyMap<string, Tensor>, found: ReadonlyMap<string, Tensor>): void {
  const describe = (t: Tensor | undefined) =>
    t === undefined ? 'none' : `${t.numerics} of shape ${showShape(t.shape)}`;
  for (const name of new Set([...own.keys(), ...found.keys()])) {
    const [mine, other] = [own.get(name), found.get(name)];
    if (mine && other && mine.numerics === other.numerics && sameShape(mine.shape, other.shape)) continue;
    throw new DataError({
      rule: 'recipe/R7',
      subject: `snapshot: tensor ${show(name)}`,
      expected: describe(mine),
      found: describe(other),
    });
  }
}

/** How a phase makes samples for the loss. */
interface Cutter {
  /** @param n its number; with the epoch, what chance depends on */
  forTraining(sample: Sample, n: number, epoch: number): StepSample;
  forEvaluation(sample: Sample): StepSample;
}

/** A base learns every token by itself (recipe/R2). */
const pretrainCutter: Cutter = {
  forTraining: (sample) => cutSample(sample, unbroken(sample.response.map(() => 1)), null),
  forEvaluation: (sample) => cutSample(sample, unbroken(sample.response.map(() => 1)), null),
};

/** The base cuts the responses (#segmentation), each when its turn first comes; some are cut finer (recipe/R5). */
function graftCutter(
  { base, segmentationBase, kernels }: TrainingRunOptions,
  { segmentation, modules, breaks, loss, seed }: GraftRecipe,
): Cutter {
  const { strategy, metric, thresholds, window, promptTokens } = segmentation;
  const unsure = segmentationBase ?? base!;
  const known = new Map<Sample, readonly number[]>();
  const sizesOf = (sample: Sample): readonly number[] => {
    const earlier = known.get(sample);
    if (earlier !== undefined) return earlier;
    const { response } = sample;
    const prompt = lastOf(sample.prompt, promptTokens);
    const measured = tokenMetrics(unsure, { prompt, response, ...(window === null ? {} : { window }) });
    const sizes = segmentSizes(measured.map(metric.uncertainty), {
      vocabularySize: unsure.config.vocabSize,
      strategy,
      metric,
      maxSteps: modules.maxSteps,
      ...thresholds,
    });
    known.set(sample, sizes);
    return sizes;
  };
  const space = kernels.workspace();
  const teach = (sample: StepSample) => (): Tensor => {
    space.reset();
    return predictTokens({ ...base!, kernels: space }, sample);
  };
  const cut = (sample: Sample, how: Cut): StepSample => {
    const made = cutSample(sample, how, null);
    return loss.teacher === 0 ? made : { ...made, teacher: teach(made) };
  };
  return {
    forTraining: (sample, n, epoch) =>
      cut(sample, withBreaks(sizesOf(sample), breaks, namedUniforms(seed, 'breaks', epoch, n))),
    forEvaluation: (sample) => cut(sample, unbroken(sizesOf(sample))),
  };
}

function cutSample({ prompt, response, place }: Sample, { sizes, stops }: Cut, teacher: null): StepSample {
  let end = 0;
  const segments = sizes.map((size) => {
    end += size;
    return response.slice(end - size, end);
  });
  return { prompt, segments, stops, teacher, place };
}
