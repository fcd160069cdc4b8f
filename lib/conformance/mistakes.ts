/**
 * SPEC #conformance — the mistakes that ports make: for a stage, what it would give in a port that makes one of them. Whoever finds that a tensor is wrong can so
 * be told why.
 *
 * @module
 */

import { roundToBf16 } from '../math/float.ts';
import { pow } from '../math/pow.ts';
import { sigmoid, silu } from '../math/sigmoid.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { Bounded } from './bounded.ts';
import type { Operand, Operation } from './operation.ts';
import type { Stage } from './stages.ts';

/** A mistake that fits, or might. */
export interface Alternative {
  /** Id of the mistake, as in the notes of the kit. */
  readonly mistake: string;
  /** Particulars, such as a position; empty if there are none. */
  readonly detail: string;
  readonly operation: Operation;
}

/** What the alternatives of a stage are made of. */
export interface Surroundings {
  readonly stage: Stage;
  /** All stages of the run, by name. */
  readonly stages: ReadonlyMap<string, Stage>;
  /** `null` for a single operation. */
  readonly model: HamburgerModel | null;
}

type Kind<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

const one = (mistake: string, operation: Operation, detail = ''): Alternative => ({
  mistake,
  detail,
  operation,
});

/** An operation that no SPEC knows, of each number. */
const each = (x: Operand, value: (x: number) => number): Operation => ({
  kind: 'other',
  x,
  compute: ({ values }) => values.map(value),
});

/** An operation of each row. */
const eachRow = (x: Operand, value: (row: Float64Array) => Float64Array): Operation => ({
  kind: 'other',
  x,
  compute: ({ values, columns }: Bounded) => {
    const out = new Float64Array(values.length);
    for (let from = 0; from < values.length; from += columns)
      out.set(value(values.subarray(from, from + columns)), from);
    return out;
  },
});

const relu = (x: number): number => Math.max(0, x);
const tanh = (x: number): number => 2 * sigmoid(2 * x) - 1;
/** sqrt(2 / π). */
const GELU_SCALE = 0.7978845608028654;
const gelu = (x: number): number => 0.5 * x * (1 + tanh(GELU_SCALE * (x + 0.044715 * x * x * x)));

/** The stage beside this one: of the same layer, the same embedder, the same micro-step. */
function sibling({ stage, stages }: Surroundings, from: string, to: string): Stage | undefined {
  return stage.name.endsWith(from) ? stages.get(stage.name.slice(0, -from.length) + to) : undefined;
}

function operationOf<K extends Operation['kind']>(stage: Stage | undefined, kind: K): Kind<K> | undefined {
  return stage?.operation.kind === kind ? (stage.operation as Kind<K>) : undefined;
}

/** Every mistake that can show at a stage, and what it would give there. */
export function alternatives(around: Surroundings): Alternative[] {
  const { operation } = around.stage;
  switch (operation.kind) {
    case 'rope':
      return ropeMistakes(operation, around);
    case 'rms_norm':
      return normMistakes(operation, around);
    case 'linear':
      return linearMistakes(operation, around);
    case 'attention_weights':
      return weightsMistakes(operation, around);
    case 'attention_context':
      return contextMistakes(operation, around);
    case 'activation':
      return activationMistakes(operation);
    case 'mean':
      return meanMistakes(operation, around);
    case 'add':
      return addMistakes(operation, around);
    case 'copy':
      return copyMistakes(operation, around);
    case 'silu':
      return [
        one('relu-in-place-of-silu', each(operation.x, relu)),
        one('gelu-in-place-of-silu', each(operation.x, gelu)),
        one('silu-left-out', { kind: 'copy', x: operation.x }),
        one('sigmoid-in-place-of-silu', each(operation.x, sigmoid)),
      ];
    case 'sigmoid':
      return [
        one('sigmoid-left-out', { kind: 'copy', x: operation.x }),
        one(
          'continue-in-place-of-stop-probability',
          each(operation.x, (x) => sigmoid(-x)),
        ),
      ];
    case 'softmax':
      return [
        one('sees-later-entries', {
          ...operation,
          visible: operation.visible.map(() => around.stage.shape.at(-1)!),
        }),
      ];
    default:
      return [];
  }
}

/** Farthest that a position is looked for from where it should be. */
const FARTHEST = 300;

function ropeMistakes(rope: Kind<'rope'>, around: Surroundings): Alternative[] {
  const { frequencies, positions } = rope;
  const { unscaled, scaled } = frequencies;
  const half = unscaled.length;
  const seen = operationOf(
    sibling(around, /q_rope$/.test(around.stage.name) ? 'q_rope' : 'k_rope', 'weights'),
    'attention_weights',
  );
  const index = seen === undefined ? undefined : seen.visible[0]! - 1;
  const at = (offset: number): Operation => ({ ...rope, positions: positions.map((p) => p + offset) });
  const shifted = Array.from({ length: 2 * FARTHEST + 1 }, (_, i) => i - FARTHEST)
    .filter((offset) => offset !== 0 && positions[0]! + offset >= 0)
    .map((offset) => {
      const detail =
        positions.length === 1
          ? `position ${positions[0]! + offset} instead of ${positions[0]}`
          : `all positions ${offset > 0 ? '+' : ''}${offset}`;
      if (offset === 1) return one('position-plus-one', at(offset), detail);
      if (offset === -1) return one('position-minus-one', at(offset), detail);
      if (positions[0]! + offset === index) return one('position-is-cache-index', at(offset), detail);
      if (positions[0]! + offset === 0) return one('positions-begin-again', at(offset), detail);
      return one('other-positions', at(offset), detail);
    });
  const of = (all: (i: number) => number) => Float64Array.from({ length: half }, (_, i) => all(i));
  const turnedBy = (all: (i: number) => number): Operation => ({
    ...rope,
    frequencies: { ...frequencies, scaled: of(all), unscaled: of(all) },
  });
  // theta^(-2 / size), of which each unscaled frequency is a power.
  const ratio = half > 1 ? unscaled[1]! : 1;
  const factor = Math.max(...of((i) => unscaled[i]! / scaled[i]!));
  const scaling = around.model?.config.ropeScaling;
  const bands =
    (low: number, high: number, original: number) =>
    (i: number): number => {
      const wavelength = 6.283185307179586 / unscaled[i]!;
      if (wavelength < original / high) return unscaled[i]!;
      if (wavelength > original / low) return unscaled[i]! / factor;
      const s = (original / wavelength - low) / (high - low);
      return s * (unscaled[i]! / factor) + (1 - s) * unscaled[i]!;
    };
  return [
    ...shifted,
    one('rope-of-neighbours', { ...rope, layout: 'neighbours' }),
    one(
      'rope-turns-backwards',
      turnedBy((i) => -scaled[i]!),
    ),
    // Of a single row of a run, others have shown that it is not left out: it stands at position 0.
    ...(positions.length === 1 && index !== undefined && index > 1
      ? []
      : [one('rope-left-out', { kind: 'copy', x: rope.x })]),
    one(
      'rope-exponent',
      turnedBy((i) => pow(ratio, i / 2)),
    ),
    one(
      'rope-exponent',
      turnedBy((i) => pow(ratio, 2 * i)),
    ),
    one(
      'rope-exponent',
      turnedBy((i) => pow(ratio, i + 1)),
    ),
    ...[10_000, 500_000, 1_000_000].map((theta) =>
      one(
        'rope-other-theta',
        turnedBy((i) => pow(theta, -i / half)),
        `theta ${theta}`,
      ),
    ),
    ...(factor > 1
      ? [
          one(
            'rope-scaling-left-out',
            turnedBy((i) => unscaled[i]!),
          ),
          one(
            'rope-scaled-everywhere',
            turnedBy((i) => unscaled[i]! / factor),
          ),
          one(
            'rope-scaling-without-the-middle-band',
            turnedBy((i) => (unscaled[i]! === scaled[i]! ? unscaled[i]! : unscaled[i]! / factor)),
          ),
          one(
            'rope-scaling-upside-down',
            turnedBy((i) => (unscaled[i]! === scaled[i]! ? unscaled[i]! / factor : unscaled[i]!)),
          ),
          ...(scaling === undefined || scaling === null
            ? []
            : [
                one(
                  'rope-blend-swapped',
                  turnedBy(
                    bands(
                      scaling.lowFreqFactor,
                      scaling.highFreqFactor,
                      scaling.originalMaxPositionEmbeddings,
                    ),
                  ),
                ),
              ]),
        ]
      : []),
    one('rope-table-in-bfloat16', { ...rope, roundTable: (value) => roundToBf16(Math.fround(value)) }),
  ];
}

function normMistakes(norm: Kind<'rms_norm'>, around: Surroundings): Alternative[] {
  const { x, weight, eps } = norm;
  const d = weight.length;
  const by = (divisor: (row: Float64Array) => number, shift: (row: Float64Array) => number = () => 0) =>
    eachRow(x, (row) => row.map((value, i) => ((value - shift(row)) / divisor(row)) * weight[i]!));
  const squares = (row: Float64Array) => row.reduce((sum, value) => sum + value * value, 0);
  const mean = (row: Float64Array) => row.reduce((sum, value) => sum + value, 0) / d;
  const layer = /layernorm$/.test(around.stage.name);
  const other = layer
    ? operationOf(
        sibling(around, 'input_layernorm', 'post_attention_layernorm') ??
          sibling(around, 'post_attention_layernorm', 'input_layernorm'),
        'rms_norm',
      )
    : undefined;
  const residual = operationOf(sibling(around, 'post_attention_layernorm', 'attention_residual'), 'add');
  return [
    ...[0, 1e-6, 1e-5, 1e-8, 2 * eps, eps / 2, 10 * eps, eps / 10]
      .filter((wrong) => wrong !== eps)
      .map((wrong) => one('other-eps', { ...norm, eps: wrong }, `eps ${wrong} instead of ${eps}`)),
    one(
      'eps-outside-the-root',
      by((row) => Math.sqrt(squares(row) / d) + eps),
    ),
    one(
      'norm-of-the-sum',
      by((row) => Math.sqrt(squares(row) + eps)),
    ),
    one('norm-weight-left-out', { ...norm, weight: new Float64Array(d).fill(1) }),
    one('norm-weight-plus-one', { ...norm, weight: Float64Array.from(weight, (w) => w + 1) }),
    one(
      'layer-norm-in-place-of-rms-norm',
      by((row) => Math.sqrt(squares(row) / d - mean(row) * mean(row) + eps), mean),
    ),
    one('norm-left-out', { kind: 'copy', x }),
    ...(other === undefined ? [] : [one('weights-of-another-norm', { ...norm, weight: other.weight })]),
    ...(around.model === null || !layer
      ? []
      : [one('weights-of-another-norm', { ...norm, weight: around.model.weights.norm.data })]),
    ...(residual === undefined ? [] : [one('norm-of-the-layer-input', { ...norm, x: residual.x })]),
  ];
}

function linearMistakes(linear: Kind<'linear'>, around: Surroundings): Alternative[] {
  const {
    x,
    linear: { weight, bias },
  } = linear;
  const { stage, model } = around;
  const outputs = stage.shape.at(-1)!;
  const inputs = weight.length / outputs;
  const found: Alternative[] = [];
  if (bias !== null) found.push(one('bias-left-out', { ...linear, linear: { weight, bias: null } }));
  if (inputs === outputs) {
    const transposed = Float64Array.from(
      { length: weight.length },
      (_, at) => weight[(at % inputs) * inputs + Math.floor(at / inputs)]!,
    );
    found.push(one('weight-transposed', { ...linear, linear: { weight: transposed, bias } }));
  }
  const pairs = [
    ['self_attn.k_proj', 'self_attn.v_proj'],
    ['merger.k_proj', 'merger.v_proj'],
    ['mlp.gate_proj', 'mlp.up_proj'],
    ['gate', 'up'],
    ['stop_head.0', 'stop_head.2'],
  ] as const;
  for (const [a, b] of pairs) {
    const other = operationOf(sibling(around, a, b) ?? sibling(around, b, a), 'linear');
    if (other !== undefined && other.linear.weight.length === weight.length)
      found.push(one('matrices-swapped', { ...linear, linear: other.linear }, `${a} and ${b}`));
  }
  // What goes in is not what should: the residual stream in place of its norm.
  const before = x.length === 1 && 'name' in x[0]! ? around.stages.get(x[0].name) : undefined;
  const norm = operationOf(before, 'rms_norm');
  if (norm !== undefined) found.push(one('norm-left-out', { ...linear, x: norm.x }));
  const merged = operationOf(before, 'mean');
  if (merged !== undefined) {
    const s = around.stages.get((merged.x[0] as { name: string }).name)?.shape[0] ?? 1;
    const row = (j: number): Operand =>
      merged.x.map((piece) => ('name' in piece ? { ...piece, rows: [j, j + 1] as const } : piece));
    found.push(one('query-of-the-first-token', { ...linear, x: row(0) }));
    found.push(one('query-of-the-last-token', { ...linear, x: row(s - 1) }));
  }
  const keys = operationOf(sibling(around, 'self_attn.v_proj', 'self_attn.k_rope'), 'rope');
  if (keys !== undefined) found.push(one('values-turned', { ...keys, x: [{ computed: linear }] }));
  if (model !== null) found.push(...headMistakes(linear, around, model));
  return found;
}

/** LM head and stop head: what they read. */
function headMistakes(
  linear: Kind<'linear'>,
  { stage, stages }: Surroundings,
  model: HamburgerModel,
): Alternative[] {
  if (!/(logits|stop_head\.0)$/.test(stage.name)) return [];
  const { weights, config } = model;
  const found = [
    one('norm-before-the-heads', {
      ...linear,
      x: [{ computed: { kind: 'rms_norm', x: linear.x, weight: weights.norm.data, eps: config.rmsNormEps } }],
    }),
  ];
  if (/logits$/.test(stage.name) && weights.lm_head !== weights.embed_tokens) {
    found.push(one('lm-head-tied', { ...linear, linear: { weight: weights.embed_tokens.data, bias: null } }));
  }
  const macro = stage.name.slice(0, stage.name.indexOf('.micro.'));
  const norm = stages.get(`${macro}.model.norm`)?.operation;
  if (norm?.kind === 'rms_norm') found.push(one('last-feature-without-norm', { ...linear, x: norm.x }));
  return found;
}

function weightsMistakes(attention: Kind<'attention_weights'>, around: Surroundings): Alternative[] {
  const { heads, visible, queries, keys } = attention;
  const { size, count, keyCount } = heads;
  const S = around.stage.shape.at(-1)!;
  const scales: readonly (readonly [number, string])[] = [
    [1, 'none'],
    [1 / size, '1 / size'],
    [1 / Math.sqrt(size * count), '1 / sqrt(d)'],
    [1 / Math.sqrt(size * keyCount), '1 / sqrt(size * Hkv)'],
    [Math.sqrt(size), 'sqrt(size)'],
  ];
  const unturned = (operand: Operand): Operand =>
    operand.map((piece) =>
      'name' in piece ? { ...piece, name: piece.name.replace(/_rope$/, '_proj') } : piece,
    );
  return [
    ...scales
      .filter(([scale]) => scale !== attention.scale)
      .map(([scale, name]) => one('other-scale', { ...attention, scale }, name)),
    ...(keyCount > 1 && keyCount < count
      ? [
          one('key-heads-in-turn', {
            ...attention,
            heads: { ...heads, keyHead: (h: number) => h % keyCount },
          }),
        ]
      : []),
    one('sees-later-entries', { ...attention, visible: visible.map(() => S) }),
    one('sees-one-entry-less', { ...attention, visible: visible.map((n) => Math.max(1, n - 1)) }),
    one('sees-one-entry-more', { ...attention, visible: visible.map((n) => Math.min(S, n + 1)) }),
    ...(/self_attn/.test(around.stage.name)
      ? [
          one('keys-not-turned', { ...attention, keys: unturned(keys) }),
          one('queries-not-turned', { ...attention, queries: unturned(queries) }),
          one('rope-left-out', { ...attention, keys: unturned(keys), queries: unturned(queries) }),
        ]
      : []),
  ];
}

function contextMistakes(attention: Kind<'attention_context'>, around: Surroundings): Alternative[] {
  const { heads, values } = attention;
  const { count, keyCount } = heads;
  const renamed = (operand: Operand, from: RegExp, to: string): Operand =>
    operand.map((piece) => ('name' in piece ? { ...piece, name: piece.name.replace(from, to) } : piece));
  return [
    ...(keyCount > 1 && keyCount < count
      ? [
          one('key-heads-in-turn', {
            ...attention,
            heads: { ...heads, keyHead: (h: number) => h % keyCount },
          }),
        ]
      : []),
    one('keys-in-place-of-values', {
      ...attention,
      values: renamed(values, /v_proj$/, around.stage.name.includes('merger') ? 'k_proj' : 'k_rope'),
    }),
  ];
}

function activationMistakes({ gate, up }: Kind<'activation'>): Alternative[] {
  const product = (first: (g: number) => number, second: (u: number) => number): Operation => ({
    kind: 'other',
    x: [...gate, ...up],
    compute: ({ values }) => {
      const half = values.length / 2;
      return Float64Array.from({ length: half }, (_, i) => first(values[i]!) * second(values[half + i]!));
    },
  });
  const same = (x: number): number => x;
  return [
    one('gate-and-up-swapped', { kind: 'activation', gate: up, up: gate }),
    one('gelu-in-place-of-silu', product(gelu, same)),
    one('relu-in-place-of-silu', product(relu, same)),
    one('sigmoid-in-place-of-silu', product(sigmoid, same)),
    one('silu-left-out', product(same, same)),
    one('silu-of-both', product(silu, silu)),
  ];
}

/** Largest max_steps that a mean is tried with, where the case does not say it. */
const MOST_STEPS = 16;

function meanMistakes(mean: Kind<'mean'>, { model }: Surroundings): Alternative[] {
  const most = model?.config.hamburger.maxSteps;
  const larger = Array.from({ length: MOST_STEPS - mean.divisor }, (_, i) => mean.divisor + 1 + i);
  return [
    ...larger
      .filter((divisor) => most === undefined || divisor === most)
      .map((divisor) => one('mean-over-max-steps', { ...mean, divisor }, `${divisor}`)),
    one('sum-in-place-of-mean', { ...mean, divisor: 1 }),
    one('mean-over-one-less', { ...mean, divisor: mean.divisor - 1 }),
    ...(mean.x.length === 1 && 'name' in mean.x[0]!
      ? [0, mean.divisor - 1].map((j) =>
          one('one-token-in-place-of-the-mean', {
            kind: 'copy',
            x: [{ ...(mean.x[0] as { name: string }), rows: [j, j + 1] as const }],
          }),
        )
      : []),
  ];
}

function addMistakes(add: Kind<'add'>, around: Surroundings): Alternative[] {
  const residual = operationOf(sibling(around, 'output', 'attention_residual'), 'add');
  const norm = operationOf(
    sibling(around, 'attention_residual', 'input_layernorm') ??
      sibling(around, 'output', 'post_attention_layernorm'),
    'rms_norm',
  );
  return [
    one('residual-left-out', { kind: 'copy', x: add.y }),
    one('branch-left-out', { kind: 'copy', x: add.x }),
    ...(residual === undefined ? [] : [one('residual-of-the-layer-input', { ...add, x: residual.x })]),
    ...(norm === undefined ? [] : [one('norm-in-the-residual', { ...add, x: [{ computed: norm }] })]),
  ];
}

function copyMistakes(copy: Kind<'copy'>, around: Surroundings): Alternative[] {
  const { stage, model } = around;
  if (/features$/.test(stage.name) && model !== null) return featureMistakes(copy, around, model);
  if (/hidden$/.test(stage.name) && model !== null) return hiddenMistakes(copy, around, model);
  const given = copy.x.length === 1 && 'given' in copy.x[0]! ? copy.x[0].given : undefined;
  if (given === undefined) return [];
  const found: Alternative[] = [];
  if (given.length > 1)
    found.push(one('tokens-reversed', { kind: 'copy', x: [{ given: [...given].reverse() }] }));
  if (/positioned$/.test(stage.name)) {
    const d = (given[0]!.length * 2) / 3;
    const e = given.map((row) => Array.from(row).slice(0, d));
    const p = given.map((row) => Array.from(row).slice(d));
    const table = model?.weights.comp_embedder.merger.pos;
    const row = (j: number) =>
      table !== undefined && j < table.shape[0]! ? Array.from(table.rows(j, j + 1).data) : undefined;
    const joined = (rows: readonly (readonly number[] | undefined)[], swap = false): Operation | undefined =>
      rows.some((each) => each === undefined)
        ? undefined
        : {
            kind: 'copy',
            x: [
              { given: e.map((tokens, j) => (swap ? [...rows[j]!, ...tokens] : [...tokens, ...rows[j]!])) },
            ],
          };
    const M = table?.shape[0] ?? given.length;
    const candidates: readonly (readonly [string, Operation | undefined])[] = [
      ['merger-positions-reversed', joined([...p].reverse())],
      ['merger-positions-from-one', joined(p.map((_, j) => row(j + 1) ?? p.at(-1)))],
      ['merger-positions-from-one', joined(p.map((_, j) => row(Math.min(j + 1, M - 1))))],
      ['merger-positions-from-the-end', joined(p.map((_, j) => row(M - p.length + j)))],
      ['merger-positions-reversed', joined(p.map((_, j) => row(M - 1 - j)))],
      ['merger-positions-left-out', joined(p.map((each) => each.map(() => 0)))],
      ['merger-positions-all-the-first', joined(p.map(() => p[0]))],
      ['merger-positions-before-the-tokens', joined(p, true)],
    ];
    for (const [mistake, operation] of candidates)
      if (operation !== undefined) found.push(one(mistake, operation));
  }
  if (/comp_embedder\.output$/.test(stage.name) && model !== null) {
    found.push(one('single-token-merged', mergedSingle(given[0]!, model)));
  }
  return found;
}

function featureMistakes(
  copy: Kind<'copy'>,
  { stage, stages }: Surroundings,
  model: HamburgerModel,
): Alternative[] {
  const { weights, config } = model;
  const norm = stages.get(stage.name.replace(/features$/, 'model.norm'))!.operation as Kind<'rms_norm'>;
  const inner = copy.x.slice(0, -1) as { name: string; rows: readonly [number, number] }[];
  const last = copy.x.at(-1)!;
  const normed = (piece: Operand[number]): Operand[number] => ({
    computed: { kind: 'rms_norm', x: [piece], weight: weights.norm.data, eps: config.rmsNormEps },
  });
  const layer = (
    piece: { name: string; rows: readonly [number, number] },
    offset: number,
  ): Operand[number] | undefined => {
    const [, head, index, tail] = /^(.*\.layers\.)(\d+)(\.output)$/.exec(piece.name)!;
    const name = `${head}${Number(index) + offset}${tail}`;
    return stages.has(name) ? { ...piece, name } : undefined;
  };
  const moved = (offset: number): Alternative[] => {
    const pieces = inner.map((piece) => layer(piece, offset));
    if (inner.length === 0 || pieces.some((piece) => piece === undefined)) return [];
    return [
      one(
        'features-of-other-layers',
        { kind: 'copy', x: [...(pieces as Operand), last] },
        `layers ${offset > 0 ? '+' : ''}${offset}`,
      ),
    ];
  };
  const firstRow = (piece: { name: string }): Operand[number] => ({ ...piece, rows: [0, 1] });
  return [
    one('last-feature-without-norm', { kind: 'copy', x: [...inner, ...norm.x] }),
    one('all-features-normed', { kind: 'copy', x: [...inner.map(normed), last] }),
    one('last-feature-normed-twice', { kind: 'copy', x: [...inner, normed(last)] }),
    one('features-reversed', { kind: 'copy', x: [last, ...[...inner].reverse()] }),
    one('features-of-the-first-row', { kind: 'copy', x: [...inner.map(firstRow), last] }),
    one('features-of-the-first-row', {
      kind: 'copy',
      x: [...inner.map(firstRow), normed(firstRow(norm.x[0] as { name: string }))],
    }),
    ...moved(1),
    ...moved(-1),
  ];
}

function hiddenMistakes(
  copy: Kind<'copy'>,
  { stage, stages }: Surroundings,
  model: HamburgerModel,
): Alternative[] {
  const { weights, config } = model;
  const macro = stage.name.slice(0, stage.name.indexOf('.micro.'));
  const norm = stages.get(`${macro}.model.norm`)!.operation as Kind<'rms_norm'>;
  const source = copy.x[0] as { name: string; rows: readonly [number, number] };
  const F = stages.get(`${macro}.features`)!.shape[0]!;
  const rows = stages.get(source.name)!.shape[0]!;
  return [
    one('norm-before-the-heads', {
      kind: 'rms_norm',
      x: copy.x,
      weight: weights.norm.data,
      eps: config.rmsNormEps,
    }),
    ...(source.name.endsWith('features')
      ? [one('last-feature-without-norm', { kind: 'copy', x: norm.x })]
      : []),
    ...Array.from({ length: rows - 1 }, (_, r) =>
      one(
        'hidden-of-another-row',
        { kind: 'copy', x: [{ name: source.name, rows: [r, r + 1] as const }] },
        `row ${r} instead of ${rows - 1}`,
      ),
    ),
    ...(source.name.endsWith('features')
      ? []
      : [
          one('hidden-is-the-last-feature', {
            kind: 'copy',
            x: [{ name: `${macro}.features`, rows: [F - 1, F] as const }],
          }),
        ]),
  ];
}

/** What the embedder would give for one token, if the merger ran. */
function mergedSingle(embedding: ArrayLike<number>, { weights, config }: HamburgerModel): Operation {
  const { merger, out_proj } = weights.comp_embedder;
  const d = config.hiddenSize;
  const count = config.hamburger.numMergerHeads;
  const affine = ({ weight, bias }: typeof out_proj) => ({ weight: weight.data, bias: bias?.data ?? null });
  const positioned = [...Array.from(embedding), ...Array.from(merger.pos.rows(0, 1).data)];
  const heads = { size: d / count, count, keyCount: count, keyHead: (h: number) => h };
  const values: Operation = { kind: 'linear', x: [{ given: [positioned] }], linear: affine(merger.v_proj) };
  // Of one token the weight is 1, whatever query and key.
  const context: Operation = {
    kind: 'attention_context',
    weights: [{ given: Array.from({ length: count }, () => [1]) }],
    values: [{ computed: values }],
    heads,
  };
  return {
    kind: 'add',
    x: [{ given: [embedding] }],
    y: [{ computed: { kind: 'linear', x: [{ computed: context }], linear: affine(out_proj) } }],
  };
}
