/**
 * The function `verification_round` of the kit (INTERPRETING 2.5): a round of SPEC #verification on given logits, as this package computes it.
 *
 * @module
 */

import { profiles } from '../decode/profiles.ts';
import { rolledBack } from '../decode/roll-back.ts';
import { choosing, verdictOn } from '../decode/verdict.ts';
import { verificationPolicy } from '../decode/verification-policy.ts';
import { checkVerification } from '../decode/verified.ts';
import { DataError } from '../errors.ts';
import { recordedUniforms, replayedUniforms } from '../math/random.ts';
import { z } from '../schema.ts';
import { tensorOf } from '../tensor/tensor.ts';

const number = z.custom<number>((value) => typeof value === 'number', 'a number');
const logits = z.array(z.array(number).min(1));

/** What the function gets. */
export const verificationRoundInput = z.strictObject({
  policy: z.string(),
  /** `null` where nothing is drawn. */
  temperature: z.union([z.null(), number]),
  tokens_before: z.int().min(1),
  /** The draft: at least one segment, of at least one token each. */
  segments: z.array(z.array(z.int()).min(1)).min(1),
  /** Of the draft model, for each of its tokens. */
  draft_logits: logits,
  /** Of the target, for each of its tokens and behind it. */
  target_logits: logits.min(1),
  uniforms: z.array(number),
  eos_token_ids: z.array(z.int()),
  profile: z.enum([...profiles.keys()] as [string, ...string[]]),
});

/**
 * `[accepted, next, uniforms, entries kept, pending]`: how many tokens are accepted; the target's token, or null; how many uniforms were drawn; how
 * many segments of the draft stay entries; position and tokens of each entry that is pending.
 */
export function verificationRound(input: z.infer<typeof verificationRoundInput>): unknown {
  const policy = verificationPolicy(input.policy);
  const { temperature, segments, tokens_before: tokensBefore } = input;
  const sampling = temperature !== null;
  checkVerification({ policy, target: true, sampling, draftSteps: 1, draftConfidence: 0 });
  const uniforms = recordedUniforms(replayedUniforms(input.uniforms));
  const how = choosing(sampling ? { temperature, uniforms } : undefined, {});
  const V = input.target_logits[0]!.length;
  const draft = segments.flat();
  checkLogits('draft_logits', input.draft_logits, sampling ? draft.length : null, V);
  checkLogits('target_logits', input.target_logits, draft.length + 1, V);
  const drafted = draft.map((id, i) => ({
    id,
    distribution: sampling ? how.distribution(Float64Array.from(input.draft_logits[i]!), []) : null,
  }));
  const scores = tensorOf('f64', [drafted.length + 1, V], input.target_logits.flat());
  const { accepted, next } = verdictOn(drafted, [], scores, policy, how, input.eos_token_ids);
  const drawn = uniforms.drawn.length;
  if (next === null) return [accepted, null, drawn, segments.length - 1, []];
  const left = rolledBack({ tokensBefore, segments, accepted, next }, profiles.get(input.profile)!);
  const pending = left.pending.map(({ position, tokens }) => [position, tokens]);
  return [accepted, next, drawn, left.entriesKept, pending];
}

/** Whether there are logits for each of `count` places, if they are read at all, and every row has V of them. */
function checkLogits(
  subject: string,
  rows: readonly (readonly number[])[],
  count: number | null,
  V: number,
): void {
  const other = rows.find((row) => row.length !== V);
  if (other !== undefined)
    throw new DataError({ subject, expected: `rows of ${V} logits`, found: `one of ${other.length}` });
  if (count !== null && rows.length !== count)
    throw new DataError({ subject, expected: `${count} rows of logits`, found: `${rows.length}` });
}
