/**
 * What the worker does: two checkpoints, and runs of both on one prompt. Nothing in it knows that it is in a browser.
 *
 * @module
 */

import {
  type CheckpointBytes,
  type CheckpointInMemory,
  openCheckpointBytes,
} from '../lib/checkpoint/checkpoint-bytes.ts';
import type { GeneratedToken } from '../lib/decode/generate.ts';
import {
  greedyChoice,
  sampleUniforms,
  samplingChoice,
  type TokenChoice,
} from '../lib/decode/token-choice.ts';
import { InvariantError } from '../lib/errors.ts';
import { explain } from '../lib/explain/explain.ts';
import { type Recording, recordedGeneration } from '../lib/explain/record.ts';
import type { Kernels } from '../lib/kernels/kernels.ts';
import { referenceKernels } from '../lib/kernels/reference.ts';
import { simdSupported } from '../lib/kernels/simd/instantiate.ts';
import { simdKernels } from '../lib/kernels/simd/simd.ts';
import { baseCost, embedderCost, microStepCosts } from '../lib/model/cost.ts';
import { type HamburgerModel, isHamburger, type Model } from '../lib/model/model.ts';
import { renderChat } from '../lib/text/chat-template.ts';
import { streamingDecoder } from '../lib/text/streaming-decoder.ts';
import { tokenMetrics } from '../lib/train/token-metrics.ts';
import { broken } from './breaks.ts';
import { CHECKPOINT_FOLDERS, CHECKPOINT_NAMES } from './files.ts';
import type { Files, FromWorker, Lane, Request } from './messages.ts';

/** Most output tokens of a run. */
export const MAX_TOKENS = 128;

/** Loaded models. */
export interface Session {
  readonly kernels: string;
  /** Runs both, and says what comes out as it comes. @throws CallerError, DataError as the library does */
  run(run: number, request: Request, say: (message: FromWorker) => void): void;
}

interface Loaded {
  readonly checkpoint: CheckpointInMemory;
  readonly model: Model;
}

/** Opens both checkpoints. */
export function openSession(files: Files): Session {
  const kernels = simdSupported() ? simdKernels() : referenceKernels('f32');
  const lanes: Readonly<Record<Lane, Loaded>> = {
    base: load(files, 'base', kernels),
    hamburger: load(files, 'hamburger', kernels),
  };
  const { model } = lanes.hamburger;
  if (!isHamburger(model)) {
    throw new InvariantError({ subject: 'toy', expected: 'HAMburger modules', found: 'none' });
  }
  return {
    kernels: kernels.name,
    run(run, request, say) {
      const { prompt, promptTokens } = promptOf(lanes.hamburger.checkpoint, request);
      say({ kind: 'started', run, promptTokens });
      const choice = () => choiceOf(request);
      // In turns, token by token, as both are watched.
      const base = laneOf(run, 'base', lanes.base, { prompt, choice: choice() }, say);
      const state = broken(model, request.breaks);
      try {
        const options = { prompt, choice: choice(), confidence: request.confidence, profile: state.profile };
        const loaded = { ...lanes.hamburger, model: state.model };
        const hamburger = laneOf(run, 'hamburger', loaded, options, say);
        let [first, second] = [base.next(), hamburger.next()];
        while (!(first.done && second.done)) {
          if (!first.done) first = base.next();
          if (!second.done) second = hamburger.next();
        }
        say({
          kind: 'explained',
          run,
          explanation: explained(
            request,
            model,
            state.model,
            prompt,
            lanes.hamburger.checkpoint,
            second.value as Recording,
            state.profile.name,
          ),
        });
      } finally {
        state.repair();
      }
    },
  };
}

function load(files: Files, lane: Lane, kernels: Kernels): Loaded {
  const folder = CHECKPOINT_FOLDERS[lane];
  const contents = Object.fromEntries(
    CHECKPOINT_NAMES.map((name) => [name, files.get(`${folder}/${name}`)]),
  ) as unknown as CheckpointBytes;
  const checkpoint = openCheckpointBytes(folder, contents);
  return { checkpoint, model: checkpoint.loadModel(kernels) };
}

/** The prompt as `generate --chat` has it. */
function promptOf({ tokenizer, chatTemplate }: CheckpointInMemory, request: Request) {
  const text = renderChat(chatTemplate ?? '', [{ role: 'user', content: request.prompt }], {
    bosToken: tokenizer.bosToken?.text ?? null,
    eosToken: tokenizer.eosToken?.text ?? null,
    addGenerationPrompt: true,
  });
  const prompt = tokenizer.encodeWithoutSpecials(text);
  return { prompt, promptTokens: prompt.length };
}

function choiceOf({ temperature, seed }: Request): TokenChoice {
  return temperature === 0
    ? greedyChoice
    : samplingChoice({ temperature, uniforms: sampleUniforms(seed, 0) });
}

/** Generates one lane, and says each token. */
function* laneOf(
  run: number,
  lane: Lane,
  { model, checkpoint }: Loaded,
  options: Omit<Parameters<typeof recordedGeneration>[1], 'maxTokens'>,
  say: (message: FromWorker) => void,
): Generator<GeneratedToken, Recording> {
  const steps = recordedGeneration(model, { ...options, maxTokens: MAX_TOKENS });
  const decoder = streamingDecoder(checkpoint.tokenizer, options.prompt, { skipSpecialTokens: false });
  let segment = 0;
  let earlier = 0;
  for (let next = steps.next(); ; next = steps.next()) {
    if (next.done) {
      say({ kind: 'ended', run, lane });
      return next.value;
    }
    const token = next.value;
    const entries = options.prompt.length + token.macroStep;
    if (token.microIndex === 0) [earlier, segment] = [segment, 0];
    segment += 1;
    const work = workOf(model, token, options.prompt.length, earlier);
    say({ kind: 'token', run, lane, token: { token, text: decoder.push(token.id), work, entries } });
    yield token;
  }
}

/** Numbers read from memory for a token: its micro-step, and at micro index 0 the pass of the base before it. */
function workOf(
  { config }: Model,
  { macroStep, microIndex }: GeneratedToken,
  promptTokens: number,
  segmentTokens: number,
): number {
  const { microStepDecoder, stopHead, lmHead } = microStepCosts(config, microIndex);
  const own = microStepDecoder.numbersRead + stopHead.numbersRead + lmHead.numbersRead;
  if (microIndex > 0) return own;
  if (macroStep === 0) return own + baseCost(config, promptTokens, 0).numbersRead;
  const embedder = embedderCost(config, segmentTokens).numbersRead;
  return own + embedder + baseCost(config, 1, promptTokens + macroStep - 1).numbersRead;
}

function explained(
  request: Request,
  whole: HamburgerModel,
  { config }: Model,
  prompt: readonly number[],
  { tokenizer }: CheckpointInMemory,
  recording: Recording,
  profile: string,
) {
  const response = recording.macroSteps.flatMap((tokens) => tokens.map(({ id }) => id));
  const { confidence, temperature, seed } = request;
  return explain({
    ...recording,
    config,
    settings: {
      mode: 'hamburger',
      profile: request.breaks.length === 0 ? profile : `${profile}, broken: ${request.breaks.join(', ')}`,
      confidence,
      numerics: 'f32',
      temperature,
      seed: temperature === 0 ? null : seed,
    },
    prompt,
    tokenizer,
    metrics:
      prompt.length + response.length > config.maxPositionEmbeddings + 1
        ? null
        : tokenMetrics(whole, { prompt, response }),
  });
}
