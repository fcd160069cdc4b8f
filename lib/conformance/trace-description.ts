/**
 * SPEC #trace — what a file of traced tensors belongs to: the JSON file beside it, of which only what a check needs is read.
 *
 * @module
 */

import { parseWith, z } from '../schema.ts';

/** Prompt and segments of a traced run. */
export interface TraceDescription {
  readonly prompt: readonly number[];
  readonly segments: readonly (readonly number[])[];
}

const ids = z.array(z.int().min(0)).min(1);

const schema = z.object({
  prompt_ids: ids,
  macro_steps: z.array(z.object({ tokens: z.array(z.object({ id: z.int().min(0) })).min(1) })).min(1),
});

/** @param subject how messages call it. @throws DataError naming the place of what is missing or of another type */
export function parseTraceDescription(json: unknown, subject: string): TraceDescription {
  const { prompt_ids, macro_steps } = parseWith(schema, json, subject);
  return { prompt: prompt_ids, segments: macro_steps.map(({ tokens }) => tokens.map(({ id }) => id)) };
}
