/**
 * What page and worker say to each other.
 *
 * @module
 */

import type { GeneratedToken } from '../lib/decode/generate.ts';
import type { Explanation } from '../lib/explain/explanation.ts';
import type { BreakName } from './breaks.ts';

/** The two decoders that race. */
export type Lane = 'base' | 'hamburger';

/** What is asked for. */
export interface Request {
  /** The user's message. */
  readonly prompt: string;
  readonly confidence: number;
  /** 0 for the likeliest token. */
  readonly temperature: number;
  readonly seed: string;
  readonly breaks: readonly BreakName[];
}

/** The files of the checkpoints, by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

export type ToWorker =
  | { readonly kind: 'files'; readonly files: Files }
  /** Answers carry the number, so that those of an earlier request can be told from it. */
  | { readonly kind: 'run'; readonly run: number; readonly request: Request };

/** A token of a lane. */
export interface LaneToken {
  readonly token: GeneratedToken;
  readonly text: string;
  /** What it took, in numbers read from memory (SPEC #cost). */
  readonly work: number;
  /** KV entries that are held when it is emitted. */
  readonly entries: number;
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly kernels: string }
  | { readonly kind: 'started'; readonly run: number; readonly promptTokens: number }
  | { readonly kind: 'token'; readonly run: number; readonly lane: Lane; readonly token: LaneToken }
  | { readonly kind: 'ended'; readonly run: number; readonly lane: Lane }
  | { readonly kind: 'explained'; readonly run: number; readonly explanation: Explanation }
  | { readonly kind: 'failed'; readonly run: number; readonly message: string };
