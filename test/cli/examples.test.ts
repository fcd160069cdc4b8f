/** Every example of every help text is run, in one folder and in order, as a user would who types them from the top. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import { BYTE_VOCABULARY_SIZE } from '../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  plainConfig,
  tensorFile,
  tensorsOf,
  tiedConfig,
  writeFolder,
} from '../helpers/checkpoint-folders.ts';
import { graftJson, pretrainJson } from '../helpers/recipes.ts';
import { hamburger, stdoutOf, workFolder } from './run.ts';

/** Each command's words. `init` first: other examples use what its examples make. */
const commands = [
  ['init'],
  [],
  ['generate'],
  ['inspect'],
  ['trace'],
  ['explain'],
  ['segment'],
  ['distill'],
  ['train'],
  ['eval'],
  ['calibrate'],
  ['import'],
  ['import', 'llama2c'],
  ['import', 'hf'],
  ['import', 'hamburger'],
  ['export'],
  ['bench'],
];

/** The examples of a help text, as words. */
function examplesOf(help: string): string[][] {
  const [, section] = help.split('\nExamples:\n');
  expect(section).toBeDefined();
  const lines = section!
    .replaceAll(/\\\n\s*/g, '')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const [, command] = /^ {2}\$ hamburger (.*)$/.exec(line)!;
    const words = Array.from(command!.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, bare]) => quoted ?? bare!);
    return words;
  });
}

/** A model of llama2.c with zeros for weights but ones for norms, and its tokenizer. */
function writeLlama2c(folder: string): void {
  const [dim, hidden, layers, heads, kvHeads, positions] = [8, 12, 1, 2, 1, 16];
  const texts = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
    ' ',
  ];
  const floats = new Float32Array(
    texts.length * dim +
      2 * layers * dim +
      layers * (2 * dim * dim + 2 * ((dim / heads) * kvHeads) * dim) +
      layers * 3 * dim * hidden +
      dim +
      positions * (dim / heads),
  ).fill(0.5);
  const header = Int32Array.of(dim, hidden, layers, heads, kvHeads, texts.length, positions);
  writeFileSync(
    join(folder, 'model.bin'),
    Buffer.concat([Buffer.from(header.buffer), Buffer.from(floats.buffer)]),
  );
  const entries = texts.map((text) => {
    const head = Buffer.alloc(8);
    head.writeInt32LE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  });
  writeFileSync(join(folder, 'tokenizer.bin'), Buffer.concat([Buffer.of(8, 0, 0, 0), ...entries]));
}

/** With the vocabulary of the byte tokenizer. */
const trainedModel = configJson({ ...plainConfig, vocabSize: BYTE_VOCABULARY_SIZE }, 'F32');

describe('examples of the help texts', () => {
  const cwd = workFolder();
  writeLlama2c(cwd);
  writeFolder(join(cwd, 'llama'), checkpointFiles(plainConfig));
  writeFolder(cwd, {
    'hamburger.safetensors': tensorFile(tensorsOf(tiedConfig)),
    'config.json': configJson(tiedConfig, 'F32'),
    'prompts.jsonl': '{"prompt": "Once"}\n',
    'test.jsonl': `${JSON.stringify({
      ...{ family: 'lookup', id: 'test/lookup/0', unseen: false, prompt: 'Who?', response: 'Mila.' },
      check: { answer: 'Mila.' },
    })}\n`,
    'train.jsonl': '{"prompt": "One day", "response": "."}\n',
    'pretrain.json': pretrainJson({ model: trainedModel, steps: 1 }),
    'graft.json': graftJson({ base: 'base-run/checkpoint', epochs: 1 }),
  });

  it.each(commands.map((command) => [['hamburger', ...command].join(' '), command] as const))(
    '%s --help has examples that work',
    async (_, command) => {
      const help = await stdoutOf([...command, '--help']);
      expect(help).toMatch(/^Usage: hamburger/);
      const examples = examplesOf(help);
      expect(examples.length).toBeGreaterThan(0);
      for (const args of examples) {
        // What an example is to make, another one may have made before it.
        const replaces = ['trace', 'explain', 'distill', 'train'].some((name) => args.includes(name));
        const making = args.includes('--out') && !replaces ? ['--force'] : [];
        const { code, stderr } = await hamburger([...args, ...making], { cwd });
        expect({ args, code, stderr }).toEqual({
          args,
          code: 0,
          stderr: expect.not.stringContaining('hamburger:'),
        });
      }
    },
    60_000,
  );
});
