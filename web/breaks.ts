/**
 * Ways to break the model, each of which shows what a part is for. They change weights, configuration or profile, which are data: the
 * model is the one of `lib/`.
 *
 * @module
 */

import { type Profile, trainProfile } from '../lib/decode/profiles.ts';
import type { HamburgerModel, Model } from '../lib/model/model.ts';
import type { Tensor } from '../lib/tensor/tensor.ts';

/** What is run instead. */
export interface Broken {
  readonly model: Model;
  readonly profile: Profile;
  /** Gives the weights back what they were. */
  repair(): void;
}

/** A way to break the model. */
interface Break {
  readonly label: string;
  /** What it does, and what that shows. */
  readonly says: string;
  readonly profile?: Partial<Profile>;
  /** Parameters and what becomes of them. */
  readonly weights?: (model: HamburgerModel) => readonly (readonly [Tensor, (tensor: Tensor) => void])[];
  readonly model?: (model: HamburgerModel) => HamburgerModel;
}

const zero = (tensor: Tensor): void => void tensor.data.fill(0);

/** The identity in the first columns, times a factor. */
const identity =
  (factor: number) =>
  (tensor: Tensor): void => {
    const [rows, columns] = tensor.shape as [number, number];
    tensor.data.fill(0);
    for (let i = 0; i < rows; i++) tensor.data[i * columns + i] = factor;
  };

const defined = (tensor: Tensor | undefined): Tensor => tensor as Tensor;

const all = {
  position: {
    label: 'Wrong position',
    says: 'Every merged entry stands one position too far, as in one published implementation. RoPE then tells the base that a token is missing.',
    profile: { entryPositionOffset: 1 },
  },
  merger: {
    label: 'Only the mean',
    says: 'The merger adds nothing: the entry of a segment is the mean of its embeddings. Which token stood where, and which one matters, is lost.',
    weights: ({ weights: { comp_embedder } }) => [
      [comp_embedder.out_proj.weight, zero],
      [defined(comp_embedder.out_proj.bias), zero],
    ],
  },
  mean: {
    label: 'Blank entries',
    says: 'The merger takes the mean away again, so that nothing of a segment of several tokens reaches the base but that there was one.',
    // Even attention of the tokens, values their embeddings, and minus the result: m - m.
    weights: ({ weights: { comp_embedder } }) => {
      const { merger, out_proj } = comp_embedder;
      return [
        ...[merger.q_proj.weight, merger.q_proj.bias, merger.k_proj.weight, merger.k_proj.bias].map(
          (tensor) => [defined(tensor), zero] as const,
        ),
        [merger.v_proj.weight, identity(1)],
        [defined(merger.v_proj.bias), zero],
        [out_proj.weight, identity(-1)],
        [defined(out_proj.bias), zero],
      ];
    },
  },
  order: {
    label: 'No order in a segment',
    says: 'The learned positions of the merger are zero: it cannot tell the first token of a segment from the last.',
    weights: ({ weights: { comp_embedder } }) => [[comp_embedder.merger.pos, zero]],
  },
  features: {
    label: 'No early feature',
    says: 'The micro-step decoder gets the last feature alone, which the base has already narrowed down to its next token.',
    model: (model) => {
      const { hamburger } = model.config;
      const last = hamburger.featureLayerIndices.slice(-1);
      return {
        ...model,
        config: { ...model.config, hamburger: { ...hamburger, featureLayerIndices: last } },
      };
    },
  },
  decoder: {
    label: 'No micro-step decoder',
    says: 'Its layers add nothing, so that a draft sees only the embedding of the token before it.',
    weights: ({ weights: { micro_step_decoder } }) =>
      micro_step_decoder.decoders.flatMap(({ self_attn, mlp }) => [
        [self_attn.o_proj.weight, zero] as const,
        [mlp.down_proj.weight, zero] as const,
      ]),
  },
  stop: {
    label: 'Blind stop head',
    says: 'It always says that it is safe to go on, so every macro-step drafts as many tokens as it may, right or wrong.',
    weights: ({ weights: { micro_step_decoder } }) => {
      const last = micro_step_decoder.stop_head[4];
      return [
        [last.weight, zero],
        [defined(last.bias), (tensor) => void tensor.data.fill(-30)],
      ];
    },
  },
} satisfies Record<string, Break>;

export type BreakName = keyof typeof all;

/** All ways, in the order of the page. */
export const breaks: Readonly<Record<BreakName, Break>> = all;

/** The model with some of its parts broken; `repair` has to be called before another one is made. */
export function broken(model: HamburgerModel, names: readonly BreakName[]): Broken {
  const chosen = names.map((name) => breaks[name]);
  const changes = chosen.flatMap((one) => one.weights?.(model) ?? []);
  // Of a tensor that is changed twice, the first copy is the right one.
  const kept = new Map<Tensor, Tensor['data']>();
  for (const [tensor] of changes) if (!kept.has(tensor)) kept.set(tensor, tensor.data.slice());
  for (const [tensor, change] of changes) change(tensor);
  return {
    model: chosen.reduce<HamburgerModel>((made, one) => one.model?.(made) ?? made, model),
    profile: Object.assign({ ...trainProfile }, ...chosen.map((one) => one.profile)),
    repair() {
      for (const [tensor, data] of kept) tensor.data.set(data);
    },
  };
}
