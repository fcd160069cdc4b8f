/**
 * Cases that nobody has seen: for any configuration, from a seed (INTERPRETING 6.2).
 *
 * @module
 */

import { profiles } from '../decode/profiles.ts';
import { CallerError } from '../errors.ts';
import { seededUniforms } from '../math/random.ts';
import type { ModelConfig } from '../model/config.ts';
import { KIT_VERSION } from './case.ts';
import type { Draft, KitContents } from './draft.ts';

/** What to make. */
export interface LiveKitOptions {
  /** With HAMburger modules. */
  readonly config: ModelConfig;
  readonly seed: string;
  /** Cases, at least 1. */
  readonly count: number;
}

/** Longest prompt and most segments of a case. */
const MOST_PROMPT_TOKENS = 24;
const MOST_SEGMENTS = 6;

/**
 * Runs of a model of that configuration, with weights from the seed: two of three with given tokens, one in which the port decides; in all profiles.
 *
 * @throws CallerError if the configuration has no modules, or room for less than two tokens
 */
export function liveKit({ config, seed, count }: LiveKitOptions): KitContents {
  const { hamburger } = config;
  if (hamburger === null) {
    throw new CallerError({
      subject: 'configuration',
      expected: 'one with HAMburger modules',
      found: 'a plain base',
    });
  }
  if (config.maxPositionEmbeddings < 2) {
    throw new CallerError({
      subject: 'max_position_embeddings',
      expected: 'at least 2',
      found: `${config.maxPositionEmbeddings}`,
    });
  }
  const uniforms = seededUniforms(seed);
  const upTo = (most: number): number => 1 + Math.floor(uniforms.next() * most);
  const tokens = (n: number): number[] => Array.from({ length: n }, () => upTo(config.vocabSize) - 1);
  const names = [...profiles.keys()];
  const drafts = Array.from({ length: count }, (_, i): Draft => {
    const profile = names[Math.floor(uniforms.next() * names.length)]!;
    // One position is left for the profile whose entries stand one further.
    let room = config.maxPositionEmbeddings - 1;
    const prompt = tokens(upTo(Math.min(MOST_PROMPT_TOKENS, room)));
    room -= prompt.length;
    const about = {
      suite: 'live',
      since: KIT_VERSION,
      spec: [],
      flags: [],
      requires: config.ropeScaling === null ? [] : ['rope.llama3'],
    };
    const run = { model: 'models/live', profile, prompt };
    if (i % 3 === 2) {
      const task = {
        mode: 'free' as const,
        ...run,
        max_tokens: Math.max(1, Math.min(24, room)),
        confidence: Math.round(uniforms.next() * 20) / 20,
        max_positions: config.maxPositionEmbeddings,
        eos_token_ids: [...config.eosTokenIds],
      };
      return { id: `live.${i}.free`, ...about, task };
    }
    const segments: number[][] = [];
    for (let wanted = upTo(MOST_SEGMENTS); wanted > 0; wanted--) {
      const size = Math.min(upTo(hamburger.maxSteps), room);
      if (size < 1) break;
      segments.push(tokens(size));
      room -= size;
    }
    if (segments.length === 0) segments.push(tokens(1));
    return { id: `live.${i}.teacher`, ...about, task: { mode: 'teacher', ...run, segments } };
  });
  return {
    suites: { live: 'Cases made from a seed.' },
    models: { live: { config, seed } },
    drafts,
    leaveOutNear: true,
  };
}
