import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import type { WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { type CheckpointContents, writeCheckpoint } from '../../lib/checkpoint/write-checkpoint.ts';
import { CallerError } from '../../lib/errors.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import {
  contentsOf,
  elementsOf,
  faultOf,
  folderOf,
  temporaryFolder,
  tiedConfig,
} from '../helpers/checkpoint-folders.ts';

const contents = (changes: Partial<CheckpointContents> = {}): CheckpointContents => ({
  config: tiedConfig,
  dtype: 'F32',
  tensor: (name, shape) => Float64Array.from(elementsOf(name, shape)),
  ...changes,
});

/** Every element of the checkpoint in a folder, by name. */
function elements(folder: string): Record<string, readonly number[]> {
  const checkpoint = openCheckpoint(folder);
  const all = checkpoint.tensors.map(({ name, shape }) => {
    const into = new Float64Array(sizeOf(shape));
    checkpoint.readTensor(name, into);
    return [name, Array.from(into)] as const;
  });
  checkpoint.close();
  return Object.fromEntries(all);
}

const expected = Object.fromEntries(
  parameters(tiedConfig).map(({ name, shape }) => [name, elementsOf(name, shape)]),
);

describe('what is written', () => {
  it.each(['F64', 'F32', 'BF16', 'F16'] satisfies WeightDtype[])('%s reads back the same', (dtype) => {
    const out = join(temporaryFolder(), 'out');
    writeCheckpoint(out, contents({ dtype }));
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.config).toEqual(tiedConfig);
    expect(new Set(checkpoint.tensors.map((stored) => stored.dtype))).toEqual(new Set([dtype]));
    expect(elements(out)).toEqual(expected);
    expect(readdirSync(out).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  it('single tensors may have another element type', () => {
    const out = join(temporaryFolder(), 'out');
    const dtypeOf = (name: string): WeightDtype => (name.endsWith('norm.weight') ? 'F32' : 'BF16');
    writeCheckpoint(out, contents({ dtype: 'BF16', dtypeOf }));
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    for (const { name, dtype } of checkpoint.tensors) expect([name, dtype]).toEqual([name, dtypeOf(name)]);
    expect(elements(out)).toEqual(expected);
  });

  it('has tokenizer, generation_config.json and further files', () => {
    const out = join(temporaryFolder(), 'out');
    const tokenizer = { tokenizer: byteTokenizerJson(), tokenizerConfig: byteTokenizerConfigJson() };
    const generationConfig = { eos_token_id: [2], temperature: 0.5 };
    const config = { ...tiedConfig, vocabSize: 258 };
    const files = new Map([['chat_template.jinja', new TextEncoder().encode('{{ x }}')]]);
    writeCheckpoint(out, contents({ config, tokenizer, generationConfig, files }));
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.tokenizer!.encode('a')).toEqual([256, 97]);
    expect(checkpoint.chatTemplate).toBe('{{ x }}');
    expect(readFileSync(join(out, 'generation_config.json'), 'utf8')).toBe(
      '{\n  "eos_token_id": [2],\n  "temperature": 0.5\n}\n',
    );
  });

  it('is the same to the byte each time, and Transformers finds its format', () => {
    const [first, second] = [join(temporaryFolder(), 'a'), join(temporaryFolder(), 'b')];
    for (const out of [first, second]) writeCheckpoint(out, contents({ dtype: 'BF16' }));
    expect(contentsOf(first)).toEqual(contentsOf(second));
    const header = readFileSync(join(first, 'model.safetensors')).subarray(8, 60).toString();
    expect(header).toContain('"__metadata__":{"format":"pt"}');
  });

  it('asks for each tensor once, in order, when its turn has come', () => {
    const asked: string[] = [];
    const events: string[] = [];
    writeCheckpoint(
      join(temporaryFolder(), 'out'),
      contents({
        tensor(name, shape) {
          asked.push(name);
          events.push('asked');
          return Float32Array.from(elementsOf(name, shape));
        },
      }),
      { onTensor: (done, total) => events.push(`${done} of ${total}`) },
    );
    const names = parameters(tiedConfig).map(({ name }) => name);
    expect(asked).toEqual(names);
    const n = names.length;
    // Tensor i is asked for after "i of n" was reported: not all of them first.
    expect(events.slice(0, 4)).toEqual(['asked', `1 of ${n}`, 'asked', `2 of ${n}`]);
    expect(events.at(-1)).toBe(`${n} of ${n}`);
    expect(events.length).toBe(2 * n);
  });
});

describe('checkpoint/C6: what is there already', () => {
  it('stays, unless it is to be replaced', () => {
    const out = join(temporaryFolder(), 'out');
    writeCheckpoint(out, contents());
    const before = contentsOf(out);
    expect(faultOf(() => writeCheckpoint(out, contents({ dtype: 'F64' })), CallerError).subject).toBe(out);
    expect(contentsOf(out)).toEqual(before);
    writeCheckpoint(out, contents({ dtype: 'F64' }), { force: true });
    expect(contentsOf(out)).not.toEqual(before);
  });

  it.each([
    ['a folder of other files', { 'letter.txt': 'x' }],
    ['a folder with only one of the files', { 'config.json': '{}', 'letter.txt': 'x' }],
    ['a checkpoint with a folder inside', { 'config.json': '{}', 'model.safetensors': '', 'sub/x': '' }],
  ])('%s is not replaced even then', (_, files) => {
    const out = folderOf(files);
    const before = readdirSync(out);
    const { expected: wanted } = faultOf(
      () => writeCheckpoint(out, contents(), { force: true }),
      CallerError,
    );
    expect(wanted).toBe('a folder that may be replaced');
    expect(readdirSync(out)).toEqual(before);
  });

  it('an empty folder and an old checkpoint with a note in it are', () => {
    const base = temporaryFolder();
    mkdirSync(join(base, 'empty'));
    writeCheckpoint(join(base, 'empty'), contents(), { force: true });
    writeFileSync(join(base, 'empty', 'README.md'), 'note');
    writeCheckpoint(join(base, 'empty'), contents(), { force: true });
    expect(readdirSync(join(base, 'empty')).sort()).toEqual(['config.json', 'model.safetensors']);
  });

  it('nothing is left when a tensor cannot be had', () => {
    const base = temporaryFolder();
    const tensor = (name: string, shape: readonly number[]) => {
      if (name.includes('norm')) throw new RangeError('no');
      return new Float32Array(sizeOf(shape));
    };
    expect(() => writeCheckpoint(join(base, 'out'), contents({ tensor }))).toThrow(RangeError);
    expect(readdirSync(base)).toEqual([]);
  });
});

describe('what is refused', () => {
  const writing = (changes: Partial<CheckpointContents>) => {
    const base = temporaryFolder();
    const fault = faultOf(() => writeCheckpoint(join(base, 'out'), contents(changes)), CallerError);
    expect(readdirSync(base)).toEqual([]);
    return fault;
  };
  /** Contents with one element of `comp_embedder.merger.pos`, `[4, 8]`, changed. */
  const withElement = (dtype: WeightDtype, value: number): Partial<CheckpointContents> => ({
    dtype,
    tensor(name, shape) {
      const values = Float64Array.from(elementsOf(name, shape));
      if (name === 'comp_embedder.merger.pos') values[13] = value;
      return values;
    },
  });

  it.each<[WeightDtype, number]>([
    ['F32', Number.NaN],
    ['F64', Number.NEGATIVE_INFINITY],
    ['F16', 65520],
    ['F16', -65520],
    ['BF16', 2 ** 128 - 2 ** 119],
    ['F32', 2 ** 128 - 2 ** 103],
  ])('checkpoint/C3: in %s, %d is not finite', (dtype, value) => {
    expect(writing(withElement(dtype, value))).toEqual({
      rule: 'checkpoint/C3',
      subject: 'tensor "comp_embedder.merger.pos" to be written, element [1, 5]',
      expected: `a finite number of ${dtype}`,
      found: `${value}`,
    });
  });

  it.each<[WeightDtype, number, number]>([
    ['F16', 65519.99, 65504],
    ['BF16', -(2 ** 128 - 2 ** 119 - 2 ** 76), -(2 ** 128 - 2 ** 120)],
    ['F32', 2 ** 128 - 2 ** 103 - 2 ** 76, 2 ** 128 - 2 ** 104],
    ['F64', Number.MAX_VALUE, Number.MAX_VALUE],
  ])('in %s, %d is: the largest number', (dtype, value, stored) => {
    const out = join(temporaryFolder(), 'out');
    writeCheckpoint(out, contents(withElement(dtype, value)));
    expect(elements(out)['comp_embedder.merger.pos']![13]).toBe(stored);
  });

  it('a configuration that breaks a rule', () => {
    expect(writing({ config: { ...tiedConfig, numKeyValueHeads: 3 } }).rule).toBe('configuration/C3');
  });

  it('a generation_config.json by which another configuration would be read', () => {
    expect(writing({ generationConfig: { eos_token_id: 5 } })).toEqual({
      subject: 'generation_config.json: eos_token_id',
      expected: '[2] like the configuration',
      found: '[5]',
    });
  });

  it('too few elements', () => {
    const { subject } = writing({ tensor: () => new Float32Array(3) });
    expect(subject).toContain('model.model.embed_tokens.weight');
  });
});
