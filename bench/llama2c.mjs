/**
 * Decoding beside llama2.c, on the same model and in turns: greedy, from the first token, both until the story ends.
 *
 * llama2.c does not come with this project: build its `run` yourself and say where it is; several builds can be compared.
 *
 * Usage: `npm run bench:llama2c -- --run path/to/run --model model.bin --tokenizer tokenizer.bin [--run another]
 *   [--dtypes F32,BF16] [--threads 1,2] [--tokens 256] [--repetitions 5]`
 *
 * Both speeds leave out the first token, as llama2.c does. llama2.c has weights in binary32; ours can have them rounded to BF16, too.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pairedRatios, summarise } from '../dist/cli/bench/statistics.js';
import { table } from '../dist/cli/output.js';
import {
  generate,
  importLlama2c,
  openCheckpoint,
  simdKernels,
  sizeOf,
  writeCheckpoint,
} from '../dist/lib/index.js';

/** Begins a text, and ends one where the next would begin. */
const BEGIN = 1;

const { values } = parseArgs({
  options: {
    run: { type: 'string', multiple: true },
    model: { type: 'string' },
    tokenizer: { type: 'string' },
    dtypes: { type: 'string', default: 'F32' },
    threads: { type: 'string', default: '1,2' },
    tokens: { type: 'string', default: '256' },
    repetitions: { type: 'string', default: '5' },
  },
});
if (values.run === undefined || values.model === undefined || values.tokenizer === undefined) {
  console.error('expected --run, --model and --tokenizer');
  process.exit(2);
}
const threads = values.threads.split(',').map(Number);
const tokens = Number(values.tokens);

/** Tokens per second of a build of llama2.c. */
function theirs(run) {
  const args = [values.model, '-t', '0', '-n', `${tokens}`, '-z', values.tokenizer];
  const { stderr, error } = spawnSync(run, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  const [, rate] = /achieved tok\/s: ([\d.]+)/.exec(stderr) ?? [];
  if (rate === undefined) throw new Error(`${run}: expected "achieved tok/s" on stderr, found ${stderr}`);
  return Number(rate);
}

/** Tokens per second of ours. */
function ours(model, count) {
  model.kernels.useThreads(count);
  let started = 0;
  let later = -1;
  const maxTokens = Math.min(tokens, model.config.maxPositionEmbeddings) - 1;
  for (const _ of generate(model, { prompt: [BEGIN], maxTokens, eosTokenIds: [BEGIN] })) {
    if (later < 0) started = performance.now();
    later += 1;
  }
  return (1000 * later) / (performance.now() - started);
}

/** Writes a checkpoint once more, with another element type, and loads it. */
function loadAs(dtype, checkpoint, out) {
  const tensor = (name, shape) => {
    const elements = new Float32Array(sizeOf(shape));
    checkpoint.readTensor(name, elements);
    return elements;
  };
  writeCheckpoint(out, { config: checkpoint.config, dtype, tensor });
  const rewritten = openCheckpoint(out);
  const model = rewritten.loadModel(simdKernels({ threads: Math.max(...threads) }));
  rewritten.close();
  return { dtype, model };
}

const folder = mkdtempSync(join(tmpdir(), 'hamburger-bench-'));
let models;
try {
  importLlama2c({ model: values.model, tokenizer: values.tokenizer, out: join(folder, 'model') });
  const checkpoint = openCheckpoint(join(folder, 'model'));
  models = values.dtypes.split(',').map((dtype) => loadAs(dtype, checkpoint, join(folder, dtype)));
  checkpoint.close();
} finally {
  rmSync(folder, { recursive: true });
}

const variants = [
  ...values.run.map((run) => ({ name: run, measure: () => theirs(run), rates: [] })),
  ...models.flatMap(({ dtype, model }) =>
    threads.map((count) => ({
      name: `ours, ${dtype}, threads: ${count}`,
      measure: () => ours(model, count),
      rates: [],
    })),
  ),
];
for (let repetition = 0; repetition <= Number(values.repetitions); repetition++) {
  for (const { measure, rates } of variants) {
    const rate = measure();
    if (repetition > 0) rates.push(rate);
  }
}
const [first] = variants;
console.log(
  table([
    ['', 'tokens/s', 'least to most', 'times as fast as the first, in the same repetition'],
    ...variants.map(({ name, rates }) => {
      const { median, least, most } = summarise(rates);
      const ratio = summarise(pairedRatios(rates, first.rates));
      return [name, median.toFixed(0), `${least.toFixed(0)} to ${most.toFixed(0)}`, ratio.median.toFixed(2)];
    }),
  ]),
);
process.exit();
