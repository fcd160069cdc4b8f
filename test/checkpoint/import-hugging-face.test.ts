import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import type { WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { importHuggingFace } from '../../lib/checkpoint/import-hugging-face.ts';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  contentsOf,
  elementsOf,
  faultOf,
  folderOf,
  plainConfig,
  type TestFiles,
  type TestTensor,
  temporaryFolder,
  tensorFile,
  tensorsOf,
  tiedConfig,
  untiedConfig,
} from '../helpers/checkpoint-folders.ts';

const importing = (model: string) => {
  const out = join(temporaryFolder(), 'out');
  return { out, report: importHuggingFace({ model, out }) };
};
const refusal = (model: string) => {
  const out = join(temporaryFolder(), 'out');
  const fault = faultOf(() => importHuggingFace({ model, out }));
  expect(existsSync(out)).toBe(false);
  return fault;
};
/** A folder with more tensors, or other ones. */
const folder = (tensors: Record<string, TestTensor> = {}, files: TestFiles = {}, config = plainConfig) =>
  folderOf({
    ...checkpointFiles(config),
    'model.safetensors': tensorFile({ ...tensorsOf(config), ...tensors }),
    ...files,
  });

const frequencies: TestTensor = { dtype: 'F32', shape: [4], values: [1, 0.1, 0.01, 0.001] };
const table = tensorsOf(plainConfig)['model.embed_tokens.weight']!;

describe('importing a Llama of Hugging Face', () => {
  it.each(['F32', 'BF16', 'F16', 'F64'] satisfies WeightDtype[])('%s is kept', (dtype) => {
    const { out, report } = importing(folderOf(checkpointFiles(untiedConfig, dtype)));
    const checkpoint = openCheckpoint(out);
    const { weights } = checkpoint.loadModel(referenceKernels('f64'));
    checkpoint.close();
    expect(report).toEqual({ config: untiedConfig, dropped: [] });
    expect(checkpoint.config).toEqual(untiedConfig);
    expect(new Set(checkpoint.tensors.map((stored) => stored.dtype))).toEqual(new Set([dtype]));
    expect(Array.from(weights.lm_head.data)).toEqual(elementsOf('lm_head.weight', [19, 16]));
  });

  it('several files become one, the same as from one', () => {
    const names = Object.keys(tensorsOf(plainConfig));
    const shards = [0, 1, 2].map((i) =>
      Object.fromEntries(Object.entries(tensorsOf(plainConfig)).filter((_, at) => at % 3 === i)),
    );
    const name = (i: number) => `model-0000${i + 1}-of-00003.safetensors`;
    const sharded = folderOf({
      'config.json': checkpointFiles(plainConfig)['config.json'],
      'model.safetensors.index.json': {
        metadata: { total_size: 1 },
        weight_map: Object.fromEntries(names.map((tensor, at) => [tensor, name(at % 3)])),
      },
      ...Object.fromEntries(shards.map((shard, i) => [name(i), tensorFile(shard)])),
    });
    const parts = contentsOf(importing(sharded).out);
    expect(Object.keys(parts)).toEqual(['config.json', 'model.safetensors']);
    expect(parts).toEqual(contentsOf(importing(folder()).out));
  });

  it('checkpoint/C4: an LM head beside tied embeddings is dropped, with what else follows from the configuration', () => {
    const { out, report } = importing(
      folder({
        'lm_head.weight': table,
        'model.rotary_emb.inv_freq': frequencies,
        'model.layers.0.self_attn.rotary_emb.inv_freq': frequencies,
      }),
    );
    expect(contentsOf(out)).toEqual(contentsOf(importing(folder()).out));
    expect(report.dropped).toEqual([
      { name: 'model.rotary_emb.inv_freq', reason: 'RoPE frequencies follow from the configuration' },
      {
        name: 'model.layers.0.self_attn.rotary_emb.inv_freq',
        reason: 'RoPE frequencies follow from the configuration',
      },
      { name: 'lm_head.weight', reason: 'the same table as model.embed_tokens.weight, to the bit' },
    ]);
  });

  it('an LM head of its own is kept, also where it happens to be the same', () => {
    const { out } = importing(folder({ 'lm_head.weight': { ...table } }, {}, untiedConfig));
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.tensors.at(-1)!.name).toBe('lm_head.weight');
  });

  it('tokenizer and generation_config.json are taken along to the byte', () => {
    const files = {
      'tokenizer.json': JSON.stringify(byteTokenizerJson()),
      'tokenizer_config.json': JSON.stringify(byteTokenizerConfigJson(), null, 4),
      'generation_config.json': '{ "eos_token_id": [3, 4] }',
      'chat_template.jinja': 'x',
    };
    const { out, report } = importing(folder({}, files, { ...plainConfig, vocabSize: 258 }));
    expect(report.config.eosTokenIds).toEqual([3, 4]);
    const written = contentsOf(out);
    for (const [name, text] of Object.entries(files)) {
      expect(Buffer.from(written[name]!, 'base64').toString(), name).toBe(text);
    }
  });

  it('shows how far it is', () => {
    const done: number[] = [];
    const out = join(temporaryFolder(), 'out');
    importHuggingFace({ model: folder(), out, onTensor: (count) => done.push(count) });
    expect(done).toEqual(Object.keys(tensorsOf(plainConfig)).map((_, i) => i + 1));
  });
});

describe('refusing', () => {
  const changed = (values: ArrayLike<number>, last: number) => [...Array.from(values).slice(0, -1), last];
  it.each<[string, TestTensor]>([
    ['another value', { ...table, values: changed(table.values, 9) }],
    ['another element type', { ...table, dtype: 'BF16' }],
    ['another shape', { ...table, shape: [16, 19] }],
  ])('checkpoint/C4: a tied LM head with %s', (_, head) => {
    const model = folder({ 'lm_head.weight': head });
    expect(refusal(model)).toEqual({
      rule: 'checkpoint/C4',
      subject: `${join(model, 'model.safetensors')}, tensor "lm_head.weight"`,
      expected:
        'the same element type, shape and bits as model.embed_tokens.weight, since the table is shared',
      found: 'a difference',
    });
  });

  it.each([
    ['biases', 'model.layers.0.self_attn.q_proj.bias'],
    ['more layers', 'model.layers.3.input_layernorm.weight'],
    ['what only looks like RoPE frequencies', 'model.rotary_emb.inv_freq.scale'],
  ])('checkpoint/C1: %s', (_, name) => {
    const model = folder({ [name]: { dtype: 'F32', shape: [16], values: elementsOf('x', [16]) } });
    expect(refusal(model)).toMatchObject({ rule: 'checkpoint/C1', found: 'one more, of shape [16]' });
  });

  it('a HAMburger, which needs no import', () => {
    const model = folderOf(checkpointFiles(tiedConfig));
    expect(refusal(model)).toMatchObject({
      subject: model,
      expected: 'a plain Llama',
      found: 'a HAMburger checkpoint',
    });
  });

  it('another kind of model, a tokenizer that is none, an element that is not finite', () => {
    const config = { ...checkpointFiles(plainConfig)['config.json'], model_type: 'mistral' };
    expect(refusal(folder({}, { 'config.json': config })).subject).toMatch(/config\.json: model_type$/);
    expect(refusal(folder({}, { 'tokenizer.json': {} })).subject).toMatch(/tokenizer\.json/);
    const norm: TestTensor = {
      dtype: 'F32',
      shape: [16],
      values: elementsOf('x', [16]).fill(Number.NaN, 7, 8),
    };
    expect(refusal(folder({ 'model.norm.weight': norm }))).toMatchObject({
      rule: 'checkpoint/C3',
      subject: expect.stringMatching(/tensor "model\.norm\.weight", element \[7\]$/),
    });
  });

  it('to replace a folder that nobody asked to replace', () => {
    const model = folder();
    expect(faultOf(() => importHuggingFace({ model, out: model }), CallerError).found).toBe(
      'a folder of that name',
    );
  });
});
