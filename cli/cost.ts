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
  type VerifiedCounts,
  type VerifiedGeneration,
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

/** What a verified generation cost. Its plain decoder is the target, alone. */
export interface VerifiedCost {
  readonly draft: ModelConfig;
  readonly target: ModelConfig;
  readonly numerics: Numerics;
  readonly total: VerifiedCounts;
  readonly series: readonly VerifiedCounts[];
  readonly plain: readonly Counts[];
  /** KV entries that both hold at the end. */
  readonly entries: { readonly draft: number; readonly target: number };
}

/** The cost of a verified generation, or `undefined` if it was not counted or has no token; without a target, that of the drafts. */
export function verifiedCostOf(
  draft: Model,
  target: Model | null,
  tokens: readonly { readonly counts?: Counts | VerifiedCounts }[],
  generation: VerifiedGeneration & { readonly counts?: VerifiedCounts },
): VerifiedCost | RunCost | undefined {
  const { promptTokens, entryPositions, targetEntries, counts: total } = generation;
  const series = tokens.flatMap(({ counts }) =>
    counts !== undefined && 'targetFlops' in counts ? [counts] : [],
  );
  if (total === undefined || series.length === 0) return undefined;
  const { config, kernels } = draft;
  const plain = plainDecoderCounts((target ?? draft).config, promptTokens, series.length);
  const { numerics } = kernels;
  if (target === null) {
    return {
      ...{ config, numerics, promptTokens, plain },
      total: total.draft,
      series: series.map((counts) => counts.draft),
    };
  }
  const entries = { draft: entryPositions.length, target: targetEntries };
  return { draft: config, target: target.config, numerics, total, series, plain, entries };
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
  const parts = partsOf(config).map((part): Row => [PART_NAMES[part], total.flops[part], there.flops[part]]);
  const bytes = (counts: Counts): number => kvBytes(config, numerics, counts).base;
  return flopsTable(parts, allFlops(there), [['KV cache', bytes(total), bytes(there)]]);
}

/** Parts of both models, and their caches, beside the target alone. */
export function verifiedCostTable({ draft, target, numerics, total, plain, entries }: VerifiedCost): string {
  const there = plain.at(-1)!;
  const parts = partsOf(draft).map((part): Row => [PART_NAMES[part], total.draft.flops[part], 0]);
  const bytes = (config: ModelConfig, kvEntries: number): number =>
    kvBytes(config, numerics, { ...there, kvEntries }).base;
  return flopsTable([...parts, ['target', total.targetFlops, allFlops(there)]], allFlops(there), [
    ['KV cache of the drafts', bytes(draft, entries.draft), 0],
    ['KV cache of the target', bytes(target, entries.target), bytes(target, there.kvEntries)],
  ]);
}

/** The base alone has two parts. */
function partsOf({ hamburger }: ModelConfig): readonly ModelPart[] {
  return hamburger === null ? ['base', 'lmHead'] : modelParts;
}

/** A quantity here and of a plain decoder, which has none if it is 0. */
type Row = readonly [name: string, here: number, plain: number];

function flopsTable(parts: readonly Row[], plain: number, caches: readonly Row[]): string {
  const all = parts.reduce((sum, [, here]) => sum + here, 0);
  const flops = unitOf(Math.max(all, plain), 1000, FLOP_UNITS);
  const memory = unitOf(Math.max(...caches.flatMap(([, here, there]) => [here, there])), 1024, MEMORY_UNITS);
  const row = ([name, here, there]: Row, { name: unit, show }: Unit, share: string): string[] => [
    ...[`${name}, ${unit}`, show(here), share],
    ...(there === 0 ? [] : [show(there), percent(here / there)]),
  ];
  return table([
    ['', 'here', 'of all', 'plain decoder', 'of that'],
    ...parts.map((part) => row(part, flops, percent(part[1] / all))),
    row(['together', all, plain], flops, percent(1)),
    ...caches.map((cache) => row(cache, memory, '')),
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

/** All numbers of a verified generation: totals, and series by output token. */
export function verifiedCostJson({
  draft,
  target,
  numerics,
  total,
  series,
  plain,
  entries,
}: VerifiedCost): unknown {
  const all = (counts: VerifiedCounts): number => allFlops(counts.draft) + counts.targetFlops;
  const there = plain.at(-1)!;
  const bytes = (config: ModelConfig, kvEntries: number): number =>
    kvBytes(config, numerics, { ...there, kvEntries }).base;
  return {
    flops: {
      ...byPart((part) => total.draft.flops[part]),
      target: total.targetFlops,
      all: all(total),
    },
    kv_entries: entries.draft,
    kv_bytes: bytes(draft, entries.draft),
    target_kv_entries: entries.target,
    target_kv_bytes: bytes(target, entries.target),
    by_output_token: {
      flops: {
        ...byPart((part) => series.map((counts) => counts.draft.flops[part])),
        target: series.map(({ targetFlops }) => targetFlops),
        all: series.map(all),
      },
    },
    plain_decoder: {
      flops: { ...byPart((part) => there.flops[part]), all: allFlops(there) },
      kv_entries: there.kvEntries,
      kv_bytes: bytes(target, there.kvEntries),
      by_output_token: { flops: { all: plain.map(allFlops) } },
    },
  };
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
