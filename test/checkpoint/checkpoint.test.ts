import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import type { WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { parameters } from '../../lib/model/weights.ts';
import type { Tensor } from '../../lib/tensor/tensor.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  elementsOf,
  faultOf,
  folderOf,
  plainConfig,
  type TestFiles,
  type TestTensor,
  tensorFile,
  tensorsOf,
  tiedConfig,
  untiedConfig,
} from '../helpers/checkpoint-folders.ts';

const folder = (changes: TestFiles = {}, config = tiedConfig) =>
  folderOf({ ...checkpointFiles(config), ...changes });
const opening = (path: string) => faultOf(() => openCheckpoint(path).close());

/** `model.safetensors` with some of the tensors otherwise; null leaves one out. */
function weightsWith(changes: Readonly<Record<string, TestTensor | null>>, config = tiedConfig): TestFiles {
  const entries = Object.entries({ ...tensorsOf(config), ...changes });
  const kept = entries.filter((entry): entry is [string, TestTensor] => entry[1] !== null);
  return { 'model.safetensors': tensorFile(Object.fromEntries(kept)) };
}

const byteConfig = { ...tiedConfig, vocabSize: 258 };
const tokenizerFiles = {
  'tokenizer.json': byteTokenizerJson(),
  'tokenizer_config.json': byteTokenizerConfigJson(),
};

describe('a good folder', () => {
  it.each([
    ['F64', 'f64'],
    ['F32', 'f64'],
    ['F32', 'f32'],
    ['BF16', 'f32'],
    ['F16', 'f32'],
    ['F64', 'f32'],
  ] as const)('%s is loaded into %s, every tensor in its place', (dtype, numerics) => {
    const path = folderOf(checkpointFiles(tiedConfig, dtype));
    const checkpoint = openCheckpoint(path);
    const { weights, config, kernels } = checkpoint.loadModel(referenceKernels(numerics));
    checkpoint.close();
    expect(config).toEqual(tiedConfig);
    expect(kernels.numerics).toBe(numerics);
    // From the other end: objects of the model, and what the file is known to hold under their names.
    const places: [string, Tensor][] = [
      ['model.model.embed_tokens.weight', weights.embed_tokens],
      ['model.model.layers.2.self_attn.k_proj.weight', weights.layers[2]!.self_attn.k_proj.weight],
      ['model.model.layers.0.mlp.down_proj.weight', weights.layers[0]!.mlp.down_proj.weight],
      ['model.model.norm.weight', weights.norm],
      ['comp_embedder.merger.pos', weights.comp_embedder!.merger.pos],
      ['comp_embedder.out_proj.bias', weights.comp_embedder!.out_proj.bias!],
      ['micro_step_decoder.stop_head.4.weight', weights.micro_step_decoder!.stop_head[4].weight],
      ['micro_step_decoder.stop_head.4.bias', weights.micro_step_decoder!.stop_head[4].bias!],
    ];
    for (const [name, tensor] of places) {
      expect(tensor.numerics).toBe(numerics);
      expect([...tensor.data], name).toEqual(elementsOf(name, tensor.shape));
    }
    expect(weights.lm_head).toBe(weights.embed_tokens);
  });

  it('lists its tensors in the order of SPEC, whatever the order of the file', () => {
    const reversed = Object.fromEntries(Object.entries(tensorsOf(untiedConfig)).reverse());
    const checkpoint = openCheckpoint(folder({ 'model.safetensors': tensorFile(reversed) }, untiedConfig));
    checkpoint.close();
    expect(checkpoint.tensors.map(({ name }) => name)).toEqual(
      parameters(untiedConfig).map(({ name }) => name),
    );
    expect(checkpoint.tensors.at(-1)).toEqual({
      name: 'lm_head.weight',
      dtype: 'F32',
      shape: [19, 16],
      file: 'model.safetensors',
      bytes: 19 * 16 * 4,
    });
  });

  it('may be in several files', () => {
    const tensors = Object.entries(tensorsOf(tiedConfig));
    const shards = [tensors.slice(0, 9), tensors.slice(9)].map((part) => Object.fromEntries(part));
    const map = shards.flatMap((shard, i) =>
      Object.keys(shard).map((name) => [name, `part-${i}.safetensors`]),
    );
    const path = folderOf({
      'config.json': checkpointFiles(tiedConfig)['config.json'],
      'model.safetensors.index.json': { metadata: {}, weight_map: Object.fromEntries(map) },
      'part-0.safetensors': tensorFile(shards[0]!),
      'part-1.safetensors': tensorFile(shards[1]!),
    });
    const [whole, parts] = [folder(), path].map((place) => {
      const checkpoint = openCheckpoint(place);
      const { weights } = checkpoint.loadModel(referenceKernels('f32'));
      checkpoint.close();
      return weights;
    });
    expect(parts).toEqual(whole);
  });

  it('is read straight into arrays of the kernels, each once, so that memory stays near the model’s own', () => {
    const made: Tensor[] = [];
    const kernels = {
      ...referenceKernels('f32'),
      empty(shape: readonly number[]) {
        const tensor = referenceKernels('f32').empty(shape);
        made.push(tensor);
        return tensor;
      },
    };
    const progress: [number, number][] = [];
    const checkpoint = openCheckpoint(folder());
    const { weights } = checkpoint.loadModel(kernels, (done, total) => progress.push([done, total]));
    checkpoint.close();
    const count = parameters(tiedConfig).length;
    expect(made.length).toBe(count);
    expect(made).toContain(weights.norm);
    expect(made).toContain(weights.micro_step_decoder!.decoders[0]!.mlp.up_proj.weight);
    expect(progress).toEqual(Array.from({ length: count }, (_, i) => [i + 1, count]));
  });

  it('gives single tensors, and nothing after it is closed', () => {
    const checkpoint = openCheckpoint(folder());
    const into = new Float64Array(16);
    checkpoint.readTensor('model.model.norm.weight', into);
    expect([...into]).toEqual(elementsOf('model.model.norm.weight', [16]));
    expect(faultOf(() => checkpoint.readTensor('model.norm.weight', into), CallerError)).toMatchObject({
      expected: 'a parameter "model.norm.weight"',
    });
    checkpoint.close();
    checkpoint.close();
    const closed = { expected: 'an open checkpoint', found: 'a closed one' };
    expect(faultOf(() => checkpoint.loadModel(referenceKernels('f32')), CallerError)).toMatchObject(closed);
    expect(faultOf(() => checkpoint.readTensor('model.model.norm.weight', into), CallerError)).toMatchObject(
      closed,
    );
  });
});

describe('tokenizer and chat template', () => {
  it('are null where there are none', () => {
    const checkpoint = openCheckpoint(folder());
    checkpoint.close();
    expect(checkpoint).toMatchObject({ tokenizer: null, chatTemplate: null, bosToken: null, eosToken: null });
  });

  it('are read', () => {
    const template = '{{ messages[0].content }}';
    const files = {
      ...tokenizerFiles,
      'tokenizer_config.json': { ...Object(byteTokenizerConfigJson()), chat_template: template },
    };
    const checkpoint = openCheckpoint(folder(files, byteConfig));
    checkpoint.close();
    expect(checkpoint.tokenizer!.encode('ab')).toEqual([256, 97, 98]);
    expect(checkpoint).toMatchObject({ chatTemplate: template, bosToken: '<|begin|>', eosToken: '<|end|>' });
  });

  it('the file of the template goes before the one in tokenizer_config.json, as in Transformers', () => {
    const files = {
      'tokenizer_config.json': { ...Object(byteTokenizerConfigJson()), chat_template: 'old' },
      'chat_template.jinja': 'new\n',
    };
    const checkpoint = openCheckpoint(folder(files, byteConfig));
    checkpoint.close();
    expect([checkpoint.chatTemplate, checkpoint.tokenizer]).toEqual(['new\n', null]);
  });

  it('eos_token_id of generation_config.json goes before that of config.json', () => {
    const checkpoint = openCheckpoint(folder({ 'generation_config.json': { eos_token_id: [4, 5] } }));
    checkpoint.close();
    expect(checkpoint.config.eosTokenIds).toEqual([4, 5]);
  });

  it('a token without an embedding is refused before a text meets it', () => {
    const path = folder(tokenizerFiles, { ...byteConfig, vocabSize: 257 });
    expect(opening(path)).toMatchObject({
      subject: join(path, 'tokenizer.json'),
      expected: 'ids below vocab_size = 257, which have an embedding',
      found: '257',
    });
  });

  it.each([
    ['tokenizer.json', '{"model": ', 'line 1'],
    ['tokenizer.json', { model: { type: 'WordPiece' } }, 'tokenizer.json'],
    ['tokenizer_config.json', '{"a": 1, "a": 2}', 'tokenizer_config.json, line 1, column 10'],
    ['generation_config.json', '[', 'generation_config.json, line 1, column 2'],
    ['generation_config.json', { eos_token_id: 'x' }, 'generation_config.json: eos_token_id'],
    ['config.json', new Uint8Array([0x7b, 0xff]), 'config.json'],
    ['chat_template.jinja', new Uint8Array([0xff]), 'chat_template.jinja'],
  ])('%s that is malformed is named', (name, content, place) => {
    const path = folder({ ...tokenizerFiles, [name]: content }, byteConfig);
    const { subject } = opening(path);
    expect(subject).toContain(join(path, name));
    expect(subject).toContain(place);
  });
});

describe('a folder that is none', () => {
  const expected =
    'a checkpoint folder, which holds config.json and model.safetensors (or model.safetensors.index.json and the files that it names)';
  it.each([
    ['no-such-folder', 'nothing of that name'],
    ['config.json', 'something that is not a folder'],
    ['config.json/inner', 'nothing of that name'],
    ['.', 'a folder without config.json', { 'config.json': null }],
  ])('%s: %s', (name, found, files: TestFiles | undefined = undefined) => {
    const base = files === undefined ? folder() : folderOf({ 'model.safetensors': 'x' });
    const path = join(base, name);
    expect(opening(path)).toEqual({ subject: path, expected, found });
  });

  it('without weights is told so', () => {
    const path = folderOf({ 'config.json': checkpointFiles(tiedConfig)['config.json'] });
    expect(opening(path)).toMatchObject({ subject: path, found: 'neither' });
  });

  it('with a file that is no safetensors is told so', () => {
    const path = folder({ 'model.safetensors': 'hello' });
    expect(opening(path).subject).toBe(join(path, 'model.safetensors'));
  });
});

describe('checkpoint/C1: tensors that are not those of the configuration', () => {
  const norm: TestTensor = { dtype: 'F32', shape: [16], values: elementsOf('n', [16]) };
  const hint = /"hamburger import"/;

  it('one is missing', () => {
    const path = folder(
      weightsWith({ 'model.model.layers.1.mlp.up_proj.weight': null, 'model.model.norm.weight': null }),
    );
    expect(opening(path)).toEqual({
      rule: 'checkpoint/C1',
      subject: path,
      expected:
        'tensor "model.model.layers.1.mlp.up_proj.weight" of shape [22, 16], as its configuration says',
      found: `none of that name (2 of ${parameters(tiedConfig).length} are missing)`,
      hint: expect.stringMatching(hint),
    });
  });

  it('one is left over', () => {
    const path = folder(weightsWith({ 'model.model.layers.3.input_layernorm.weight': norm }));
    expect(opening(path)).toEqual({
      rule: 'checkpoint/C1',
      subject: `${join(path, 'model.safetensors')}, tensor "model.model.layers.3.input_layernorm.weight"`,
      expected: `only the ${parameters(tiedConfig).length} tensors of its configuration`,
      found: 'one more, of shape [16]',
      hint: expect.stringMatching(hint),
    });
  });

  it('checkpoint/C4: a tied table is stored a second time', () => {
    const table: TestTensor = tensorsOf(plainConfig)['model.embed_tokens.weight']!;
    const path = folder(weightsWith({ 'lm_head.weight': table }, plainConfig), plainConfig);
    expect(opening(path)).toMatchObject({
      found: 'one more, of shape [19, 16]',
      hint: expect.stringMatching(hint),
    });
  });

  it.each([
    ['transposed', [16, 22]],
    ['of another rank', [22, 16, 1]],
    ['flat', [352]],
  ])('one is %s', (_, shape) => {
    const name = 'model.model.layers.0.mlp.gate_proj.weight';
    const path = folder(weightsWith({ [name]: { dtype: 'F32', shape, values: elementsOf('x', shape) } }));
    expect(opening(path)).toEqual({
      rule: 'checkpoint/C1',
      subject: `${join(path, 'model.safetensors')}, tensor "${name}"`,
      expected: 'shape [22, 16], as its configuration says',
      found: `[${shape.join(', ')}]`,
    });
  });

  it('all have the names of a plain base', () => {
    const path = folder(weightsWith({}, plainConfig));
    const [missing, found] = [opening(path), 'none of that name'];
    expect(missing.expected).toContain('"model.model.embed_tokens.weight"');
    expect(missing.found).toContain(found);
  });
});

describe('checkpoint/C3: an element that is not finite', () => {
  it.each(['F64', 'F32', 'F16', 'BF16'] satisfies WeightDtype[])(
    '%s: is refused when it is loaded',
    (dtype) => {
      const values = elementsOf('x', [2, 16]);
      values[21] = Number.NaN;
      const config = { ...tiedConfig, hamburger: { ...tiedConfig.hamburger!, maxSteps: 4 } };
      const bad: TestTensor = { dtype, shape: [4, 8], values };
      const path = folder(weightsWith({ 'comp_embedder.merger.pos': bad }, config), config);
      const checkpoint = openCheckpoint(path);
      expect(faultOf(() => checkpoint.loadModel(referenceKernels('f64')))).toEqual({
        rule: 'checkpoint/C3',
        subject: `${join(path, 'model.safetensors')}, tensor "comp_embedder.merger.pos", element [2, 5]`,
        expected: 'a finite number',
        found: 'NaN',
      });
      checkpoint.close();
    },
  );
});
