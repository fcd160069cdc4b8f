/**
 * SPEC #evaluation — the contents of `report.json`: what an evaluation was made of, its results, and how long it took.
 *
 * @module
 */

import { parseWith, z } from '../schema.ts';

const COUNT = z.int().min(0);
const SHARE = z.number().max(1).nullable();
const NUMBER = z.number().nullable();

const ESTIMATE = z.strictObject({ value: z.number(), standard_error: NUMBER }).nullable();

const MEAN_FIGURES = z.strictObject({
  score: ESTIMATE,
  tokens_per_macro_step: ESTIMATE,
  kv_entries_saved: z.strictObject({ response: SHARE, with_prompt: SHARE }),
});

const FIGURES = MEAN_FIGURES.extend({
  samples: COUNT,
  ended: COUNT,
  output_tokens: COUNT,
  macro_steps: COUNT,
});

const MEAN_SPEED = z.strictObject({
  median_tokens_per_second: NUMBER,
  overall_tokens_per_second: NUMBER,
  median_first_token_seconds: NUMBER,
  ratio: ESTIMATE,
  overall_ratio: NUMBER,
});

const SPEED = MEAN_SPEED.extend({ decode_tokens: COUNT, decode_seconds: z.number(), seconds: z.number() });

/** The base alone, or HAMburger with a confidence threshold. */
const DECODER = {
  mode: z.enum(['base', 'hamburger']),
  confidence: z.number().min(0).max(1).nullable(),
};

const REPORT = z.strictObject({
  /** The words of the command line that made it. */
  command: z.array(z.string()),
  settings: z.strictObject({
    checkpoint: z.string(),
    baseline: z.string().nullable(),
    data: z.string(),
    /** Samples by family. */
    samples: z.record(z.string(), COUNT),
    limit: COUNT.nullable(),
    seed: z.string().nullable(),
    /** The default one first, if it is among them; then in ascending order. */
    confidences: z.array(z.number()),
    default_confidence: z.number(),
    max_tokens: COUNT,
    max_positions: COUNT,
    numerics: z.enum(['f32', 'f64']),
    /** Whether prompts went through the chat template. */
    chat: z.boolean(),
  }),
  /** The base first, if there is one, then HAMburger in the order of the confidences. */
  results: z.array(
    z.strictObject({ ...DECODER, families: z.record(z.string(), FIGURES), mean: MEAN_FIGURES }),
  ),
  /** All that depends on machine and moment (evaluation/C6). */
  timing: z.strictObject({
    kernels: z.string(),
    threads: COUNT,
    machine: z.strictObject({
      processor: z.string(),
      cores: COUNT,
      system: z.string(),
      node: z.string(),
      load_before: z.number(),
      load_after: z.number(),
    }),
    /** In the order of the results. */
    speeds: z.array(z.strictObject({ ...DECODER, families: z.record(z.string(), SPEED), mean: MEAN_SPEED })),
  }),
});

/** A report, with the names of its JSON. */
export type EvaluationReport = z.infer<typeof REPORT>;

/**
 * Reads a report.
 *
 * @param subject what messages call it, e.g. the file's path
 * @throws DataError for the first thing that is wrong
 */
export function parseEvaluationReport(value: unknown, subject: string): EvaluationReport {
  return parseWith(REPORT, value, subject);
}
