/**
 * SPEC #batching — several generations at a time, each to the bit what it is alone. The matrix products of a pass run over the rows of all
 * sequences, so that weights are read once for all of them; attention, positions, caches and decisions are those of each.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { inWorkspace, type Model } from '../model/model.ts';
import { discardTrace, type Trace } from '../trace.ts';
import type { GeneratedToken, GenerateOptions, Generation } from './generate.ts';
import { checkGeneration, type GenerationState, startGeneration } from './generation-state.ts';
import type { GoingOn } from './macro-step.ts';
import { nextMacroSteps } from './run.ts';

/** One of the generations of a batch. Each has its own prompt, limits, profile, threshold, choice and tokens that end it. */
export type BatchRequest = Omit<GenerateOptions, 'trace'>;

/** What a batch gives: a token of a request, or what a request came to. Requests are numbered from 0, in the order given. */
export type BatchEvent =
  | { readonly kind: 'token'; readonly request: number; readonly token: GeneratedToken }
  | { readonly kind: 'end'; readonly request: number; readonly generation: Generation };

/** How generations share a batch. It changes no bit of any of them (batching/C1). */
export interface BatchOptions {
  /** The most that run at a time, at least 1; {@link DEFAULT_PLACES} by default. */
  readonly places?: number;
}

/** Beyond so many the products gain little, and each sequence more needs room for its cache. */
export const DEFAULT_PLACES = 8;

/**
 * Generates for many requests, several at a time, and gives their tokens as they come.
 *
 * A request takes a place as soon as one is free, so that none is empty while there are more. Requests are taken from the iterable one by one,
 * when their turn comes; they can be made meanwhile.
 *
 * ```ts
 * const texts = prompts.map(() => '');
 * for (const event of generateBatch(model, prompts.map((prompt) => ({ prompt, maxTokens: 100 })))) {
 *   if (event.kind === 'token') texts[event.request] += tokenizer.decode([event.token.id]);
 * }
 * ```
 *
 * @returns what each came to, in the order of the requests
 * @throws CallerError batching/C3 (places, or a request that wants a trace), and what `generate` throws, naming the request
 */
export function* generateBatch(
  model: Model,
  requests: Iterable<BatchRequest>,
  { places = DEFAULT_PLACES }: BatchOptions = {},
): Generator<BatchEvent, readonly Generation[]> {
  if (!(Number.isInteger(places) && places >= 1)) {
    throw new CallerError({
      rule: 'batching/C3',
      subject: 'places of a batch',
      expected: 'an integer of at least 1',
      found: `${places}`,
    });
  }
  if (Array.isArray(requests)) {
    for (const [n, request] of (requests as readonly BatchRequest[]).entries()) {
      naming(n, () => checkRequest(model, request));
    }
  }
  const generations: Generation[] = [];
  for (const event of generateTogether(model, starts(model, requests), places)) {
    if (event.kind === 'end') generations[event.request] = event.generation;
    yield event;
  }
  return generations;
}

/** How each request is started. */
function* starts(model: Model, requests: Iterable<BatchRequest>): Generator<() => GenerationState> {
  let n = 0;
  for (const request of requests) {
    const number = n++;
    yield () =>
      naming(number, () => {
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
    hint: 'The tensors of a batch have rows of several sequences; alone, a sequence has the same bits and can be traced',
  });
}

/** Has errors of the caller name the request. */
function naming<T>(request: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CallerError)) throw error;
    const subject = `${error.fault.subject} of request ${request}`;
    throw new CallerError({ ...error.fault, subject }, { cause: error });
  }
}

/** A generation that has a place. */
interface Placed {
  readonly request: number;
  readonly state: GenerationState;
}

/**
 * The loop of {@link generateBatch}, and of a single generation.
 *
 * @param starts what begins each generation, called when there is a place for it
 * @param places the most at a time
 * @param trace of a single generation: receives every intermediate tensor
 */
export function* generateTogether(
  given: Model,
  starts: Iterable<() => GenerationState>,
  places: number,
  trace: Trace = discardTrace,
): Generator<BatchEvent, void> {
  const waiting = starts[Symbol.iterator]();
  // The cache of a sequence lives as long as the sequence, everything else as long as the macro-step.
  const model = inWorkspace(given);
  let placed: readonly Placed[] = [];
  let started = 0;

  /** Starts generations until every place is taken; those that have joined. */
  const join = (): readonly Placed[] => {
    const joined: Placed[] = [];
    while (placed.length < places) {
      const next = waiting.next();
      if (next.done) break;
      const one = { request: started, state: next.value() };
      started += 1;
      joined.push(one);
      placed = [...placed, one];
    }
    return joined;
  };

  /** DECIDE: those of the candidates that have ended leave. */
  const leave = (candidates: readonly Placed[]): readonly BatchEvent[] => {
    const ended: BatchEvent[] = [];
    for (const one of candidates) {
      const generation = one.state.decide();
      if (generation === null) continue;
      one.state.sequence.end();
      placed = placed.filter((other) => other !== one);
      ended.push({ kind: 'end', request: one.request, generation });
    }
    return ended;
  };

  try {
    for (;;) {
      // 1. Whoever has nothing to emit leaves at once, and its place is free again.
      const ended = leave(join());
      yield* ended;
      if (ended.length > 0) continue;
      if (placed.length === 0) return;

      // 2. BASE: one pass over the prompts of those that have joined and the segments of the others.
      const running = placed;
      const sequences = running.map(({ state }) => state.sequence);
      const macroSteps = nextMacroSteps(model, sequences, trace);

      // 3. MICRO and JUDGE: a token of each,
      let microSteps = macroSteps.microSteps();
      let taking = running.map((_, place) => place);
      while (taking.length > 0) {
        const goingOn: GoingOn[] = [];
        for (const [i, place] of taking.entries()) {
          const { request, state } = running[place]!;
          const token = state.choose(microSteps[i]!);
          if (token !== null) yield { kind: 'token', request, token };
          if (state.goesOnWith !== null) goingOn.push({ place, previous: state.goesOnWith });
        }
        // 4. and one more of each whose macro-step goes on; for the others nothing is computed or drawn (batching/C4).
        if (goingOn.length > 0) microSteps = macroSteps.microSteps(goingOn);
        taking = goingOn.map(({ place }) => place);
      }

      // 5. DECIDE: sequences that end leave, the others make their segments pending.
      yield* leave(running);
    }
  } finally {
    // Also where the caller breaks off.
    waiting.return?.();
    model.kernels.free();
    for (const { state } of placed) state.sequence.end();
  }
}
