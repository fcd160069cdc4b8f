/**
 * A run from the two files that `hamburger trace` writes: SPEC #trace. What they say is checked, as they may come from anywhere.
 *
 * @module
 */

import { parseConfig } from '../checkpoint/config-file.ts';
import { DataError } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { parseWith, z } from '../schema.ts';
import { showShape, type Tensor } from '../tensor/tensor.ts';
import type { ExplainedRun } from './explain.ts';
import { kept } from './record.ts';

/** A run without what only its checkpoint knows. */
export type TracedRun = Omit<ExplainedRun, 'tokenizer' | 'metrics'>;

const id = z.int().min(0);
const share = z.number().min(0).max(1).nullable();
const tokenSchema = z.object({ id, probability: share, stop_probability: share, confidence: share });
const ends = z.enum(['eos', 'stop-string', 'limit', 'max-steps', 'confidence']).nullable();

const schema = z.object({
  config: z.unknown(),
  settings: z.object({
    mode: z.enum(['hamburger', 'base']),
    profile: z.string().max(64),
    confidence: z.union([z.number().min(0).max(1), z.literal('none'), z.null()]).optional(),
    numerics: z.string().max(16),
    temperature: z.number().min(0).optional(),
    seed: z.string().max(256).nullable().optional(),
  }),
  prompt_ids: z.array(id).min(1),
  macro_steps: z
    .array(
      z.object({ positions: z.array(id).min(1), tokens: z.array(tokenSchema).min(1), end: ends.optional() }),
    )
    .min(1),
  entry_positions: z.array(id),
  stop_reason: z.enum(['eos', 'stop-string', 'length', 'positions']).optional(),
});

/**
 * @param json the contents of the JSON file
 * @param tensors those of the safetensors file
 * @throws DataError naming what is missing, of another type, or of a shape that is not that of its place in such a run
 */
export function readTracedRun(
  json: unknown,
  tensors: ReadonlyMap<string, Tensor>,
  subject: string,
): TracedRun {
  const { settings, ...run } = parseWith(schema, json, subject);
  const whole = parseConfig(run.config, `${subject}: config`);
  const config = settings.mode === 'base' ? { ...whole, hamburger: null } : whole;
  const prompt = run.prompt_ids;
  const { length: entries } = run.entry_positions;
  const expected = prompt.length + run.macro_steps.length - 1;
  if (entries !== expected) {
    throw new DataError({
      rule: 'kv-cache/C2',
      subject: `${subject}: entry_positions`,
      expected: `${expected} of them: one for each prompt token and each macro-step but the last`,
      found: `${entries}`,
    });
  }
  const sizes = run.macro_steps.map(({ tokens }) => tokens.length);
  const essential = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) {
    checkShape(name, tensor, config, prompt.length, sizes, subject);
    const part = kept(name, tensor);
    if (part !== undefined) essential.set(name, part);
  }
  return {
    config,
    settings: {
      mode: settings.mode,
      profile: settings.profile,
      confidence: typeof settings.confidence === 'number' ? settings.confidence : null,
      numerics: settings.numerics,
      temperature: settings.temperature ?? 0,
      seed: settings.seed ?? null,
    },
    prompt,
    macroSteps: run.macro_steps.map(({ tokens, end }) =>
      tokens.map(({ id, probability, stop_probability, confidence }, i) => ({
        id,
        probability,
        stopProbability: stop_probability,
        confidence,
        end: i === tokens.length - 1 ? (end ?? null) : null,
      })),
    ),
    entryPositions: run.entry_positions,
    stopReason: run.stop_reason ?? null,
    tensors: essential,
  };
}

/** Checks the shapes of the tensors that an explanation reads; of `null` there can be any number. */
function checkShape(
  name: string,
  { shape }: Tensor,
  config: ModelConfig,
  promptTokens: number,
  sizes: readonly number[],
  subject: string,
): void {
  const expected = shapeOf(name, config, promptTokens, sizes);
  if (expected === undefined) return;
  const fits =
    shape.length === expected.length &&
    shape.every(
      (dimension, axis) => dimension > 0 && (expected[axis] === null || expected[axis] === dimension),
    );
  if (fits) return;
  throw new DataError({
    subject: `${subject}, tensor ${name}`,
    expected: `shape [${expected.map((dimension) => dimension ?? 'any').join(', ')}], as the run and its configuration say`,
    found: showShape(shape),
  });
}

function shapeOf(
  name: string,
  config: ModelConfig,
  promptTokens: number,
  sizes: readonly number[],
): readonly (number | null)[] | undefined {
  const [, step, rest] = /^macro\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (step === undefined || rest === undefined) return undefined;
  const m = Number(step);
  const { hiddenSize: d, vocabSize: V, numAttentionHeads: H, hamburger } = config;
  const F = hamburger?.featureLayerIndices.length ?? 1;
  const micro = Number(/^micro\.(\d+)\./.exec(rest)?.[1] ?? Number.NaN);
  const s = sizes[m - 1] ?? null;
  if (rest === 'features') return [F, d];
  if (/^model\.layers\.\d+\.output$/.test(rest)) return [null, d];
  if (/^model\.layers\.\d+\.self_attn\.weights$/.test(rest)) return [H, null, promptTokens + m];
  if (/^micro\.\d+\.hidden$/.test(rest)) return [1, d];
  if (/^micro\.\d+\.logits$/.test(rest)) return [1, V];
  if (/^micro\.\d+\.decoders\.\d+\.self_attn\.weights$/.test(rest)) return [H, null, F + micro];
  if (/^comp_embedder\.(?:output|mean|out_proj)$/.test(rest)) return [1, d];
  if (rest === 'comp_embedder.embeddings') return [s, d];
  if (rest === 'comp_embedder.merger.weights') return [hamburger?.numMergerHeads ?? null, 1, s];
  return undefined;
}
