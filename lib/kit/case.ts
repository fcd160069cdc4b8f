/**
 * Cases of the conformance kit and what a port answers to them (`fixtures/kit/INTERPRETING.md`, sections 1.5, 2 and 3): their schemas and types.
 *
 * @module
 */

import type { StopReason } from '../decode/ends.ts';
import { assertInvariant } from '../errors.ts';
import { parseWith, z } from '../schema.ts';

/** What the kit and its rules are called: of {@link KIT_VERSION} all cases are, {@link INTERPRETATION} says how they are read. */
export const KIT_VERSION = '1.2.0';
export const INTERPRETATION = 1;
export const PROTOCOL = 1;

/** A binary64 number in JSON (INTERPRETING 1.5). */
export interface ExactNumber {
  readonly decimal: string;
  readonly bits: string;
}

const BITS = /^[0-9a-f]{16}$/;

export function exactNumber(value: number): ExactNumber {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return {
    decimal: Object.is(value, -0) ? '-0' : `${value}`,
    bits: view.getBigUint64(0).toString(16).padStart(16, '0'),
  };
}

function fromBits(bits: string): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(`0x${bits}`));
  return view.getFloat64(0);
}

const exact = z.object({ decimal: z.string(), bits: z.string().regex(BITS, 'sixteen hexadecimal digits') });

/** A number in either form; the bits count. */
const numberOrExact = z.union([z.number(), exact.transform(({ bits }) => fromBits(bits))]);

/** A JSON value in which every exact number has become a number. */
export function withNumbers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withNumbers);
  if (typeof value !== 'object' || value === null) return value;
  const { bits } = value as { bits?: unknown };
  if (typeof bits === 'string' && BITS.test(bits) && Object.keys(value).length === 2) return fromBits(bits);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withNumbers(each)]));
}

/** Ids and suites are names of files, on any system. */
export const slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,99}$/, 'small letters, digits, points and hyphens');
export const path = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*(\/[A-Za-z0-9][A-Za-z0-9_.-]*)*$/, 'a path below the kit');
/** Any integer: a case of mode `invalid` may hold an id that no vocabulary has. */
const ids = z.array(z.int());

const op = z.strictObject({
  mode: z.literal('op'),
  op: z.string(),
  parameters: z.record(z.string(), z.unknown()),
  outputs: z.record(z.string(), z.array(z.int().min(0))),
});
const teacher = z.strictObject({
  mode: z.literal('teacher'),
  model: path,
  profile: z.string(),
  prompt: ids,
  segments: z.array(ids),
});
const decisions = z.strictObject({
  macro_steps: z.array(ids),
  stop_reason: z.enum(['eos', 'length', 'positions']),
});
const free = z.strictObject({
  mode: z.literal('free'),
  model: path,
  profile: z.string(),
  prompt: ids,
  max_tokens: z.int(),
  confidence: z.union([z.null(), numberOrExact]),
  max_positions: z.int(),
  eos_token_ids: ids,
});
const verified = z.strictObject({
  ...free.shape,
  mode: z.literal('verified'),
  max_tokens: z.int().min(1),
  target: path,
  policy: z.string(),
  draft_steps: z.int(),
  draft_confidence: numberOrExact,
  temperature: z.union([z.null(), numberOrExact]),
  uniforms: z.array(numberOrExact),
});
const rounds = z.array(
  z.object({
    drafted: z.array(ids),
    confidences: z.array(z.union([z.null(), numberOrExact])),
    accepted: z.int().min(0),
    next: z.union([z.null(), z.int()]),
    choices: ids,
    entries: ids,
    pending: z.array(z.tuple([z.int(), ids])),
    target_entries: ids,
  }),
);
const data = z.strictObject({
  mode: z.literal('data'),
  function: z.string(),
  input: z.record(z.string(), z.unknown()),
});

const attempt = z.discriminatedUnion('mode', [op, teacher, free, verified, data]);

const about = {
  id: slug,
  since: z.string(),
  suite: slug,
  spec: z.array(z.string()),
  requires: z.array(z.string()),
  flags: z.array(slug),
  confirmed_by: z.array(z.string()),
};

const caseSchema = z.discriminatedUnion('mode', [
  op.extend(about),
  teacher.extend(about),
  // `either`: what honest arithmetic in binary32 may come to as well, only where a decision is a near tie. `mistaken`: what a port comes to that makes the mistake of that note.
  free.extend({
    ...about,
    expected: decisions,
    either: z.array(decisions).optional(),
    mistaken: z.record(slug, decisions).optional(),
  }),
  verified.extend({ ...about, expected: decisions.extend({ rounds }) }),
  data.extend({
    ...about,
    expected: z.strictObject({ value: z.unknown() }),
    mistaken: z.record(slug, z.strictObject({ value: z.unknown() })).optional(),
  }),
  z.strictObject({ mode: z.literal('invalid'), ...about, attempt, code: z.string() }),
]);

/** A case of the kit. */
export type Case = z.infer<typeof caseSchema>;
export type CaseOf<Mode extends Case['mode']> = Extract<Case, { mode: Mode }>;

/** What is to be done, without what the kit says about it: of a case, or of the attempt in an invalid one. */
export type Attempt = z.infer<typeof attempt>;

/** Tokens of each macro-step of a free run, and why it ended. */
export type Decisions = z.infer<typeof decisions>;

/** A round of a verified run, as an answer tells it (INTERPRETING 2.8). */
export type AnsweredRound = z.infer<typeof rounds>[number];

/** The reason as cases have it: their runs have no stop strings. */
export function stopReasonOf(reason: StopReason): Decisions['stop_reason'] {
  assertInvariant(reason !== 'stop-string', 'stop reason', 'one of a run without stop strings', () => reason);
  return reason;
}

/** @throws DataError naming the place of what is wrong */
export const parseCase = (json: unknown, subject: string): Case => parseWith(caseSchema, json, subject);

const answerSchema = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('ok'),
    dump: z.string().optional(),
    macro_steps: z.array(z.array(z.int())).optional(),
    stop_reason: z.enum(['eos', 'length', 'positions']).optional(),
    rounds: rounds.optional(),
    value: z.unknown().optional(),
  }),
  z.object({ status: z.literal('rejected'), code: z.string() }),
  z.object({ status: z.literal('skipped'), reason: z.string(), issue_url: z.string().optional() }),
  z.object({ status: z.literal('errored'), message: z.string(), trace: z.string().optional() }),
]);

/** What a port answers to a case (INTERPRETING 3.1). */
export type Answer = z.infer<typeof answerSchema>;

/** @throws DataError naming the place of what is wrong */
export const parseAnswer = (json: unknown, subject: string): Answer => parseWith(answerSchema, json, subject);

const claimSchema = z.object({
  protocol: z.literal(PROTOCOL),
  port: z.object({
    name: z.string().min(1),
    version: z.string(),
    language: z.string(),
    issues: z.string().optional(),
  }),
  numerics: z.string(),
  profiles: z.array(z.string()),
  modes: z.array(z.enum(['op', 'teacher', 'free', 'verified', 'data', 'invalid'])),
  features: z.array(z.string()),
});

/** What a port says of itself (INTERPRETING 4.3). */
export type Claim = z.infer<typeof claimSchema>;

/** @throws DataError naming the place of what is wrong */
export const parseClaim = (json: unknown, subject: string): Claim => parseWith(claimSchema, json, subject);

/** Mode and profile of what is to be done: those of the attempt, in an invalid case; the profile may be one of the input. */
export function taskOf(each: Case): { readonly mode: Attempt['mode']; readonly profile: string | undefined } {
  const task = each.mode === 'invalid' ? each.attempt : each;
  const profile = task.mode === 'data' ? task.input.profile : 'profile' in task ? task.profile : undefined;
  return { mode: task.mode, profile: typeof profile === 'string' ? profile : undefined };
}

/** The JSON Schemas of `fixtures/kit/schemas`, by name. */
export function kitJsonSchemas(): Readonly<Record<string, unknown>> {
  const schemas = { case: caseSchema, answer: answerSchema, claim: claimSchema };
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      name,
      z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }),
    ]),
  );
}
