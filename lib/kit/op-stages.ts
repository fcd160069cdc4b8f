/**
 * What the operations of the kit's mode `op` have to give (INTERPRETING 2.2), as stages: the tensors of the case are given, outputs that another output
 * is computed from are the port's own.
 *
 * @module
 */

import type { Heads, Operand, Operation } from '../conformance/operation.ts';
import type { Stage } from '../conformance/stages.ts';
import { DataError, show } from '../errors.ts';
import { ropeFrequencies } from '../ops/rope.ts';
import { parseWith, z } from '../schema.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type CaseOf, withNumbers } from './case.ts';

/** Gives a tensor of the case. @throws DataError if it has none of that name */
type Inputs = (name: string) => Tensor;

const of = (name: string): Operand => [{ name }];
const linearOf = (x: string, at: Inputs, name: string, bias = true): Operation => ({
  kind: 'linear',
  x: of(x),
  linear: { weight: at(`${name}.weight`).data, bias: bias ? at(`${name}.bias`).data : null },
});

const counts = z.array(z.int().min(1));
export const opParameters = {
  embedding: z.strictObject({ ids: z.array(z.int().min(0)) }),
  rms_norm: z.strictObject({ eps: z.number() }),
  visible: z.strictObject({ visible: counts }),
  rope: z.strictObject({
    positions: z.array(z.int().min(0)),
    theta: z.number(),
    scaling: z.union([
      z.null(),
      z
        .object({
          factor: z.number(),
          low_freq_factor: z.number(),
          high_freq_factor: z.number(),
          original_max_position_embeddings: z.number(),
        })
        .transform((s) => ({
          factor: s.factor,
          lowFreqFactor: s.low_freq_factor,
          highFreqFactor: s.high_freq_factor,
          originalMaxPositionEmbeddings: s.original_max_position_embeddings,
        })),
    ]),
  }),
  compositional_embedder: z.strictObject({ num_merger_heads: z.int().min(1) }),
  targets: z.strictObject({ targets: z.array(z.int().min(0)) }),
} as const;

/** The parameters of a case, as the schema says. */
export const parametersOf = <T>(each: Pick<CaseOf<'op'>, 'op' | 'parameters'>, schema: z.ZodType<T>): T =>
  parseWith(schema, withNumbers(each.parameters), `parameters of ${each.op}`);

/** Operations of the outputs, in order. */
type Outputs = Readonly<Record<string, Operation>>;

const builders: Readonly<
  Record<string, (each: Pick<CaseOf<'op'>, 'op' | 'parameters'>, at: Inputs) => Outputs>
> = {
  embedding: (each) => {
    const { ids } = parametersOf(each, opParameters.embedding);
    return { y: { kind: 'copy', x: ids.map((id) => ({ name: 'weight', rows: [id, id + 1] as const })) } };
  },
  linear: ({ parameters }, at) => {
    const bias = parameters.bias === true ? at('bias').data : null;
    return { y: { kind: 'linear', x: of('x'), linear: { weight: at('weight').data, bias } } };
  },
  rms_norm: (each, at) => {
    const { eps } = parametersOf(each, opParameters.rms_norm);
    return { y: { kind: 'rms_norm', x: of('x'), weight: at('weight').data, eps } };
  },
  softmax: (each) => {
    const { visible } = parametersOf(each, opParameters.visible);
    return { y: { kind: 'softmax', x: of('x'), visible } };
  },
  silu: () => ({ y: { kind: 'silu', x: of('x') } }),
  sigmoid: () => ({ y: { kind: 'sigmoid', x: of('x') } }),
  rope: (each, at) => {
    const { positions, theta, scaling } = parametersOf(each, opParameters.rope);
    const [, heads, size] = at('x').shape as [number, number, number];
    const frequencies = {
      scaled: ropeFrequencies(size, theta, scaling),
      unscaled: ropeFrequencies(size, theta, null),
      table: 0,
    };
    return { y: { kind: 'rope', x: of('x'), heads, positions, frequencies } };
  },
  attention: (each, at) => {
    const { visible } = parametersOf(each, opParameters.visible);
    const [, count, size] = at('queries').shape as [number, number, number];
    const keyCount = at('keys').shape[1]!;
    const heads: Heads = { size, count, keyCount, keyHead: (h) => Math.floor(h / (count / keyCount)) };
    const scale = 1 / Math.sqrt(size);
    return {
      weights: { kind: 'attention_weights', queries: of('queries'), keys: of('keys'), heads, visible, scale },
      context: { kind: 'attention_context', weights: of('weights'), values: of('values'), heads },
    };
  },
  swiglu: (_, at) => {
    const linear = (x: string, name: string): Operation => ({
      kind: 'linear',
      x: of(x),
      linear: { weight: at(name).data, bias: null },
    });
    return {
      gate: linear('x', 'gate_proj'),
      up: linear('x', 'up_proj'),
      activation: { kind: 'activation', gate: of('gate'), up: of('up') },
      y: linear('activation', 'down_proj'),
    };
  },
  compositional_embedder: (each, at) => {
    const [s, d] = at('embeddings').shape as [number, number];
    if (s === 1) return { output: { kind: 'copy', x: of('embeddings') } };
    const { num_merger_heads: count } = parametersOf(each, opParameters.compositional_embedder);
    const heads: Heads = { size: d / count, count, keyCount: count, keyHead: (h) => h };
    const positions = at('merger.pos');
    const positioned = Array.from({ length: s }, (_, j) => [
      ...at('embeddings').rows(j, j + 1).data,
      ...positions.rows(j, j + 1).data,
    ]);
    return {
      mean: { kind: 'mean', x: of('embeddings'), divisor: s },
      'merger.q_proj': linearOf('mean', at, 'merger.q_proj'),
      'merger.positioned': { kind: 'copy', x: [{ given: positioned }] },
      'merger.k_proj': linearOf('merger.positioned', at, 'merger.k_proj'),
      'merger.v_proj': linearOf('merger.positioned', at, 'merger.v_proj'),
      'merger.weights': {
        kind: 'attention_weights',
        queries: of('merger.q_proj'),
        keys: of('merger.k_proj'),
        heads,
        visible: [s],
        scale: 1 / Math.sqrt(heads.size),
      },
      'merger.context': {
        kind: 'attention_context',
        weights: of('merger.weights'),
        values: of('merger.v_proj'),
        heads,
      },
      out_proj: linearOf('merger.context', at, 'out_proj'),
      output: { kind: 'add', x: of('mean'), y: of('out_proj') },
    };
  },
  stop_head: (_, at) => ({
    'stop_head.0': linearOf('hidden', at, 'stop_head.0'),
    'stop_head.1': { kind: 'silu', x: of('stop_head.0') },
    'stop_head.2': linearOf('stop_head.1', at, 'stop_head.2'),
    'stop_head.3': { kind: 'silu', x: of('stop_head.2') },
    'stop_head.4': linearOf('stop_head.3', at, 'stop_head.4'),
    stop_probability: { kind: 'sigmoid', x: of('stop_head.4') },
  }),
  cross_entropy: (each) => ({
    loss: {
      kind: 'cross_entropy',
      x: of('logits'),
      targets: parametersOf(each, opParameters.targets).targets,
    },
  }),
  stop_loss: (each) => ({
    loss: { kind: 'stop_loss', x: of('z'), targets: parametersOf(each, opParameters.targets).targets },
  }),
  entropy: () => ({ entropy: { kind: 'entropy', x: of('logits') } }),
};

/** Names of the operations. */
export const opNames: readonly string[] = Object.keys(builders);

/**
 * The stages of a case of mode `op`. Of its outputs the last has to be shown; the others are on the way to it.
 *
 * @param inputs the tensors of the case
 * @throws DataError if the operation is not known, an input is missing, or the outputs are not those of the operation
 */
export function opStages(
  each: Pick<CaseOf<'op'>, 'op' | 'parameters' | 'outputs'>,
  inputs: ReadonlyMap<string, Tensor>,
): Stage[] {
  const build = Object.hasOwn(builders, each.op) ? builders[each.op] : undefined;
  if (build === undefined) {
    throw new DataError({ subject: 'op', expected: opNames.join(', '), found: show(each.op) });
  }
  const outputs = build(each, (name) => {
    const tensor = inputs.get(name);
    if (tensor === undefined) {
      throw new DataError({
        subject: `tensors of op ${each.op}`,
        expected: name,
        found: [...inputs.keys()].join(', '),
      });
    }
    return tensor;
  });
  const names = Object.keys(outputs);
  return names.map((name) => {
    const shape = each.outputs[name];
    if (shape === undefined) {
      throw new DataError({
        subject: `outputs of op ${each.op}`,
        expected: names.join(', '),
        found: Object.keys(each.outputs).join(', '),
      });
    }
    return { name, shape, operation: outputs[name]!, optional: name !== names.at(-1) };
  });
}
