/**
 * SPEC #conformance — the stages of a run with given tokens and segments, in the order in which they are executed: for each tensor of the trace, what
 * it must be **given the tensors that the run itself shows as its inputs**. A mistake shows at the very tensor where it is made.
 *
 * @module
 */

import { checkForced } from '../decode/generate.ts';
import { segmentPosition } from '../decode/positions.ts';
import { type Profile, trainProfile } from '../decode/profiles.ts';
import { rolledBack } from '../decode/roll-back.ts';
import { type PendingEntry, promptEntries } from '../decode/run.ts';
import { CallerError } from '../errors.ts';
import { headSize } from '../model/config.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { DecoderLayer, Linear } from '../model/weights.ts';
import { ropeFrequencies } from '../ops/rope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Frequencies } from './bounded.ts';
import { portNumerics } from './numerics.ts';
import type { Affine, Heads, Operand, Operation, Piece } from './operation.ts';

/** A tensor of the trace and how it follows from others. */
export interface Stage {
  /** SPEC #trace */
  readonly name: string;
  readonly shape: readonly number[];
  readonly operation: Operation;
  /** Whether a run may leave the tensor out: what follows from it is then judged through it (conformance/C5). */
  readonly optional: boolean;
}

/** What went into a run. */
export interface ForcedRun {
  /** In f64, with the very weights of the port. */
  readonly model: HamburgerModel;
  readonly prompt: readonly number[];
  readonly segments: readonly (readonly number[])[];
  /** Where entries stand, and what the table of cosines and sines is stored in. */
  readonly profile: Profile;
}

/** Tensors that a run has to show, by the ends of their names: KV entries, and what leaves a layer, the embedder and the heads. */
const REQUIRED =
  /(^|\.)(comp_embedder\.output|self_attn\.(k_rope|v_proj)|output|features|hidden|logits|stop_probability)$/;

/** A table in bfloat16 may be off by half the distance of its numbers, whatever they were rounded from. */
const BF16 = portNumerics.get('bf16')!.store;

const affine = ({ weight, bias }: Linear<Tensor>): Affine => ({
  weight: weight.data,
  bias: bias?.data ?? null,
});

/** Row r of a tensor of two axes. */
const row = (t: Tensor, r: number) => t.rows(r, r + 1).data;

/**
 * All stages of a run.
 *
 * @throws CallerError if the model cannot be forced to these segments, or base/C1 (an id outside the vocabulary)
 */
export function* stagesOf({ model, prompt, segments, profile }: ForcedRun): Generator<Stage> {
  checkForced(model, { prompt, segments, profile });
  checkIds(model, [...prompt, ...segments.flat()]);
  const { macroStep } = modelStages(model, profile);
  let tokens = prompt.length;
  for (const [m, segment] of segments.entries()) {
    let entries = promptEntries(prompt);
    if (m > 0) {
      // The entry of the segment before.
      tokens += segments[m - 1]!.length;
      entries = [{ tokens: segments[m - 1]!, position: segmentPosition(tokens, profile) }];
    }
    const past = segments.slice(0, m).map((_, earlier) => ({ pass: `macro.${earlier}.` }));
    const seen = m === 0 ? 0 : prompt.length + m - 1;
    yield* macroStep(`macro.${m}.`, { entries, past, seen, isPrompt: m === 0 }, segment);
  }
}

/** A round of a verified run, as far as it says what is computed. */
export interface VerifiedRound {
  /** What HAMburger drafted, a segment for each macro-step; none where the target went on alone. */
  readonly segments: readonly (readonly number[])[];
  readonly accepted: number;
  /** The token of the target; `null` behind EOS. */
  readonly next: number | null;
}

/** What went into a verified run. */
export interface ForcedVerifiedRun {
  /** Both in f64, with the very weights of the port. */
  readonly draft: HamburgerModel;
  readonly target: HamburgerModel;
  readonly prompt: readonly number[];
  readonly rounds: readonly VerifiedRound[];
  readonly profile: Profile;
}

/**
 * All stages of a verified run: of each round the macro-steps of the draft, then the pass of the target. What was rolled back is seen by nothing that follows
 * (verification/C4).
 *
 * @throws CallerError if no run has such rounds, or base/C1 (an id outside the vocabulary)
 */
export function* verifiedStages({
  draft,
  target,
  prompt,
  rounds,
  profile,
}: ForcedVerifiedRun): Generator<Stage> {
  for (const [r, round] of rounds.entries()) checkRound(draft, round, r, rounds.length);
  checkIds(draft, [...prompt, ...rounds.flatMap(({ segments, next }) => [...segments.flat(), next ?? 0])]);
  const { macroStep } = modelStages(draft, profile);
  const { targetPass } = modelStages(target, trainProfile);
  let macro = 0;
  let tokens = prompt.length;
  /** Passes whose entries HAMburger still has, and how many those are. */
  let past: Past[] = [];
  let seen = 0;
  let pending = promptEntries(prompt);
  const targetPast: Past[] = [];
  let targetSeen = 0;
  let unseen = prompt;
  for (const [r, { segments, accepted, next }] of rounds.entries()) {
    const kept = past.length;
    for (const [s, segment] of segments.entries()) {
      if (s > 0) {
        const before = segments.slice(0, s);
        const position = segmentPosition(tokens + before.flat().length, profile);
        pending = [{ tokens: before.at(-1)!, position }];
      }
      const pass = `draft.macro.${macro}.`;
      yield* macroStep(pass, { entries: pending, past, seen, isPrompt: macro === 0 }, segment);
      past = [...past, { pass }];
      seen += pending.length;
      macro += 1;
    }
    const drafted = segments.flat();
    yield* targetPass(`target.${r}.`, [...unseen, ...drafted], drafted.length + 1, targetPast, targetSeen);
    const stay = unseen.length + accepted;
    targetPast.push({ pass: `target.${r}.`, rows: [0, stay] });
    targetSeen += stay;
    if (next === null) return;
    unseen = [next];
    if (segments.length > 0) {
      const left = rolledBack({ tokensBefore: tokens, segments, accepted, next }, profile);
      // The first macro-step of the draft took what was pending before it.
      past = past.slice(0, kept + 1 + left.entriesKept);
      seen -= segments.length - 1 - left.entriesKept;
      pending = left.pending;
    }
    tokens += accepted + 1;
  }
}

/** Whether a run can have such a round. @throws CallerError */
function checkRound(
  { config }: HamburgerModel,
  { segments, accepted, next }: VerifiedRound,
  r: number,
  rounds: number,
): void {
  const refuse = (expected: string, found: string): never => {
    throw new CallerError({ rule: 'verification/C4', subject: `round ${r}`, expected, found });
  };
  const { maxSteps } = config.hamburger;
  const long = segments.find(({ length }) => length < 1 || length > maxSteps);
  if (long !== undefined) refuse(`segments of 1 to ${maxSteps} tokens (max_steps)`, `one of ${long.length}`);
  const drafted = segments.flat().length;
  if (accepted > drafted) refuse(`up to ${drafted} accepted tokens, as many as were drafted`, `${accepted}`);
  if (next === null && (r < rounds - 1 || accepted < drafted || drafted === 0))
    refuse('a token of the target, unless the draft ends the text', 'none');
}

/** @throws CallerError base/C1 */
function checkIds({ config: { vocabSize: V } }: HamburgerModel, ids: readonly number[]): void {
  const unknown = ids.find((id) => !(Number.isInteger(id) && 0 <= id && id < V));
  if (unknown === undefined) return;
  throw new CallerError({
    rule: 'base/C1',
    subject: 'token ids of the run',
    expected: `integers from 0 to ${V - 1}`,
    found: `${unknown}`,
  });
}

/** A pass whose entries are in the cache: the beginning of its names, and which of its rows, if not all. */
interface Past {
  readonly pass: string;
  readonly rows?: readonly [from: number, to: number];
}

/** What enters the base in a macro-step. */
interface MacroStepPass {
  readonly entries: readonly PendingEntry[];
  /** Passes before, of which all rows are entries. */
  readonly past: readonly Past[];
  /** Entries in the cache. */
  readonly seen: number;
  /** A prompt does not go through the compositional embedder. */
  readonly isPrompt: boolean;
}

/** The stages of the passes of a model. */
function modelStages(model: HamburgerModel, profile: Profile) {
  const { config, weights } = model;
  const { hiddenSize: d, numHiddenLayers: L, vocabSize: V } = config;
  const { featureLayerIndices } = config.hamburger;
  const F = featureLayerIndices.length;
  const size = headSize(config);
  const frequencies: Frequencies = {
    scaled: model.ropeFrequencies,
    unscaled: ropeFrequencies(size, config.ropeTheta, null),
    table: profile.ropeTable === 'bf16' ? BF16 : 0,
  };
  const embeddings = (ids: readonly number[]): Operand => [
    { given: ids.map((id) => row(weights.embed_tokens, id)) },
  ];
  return { macroStep, targetPass };

  function* macroStep(
    macro: string,
    { entries, past, seen, isPrompt }: MacroStepPass,
    segment: readonly number[],
  ): Generator<Stage> {
    let x = embeddings(entries.flatMap(({ tokens }) => tokens));
    if (!isPrompt) {
      yield* embedderStages(`${macro}comp_embedder.`, entries);
      x = [{ name: `${macro}comp_embedder.output` }];
    }
    const positions = entries.map(({ position }) => position);
    yield* baseStages(macro, x, { positions, past, seen, rows: entries.length });
    yield* featureStages(macro, entries.length);
    yield* microSteps(macro, segment);
  }

  /** A pass of a plain decoder, of which the last R rows are read. */
  function* targetPass(
    pass: string,
    ids: readonly number[],
    R: number,
    past: readonly Past[],
    seen: number,
  ): Generator<Stage> {
    const T = ids.length;
    const positions = ids.map((_, t) => seen + t);
    yield* baseStages(pass, embeddings(ids), { positions, past: [...past], seen, rows: T });
    const stage = stagesAt(pass);
    const { rmsNormEps: eps } = config;
    const read = [{ name: `${pass}model.layers.${L - 1}.output`, rows: [T - R, T] }] as const;
    yield stage('model.norm', [R, d], { kind: 'rms_norm', x: read, weight: weights.norm.data, eps });
    const linear: Affine = { weight: weights.lm_head.data, bias: null };
    yield stage('logits', [R, V], { kind: 'linear', x: [{ name: `${pass}model.norm` }], linear });
  }

  function* baseStages(pass: string, embedded: Operand, { past, ...rest }: Pass): Generator<Stage> {
    let x = embedded;
    for (const [l, layer] of weights.layers.entries()) {
      const name = `model.layers.${l}.`;
      const before = past.map((each) => ({ ...each, pass: `${each.pass}${name}` }));
      yield* layerStages(`${pass}${name}`, x, layer, { ...rest, past: before });
      x = [{ name: `${pass}${name}output` }];
    }
  }

  /** Of entries of which at most one has several tokens: what else is pending after a verification is one token (verification/C5). */
  function* embedderStages(prefix: string, entries: readonly PendingEntry[]): Generator<Stage> {
    const stage = stagesAt(prefix);
    const merged = entries.find(({ tokens }) => tokens.length > 1);
    if (merged === undefined) {
      const ids = entries.flatMap(({ tokens }) => tokens);
      yield stage('output', [ids.length, d], { kind: 'copy', x: embeddings(ids) });
      return;
    }
    const ids = merged.tokens;
    const s = ids.length;
    const { merger, out_proj } = weights.comp_embedder;
    const count = config.hamburger.numMergerHeads;
    const heads: Heads = { size: d / count, count, keyCount: count, keyHead: (h) => h };
    const of = (name: string): Operand => [{ name: prefix + name }];
    yield stage('embeddings', [s, d], { kind: 'copy', x: embeddings(ids) });
    yield stage('mean', [1, d], { kind: 'mean', x: of('embeddings'), divisor: s });
    yield stage('merger.q_proj', [1, d], { kind: 'linear', x: of('mean'), linear: affine(merger.q_proj) });
    const width = merger.pos.shape[1]!;
    const positioned = ids.map((id, j) => [...row(weights.embed_tokens, id), ...row(merger.pos, j)]);
    yield stage('merger.positioned', [s, d + width], { kind: 'copy', x: [{ given: positioned }] });
    for (const key of ['k_proj', 'v_proj'] as const) {
      const linear = affine(merger[key]);
      yield stage(`merger.${key}`, [s, d], { kind: 'linear', x: of('merger.positioned'), linear });
    }
    yield stage('merger.weights', [count, 1, s], {
      kind: 'attention_weights',
      queries: of('merger.q_proj'),
      keys: of('merger.k_proj'),
      heads,
      visible: [s],
      scale: 1 / Math.sqrt(heads.size),
    });
    yield stage('merger.context', [1, d], {
      kind: 'attention_context',
      weights: of('merger.weights'),
      values: of('merger.v_proj'),
      heads,
    });
    yield stage('out_proj', [1, d], { kind: 'linear', x: of('merger.context'), linear: affine(out_proj) });
    const sum: Operation = { kind: 'add', x: of('mean'), y: of('out_proj') };
    if (entries.length === 1) {
      yield stage('output', [1, d], sum);
      return;
    }
    const rows = entries.map(
      (entry): Piece => (entry === merged ? { computed: sum } : embeddings(entry.tokens)[0]!),
    );
    yield stage('output', [entries.length, d], { kind: 'copy', x: rows });
  }

  function* layerStages(
    prefix: string,
    x: Operand,
    layer: DecoderLayer<Tensor>,
    { positions, past, seen, rows: T, lastRowOnly = false }: Pass,
  ): Generator<Stage> {
    const { numAttentionHeads: H, numKeyValueHeads: Hkv, intermediateSize: f, rmsNormEps: eps } = config;
    const stage = stagesAt(prefix, lastRowOnly ? /self_attn\.(k_rope|v_proj)$/ : REQUIRED);
    const of = (name: string): Operand => [{ name: prefix + name }];
    // Rows of an operand are those of the last axis: keys have one for each head.
    const ofAll = (name: string, perEntry: number): Operand =>
      [...past, { pass: prefix }].map(
        ({ pass, rows }: Past): Piece =>
          rows === undefined
            ? { name: pass + name }
            : { name: pass + name, rows: [rows[0] * perEntry, rows[1] * perEntry] },
      );
    const { self_attn, mlp } = layer;
    const heads: Heads = { size, count: H, keyCount: Hkv, keyHead: (h) => Math.floor(h / (H / Hkv)) };
    const linear = (name: string, columns: number, from: string, weights: Linear<Tensor>) =>
      stage(name, [T, columns], { kind: 'linear', x: of(from), linear: affine(weights) });

    yield stage('input_layernorm', [T, d], { kind: 'rms_norm', x, weight: layer.input_layernorm.data, eps });
    yield linear('self_attn.q_proj', H * size, 'input_layernorm', self_attn.q_proj);
    yield linear('self_attn.k_proj', Hkv * size, 'input_layernorm', self_attn.k_proj);
    yield linear('self_attn.v_proj', Hkv * size, 'input_layernorm', self_attn.v_proj);
    for (const [key, count] of [
      ['q', H],
      ['k', Hkv],
    ] as const) {
      const turned = {
        kind: 'rope',
        x: of(`self_attn.${key}_proj`),
        heads: count,
        positions,
        frequencies,
      } as const;
      yield stage(`self_attn.${key}_rope`, [T, count, size], turned);
    }
    yield stage('self_attn.weights', [H, T, seen + T], {
      kind: 'attention_weights',
      queries: of('self_attn.q_rope'),
      keys: ofAll('self_attn.k_rope', Hkv),
      heads,
      visible: Array.from({ length: T }, (_, t) => seen + t + 1),
      scale: 1 / Math.sqrt(size),
    });
    yield stage('self_attn.context', [T, H * size], {
      kind: 'attention_context',
      weights: of('self_attn.weights'),
      values: ofAll('self_attn.v_proj', 1),
      heads,
    });
    yield linear('self_attn.o_proj', d, 'self_attn.context', self_attn.o_proj);
    yield stage('attention_residual', [T, d], { kind: 'add', x, y: of('self_attn.o_proj') });
    yield stage('post_attention_layernorm', [T, d], {
      kind: 'rms_norm',
      x: of('attention_residual'),
      weight: layer.post_attention_layernorm.data,
      eps,
    });
    yield linear('mlp.gate_proj', f, 'post_attention_layernorm', mlp.gate_proj);
    yield linear('mlp.up_proj', f, 'post_attention_layernorm', mlp.up_proj);
    yield stage('mlp.activation', [T, f], {
      kind: 'activation',
      gate: of('mlp.gate_proj'),
      up: of('mlp.up_proj'),
    });
    yield linear('mlp.down_proj', d, 'mlp.activation', mlp.down_proj);
    yield stage('output', [T, d], { kind: 'add', x: of('attention_residual'), y: of('mlp.down_proj') });
  }

  function* featureStages(macro: string, rows: number): Generator<Stage> {
    const stage = stagesAt(macro);
    const lastRow = (l: number) =>
      ({ name: `${macro}model.layers.${l}.output`, rows: [rows - 1, rows] }) as const;
    const { norm, rmsNormEps: eps } = { norm: weights.norm.data, ...config };
    yield stage('model.norm', [1, d], { kind: 'rms_norm', x: [lastRow(L - 1)], weight: norm, eps });
    // The last feature is normed, the others are not.
    const inner = featureLayerIndices.slice(0, -1).map(lastRow);
    yield stage('features', [F, d], { kind: 'copy', x: [...inner, { name: `${macro}model.norm` }] });
  }

  function* microSteps(macro: string, segment: readonly number[]): Generator<Stage> {
    const { decoders, stop_head } = weights.micro_step_decoder;
    const features = `${macro}features`;
    for (const [i] of segment.entries()) {
      const prefix = `${macro}micro.${i}.`;
      const stage = stagesAt(prefix);
      const of = (name: string): Operand => [{ name: prefix + name }];
      let hidden: Operand = [{ name: features, rows: [F - 1, F] }];
      if (i > 0) {
        // The first pass of the micro-step decoder takes the features and a token, each later one a token.
        const T = i === 1 ? F + 1 : 1;
        const seen = i === 1 ? 0 : F + i - 1;
        const token = embeddings([segment[i - 1]!]);
        let x: Operand = i === 1 ? [{ name: features }, ...token] : token;
        for (const [l, layer] of decoders.entries()) {
          const name = `decoders.${l}.`;
          const past = Array.from({ length: i - 1 }, (_, n) => ({
            pass: `${macro}micro.${n + 1}.${name}`,
          }));
          const positions = Array.from({ length: T }, (_, t) => seen + t);
          const lastRowOnly = l === decoders.length - 1;
          yield* layerStages(prefix + name, x, layer, { positions, past, seen, rows: T, lastRowOnly });
          x = of(`${name}output`);
        }
        hidden = [{ name: `${prefix}decoders.${decoders.length - 1}.output`, rows: [T - 1, T] }];
      }
      yield stage('hidden', [1, d], { kind: 'copy', x: hidden });
      const lmHead: Affine = { weight: weights.lm_head.data, bias: null };
      const linear = (name: string, columns: number, from: string, affine: Affine) =>
        stage(name, [1, columns], { kind: 'linear', x: of(from), linear: affine });
      yield linear('logits', V, 'hidden', lmHead);
      yield linear('stop_head.0', d, 'hidden', affine(stop_head[0]));
      yield stage('stop_head.1', [1, d], { kind: 'silu', x: of('stop_head.0') });
      yield linear('stop_head.2', d, 'stop_head.1', affine(stop_head[2]));
      yield stage('stop_head.3', [1, d], { kind: 'silu', x: of('stop_head.2') });
      yield linear('stop_head.4', 1, 'stop_head.3', affine(stop_head[4]));
      yield stage('stop_probability', [1, 1], { kind: 'sigmoid', x: of('stop_head.4') });
    }
  }
}

/** Where the rows of a layer stand. */
interface Pass {
  readonly positions: readonly number[];
  /** The same layer in the passes before, whose keys and values are in the cache. */
  readonly past: readonly Past[];
  /** Entries in the cache. */
  readonly seen: number;
  readonly rows: number;
  /** Of the last layer of the micro-step decoder nothing is read but the last row, and keys and values. */
  readonly lastRowOnly?: boolean;
}

/** Makes stages whose names begin with a prefix. */
const stagesAt =
  (prefix: string, required: RegExp = REQUIRED) =>
  (name: string, shape: readonly number[], operation: Operation): Stage => ({
    name: prefix + name,
    shape,
    operation,
    optional: !required.test(name),
  });
