/**
 * SPEC #positions — where KV entries stand. Entries are dense, positions follow tokens: an entry that stands for several tokens
 * stands at the index of the last of them.
 *
 * @module
 */

import type { Profile } from './profiles.ts';

/** Positions of the prompt's entries: each token's own index, `0 ... promptLength - 1` (positions/C1). */
export function promptPositions(promptLength: number): readonly number[] {
  return Array.from({ length: promptLength }, (_, i) => i);
}

/**
 * Position of the entry of a segment: the index of its last token, plus the profile's offset (positions/C2).
 *
 * @param tokens all tokens of prompt and output up to and including the segment's last
 */
export function segmentPosition(tokens: number, { entryPositionOffset }: Profile): number {
  return tokens - 1 + entryPositionOffset;
}
