/** Pairs of a draft model and a target that agree now and then, and a verified generation written a second time. */

import type { ModelConfig } from '../../lib/model/config.ts';
import { randomWeights, type WeightSource } from './models.ts';
import type { NaiveHamburger } from './naive.ts';

/**
 * Weights of a target that resembles the base of a draft model: mixed from those of the draft and others.
 *
 * @param likeness 1 for the very same base, 0 for one that has nothing to do with it
 */
export function resembling(likeness: number, scale = 0.3): WeightSource {
  const own = randomWeights(scale);
  const other = randomWeights(scale);
  return (name, index) =>
    Math.fround(likeness * own(`model.${name}`, index) + (1 - likeness) * other(`other.${name}`, index));
}

/** Configuration of the target for a draft model: its base, of as many layers. */
export const targetConfigOf = (config: ModelConfig): ModelConfig => ({ ...config, hamburger: null });

/** What a verified generation is asked for, where nothing is drawn. */
export interface NaiveVerified {
  readonly prompt: number[];
  readonly maxTokens: number;
  readonly draftSteps: number;
  readonly draftConfidence: number;
  readonly confidence: number | null;
  readonly eos: number[];
  /** 1: greedy. */
  readonly k: number;
}

/**
 * A greedily drafted, greedily or leniently verified generation, written from the section of SPEC with everything computed anew for each token:
 * no caches, so that nothing is rolled back. In the `train` profile, without a limit of positions.
 *
 * @returns the segments of the output, and how many tokens were drafted and accepted in each round
 */
export function naiveVerified(draft: NaiveHamburger, target: NaiveHamburger, options: NaiveVerified) {
  const { prompt, maxTokens, draftSteps, draftConfidence, confidence, eos, k } = options;
  const likeliest = (logits: number[]) => logits.indexOf(Math.max(...logits));
  const M = draft.config.hamburger?.maxSteps ?? 1;
  const rounds: { drafted: number; accepted: number }[] = [];
  let done: number[][] = [];
  for (;;) {
    const room = maxTokens - done.flat().length - 1;
    const drafts: number[][] = [];
    let product = 1;
    let over = room <= 0;
    while (!over && drafts.length < draftSteps) {
      const open: number[] = [];
      drafts.push(open);
      for (;;) {
        const { logits, stopProbability: p } = draft.next(prompt, [...done, ...drafts.slice(0, -1)], open);
        const id = likeliest(logits);
        open.push(id);
        over = eos.includes(id) || drafts.flat().length === room;
        if (over || open.length === M) break;
        if (p === null || (confidence === null ? p > 0.5 : 1 - p < confidence)) break;
        product *= 1 - p;
        if (product < draftConfidence) {
          over = true;
          break;
        }
      }
    }
    const drafted = drafts.flat();
    const logitsAt = (i: number) =>
      target.next([...prompt, ...done.flat(), ...drafted.slice(0, i)], [], []).logits;
    const rank = (logits: number[], id: number) =>
      logits.filter((x, v) => x > logits[id]! || (x === logits[id]! && v < id)).length;
    let accepted = 0;
    while (accepted < drafted.length && rank(logitsAt(accepted), drafted[accepted]!) < k) accepted += 1;
    rounds.push({ drafted: drafted.length, accepted });
    // Cut the accepted tokens as the draft was cut; the target's token goes behind what is left of a broken segment.
    const cut: number[][] = [];
    let taken = 0;
    for (const segment of drafts) {
      const left = segment.slice(0, Math.max(0, accepted - taken));
      taken += segment.length;
      if (left.length > 0) cut.push(left);
    }
    if (accepted > 0 && eos.includes(drafted[accepted - 1]!)) return { segments: [...done, ...cut], rounds };
    const x = likeliest(logitsAt(accepted));
    const broken = cut.at(-1) !== undefined && cut.at(-1)!.length < drafts[cut.length - 1]!.length;
    if (broken) cut.at(-1)!.push(x);
    else cut.push([x]);
    done = [...done, ...cut];
    if (eos.includes(x) || done.flat().length >= maxTokens) return { segments: done, rounds };
  }
}
