/**
 * SPEC #batching — several generations at a time, each to the bit what it is alone. The matrix products of a pass run over the rows of all
 * sequences, so that weights are read once for all of them; attention, positions, caches and decisions are those of each.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import { discardTrace, type Trace } from '../trace.ts';
import type { GeneratedToken, GenerateOptions, Generation } from './generate.ts';
import { checkGeneration, type GenerationState, startGeneration } from './generation-state.ts';
import type { GoingOn } from './macro-step.ts';
import { nextMacroSteps } from './run.ts';

/** One of the generations of a batch. Each has its own prompt, limits, profile, threshold, choice and tokens that end it. */
export type BatchRequest = Omit<GenerateOptions, 'trace'>;

/** What a batch gives: a token, or what a generation came to. `sequence` counts the requests, from 0. */
export type BatchEvent =
  | { readonly kind: 'token'; readonly sequence: number; readonly token: GeneratedToken }
  | { readonly kind: 'end'; readonly sequence: number; readonly generation: Generation };

/** How generations share a batch. It changes no bit of any of them. */
export interface BatchOptions {
  /** The most that run at a time, at least 1; {@link DEFAULT_BATCH_SIZE} by default. */
  readonly size?: number;
}

/** Beyond so many the products gain little, and each sequence more needs room for its cache. */
export const DEFAULT_BATCH_SIZE = 16;

/**
 * Generates for many requests, several at a time, and gives their tokens as they come. A request joins as soon as one before it has ended, so its place
 * is never empty while there are more; they are taken one by one, when their turn comes.
 *
 * ```ts
 * for (const event of generateBatch(model, prompts.map((prompt) => ({ prompt, maxTokens: 100 })))) {
 *   if (event.kind === 'token') texts[event.sequence] += tokenizer.decode([event.token.id]);
 * }
 * ```
 *
 * @returns what each came to, in the order of the requests
 * @throws CallerError batching/C3 (size, or a request that wants a trace), and what {@link generate} throws, naming the request
 */
export function* generateBatch(
  model: Model,
  requests: Iterable<BatchRequest>,
  { size = DEFAULT_BATCH_SIZE }: BatchOptions = {},
): Generator<BatchEvent, readonly Generation[]> {
  const rule = 'batching/C3';
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new CallerError({
      rule,
      subject: 'batch size',
      expected: 'an integer of at least 1',
      found: `${size}`,
    });
  }
  // A list is checked before anything is run; of others, a request is seen when its turn comes.
  if (Array.isArray(requests)) {
    for (const [n, request] of (requests as readonly BatchRequest[]).entries()) {
      naming(`request ${n}`, () => checkRequest(model, request));
    }
  }
  const generations: Generation[] = [];
  for (const event of generateTogether(model, starts(model, requests), size)) {
    if (event.kind === 'end') generations[event.sequence] = event.generation;
    yield event;
  }
  return generations;
}

/** How each request is started. */
function* starts(model: Model, requests: Iterable<BatchRequest>): Generator<() => GenerationState> {
  let n = 0;
  for (const request of requests) {
    const name = `request ${n}`;
    n += 1;
    yield () =>
      naming(name, () => {
        checkRequest(model, request);
        return startGeneration(model, request);
      });
  }
}

/** @throws CallerError batching/C3, or what is wrong with the request */
function checkRequest(model: Model, request: BatchRequest): void {
  checkGeneration(model, request);
  if (!('trace' in request) || request.trace === undefined) return;
  throw new CallerError({
    rule: 'batching/C3',
    subject: 'trace',
    expected: 'none',
    found: 'one',
    hint: 'The tensors of a batch have rows of several sequences; run alone, a sequence has the same bits to be traced',
  });
}

/** Has errors of the caller name the request. */
function naming<T>(request: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    const { subject } = error.fault;
    throw new CallerError({ ...error.fault, subject: `${subject} of ${request}` }, { cause: error });
  }
}

/** A generation that has a place in the batch. */
interface Place {
  /** Its number among all of the run. */
  readonly sequence: number;
  readonly state: GenerationState;
}

/**
 * The loop of {@link generateBatch}, and of a single generation.
 *
 * @param starts what begins each generation, called when its turn comes
 * @param size the most at a time
 * @param trace receives every intermediate tensor; of one sequence at a time
 */
export function* generateTogether(
  model: Model,
  starts: Iterable<() => GenerationState>,
  size: number,
  trace: Trace = discardTrace,
): Generator<BatchEvent, void> {
  const waiting = starts[Symbol.iterator]();
  const workspace = model.kernels.workspace();
  let places: readonly Place[] = [];
  let started = 0;

  /** Starts generations until every place is taken; those that have joined. */
  const join = (): readonly Place[] => {
    const joined: Place[] = [];
    while (places.length < size) {
      const next = waiting.next();
      if (next.done) break;
      const place = { sequence: started, state: next.value() };
      started += 1;
      joined.push(place);
      places = [...places, place];
    }
    return joined;
  };

  /** DECIDE: those of the candidates that have ended leave. */
  const leave = (candidates: readonly Place[]): readonly BatchEvent[] => {
    const ended: BatchEvent[] = [];
    for (const place of candidates) {
      const generation = place.state.decide();
      if (generation === null) continue;
      place.state.sequence.end();
      places = places.filter((other) => other !== place);
      ended.push({ kind: 'end', sequence: place.sequence, generation });
    }
    return ended;
  };

  try {
    for (;;) {
      // PREFILL: others join where there is a place.
      const ended = leave(join());
      yield* ended;
      // Whoever had nothing to emit leaves a place behind.
      if (ended.length > 0) continue;
      if (places.length === 0) return;

      // BASE: one pass over the prompts of those that have joined and the segments of the others.
      const running = places;
      const sequences = running.map(({ state }) => state.sequence);
      const macroSteps = nextMacroSteps(model, workspace, sequences, trace);

      // MICRO: a token of each sequence, then one more of each whose macro-step goes on; the others wait until all have ended.
      let microSteps = macroSteps.microSteps();
      let taking = running.map((_, place) => place);
      while (taking.length > 0) {
        const goingOn: GoingOn[] = [];
        for (const [i, place] of taking.entries()) {
          const { sequence, state } = running[place]!;
          const token = state.choose(microSteps[i]!);
          if (token !== null) yield { kind: 'token', sequence, token };
          if (state.goesOnWith !== null) goingOn.push({ place, previous: state.goesOnWith });
        }
        if (goingOn.length > 0) microSteps = macroSteps.microSteps(goingOn);
        taking = goingOn.map(({ place }) => place);
      }

      // DECIDE: sequences that end leave, the others make their segments pending.
      yield* leave(places);
    }
  } finally {
    // Also where the caller breaks off.
    waiting.return?.();
    workspace.free();
    for (const { state } of places) state.sequence.end();
  }
}
