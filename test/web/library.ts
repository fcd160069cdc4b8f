/** What the library says in Node.js of the runs that the playground makes. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GenerateOptions, generate } from '../../lib/decode/generate.ts';
import { openCheckpoint, renderChat, sampleUniforms, samplingChoice, simdKernels } from '../../lib/index.ts';
import { CHECKPOINT_FILES } from '../../web/files.ts';
import type { Request } from '../../web/messages.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = (name: string) => join(root, 'fixtures', 'checkpoints', name);

/** The files that a page fetches. */
export const files = () =>
  new Map(CHECKPOINT_FILES.map((path) => [path, new Uint8Array(readFileSync(folder(path)))]));

export const request: Request = {
  prompt:
    'Write a function solve that takes a number n: add up the numbers from 1 to n that are greater than 8.',
  confidence: 0.8,
  temperature: 0,
  seed: '0',
  breaks: [],
};

const opened = (name: string) => {
  const checkpoint = openCheckpoint(folder(name));
  const model = checkpoint.loadModel(simdKernels());
  checkpoint.close();
  return { checkpoint, model };
};
const checkpoints = { base: opened('toy-base'), hamburger: opened('toy') };

/** The ids of a lane. */
export function idsOf(
  lane: 'base' | 'hamburger',
  { prompt, confidence, temperature, seed }: Request,
  more: Partial<GenerateOptions> = {},
): readonly number[] {
  const { checkpoint, model } = checkpoints[lane];
  const text = renderChat(checkpoint.chatTemplate!, [{ role: 'user', content: prompt }], {
    ...{ bosToken: null, eosToken: '<|end|>', addGenerationPrompt: true },
  });
  const choice =
    temperature === 0 ? {} : { choice: samplingChoice({ temperature, uniforms: sampleUniforms(seed, 0) }) };
  const ids = checkpoint.tokenizer!.encodeWithoutSpecials(text);
  const options = { prompt: ids, maxTokens: 128, confidence, ...choice, ...more };
  return [...generate(model, options)].map(({ id }) => id);
}
