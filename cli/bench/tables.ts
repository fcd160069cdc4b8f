/**
 * The report of `bench` as tables.
 *
 * @module
 */

import { byteSize, table } from '../output.ts';
import type { Report } from './measure.ts';
import type { Summary } from './statistics.ts';

const giga = (value: number): string => (value / 1e9).toFixed(1);
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** A number with three digits or more. */
function figure(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** From the least to the most. */
function spread({ least, most }: Summary, show: (value: number) => string): string {
  return `${show(least)} to ${show(most)}`;
}

/** A table under a title, or nothing where nothing was measured. */
function section(title: string, header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [`${title}\n${table([header, ...rows])}`];
}

export function reportText(report: Report): string {
  const { ceilings, memory } = report;
  const bytes = byteSize(ceilings.regionBytes);
  const ceiling = (name: string, summary: Summary, unit: string): string[] => [
    name,
    giga(summary.median),
    unit,
    spread(summary, giga),
  ];
  return [
    ...section(
      'Ceilings of one thread; shares below are of these',
      ['', 'median', '', 'least to most'],
      [
        ceiling("multiply-adds of the kernels' inner loop", ceilings.operations, 'GFLOP/s'),
        ceiling(`reading ${bytes} in one stream`, ceilings.bytesInOneStream, 'GB/s'),
        ceiling(`reading ${bytes} in four streams`, ceilings.bytesInFourStreams, 'GB/s'),
        ceiling('reading, the faster of the two', ceilings.bytes, 'GB/s'),
      ],
    ),
    ...section(
      'Products of m rows',
      ['m', 'out', 'in', 'threads', 'GFLOP/s', 'of peak', 'GB/s', 'GFLOP/s, least to most'],
      report.products.map(({ shape, threads, operations, ofPeak, bytes: read }) => [
        ...shape.map(String),
        `${threads}`,
        giga(operations.median),
        percent(ofPeak.median),
        giga(read.median),
        spread(operations, giga),
      ]),
    ),
    ...section(
      'Decoding',
      [
        ...['mode', 'kernels', 'threads', 'tokens', 'per macro-step', 'tokens/s', 'ms per macro-step'],
        ...['GFLOP/s', 'GB/s', 'of reading', 'tokens/s, least to most'],
      ],
      report.decode.map((row) => [
        ...[row.mode, row.kernels, `${row.threads}`, `${row.outputTokens}`, `${row.tokensPerMacroStep}`],
        ...[figure(row.tokens.median), figure(1000 * row.secondsPerMacroStep.median)],
        ...[giga(row.operations.median), giga(row.bytes.median), percent(row.ofReading.median)],
        spread(row.tokens, figure),
      ]),
    ),
    ...section(
      'Prefill',
      ['mode', 'kernels', 'threads', 'prompt', 'tokens/s', 'GFLOP/s', 'of peak', 'tokens/s, least to most'],
      report.prefill.map((row) => [
        ...[row.mode, row.kernels, `${row.threads}`, `${row.promptTokens}`, figure(row.tokens.median)],
        ...[giga(row.operations.median), percent(row.ofPeak.median), spread(row.tokens, figure)],
      ]),
    ),
    ...section(
      'Cost of an output token as the context grows',
      ['mode', 'kernels', 'threads', 'KV entries', 'ms per token', 'least to most'],
      report.context.map((row) => [
        ...[row.mode, row.kernels, `${row.threads}`, `${row.entries}`],
        figure(1000 * row.secondsPerToken.median),
        spread(row.secondsPerToken, (seconds) => figure(1000 * seconds)),
      ]),
    ),
    ...(memory === null
      ? []
      : section(
          `Memory; the engine alone has ${byteSize(memory.engineBytes)}`,
          ['mode', 'prompt', 'output', 'weights', 'caches', 'peak', '(peak - engine) / (weights + caches)'],
          memory.generations.map((row) => [
            ...[row.mode, `${row.promptTokens}`, `${row.outputTokens}`, byteSize(row.weightBytes)],
            ...[byteSize(row.cacheBytes), byteSize(row.peakBytes), row.ratio.toFixed(2)],
          ]),
        )),
    ...section(
      'Ratios on the fewest threads: within a repetition, and of the best figure to the best',
      ['', 'median', 'least to most', 'best'],
      report.comparisons.map(({ name, ratio, ratioOfBest }) => [
        ...[name, figure(ratio.median), spread(ratio, figure), figure(ratioOfBest)],
      ]),
    ),
  ].join('\n\n');
}
