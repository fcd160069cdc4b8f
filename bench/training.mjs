/**
 * How much of a training step is matrix products: the step's rate beside that of its own products, run again without anything between.
 *
 * Usage: `npm run bench:training -- [--threads 1,2] [--tokens 64] [--samples 8] [--segment 3] [--repetitions 9] [checkpoint folder ...]`
 *
 * Without folders: the shipped toy and its base. A step learns from samples of so many tokens, half of each being the response, in segments of so
 * many tokens (one at a time for a base). The products are those of the linear layers and their backward, in the order and on the operands of the step;
 * products inside attention count as what lies between.
 */

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median, pairedRatios } from '../dist/cli/bench/statistics.js';
import { peakOf } from '../dist/cli/bench/variants.js';
import { table } from '../dist/cli/output.js';
import { toyCheckpoint } from '../dist/cli/package-root.js';
import {
  createAdamW,
  initialiser,
  isHamburger,
  openCheckpoint,
  simdCeilings,
  simdKernels,
  trainableModel,
  trainingPass,
  trainingStep,
} from '../dist/lib/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    tokens: { type: 'string', default: '64' },
    samples: { type: 'string', default: '8' },
    segment: { type: 'string', default: '3' },
    repetitions: { type: 'string', default: '9' },
  },
});
const threads = values.threads.split(',').map(Number);
const [tokens, count, segment] = [values.tokens, values.samples, values.segment].map(Number);
const folders =
  positionals.length > 0 ? positionals : [toyCheckpoint(), join(toyCheckpoint(), '..', 'toy-base')];

const simd = simdKernels({ threads: Math.max(...threads) });
const products = ['matmulNT', 'matmulNN', 'matmulTN', 'addMatmulNN', 'addMatmulTN'];

/** Multiplications and additions of a product: 2 m n k, whichever way its operands lie. */
const operationsOf = ([name, a, , out]) =>
  2 * out.rows * out.columns * (name.endsWith('TN') ? a.rows : a.columns);

/** A step of training, and its products alone. */
function trainingOf(folder) {
  const checkpoint = openCheckpoint(folder);
  const { config } = checkpoint;
  checkpoint.close();
  const draw = initialiser('1', config);
  const calls = [];
  let noting = true;
  // The way back computes in a workspace of these kernels.
  const noted = (kernels) => ({
    ...kernels,
    workspace: () => noted(kernels.workspace()),
    ...Object.fromEntries(
      products.map((name) => [
        name,
        (a, b, out) => {
          if (noting) calls.push([name, a, b, out]);
          kernels[name](a, b, out);
        },
      ]),
    ),
  });
  const kernels = noted(simd);
  const trained = trainableModel(config, kernels, (name, shape) => {
    const tensor = simd.empty(shape);
    tensor.data.set(draw(name, shape));
    return tensor;
  });
  const trainer = {
    trained,
    pass: trainingPass(kernels, trained.place),
    optimiser: createAdamW(kernels, trained.parameters, {
      groups: [{ prefixes: [''], weightDecay: 0.01 }],
      beta1: 0.9,
      beta2: 0.98,
      eps: 1e-8,
    }),
    lossWeights: { stop: 0.5, teacher: 0 },
    clip: 1,
  };
  const size = isHamburger(trained.model) ? Math.min(segment, config.hamburger.maxSteps) : 1;
  const samples = Array.from({ length: count }, (_, s) => {
    const ids = Array.from({ length: tokens }, (_, t) => (s * 97 + t * 31) % config.vocabSize);
    const response = ids.slice(tokens >> 1);
    const segments = [];
    for (let t = 0; t < response.length; t += size) segments.push(response.slice(t, t + size));
    return { prompt: ids.slice(0, tokens >> 1), segments, teacher: null };
  });
  const step = () => trainingStep(trainer, samples, [1e-3]);
  step();
  noting = false;
  const operations = calls.reduce((sum, call) => sum + operationsOf(call), 0);
  const replay = () => {
    for (const [name, a, b, out] of calls) simd[name](a, b, out);
  };
  return { name: folder.split(/[/\\]/).at(-1), step, replay, operations };
}

const secondsOf = (work) => {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
};

const models = folders.map(trainingOf);
const peak = { variant: peakOf(simdCeilings(256)), values: [] };
const runs = models.flatMap((model) => threads.map((n) => ({ ...model, threads: n, steps: [], alone: [] })));
for (let repetition = 0; repetition <= Number(values.repetitions); repetition++) {
  const figure = peak.variant.measure();
  if (repetition > 0) peak.values.push(figure);
  for (const run of runs) {
    simd.useThreads(run.threads);
    const [step, alone] = [secondsOf(run.step), secondsOf(run.replay)];
    if (repetition === 0) continue;
    run.steps.push(step);
    run.alone.push(alone);
  }
}

console.log(`kernels' own peak, one thread: ${(median(peak.values) / 1e9).toFixed(1)} GFLOP/s\n`);
console.log(
  table([
    ['model', 'threads', 'tokens/s', 'GFLOP/s in training', 'GFLOP/s of its products alone', 'share'],
    ...runs.map(({ name, threads, steps, alone, operations }) => [
      name,
      `${threads}`,
      ((tokens * count) / median(steps)).toFixed(0),
      (operations / median(steps) / 1e9).toFixed(2),
      (operations / median(alone) / 1e9).toFixed(2),
      `${(100 * median(pairedRatios(alone, steps))).toFixed(0)} %`,
    ]),
  ]),
);
process.exit();
