/**
 * SPEC #conformance — the stages of a run with given tokens and segments, in the order in which they are executed: for each tensor of the trace, what
 * it must be **given the tensors that the run itself shows as its inputs**. A mistake shows at the very tensor where it is made.
 *
 * @module
 */

import { checkForced } from '../decode/generate.ts';
import { promptPositions, segmentPosition } from '../decode/positions.ts';
import type { Profile } from '../decode/profiles.ts';
import { CallerError } from '../errors.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { DecoderLayer } from '../model/weights.ts';
import { Tensor } from '../tensor/tensor.ts';
import { type Bounded, type BoundedOperations, exactly, row } from './bounded.ts';

/** A tensor of the trace and how it follows from others. */
export interface Stage {
  /** SPEC #trace */
  readonly name: string;
  readonly shape: readonly number[];
  /** Tensors of the trace that it is computed from. */
  readonly inputs: readonly string[];
  /** What it must be. @param at gives a tensor of the trace, of a shape that was checked */
  expected(at: (name: string) => Tensor): readonly Bounded[];
}

/** What went into a run. */
export interface ForcedRun {
  /** In f64, with the very weights of the port. */
  readonly model: HamburgerModel;
  readonly prompt: readonly number[];
  readonly segments: readonly (readonly number[])[];
  /** Where entries stand; its table of cosines and sines is exact. */
  readonly profile: Profile;
}

/**
 * All stages of a run.
 *
 * @throws CallerError if the model cannot be forced to these segments, or base/C1 (an id outside the vocabulary)
 */
export function* stagesOf(
  { model, prompt, segments, profile }: ForcedRun,
  ops: BoundedOperations,
): Generator<Stage> {
  const { config, weights } = model;
  const { hiddenSize: d, numHiddenLayers: L, vocabSize: V } = config;
  const { featureLayerIndices } = config.hamburger;
  const F = featureLayerIndices.length;
  checkForced(model, { prompt, segments, profile });
  const unknown = [...prompt, ...segments.flat()].find((id) => !(Number.isInteger(id) && 0 <= id && id < V));
  if (unknown !== undefined) {
    const expected = `integers from 0 to ${V - 1}`;
    throw new CallerError({
      rule: 'base/C1',
      subject: 'token ids of the run',
      expected,
      found: `${unknown}`,
    });
  }
  const embeddings = (ids: readonly number[]): number[] =>
    ids.flatMap((id) => [...row(weights.embed_tokens, id)]);

  let tokens = prompt.length;
  for (const [m, segment] of segments.entries()) {
    const macro = `macro.${m}`;
    let rows = prompt.length;
    let positions = promptPositions(prompt.length);
    let input: Input = { given: embeddings(prompt) };
    if (m > 0) {
      // The entry of the segment before.
      const before = segments[m - 1]!;
      tokens += before.length;
      [rows, positions] = [1, [segmentPosition(tokens, profile)]];
      yield* embedderStages(`${macro}.comp_embedder`, before);
      input = { name: `${macro}.comp_embedder.output` };
    }
    for (const [l, layer] of weights.layers.entries()) {
      const name = `model.layers.${l}`;
      const past = segments.slice(0, m).map((_, earlier) => `macro.${earlier}.${name}`);
      const seen = m === 0 ? 0 : prompt.length + m - 1;
      yield* layerStages(`${macro}.${name}`, input, layer, { positions, past, seen, rows });
      input = { name: `${macro}.${name}.output` };
    }
    yield* headStages(macro, segment, rows);
  }

  function* embedderStages(name: string, ids: readonly number[]): Generator<Stage> {
    const s = ids.length;
    const given = embeddings(ids);
    const output = { name: `${name}.output`, shape: [1, d] };
    if (s === 1) {
      yield { ...output, inputs: [], expected: () => exactly(given) };
      return;
    }
    const { merger, out_proj } = weights.comp_embedder;
    const heads = config.hamburger.numMergerHeads;
    const size = d / heads;
    const part = partsOf(`${name}.`);
    yield part('embeddings', [s, d], [], () => exactly(given));
    yield part('mean', [1, d], ['embeddings'], (at) => ops.mean(at('embeddings').data, s));
    yield part('merger.q_proj', [1, d], ['mean'], (at) => ops.linear(at('mean'), merger.q_proj));
    const width = merger.pos.shape[1]!;
    yield part('merger.positioned', [s, d + width], [], () =>
      exactly(ids.flatMap((id, j) => [...row(weights.embed_tokens, id), ...row(merger.pos, j)])),
    );
    for (const key of ['k_proj', 'v_proj'] as const) {
      yield part(`merger.${key}`, [s, d], ['merger.positioned'], (at) =>
        ops.linear(at('merger.positioned'), merger[key]),
      );
    }
    yield part('merger.weights', [heads, 1, s], ['merger.q_proj', 'merger.k_proj'], (at) =>
      ops.attentionWeights(
        at('merger.q_proj').reshape([1, heads, size]),
        [at('merger.k_proj').reshape([s, heads, size])],
        () => s,
      ),
    );
    yield part('merger.context', [1, d], ['merger.weights', 'merger.v_proj'], (at) =>
      ops.attentionContext(at('merger.weights'), [at('merger.v_proj')], heads),
    );
    yield part('out_proj', [1, d], ['merger.context'], (at) => ops.linear(at('merger.context'), out_proj));
    yield part('output', [1, d], ['mean', 'out_proj'], (at) => ops.add(at('mean').data, at('out_proj').data));
  }

  function* layerStages(
    name: string,
    input: Input,
    layer: DecoderLayer<Tensor>,
    { positions, past, seen, rows: T }: Pass,
  ): Generator<Stage> {
    const { numAttentionHeads: H, numKeyValueHeads: Hkv, intermediateSize: f } = config;
    const size = layer.self_attn.q_proj.weight.shape[0]! / H;
    const part = partsOf(`${name}.`);
    const from = input.name === undefined ? [] : [input.name];
    const x = (at: At) => {
      const shown = input.name === undefined ? [] : at(input.name).data;
      return new Tensor(Float64Array.from([...shown, ...(input.given ?? [])]), [T, d]);
    };
    const absolute = (
      stage: string,
      shape: number[],
      inputs: string[],
      expected: Stage['expected'],
    ): Stage => ({
      name: `${name}.${stage}`,
      shape,
      inputs,
      expected,
    });
    yield absolute('input_layernorm', [T, d], from, (at) =>
      ops.rmsNorm(x(at), layer.input_layernorm, config.rmsNormEps),
    );
    for (const [key, heads] of [
      ['q_proj', H],
      ['k_proj', Hkv],
      ['v_proj', Hkv],
    ] as const) {
      yield part(`self_attn.${key}`, [T, heads * size], ['input_layernorm'], (at) =>
        ops.linear(at('input_layernorm'), layer.self_attn[key]),
      );
    }
    for (const [key, heads] of [
      ['q', H],
      ['k', Hkv],
    ] as const) {
      yield part(`self_attn.${key}_rope`, [T, heads, size], [`self_attn.${key}_proj`], (at) =>
        ops.rope(at(`self_attn.${key}_proj`).reshape([T, heads, size]), positions, model.ropeFrequencies),
      );
    }
    const passes = [...past, name];
    const keys = passes.map((pass) => `${pass}.self_attn.k_rope`);
    const values = passes.map((pass) => `${pass}.self_attn.v_proj`);
    const query = `${name}.self_attn.q_rope`;
    yield absolute('self_attn.weights', [H, T, seen + T], [query, ...keys], (at) =>
      ops.attentionWeights(at(query), keys.map(at), (t) => seen + t + 1),
    );
    const weightsName = `${name}.self_attn.weights`;
    yield absolute('self_attn.context', [T, H * size], [weightsName, ...values], (at) =>
      ops.attentionContext(at(weightsName), values.map(at), Hkv),
    );
    yield part('self_attn.o_proj', [T, d], ['self_attn.context'], (at) =>
      ops.linear(at('self_attn.context'), layer.self_attn.o_proj),
    );
    yield absolute('attention_residual', [T, d], [...from, `${name}.self_attn.o_proj`], (at) =>
      ops.add(x(at).data, at(`${name}.self_attn.o_proj`).data),
    );
    yield part('post_attention_layernorm', [T, d], ['attention_residual'], (at) =>
      ops.rmsNorm(at('attention_residual'), layer.post_attention_layernorm, config.rmsNormEps),
    );
    for (const key of ['gate_proj', 'up_proj'] as const) {
      yield part(`mlp.${key}`, [T, f], ['post_attention_layernorm'], (at) =>
        ops.linear(at('post_attention_layernorm'), layer.mlp[key]),
      );
    }
    yield part('mlp.activation', [T, f], ['mlp.gate_proj', 'mlp.up_proj'], (at) =>
      ops.activation(at('mlp.gate_proj').data, at('mlp.up_proj').data),
    );
    yield part('mlp.down_proj', [T, d], ['mlp.activation'], (at) =>
      ops.linear(at('mlp.activation'), layer.mlp.down_proj),
    );
    yield part('output', [T, d], ['attention_residual', 'mlp.down_proj'], (at) =>
      ops.add(at('attention_residual').data, at('mlp.down_proj').data),
    );
  }

  /** From the outputs of the base to the last micro-step. */
  function* headStages(macro: string, segment: readonly number[], rows: number): Generator<Stage> {
    const outputOf = (l: number) => `${macro}.model.layers.${l}.output`;
    const lastRow = (at: At, l: number) => at(outputOf(l)).rows(rows - 1, rows);
    const norm = `${macro}.model.norm`;
    yield {
      name: norm,
      shape: [1, d],
      inputs: [outputOf(L - 1)],
      expected: (at) => ops.rmsNorm(lastRow(at, L - 1), weights.norm, config.rmsNormEps),
    };
    const inner = featureLayerIndices.slice(0, -1);
    const features = `${macro}.features`;
    yield {
      name: features,
      shape: [F, d],
      inputs: [...inner.map(outputOf), norm],
      // The last feature is normed, the others are not.
      expected: (at) => exactly([...inner.flatMap((l) => [...lastRow(at, l).data]), ...at(norm).data]),
    };
    for (const [i] of segment.entries()) {
      const micro = `${macro}.micro.${i}`;
      let hidden: (at: At) => ArrayLike<number> = (at) => at(features).rows(F - 1, F).data;
      let from = features;
      if (i > 0) {
        // The first pass of the micro-step decoder takes the features and a token, each later one a token.
        const T = i === 1 ? F + 1 : 1;
        const seen = i === 1 ? 0 : F + i - 1;
        const given = embeddings([segment[i - 1]!]);
        let input: Input = i === 1 ? { name: features, given } : { given };
        for (const [l, layer] of weights.micro_step_decoder.decoders.entries()) {
          const name = `decoders.${l}`;
          const past = Array.from({ length: i - 1 }, (_, n) => `${macro}.micro.${n + 1}.${name}`);
          const positions = Array.from({ length: T }, (_, t) => seen + t);
          yield* layerStages(`${micro}.${name}`, input, layer, { positions, past, seen, rows: T });
          from = `${micro}.${name}.output`;
          input = { name: from };
        }
        const output = from;
        hidden = (at) => at(output).rows(T - 1, T).data;
      }
      yield {
        name: `${micro}.hidden`,
        shape: [1, d],
        inputs: [from],
        expected: (at) => exactly(Array.from(hidden(at))),
      };
      const part = partsOf(`${micro}.`);
      const { stop_head } = weights.micro_step_decoder;
      yield part('logits', [1, V], ['hidden'], (at) => ops.linear(at('hidden'), { weight: weights.lm_head }));
      yield part('stop_head.0', [1, d], ['hidden'], (at) => ops.linear(at('hidden'), stop_head[0]));
      yield part('stop_head.1', [1, d], ['stop_head.0'], (at) => ops.silu(at('stop_head.0').data));
      yield part('stop_head.2', [1, d], ['stop_head.1'], (at) => ops.linear(at('stop_head.1'), stop_head[2]));
      yield part('stop_head.3', [1, d], ['stop_head.2'], (at) => ops.silu(at('stop_head.2').data));
      yield part('stop_head.4', [1, 1], ['stop_head.3'], (at) => ops.linear(at('stop_head.3'), stop_head[4]));
      yield part('stop_probability', [1, 1], ['stop_head.4'], (at) => ops.sigmoid(at('stop_head.4').data));
    }
  }
}

/** What goes into a layer: a tensor of the trace, and rows that are not in it, below it. */
interface Input {
  readonly name?: string;
  readonly given?: readonly number[];
}

/** Where the rows of a layer stand. */
interface Pass {
  readonly positions: readonly number[];
  /** The same layer in the passes before, whose keys and values are in the cache. */
  readonly past: readonly string[];
  /** Entries in the cache. */
  readonly seen: number;
  readonly rows: number;
}

type At = (name: string) => Tensor;

/** Makes stages whose names, and those of their inputs, begin with a prefix. */
const partsOf =
  (prefix: string) =>
  (
    name: string,
    shape: readonly number[],
    inputs: readonly string[],
    expected: Stage['expected'],
  ): Stage => ({
    name: prefix + name,
    shape,
    inputs: inputs.map((input) => prefix + input),
    expected: (at) => expected((input) => at(prefix + input)),
  });
