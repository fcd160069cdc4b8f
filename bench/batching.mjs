/**
 * Tokens per second of several generations together, by the number of places in the batch, and how much faster that is than one at a time.
 *
 * Usage: `npm run bench:batching -- [folder or preset ...] [--places 1,2,4,8,16] [--tokens 64] [--prompt 28] [--confidence 0.8]
 *   [--threads 1,2] [--repetitions 5]`
 *
 * By default the shipped toy, and random weights for the preset stories15m. As many sequences as the most places, each with a prompt of its own; all
 * generate the same number of tokens, so that no place is empty before the end. Prompts are counted in the time.
 */

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pairedRatios, summarise } from '../dist/cli/bench/statistics.js';
import { table } from '../dist/cli/output.js';
import {
  createModel,
  generateBatch,
  initialiser,
  openCheckpoint,
  presets,
  simdKernels,
} from '../dist/lib/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    places: { type: 'string', default: '1,2,4,8,16' },
    tokens: { type: 'string', default: '64' },
    prompt: { type: 'string', default: '28' },
    confidence: { type: 'string', default: '0.8' },
    threads: { type: 'string', default: '1,2' },
    repetitions: { type: 'string', default: '5' },
  },
});
const list = (text) => text.split(',').map(Number);
const places = list(values.places);
const threads = list(values.threads);
const [tokens, promptTokens, confidence] = [values.tokens, values.prompt, values.confidence].map(Number);

/** The checkpoint in a folder, or random weights for a preset. */
function modelOf(name, kernels) {
  if (existsSync(name)) {
    const checkpoint = openCheckpoint(name);
    try {
      return checkpoint.loadModel(kernels);
    } finally {
      checkpoint.close();
    }
  }
  const config = presets.get(name);
  if (config === undefined)
    throw new Error(`expected a folder or one of ${[...presets.keys()].join(', ')}, found ${name}`);
  const values = initialiser('1', config);
  return createModel(config, kernels, (parameter, shape) => {
    const tensor = kernels.empty(shape);
    tensor.data.set(values(parameter, shape));
    return tensor;
  });
}

for (const name of positionals.length > 0 ? positionals : ['fixtures/checkpoints/toy', 'stories15m']) {
  const model = modelOf(name, simdKernels({ threads: Math.max(...threads) }));
  const { vocabSize } = model.config;
  const requests = Array.from({ length: Math.max(...places) }, (_, n) => ({
    prompt: Array.from({ length: promptTokens }, (_, i) => 3 + ((7 * n + 3 * i) % (vocabSize - 3))),
    maxTokens: tokens,
    confidence,
    eosTokenIds: [],
  }));
  /** Tokens per second. */
  const measure = (count, threadCount) => {
    model.kernels.useThreads(threadCount);
    const started = performance.now();
    let emitted = 0;
    for (const { kind } of generateBatch(model, requests, { places: count }))
      if (kind === 'token') emitted += 1;
    return (1000 * emitted) / (performance.now() - started);
  };
  const variants = threads.flatMap((threadCount) =>
    places.map((count) => ({ count, threadCount, rates: [] })),
  );
  for (let repetition = -1; repetition < Number(values.repetitions); repetition++) {
    for (const variant of variants) {
      const rate = measure(variant.count, variant.threadCount);
      if (repetition >= 0) variant.rates.push(rate);
    }
  }
  console.log(
    `${name}: ${requests.length} sequences, prompts of ${promptTokens} tokens, ${tokens} tokens each, confidence ${confidence}\n`,
  );
  const rows = variants.map(({ count, threadCount, rates }) => {
    const { median, least, most } = summarise(rates);
    const alone = variants.find(
      (variant) => variant.count === places[0] && variant.threadCount === threadCount,
    );
    const ratio = summarise(pairedRatios(rates, alone.rates)).median;
    return [
      `${threadCount}`,
      `${count}`,
      median.toFixed(0),
      `${least.toFixed(0)} to ${most.toFixed(0)}`,
      ratio.toFixed(2),
    ];
  });
  console.log(
    `${table([['threads', 'places', 'tokens/s', 'least to most', `times as fast as ${places[0]}`], ...rows])}\n`,
  );
  model.kernels.close();
}
process.exit();
