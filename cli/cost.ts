/**
 * What a generation cost (SPEC #cost), as a table and as JSON, beside a plain decoder.
 *
 * @module
 */

import {
  allFlops,
  type Counts,
  type GeneratedToken,
  type Generation,
  type Growth,
  growthOf,
  kvBytes,
  type Model,
  type ModelConfig,
  type ModelPart,
  modelParts,
  type Numerics,
  plainDecoderCounts,
} from '../lib/index.ts';
import { table } from './output.ts';

/** Tokens and generations may come with counts. */
export interface PerhapsCounted {
  readonly counts?: Counts;
}

/** What a counted generation cost. */
export interface RunCost {
  readonly config: ModelConfig;
  readonly numerics: Numerics;
  readonly promptTokens: number;
  /** After everything; a profile that cuts tokens off has computed more than the last of the series. */
  readonly total: Counts;
  /** At each output token. */
  readonly series: readonly Counts[];
  /** The same of a plain decoder. */
  readonly plain: readonly Counts[];
}

/** The cost of a generation, or `undefined` if it was not counted or has no token. */
export function costOf(
  { config, kernels }: Model,
  tokens: readonly (Pick<GeneratedToken, 'id'> & PerhapsCounted)[],
  { promptTokens, counts: total }: Generation & PerhapsCounted,
): RunCost | undefined {
  const series = tokens.flatMap(({ counts }) => (counts === undefined ? [] : [counts]));
  if (total === undefined || series.length === 0) return undefined;
  const plain = plainDecoderCounts(config, promptTokens, series.length);
  return { config, numerics: kernels.numerics, promptTokens, total, series, plain };
}

/** Names of the parts in reports, as SPEC has them. */
const PART_NAMES: Readonly<Record<ModelPart, string>> = {
  base: 'base',
  compositionalEmbedder: 'compositional embedder',
  microStepDecoder: 'micro-step decoder',
  stopHead: 'stop head',
  lmHead: 'LM head',
};

const PART_KEYS: Readonly<Record<ModelPart, string>> = {
  base: 'base',
  compositionalEmbedder: 'compositional_embedder',
  microStepDecoder: 'micro_step_decoder',
  stopHead: 'stop_head',
  lmHead: 'lm_head',
};

/** Parts and KV cache, and then how both grow, in lines. */
export function costTable(cost: RunCost): string {
  return `${partsTable(cost)}\n\n${growthTable(cost)}`;
}

function partsTable({ config, numerics, total, plain }: RunCost): string {
  const there = plain.at(-1)!;
  const { name, show } = flopUnit(total, there);
  const row = (what: string, here: number, share: string, plainly: number, shown: (n: number) => string) =>
    plainly === 0
      ? [what, shown(here), share]
      : [what, shown(here), share, shown(plainly), percent(here / plainly)];
  // The base alone has two parts.
  const parts = config.hamburger === null ? (['base', 'lmHead'] as const) : modelParts;
  const bytes = (counts: Counts): number => kvBytes(config, numerics, counts).base;
  const memory = unitOf(Math.max(bytes(total), bytes(there)), 1024, MEMORY_UNITS);
  return table([
    ['', 'here', 'of all', 'plain decoder', 'of that'],
    ...parts.map((part) => {
      const share = percent(total.flops[part] / allFlops(total));
      return row(`${PART_NAMES[part]}, ${name}`, total.flops[part], share, there.flops[part], show);
    }),
    row(`together, ${name}`, allFlops(total), percent(1), allFlops(there), show),
    row(`KV cache, ${memory.name}`, bytes(total), '', bytes(there), memory.show),
  ]);
}

/** At 1, 2, 4, ... output tokens and at the end; and the exponents (cost/C6). */
function growthTable({ config, promptTokens, series, plain }: RunCost): string {
  const N = series.length;
  const { name, show } = flopUnit(series.at(-1)!, plain.at(-1)!);
  const doublings = Array.from({ length: N }, (_, i) => i + 1).filter((n) => (n & (n - 1)) === 0);
  const [here, there] = [series, plain].map((counts) => growthOf(config, promptTokens, counts)) as [
    Growth,
    Growth,
  ];
  const exponents = (['kvEntries', 'baseFlops', 'allFlops'] as const).flatMap((quantity) =>
    [here, there].map((growth) => growth[quantity]?.toFixed(3) ?? ''),
  );
  return table([
    ['output tokens', 'KV entries', 'plain', `base, ${name}`, 'plain', `all, ${name}`, 'plain'],
    ...[...new Set([...doublings, N])].map((n) => {
      const both = [series[n - 1]!, plain[n - 1]!];
      return [
        `${n}`,
        ...both.map(({ kvEntries }) => `${kvEntries}`),
        ...both.map(({ flops }) => show(flops.base)),
        ...both.map((counts) => show(allFlops(counts))),
      ];
    }),
    ...(N < 2 ? [] : [['growth exponent', ...exponents]]),
  ]);
}

const FLOP_UNITS = ['FLOP', 'kFLOP', 'MFLOP', 'GFLOP', 'TFLOP', 'PFLOP'] as const;
const MEMORY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

function flopUnit(...counts: readonly Counts[]): Unit {
  return unitOf(Math.max(...counts.map(allFlops)), 1000, FLOP_UNITS);
}

/** All numbers: totals, exponents, and series by output token. */
export function costJson({ config, numerics, promptTokens, total, series, plain }: RunCost): unknown {
  const json = (counts: readonly Counts[], last: Counts) => ({
    flops: { ...byPart((part) => last.flops[part]), all: allFlops(last) },
    kv_entries: last.kvEntries,
    kv_bytes: kvBytes(config, numerics, last).base,
    growth: growthJson(growthOf(config, promptTokens, counts)),
    by_output_token: {
      flops: {
        ...byPart((part) => counts.map(({ flops }) => flops[part])),
        all: counts.map(allFlops),
      },
      kv_entries: counts.map(({ kvEntries }) => kvEntries),
      kv_bytes: counts.map((each) => kvBytes(config, numerics, each).base),
      micro_rows: counts.map(({ microRows }) => microRows),
      micro_kv_bytes: counts.map((each) => kvBytes(config, numerics, each).microStepDecoder),
    },
  });
  return { ...json(series, total), plain_decoder: json(plain, plain.at(-1)!) };
}

function growthJson({ kvEntries, baseFlops, allFlops: all }: Growth): unknown {
  return { kv_entries: kvEntries, base_flops: baseFlops, all_flops: all };
}

function byPart<T>(of: (part: ModelPart) => T): Record<string, T> {
  return Object.fromEntries(modelParts.map((part) => [PART_KEYS[part], of(part)]));
}

/** A unit, and values in it. */
interface Unit {
  readonly name: string;
  show(value: number): string;
}

/** The unit in which the largest of some values has one to three digits before the point. */
function unitOf(largest: number, step: number, names: readonly string[]): Unit {
  let [size, unit] = [1, 0];
  for (; largest / size >= step && unit < names.length - 1; unit++) size *= step;
  return { name: names[unit]!, show: (value) => (unit === 0 ? `${value}` : (value / size).toFixed(2)) };
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
