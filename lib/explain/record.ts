/**
 * A run as it happened, with the tensors that an explanation needs: SPEC #trace, of which little is kept.
 *
 * @module
 */

import type { StopReason } from '../decode/ends.ts';
import { type GeneratedToken, type GenerateOptions, generate } from '../decode/generate.ts';
import type { Model } from '../model/model.ts';
import { Tensor } from '../tensor/tensor.ts';
import { namedTrace } from '../trace.ts';
import type { ExplainedToken } from './explanation.ts';

/** An output token of a recorded run. */
export type RecordedToken = Omit<ExplainedToken, 'text'>;

/** What was emitted, and what the tensors were. */
export interface Recording {
  /** The tokens of each macro-step. */
  readonly macroSteps: readonly (readonly RecordedToken[])[];
  readonly entryPositions: readonly number[];
  readonly stopReason: StopReason | null;
  /** By the names of SPEC #trace; those that {@link kept} lets through are enough. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Tensors of macro-steps from this one on are not kept: a page of more would be hard to load, and nobody looks at so many. */
export const MOST_DETAILED = 64;

const LAST_ROW_READ = /\.(?:layers|decoders)\.\d+\.output$/;
const LAST_ROW_OF_HEADS = /\.self_attn\.weights$/;
const READ_WHOLE =
  /\.(?:features|hidden|logits|comp_embedder\.(?:output|embeddings|mean|out_proj|merger\.weights))$/;

/** What an explanation reads of a tensor, as a copy; `undefined` if nothing. Of a pass over many rows, the last one. */
export function kept(name: string, tensor: Tensor): Tensor | undefined {
  const macroStep = /^macro\.(\d+)\./.exec(name);
  if (macroStep === null || Number(macroStep[1]) >= MOST_DETAILED) return undefined;
  if (LAST_ROW_OF_HEADS.test(name)) return lastRowOfHeads(tensor);
  if (LAST_ROW_READ.test(name)) return tensor.rows(tensor.shape[0]! - 1, tensor.shape[0]!).clone();
  return READ_WHOLE.test(name) ? tensor.clone() : undefined;
}

/** `[H, T, n]` to `[H, 1, n]`. */
function lastRowOfHeads(weights: Tensor): Tensor {
  const [H, T, n] = weights.shape as [number, number, number];
  const data = weights.data.slice(0, H * n);
  for (let h = 0; h < H; h++) data.set(weights.data.subarray((h * T + T - 1) * n, (h + 1) * T * n), h * n);
  return new Tensor(data, [H, 1, n]);
}

/** Generates as {@link generate} does, to the same bits, and keeps what an explanation needs. */
export function* recordedGeneration(
  model: Model,
  options: Omit<GenerateOptions, 'trace' | 'probabilities'>,
): Generator<GeneratedToken, Recording> {
  const tensors = new Map<string, Tensor>();
  const trace = namedTrace((name, tensor) => {
    const part = kept(name, tensor);
    if (part !== undefined) tensors.set(name, part);
  });
  const macroSteps: GeneratedToken[][] = [];
  const steps = generate(model, { ...options, probabilities: true, trace });
  let next = steps.next();
  for (; !next.done; next = steps.next()) {
    const token = next.value;
    macroSteps[token.macroStep] ??= [];
    macroSteps[token.macroStep]!.push(token);
    yield token;
  }
  const { entryPositions, stopReason } = next.value;
  return { macroSteps, entryPositions: [...entryPositions], stopReason, tensors };
}
