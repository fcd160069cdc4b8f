/**
 * A second implementation of the whole model, deliberately dumb: plain nested arrays, `Math.exp` and the like, no cache, no kernels, everything
 * computed anew for every token, each formula written as the paper has it. It exists only to disagree with `lib/` where one of the two is wrong.
 */

import type { ModelConfig } from '../../lib/model/config.ts';

type Vector = number[];
type Rows = Vector[];

/** Parameter name → nested values. */
export type NaiveWeights = (name: string) => Rows;

const sum = (xs: Vector) => xs.reduce((a, b) => a + b, 0);
const dot = (a: Vector, b: Vector) => sum(a.map((x, i) => x * b[i]!));
const plus = (a: Vector, b: Vector) => a.map((x, i) => x + b[i]!);
const apply = (W: Rows, x: Vector) => W.map((row) => dot(row, x));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const silu = (x: number) => x * sigmoid(x);
const softmax = (xs: Vector) => {
  const top = Math.max(...xs);
  const es = xs.map((x) => Math.exp(x - top));
  return es.map((e) => e / sum(es));
};

export class NaiveHamburger {
  config: ModelConfig;
  weights: NaiveWeights;
  prefix: string;

  constructor(config: ModelConfig, weights: NaiveWeights) {
    this.config = config;
    this.weights = weights;
    this.prefix = config.hamburger === null ? '' : 'model.';
  }

  norm(x: Vector, name: string): Vector {
    const w = this.weights(name)[0]!;
    const meanSquare = dot(x, x) / x.length;
    return x.map((v, i) => (v / Math.sqrt(meanSquare + this.config.rmsNormEps)) * w[i]!);
  }

  affine(name: string, x: Vector): Vector {
    return plus(apply(this.weights(`${name}.weight`), x), this.weights(`${name}.bias`)[0]!);
  }

  embed(id: number): Vector {
    return this.weights(`${this.prefix}model.embed_tokens.weight`)[id]!;
  }

  logits(hidden: Vector): Vector {
    const table = this.config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
    return apply(this.weights(this.prefix + table), hidden);
  }

  frequency(i: number, size: number): number {
    const { ropeTheta, ropeScaling } = this.config;
    const plain = ropeTheta ** ((-2 * i) / size);
    if (ropeScaling === null) return plain;
    const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = ropeScaling;
    const wavelength = (2 * Math.PI) / plain;
    // Llama 3's blend, as one clamped weight: 1 keeps the frequency, 0 divides it.
    const keep =
      (originalMaxPositionEmbeddings / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    const weight = Math.min(1, Math.max(0, keep));
    return weight * plain + ((1 - weight) * plain) / factor;
  }

  /** Complex multiplication: pair (i, i + size/2) is one complex number, turned by e^(i * angle). */
  turn(head: Vector, position: number): Vector {
    const half = head.length / 2;
    const out = [...head];
    for (let i = 0; i < half; i++) {
      const angle = position * this.frequency(i, head.length);
      out[i] = head[i]! * Math.cos(angle) - head[i + half]! * Math.sin(angle);
      out[i + half] = head[i]! * Math.sin(angle) + head[i + half]! * Math.cos(angle);
    }
    return out;
  }

  /** All rows of a stack of layers at once, causal; returns the rows after every layer. */
  stack(name: string, layers: number, rows: Rows, positions: number[]): Rows[] {
    const { numAttentionHeads: H, numKeyValueHeads: Hkv, hiddenSize: d } = this.config;
    const size = d / H;
    const head = (x: Vector, h: number) => x.slice(h * size, (h + 1) * size);
    const after: Rows[] = [];
    let x = rows;
    for (let l = 0; l < layers; l++) {
      const at = `${name}.${l}`;
      const normed = x.map((row) => this.norm(row, `${at}.input_layernorm.weight`));
      const q = normed.map((row) => apply(this.weights(`${at}.self_attn.q_proj.weight`), row));
      const k = normed.map((row) => apply(this.weights(`${at}.self_attn.k_proj.weight`), row));
      const v = normed.map((row) => apply(this.weights(`${at}.self_attn.v_proj.weight`), row));
      x = x.map((row, t) => {
        const context: Vector = [];
        for (let h = 0; h < H; h++) {
          const g = Math.floor((h * Hkv) / H);
          const query = this.turn(head(q[t]!, h), positions[t]!);
          const scores = k
            .slice(0, t + 1)
            .map((key, j) => dot(query, this.turn(head(key, g), positions[j]!)) / Math.sqrt(size));
          const a = softmax(scores);
          for (let i = 0; i < size; i++) context.push(sum(a.map((weight, j) => weight * head(v[j]!, g)[i]!)));
        }
        const h1 = plus(row, apply(this.weights(`${at}.self_attn.o_proj.weight`), context));
        const n2 = this.norm(h1, `${at}.post_attention_layernorm.weight`);
        const gate = apply(this.weights(`${at}.mlp.gate_proj.weight`), n2);
        const up = apply(this.weights(`${at}.mlp.up_proj.weight`), n2);
        const inner = gate.map((value, i) => silu(value) * up[i]!);
        return plus(h1, apply(this.weights(`${at}.mlp.down_proj.weight`), inner));
      });
      after.push(x);
    }
    return after;
  }

  /** The embedding of a segment. */
  merge(segment: number[]): Vector {
    const e = segment.map((id) => this.embed(id));
    if (segment.length === 1) return e[0]!;
    const mean = e[0]!.map((_, i) => sum(e.map((row) => row[i]!)) / segment.length);
    const heads = this.config.hamburger!.numMergerHeads;
    const size = this.config.hiddenSize / heads;
    const q = this.affine('comp_embedder.merger.q_proj', mean);
    const pos = this.weights('comp_embedder.merger.pos');
    const keyed = e.map((row, j) => [...row, ...pos[j]!]);
    const k = keyed.map((row) => this.affine('comp_embedder.merger.k_proj', row));
    const v = keyed.map((row) => this.affine('comp_embedder.merger.v_proj', row));
    const out: Vector = [];
    for (let h = 0; h < heads; h++) {
      const part = (x: Vector) => x.slice(h * size, (h + 1) * size);
      const a = softmax(k.map((key) => dot(part(q), part(key)) / Math.sqrt(size)));
      for (let i = 0; i < size; i++) out.push(sum(a.map((weight, j) => weight * part(v[j]!)[i]!)));
    }
    return plus(mean, this.affine('comp_embedder.out_proj', out));
  }

  /** Logits and stop probability of the next token, after a prompt, finished segments, and the tokens of the open segment. */
  next(
    prompt: number[],
    segments: number[][],
    open: number[],
  ): { logits: Vector; stopProbability: number | null } {
    const { config } = this;
    const rows = [...prompt.map((id) => this.embed(id)), ...segments.map((segment) => this.merge(segment))];
    const positions = prompt.map((_, i) => i);
    let last = prompt.length - 1;
    for (const segment of segments) {
      last += segment.length;
      positions.push(last);
    }
    const after = this.stack(`${this.prefix}model.layers`, config.numHiddenLayers, rows, positions);
    const final = this.norm(after.at(-1)!.at(-1)!, `${this.prefix}model.norm.weight`);
    if (config.hamburger === null) return { logits: this.logits(final), stopProbability: null };

    const { featureLayerIndices, numMicroLayers } = config.hamburger;
    let hidden = final;
    if (open.length > 0) {
      const conditioned = featureLayerIndices.map((l) => after[l]!.at(-1)!);
      conditioned[conditioned.length - 1] = final;
      const micro = [...conditioned, ...open.map((id) => this.embed(id))];
      hidden = this.stack(
        'micro_step_decoder.decoders',
        numMicroLayers,
        micro,
        micro.map((_, i) => i),
      )
        .at(-1)!
        .at(-1)!;
    }
    const z0 = this.affine('micro_step_decoder.stop_head.0', hidden).map(silu);
    const z2 = this.affine('micro_step_decoder.stop_head.2', z0).map(silu);
    const [z4] = this.affine('micro_step_decoder.stop_head.4', z2);
    return { logits: this.logits(hidden), stopProbability: sigmoid(z4!) };
  }

  /** Greedy generation in the `train` profile. */
  generate(prompt: number[], maxTokens: number, tau: number | null, eos: number[]): number[][] {
    const segments: number[][] = [];
    let count = 0;
    while (true) {
      const open: number[] = [];
      while (true) {
        const { logits, stopProbability: p } = this.next(prompt, segments, open);
        const id = logits.indexOf(Math.max(...logits));
        open.push(id);
        count += 1;
        if (eos.includes(id) || count === maxTokens) return [...segments, open];
        if (open.length === (this.config.hamburger?.maxSteps ?? 1)) break;
        if (p !== null && (tau === null ? p > 0.5 : 1 - p < tau)) break;
      }
      segments.push(open);
    }
  }
}
