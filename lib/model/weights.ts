/**
 * SPEC #checkpoint — the one table of parameters: name in the file → shape → place in the model.
 *
 * {@link bindWeights} walks it. Given a function that reads tensors it builds the model's weights; given one that only
 * notes its arguments it lists the parameters ({@link parameters}). So what is read, written, counted and checked cannot differ.
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import { headSize, type ModelConfig } from './config.ts';

/** A linear layer: `weight` is `[out, in]`, `bias` `[out]`. `P` is what stands for a parameter. */
export interface Linear<P> {
  readonly weight: P;
  readonly bias?: P;
}

/** One Llama layer, of the base or of the micro-step decoder. */
export interface DecoderLayer<P> {
  readonly input_layernorm: P;
  readonly self_attn: {
    readonly q_proj: Linear<P>;
    readonly k_proj: Linear<P>;
    readonly v_proj: Linear<P>;
    readonly o_proj: Linear<P>;
  };
  readonly post_attention_layernorm: P;
  readonly mlp: { readonly gate_proj: Linear<P>; readonly up_proj: Linear<P>; readonly down_proj: Linear<P> };
}

/** The compositional embedder: the merger and its output projection. */
export interface CompositionalEmbedder<P> {
  readonly merger: {
    readonly q_proj: Linear<P>;
    readonly k_proj: Linear<P>;
    readonly v_proj: Linear<P>;
    /** `[M, d/2]` learned positions of the tokens inside a segment. */
    readonly pos: P;
  };
  readonly out_proj: Linear<P>;
}

/** The micro-step decoder and its stop head. */
export interface MicroStepDecoder<P> {
  readonly decoders: readonly DecoderLayer<P>[];
  /** Modules 0, 2 and 4 of the published sequence; 1 and 3 are SiLU. */
  readonly stop_head: { readonly 0: Linear<P>; readonly 2: Linear<P>; readonly 4: Linear<P> };
}

/** All parameters of a model. */
export interface ModelParameters<P> {
  /** `[V, d]` */
  readonly embed_tokens: P;
  readonly layers: readonly DecoderLayer<P>[];
  /** `[d]` the final RMSNorm. */
  readonly norm: P;
  /** `[V, d]`; the very same object as `embed_tokens` when tied (`base/C2`). */
  readonly lm_head: P;
  /** `null` for a plain base. */
  readonly comp_embedder: CompositionalEmbedder<P> | null;
  readonly micro_step_decoder: MicroStepDecoder<P> | null;
}

/** A model's weights. */
export type ModelWeights = ModelParameters<Tensor>;

/** Name in the file and shape of a parameter. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Prefix of the base's names: a HAMburger checkpoint nests the Llama one level deeper than Hugging Face does. */
export function basePrefix(config: ModelConfig): string {
  return config.hamburger === null ? '' : 'model.';
}

/**
 * Calls `take` once for every parameter of `config`, in file order, and builds the model from what it returns.
 * Shared tables are taken once (`checkpoint/C4`).
 */
export function bindWeights<P>(
  config: ModelConfig,
  take: (name: string, shape: readonly number[]) => P,
): ModelParameters<P> {
  const { vocabSize: V, hiddenSize: d, intermediateSize: f, hamburger } = config;
  const H = config.numAttentionHeads * headSize(config);
  const Hkv = config.numKeyValueHeads * headSize(config);

  const linear = (name: string, out: number, inputs: number): Linear<P> => ({
    weight: take(`${name}.weight`, [out, inputs]),
  });
  const affine = (name: string, out: number, inputs: number): Linear<P> => ({
    ...linear(name, out, inputs),
    bias: take(`${name}.bias`, [out]),
  });
  const decoderLayer = (name: string): DecoderLayer<P> => ({
    input_layernorm: take(`${name}.input_layernorm.weight`, [d]),
    self_attn: {
      q_proj: linear(`${name}.self_attn.q_proj`, H, d),
      k_proj: linear(`${name}.self_attn.k_proj`, Hkv, d),
      v_proj: linear(`${name}.self_attn.v_proj`, Hkv, d),
      o_proj: linear(`${name}.self_attn.o_proj`, d, H),
    },
    post_attention_layernorm: take(`${name}.post_attention_layernorm.weight`, [d]),
    mlp: {
      gate_proj: linear(`${name}.mlp.gate_proj`, f, d),
      up_proj: linear(`${name}.mlp.up_proj`, f, d),
      down_proj: linear(`${name}.mlp.down_proj`, d, f),
    },
  });
  const layers = (name: string, count: number) =>
    Array.from({ length: count }, (_, l) => decoderLayer(`${name}.${l}`));

  const base = basePrefix(config);
  const embed_tokens = take(`${base}model.embed_tokens.weight`, [V, d]);
  return {
    embed_tokens,
    layers: layers(`${base}model.layers`, config.numHiddenLayers),
    norm: take(`${base}model.norm.weight`, [d]),
    lm_head: config.tieWordEmbeddings ? embed_tokens : take(`${base}lm_head.weight`, [V, d]),
    comp_embedder:
      hamburger === null
        ? null
        : {
            merger: {
              q_proj: affine('comp_embedder.merger.q_proj', d, d),
              k_proj: affine('comp_embedder.merger.k_proj', d, d + d / 2),
              v_proj: affine('comp_embedder.merger.v_proj', d, d + d / 2),
              pos: take('comp_embedder.merger.pos', [hamburger.maxSteps, d / 2]),
            },
            out_proj: affine('comp_embedder.out_proj', d, d),
          },
    micro_step_decoder:
      hamburger === null
        ? null
        : {
            decoders: layers('micro_step_decoder.decoders', hamburger.numMicroLayers),
            stop_head: {
              0: affine('micro_step_decoder.stop_head.0', d, d),
              2: affine('micro_step_decoder.stop_head.2', d, d),
              4: affine('micro_step_decoder.stop_head.4', 1, d),
            },
          },
  };
}

/** Whether a parameter is the weight of a linear layer or a table of embeddings: operations multiply by it or copy its rows, and nothing else. */
export function isMatrixWeight({ name, shape }: Parameter): boolean {
  return shape.length === 2 && name.endsWith('.weight');
}

/** Every parameter of a configuration, in file order. */
export function parameters(config: ModelConfig): readonly Parameter[] {
  const list: Parameter[] = [];
  bindWeights(config, (name, shape) => {
    list.push({ name, shape });
    return name;
  });
  return list;
}
