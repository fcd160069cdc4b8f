/**
 * The functions of the kit's mode `data` (INTERPRETING 2.5), as this package computes them.
 *
 * @module
 */

import { logProbabilities } from '../decode/log-probabilities.ts';
import { promptPositions, segmentPosition } from '../decode/positions.ts';
import { profiles } from '../decode/profiles.ts';
import { checkConfidenceThreshold, endsByConfidence } from '../decode/termination.ts';
import { adjustedGreedyChoice, samplingChoice } from '../decode/token-choice.ts';
import type { LogitAdjustments } from '../decode/token-distribution.ts';
import { DataError, show } from '../errors.ts';
import { roundToBf16 } from '../math/float.ts';
import { replayedUniforms } from '../math/random.ts';
import { parseWith, z } from '../schema.ts';
import { stopStringMatcher } from '../text/stop-strings.ts';
import { metrics, segmentSizes, strategies } from '../train/segmentation.ts';
import { type CaseOf, withNumbers } from './case.ts';
import { verificationRound, verificationRoundInput } from './verification-round.ts';

/** NaN and infinities, too. */
const anyNumber = z.custom<number>((value) => typeof value === 'number', 'a number');
/** Tokens that a prompt, or all segments together, may have: a number comes out for each, and no model of the kit has as many positions. */
const MOST_TOKENS = 1 << 16;
const sizes = z
  .array(z.int().min(1))
  .refine(
    (list) => list.reduce((sum, size) => sum + size, 0) <= MOST_TOKENS,
    `at most ${MOST_TOKENS} tokens`,
  );
const optional = <T>(schema: z.ZodType<T>) => z.union([z.null(), schema]);
const oneOf = (names: Iterable<string>) => z.enum([...names] as [string, ...string[]]);

/** Rounding of the subtraction and the comparison (termination/C4). */
const ARITHMETICS: Readonly<Record<string, (value: number) => number>> = {
  binary64: (value) => value,
  f32: Math.fround,
  bf16: (value) => roundToBf16(Math.fround(value)),
};

/** What changes logits before a choice; cases that have none of it leave the members out. */
const adjustments = {
  previous_tokens: z.array(z.int().min(0)).optional(),
  repetition_penalty: z.number().optional(),
  logit_bias: z.array(z.tuple([z.int().min(0), anyNumber])).optional(),
};

const inputs = {
  positions: z.strictObject({
    prompt_tokens: z.int().min(1).max(MOST_TOKENS),
    segment_sizes: sizes,
    profile: oneOf(profiles.keys()),
  }),
  ends_macro_step: z.strictObject({
    stop_probability: anyNumber,
    confidence: optional(anyNumber),
    arithmetic: oneOf(Object.keys(ARITHMETICS)),
  }),
  greedy: z.strictObject({ logits: z.array(anyNumber).min(1), ...adjustments }),
  sample: z.strictObject({
    logits: z.array(anyNumber).min(1),
    temperature: z.number(),
    top_k: optional(z.int()),
    top_p: optional(z.number()),
    uniform: z.number(),
    min_p: z.number().optional(),
    ...adjustments,
  }),
  log_probability: z.strictObject({ logits: z.array(anyNumber).min(1), id: z.int().min(0) }),
  most_probable: z.strictObject({ logits: z.array(anyNumber).min(1), count: z.int().min(0) }),
  stop_strings: z.strictObject({
    pieces: z.array(z.string()),
    stop_strings: z.array(z.string()),
    keep: z.boolean(),
  }),
  segment: z.strictObject({
    strategy: oneOf(strategies.keys()),
    uncertainties: z.array(anyNumber),
    max_steps: z.int().min(1),
    min_threshold: z.number().optional(),
    ratio_threshold: z.number().optional(),
    theta: z.number().optional(),
  }),
  theta: z.strictObject({
    metric: oneOf(metrics.keys()),
    confidence: z.number(),
    vocab_size: z.int().min(2),
  }),
  stop_targets: z.strictObject({ segment_sizes: sizes }),
  verification_round: verificationRoundInput,
} as const;

/** Names of the functions. */
export const dataFunctions: readonly string[] = Object.keys(inputs);

/** The value of a function of the kit. @throws DataError if function or input are none; CallerError as the functions of this package */
export function dataValue({ function: name, input }: Pick<CaseOf<'data'>, 'function' | 'input'>): unknown {
  const given = <T>(schema: z.ZodType<T>): T => parseWith(schema, withNumbers(input), `input of ${name}`);
  switch (name) {
    case 'positions': {
      const { prompt_tokens, segment_sizes, profile } = given(inputs.positions);
      const tokens = (j: number) =>
        segment_sizes.slice(0, j + 1).reduce((sum, size) => sum + size, prompt_tokens);
      const entries = segment_sizes.map((_, j) => segmentPosition(tokens(j), profiles.get(profile)!));
      return [...promptPositions(prompt_tokens), ...entries];
    }
    case 'ends_macro_step': {
      const { stop_probability, confidence, arithmetic } = given(inputs.ends_macro_step);
      checkConfidenceThreshold(confidence, 'confidence');
      return endsByConfidence(stop_probability, confidence, ARITHMETICS[arithmetic]!);
    }
    case 'greedy': {
      const { logits, previous_tokens = [], ...adjusting } = given(inputs.greedy);
      return adjustedGreedyChoice(adjustmentsOf(adjusting))(Float64Array.from(logits), previous_tokens);
    }
    case 'sample': {
      const {
        logits,
        temperature,
        top_k,
        top_p,
        uniform,
        min_p,
        previous_tokens = [],
        ...adjusting
      } = given(inputs.sample);
      const uniforms = replayedUniforms([uniform]);
      const choice = samplingChoice({
        temperature,
        ...(top_k === null ? {} : { topK: top_k }),
        ...(top_p === null ? {} : { topP: top_p }),
        ...(min_p === undefined ? {} : { minP: min_p }),
        ...adjustmentsOf(adjusting),
        uniforms,
      });
      return choice(Float64Array.from(logits), previous_tokens);
    }
    case 'log_probability': {
      const { logits, id } = given(inputs.log_probability);
      return logProbabilities(Float64Array.from(logits), id, 0).logProbability;
    }
    case 'most_probable': {
      const { logits, count } = given(inputs.most_probable);
      return logProbabilities(Float64Array.from(logits), 0, count).alternatives.map(({ id }) => id);
    }
    case 'stop_strings': {
      const { pieces, stop_strings, keep } = given(inputs.stop_strings);
      const matcher = stopStringMatcher(stop_strings, { keep });
      const certain: string[] = [];
      for (const piece of pieces) {
        const { text, found } = matcher.push(piece);
        certain.push(text);
        if (found !== null) return [certain, found];
      }
      return [[...certain, matcher.flush()], null];
    }
    case 'segment': {
      const { strategy, uncertainties, max_steps, min_threshold, ratio_threshold, theta } = given(
        inputs.segment,
      );
      return segmentSizes(uncertainties, {
        strategy: strategies.get(strategy)!,
        // The uncertainty that the confidence stands for is given; so it depends neither on a confidence nor on a vocabulary.
        metric: { name: 'given', uncertainty: ({ entropy }) => entropy, threshold: () => theta ?? 0 },
        vocabularySize: 2,
        maxSteps: max_steps,
        ...(min_threshold === undefined ? {} : { minThreshold: min_threshold }),
        ...(ratio_threshold === undefined ? {} : { ratioThreshold: ratio_threshold }),
      });
    }
    case 'theta': {
      const { metric, confidence, vocab_size } = given(inputs.theta);
      return metrics.get(metric)!.threshold(confidence, vocab_size);
    }
    case 'stop_targets':
      return given(inputs.stop_targets).segment_sizes.flatMap((size) =>
        Array.from({ length: size }, (_, i) => (i === size - 1 ? 1 : 0)),
      );
    case 'verification_round':
      return verificationRound(given(inputs.verification_round));
    default:
      throw new DataError({ subject: 'function', expected: dataFunctions.join(', '), found: show(name) });
  }
}

function adjustmentsOf({
  repetition_penalty: repetitionPenalty,
  logit_bias: logitBias,
}: {
  readonly repetition_penalty?: number | undefined;
  readonly logit_bias?: readonly (readonly [number, number])[] | undefined;
}): LogitAdjustments {
  return {
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
    ...(logitBias === undefined ? {} : { logitBias: new Map(logitBias) }),
  };
}
