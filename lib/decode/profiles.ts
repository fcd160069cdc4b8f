/**
 * SPEC #profiles — where the published implementations differ, as data (profiles/P1). The loop reads these
 * fields; it never asks for a profile's name.
 *
 * @module
 */

import type { RopeTableRounding } from '../ops/rope.ts';

/** One published (or our normative) way of decoding. */
export interface Profile {
  readonly name: string;
  /** Added to the index of a segment's last token to give the position of its KV entry (positions/C2). */
  readonly entryPositionOffset: 0 | 1;
  /** Whether EOS ends its macro-step at once, or the macro-step runs on and the tokens after EOS are kept (generation/C4). */
  readonly eosEndsMacroStep: boolean;
  /** Whether EOS among the tokens of the first macro-step, the one that processes the prompt, ends the generation (generation/C5). */
  readonly eosInFirstMacroStep: boolean;
  /** What happens when `max_tokens` falls inside a macro-step (generation/C6). */
  readonly atMaxTokens: 'end-macro-step' | 'overshoot' | 'cut';
  /** Arithmetic of the stop test: binary64 on the stored probability, or the tensor's own mode (termination/C4). */
  readonly stopArithmetic: 'binary64' | 'mode';
  /** Rounding of the table of cosines and sines (rope/C5). */
  readonly ropeTable: RopeTableRounding;
  /**
   * Where accepted tokens of a segment and the token of another model, which follows them, enter the base (verification/C5): as one entry at the
   * index of the last of them plus the offset, as one entry at the index of the first, or as one at the index of the first and one behind it.
   */
  readonly afterVerification: 'merged' | 'merged-at-first' | 'separate-last';
  /** Confidence threshold where the caller gives none. */
  readonly confidence: number;
}

/** The normative behaviour: positions as in training; nothing is ever emitted after EOS or beyond `max_tokens`. */
export const trainProfile: Profile = {
  name: 'train',
  entryPositionOffset: 0,
  eosEndsMacroStep: true,
  eosInFirstMacroStep: true,
  atMaxTokens: 'end-macro-step',
  stopArithmetic: 'binary64',
  ropeTable: 'mode',
  afterVerification: 'merged',
  confidence: 0.8,
};

/** The implementation on Hugging Face Transformers. */
export const hfGenerateProfile: Profile = {
  name: 'hf-generate',
  entryPositionOffset: 1,
  eosEndsMacroStep: false,
  eosInFirstMacroStep: true,
  atMaxTokens: 'overshoot',
  stopArithmetic: 'binary64',
  ropeTable: 'mode',
  afterVerification: 'merged-at-first',
  confidence: 0.9,
};

/** The implementation on Hugging Face Transformers, where it drafts for another model and keeps that model's token apart. */
export const hfSeparateLastProfile: Profile = {
  ...hfGenerateProfile,
  name: 'hf-separate-last',
  afterVerification: 'separate-last',
};

/** The implementation derived from GPT-Fast. */
export const gptFastProfile: Profile = {
  name: 'gpt-fast',
  entryPositionOffset: 0,
  eosEndsMacroStep: false,
  eosInFirstMacroStep: false,
  atMaxTokens: 'cut',
  stopArithmetic: 'mode',
  ropeTable: 'bf16',
  afterVerification: 'merged',
  confidence: 0.5,
};

/** All profiles, by name. */
export const profiles: ReadonlyMap<string, Profile> = new Map(
  [trainProfile, hfGenerateProfile, hfSeparateLastProfile, gptFastProfile].map((profile) => [
    profile.name,
    profile,
  ]),
);
