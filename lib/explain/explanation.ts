/**
 * What a run came to and how, as plain data: all that the pages show. It can be cloned, sent to another thread, and written as JSON.
 *
 * @module
 */

import type { MacroStepEnd, StopReason } from '../decode/ends.ts';
import type { HeatMap } from './heat-map.ts';

/** A run, explained. */
export interface Explanation {
  readonly settings: RunSettings;
  readonly model: ModelFacts;
  readonly prompt: readonly ShownToken[];
  readonly macroSteps: readonly ExplainedMacroStep[];
  /** `null` where the tokens were given. */
  readonly stopReason: StopReason | null;
  /** RoPE position of every KV entry held at the end. */
  readonly entryPositions: readonly number[];
  /** KV entries that a plain decoder would hold at the end: every token is one, but for the last (kv-cache/C2). */
  readonly plainEntries: number;
  /** Numbers that a plain decoder reads from memory, in its pass over the prompt and in each later pass. */
  readonly plainTraffic: readonly number[];
  /** What the base alone says of the text; `null` where there was no base at hand. */
  readonly segmentation: ExplainedSegmentation | null;
}

/** How the run was decoded. */
export interface RunSettings {
  readonly mode: 'hamburger' | 'base';
  readonly profile: string;
  /** Threshold on the continue confidence; `null` if the stop head is read at p > 0.5, or there is none. */
  readonly confidence: number | null;
  readonly numerics: string;
  /** 0 for the likeliest token. */
  readonly temperature: number;
  /** `null` if nothing was drawn from a seed. */
  readonly seed: string | null;
}

/** The dimensions of a model, by their symbols in SPEC #notation. */
export interface ModelFacts {
  readonly V: number;
  readonly d: number;
  readonly f: number;
  readonly L: number;
  readonly H: number;
  readonly Hkv: number;
  readonly size: number;
  /** 1 for a plain base. */
  readonly M: number;
  /** `null` for a plain base. */
  readonly Hm: number | null;
  readonly featureLayers: readonly number[];
  /** Layers of the micro-step decoder; 0 for a plain base. */
  readonly microLayers: number;
  readonly parameters: number;
  /** Bytes that one KV entry takes, in all layers of the base. */
  readonly entryBytes: number;
}

/** A token and what it adds to the text. */
export interface ShownToken {
  readonly id: number;
  /** `null` where there is no tokenizer. */
  readonly text: string | null;
}

/** One macro-step: what entered the base, and what came out. */
export interface ExplainedMacroStep {
  /** RoPE positions of the entries that entered the base: of all prompt tokens, or of one segment. */
  readonly positions: readonly number[];
  readonly tokens: readonly ExplainedToken[];
  readonly traffic: Traffic;
  /** What the tensors say; `null` where they were not kept. */
  readonly detail: MacroStepDetail | null;
}

/** Numbers that are read from memory, of which decoding time is mostly made: weights, keys and values (`lib/model/cost.ts`). */
export interface Traffic {
  readonly embedder: number;
  readonly base: number;
  /** At each token of the macro-step: decoder and heads; at micro index 0 the heads alone. */
  readonly microSteps: readonly number[];
}

/** An output token. */
export interface ExplainedToken extends ShownToken {
  readonly probability: number | null;
  readonly stopProbability: number | null;
  /** c = 1 - p. */
  readonly confidence: number | null;
  /** Why the macro-step ended here; `null` if it went on, or where the tokens were given. */
  readonly end: MacroStepEnd | null;
}

/** The tensors of a macro-step, as pictures. */
export interface MacroStepDetail {
  /** `null` for the macro-step of the prompt, and in a plain base. */
  readonly embedder: EmbedderDetail | null;
  readonly base: BaseDetail;
  /** `[1, d]` each, F of them. */
  readonly features: readonly HeatMap[];
  readonly microSteps: readonly MicroStepDetail[];
}

/** How a segment became one entry. */
export interface EmbedderDetail {
  /** What happened inside; `null` for a single token, which is its own embedding (compositional-embedder/C2). */
  readonly merger: {
    /** `[s, d]` */
    readonly embeddings: HeatMap;
    /** `[1, d]` */
    readonly mean: HeatMap;
    /** `[1, d]`, what is added to the mean. */
    readonly added: HeatMap;
    /** `[Hm][s]`, each row sums to 1. */
    readonly weights: readonly (readonly number[])[];
  } | null;
  /** `[1, d]` */
  readonly output: HeatMap;
}

/** The pass of the base. */
export interface BaseDetail {
  /** Entries that were there before. */
  readonly earlierEntries: number;
  /** `[L, d]`: the residual stream of the last row after each layer. */
  readonly layers: HeatMap;
  /** `[L * H, S]`: how the last row attends to all entries, head by head, layer by layer. */
  readonly attention: HeatMap;
  /** Entries that it attends to most, and their share on the mean over heads and layers; the largest first. */
  readonly attended: readonly { readonly entry: number; readonly weight: number }[];
}

/** One micro-step. */
export interface MicroStepDetail {
  /** Attention of the last row over the features and the tokens so far, `[heads of all layers, n]`; `null` at micro index 0, which skips the decoder. */
  readonly attention: HeatMap | null;
  /** The same, on the mean over heads and layers, `[n]`. */
  readonly attended: readonly number[] | null;
  /** `[1, d]` */
  readonly hidden: HeatMap;
  /** Tokens of the largest logits, the largest first, with their probabilities. */
  readonly likeliest: readonly (ShownToken & { readonly probability: number })[];
}

/** What the base says of the text, and how it would be cut for training. */
export interface ExplainedSegmentation {
  /** For each output token. */
  readonly tokens: readonly { readonly entropy: number; readonly probability: number }[];
  readonly strategies: readonly {
    readonly name: string;
    /** What lets a token join, in words and numbers. */
    readonly rule: string;
    readonly sizes: readonly number[];
  }[];
}
