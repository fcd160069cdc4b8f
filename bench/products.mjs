/**
 * Every shape of product in the linear layers of some models, by each kernel set.
 *
 * Usage: `npm run bench:products -- [--threads 1,2] [--rows 1,64] [--repetitions 5] [checkpoint folder ...]`
 *
 * Without folders: the presets `tiny` and `stories15m`, and the shipped toy. The operands of a product are the same each time, so the
 * small ones lie in a cache; GB/s counts every operand and result once.
 */

import { parseArgs } from 'node:util';
import { median, pairedRatios, summarise } from '../dist/cli/bench/statistics.js';
import { F32_BYTES, peakOf, productOf, productShapes } from '../dist/cli/bench/variants.js';
import { table } from '../dist/cli/output.js';
import { toyCheckpoint } from '../dist/cli/package-root.js';
import { openCheckpoint, presets, referenceKernels, simdCeilings, simdKernels } from '../dist/lib/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    rows: { type: 'string', default: '1,64' },
    repetitions: { type: 'string', default: '5' },
  },
});
const numbers = (text) => text.split(',').map(Number);
const threads = numbers(values.threads);
const rows = numbers(values.rows);

/** Names and configurations. */
function models() {
  const folders = positionals.length > 0 ? positionals : [toyCheckpoint()];
  const opened = folders.map((folder) => {
    const checkpoint = openCheckpoint(folder);
    checkpoint.close();
    return [folder.split(/[/\\]/).at(-1), checkpoint.config];
  });
  const named = positionals.length > 0 ? [] : ['tiny', 'stories15m'].map((name) => [name, presets.get(name)]);
  return [...named, ...opened];
}

const simd = simdKernels({ threads: Math.max(...threads) });
const reference = referenceKernels('f32');
const engines = [
  ...threads.map((count) => ({ kernels: simd, threads: count, use: () => simd.useThreads(count) })),
  { kernels: reference, threads: 1, use() {} },
];
const peak = { variant: peakOf(simdCeilings(256)), values: [] };
const products = models().flatMap(([model, config]) =>
  rows
    .flatMap((m) =>
      (m === 1 ? productShapes(config, 2) : productShapes(config, m)).filter(({ M }) => M === m),
    )
    .flatMap((shape) => {
      const inSimd = productOf(simd, shape);
      const inReference = productOf(reference, shape);
      return engines.map((engine) => ({
        model,
        shape,
        engine,
        variant: (engine.kernels === simd ? inSimd : inReference)(engine),
        values: [],
      }));
    }),
);
for (let repetition = 0; repetition <= Number(values.repetitions); repetition++) {
  for (const { variant, values } of [peak, ...products]) {
    const figure = variant.measure();
    if (repetition > 0) values.push(figure);
  }
}

console.log(`kernels' own peak: ${(median(peak.values) / 1e9).toFixed(1)} GFLOP/s\n`);
console.log(
  table([
    ['model', 'm', 'out', 'in', 'kernels', 'threads', 'GFLOP/s', 'of peak', 'GB/s', 'GFLOP/s, least to most'],
    ...products.map(({ model, shape: { M, N, K }, engine, values }) => {
      const operations = values.map((rate) => rate * 2 * M * N * K);
      const { median: middle, least, most } = summarise(operations);
      const bytes = median(values) * F32_BYTES * (M * K + N * K + M * N);
      return [
        ...[model, `${M}`, `${N}`, `${K}`, engine.kernels.name, `${engine.threads}`],
        (middle / 1e9).toFixed(2),
        `${(100 * median(pairedRatios(operations, peak.values))).toFixed(0)} %`,
        (bytes / 1e9).toFixed(2),
        `${(least / 1e9).toFixed(2)} to ${(most / 1e9).toFixed(2)}`,
      ];
    }),
  ]),
);
process.exit();
