import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import { importStateDict } from '../../lib/checkpoint/import-state-dict.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  contentsOf,
  elementsOf,
  faultOf,
  folderOf,
  plainConfig,
  type TestTensor,
  temporaryFolder,
  tensorFile,
  tensorsOf,
  tiedConfig,
} from '../helpers/checkpoint-folders.ts';

const table = tensorsOf(tiedConfig, 'BF16')['model.model.embed_tokens.weight']!;
/** As it is published: the table three times. */
const published = {
  ...tensorsOf(tiedConfig, 'BF16'),
  'model.lm_head.weight': table,
  'comp_embedder.embedding.weight': table,
};

/** Writes what is to be imported, and gives the arguments of the import. */
function given(
  tensors: Record<string, TestTensor> = published,
  config: object = configJson(tiedConfig, 'BF16'),
) {
  const folder = folderOf({ 'weights.safetensors': tensorFile(tensors), 'base.json': config });
  return {
    model: join(folder, 'weights.safetensors'),
    config: join(folder, 'base.json'),
    out: join(temporaryFolder(), 'out'),
  };
}
const refusal = (args: Parameters<typeof importStateDict>[0]) => {
  const fault = faultOf(() => importStateDict(args));
  expect(existsSync(args.out)).toBe(false);
  return fault;
};

describe('importing the published HAMburger', () => {
  it('checkpoint/C4: the table that is stored three times is stored once; nothing else changes', () => {
    const args = given();
    const reason = 'the same table as model.model.embed_tokens.weight, to the bit';
    expect(importStateDict(args)).toEqual({
      config: tiedConfig,
      dropped: [
        { name: 'comp_embedder.embedding.weight', reason },
        { name: 'model.lm_head.weight', reason },
      ],
    });
    const checkpoint = openCheckpoint(args.out);
    const { weights } = checkpoint.loadModel(referenceKernels('f32'));
    checkpoint.close();
    expect(checkpoint.tensors.map(({ name }) => name)).toEqual(Object.keys(tensorsOf(tiedConfig)));
    expect(new Set(checkpoint.tensors.map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
    expect(Array.from(weights.comp_embedder!.merger.pos.data)).toEqual(
      elementsOf('comp_embedder.merger.pos', [4, 8]),
    );
  });

  it('is the same without the copies, and with RoPE buffers', () => {
    const [plain, full] = [given(tensorsOf(tiedConfig, 'BF16')), given()];
    const frequencies: TestTensor = { dtype: 'F32', shape: [4], values: [1, 1, 1, 1] };
    const buffers = given({
      ...published,
      'model.model.rotary_emb.inv_freq': frequencies,
      'micro_step_decoder.rotary_emb.inv_freq': frequencies,
    });
    const [, , report] = [plain, full, buffers].map(importStateDict);
    expect(report!.dropped.length).toBe(4);
    expect(contentsOf(full.out)).toEqual(contentsOf(plain.out));
    expect(contentsOf(buffers.out)).toEqual(contentsOf(plain.out));
  });

  it('keeps an untied LM head', () => {
    const config = { ...tiedConfig, tieWordEmbeddings: false };
    const tensors = {
      ...tensorsOf(config),
      'comp_embedder.embedding.weight': tensorsOf(config)['model.model.embed_tokens.weight']!,
    };
    const args = given(tensors, configJson(config, 'F32'));
    expect(importStateDict(args).dropped.map(({ name }) => name)).toEqual(['comp_embedder.embedding.weight']);
    const checkpoint = openCheckpoint(args.out);
    checkpoint.close();
    expect(checkpoint.tensors.map(({ name }) => name)).toContain('model.lm_head.weight');
  });

  it("takes tokenizer and generation_config.json from the base's folder, and its ends of a text", () => {
    const config = { ...tiedConfig, vocabSize: 258 };
    const tokenizer = folderOf({
      'tokenizer.json': byteTokenizerJson(),
      'tokenizer_config.json': byteTokenizerConfigJson(),
      'generation_config.json': { eos_token_id: [256, 257] },
      'config.json': {},
    });
    const args = { ...given(tensorsOf(config), configJson(config, 'F32')), tokenizer };
    expect(importStateDict(args).config.eosTokenIds).toEqual([256, 257]);
    const checkpoint = openCheckpoint(args.out);
    checkpoint.close();
    expect(checkpoint.config).toEqual({ ...config, eosTokenIds: [256, 257] });
    expect(checkpoint.tokenizer!.encode('a')).toEqual([256, 97]);
  });
});

describe('refusing', () => {
  it.each(['comp_embedder.embedding.weight', 'model.lm_head.weight'])(
    'checkpoint/C4: a copy that differs: %s',
    (name) => {
      const args = given({ ...published, [name]: { ...table, values: Array.from(table.values, (x) => -x) } });
      expect(refusal(args)).toMatchObject({
        rule: 'checkpoint/C4',
        subject: `${args.model}, tensor "${name}"`,
        found: 'a difference',
      });
    },
  );

  it('a configuration without hamburger: it cannot be guessed', () => {
    const args = given(published, configJson(plainConfig, 'BF16'));
    expect(refusal(args)).toEqual({
      subject: `${args.config}: hamburger`,
      expected: 'max_steps, num_merger_heads, feature_layer_indices and num_micro_layers of the HAMburger',
      found: 'nothing',
    });
  });

  it('checkpoint/C1: tensors of another configuration', () => {
    const fewer = { ...tiedConfig, hamburger: { ...tiedConfig.hamburger!, numMicroLayers: 2 } };
    expect(refusal(given(published, configJson(fewer, 'BF16')))).toMatchObject({
      rule: 'checkpoint/C1',
      found: expect.stringMatching(/^none of that name \(9 of \d+ are missing\)$/),
    });
    const longer = { ...tiedConfig, hamburger: { ...tiedConfig.hamburger!, maxSteps: 5 } };
    expect(refusal(given(published, configJson(longer, 'BF16')))).toMatchObject({
      rule: 'checkpoint/C1',
      subject: expect.stringContaining('comp_embedder.merger.pos'),
      found: '[4, 8]',
    });
  });

  it('a Lightning checkpoint itself, a folder, and what is not there', () => {
    const args = given();
    const pickle = join(folderOf({ 'x.ckpt': 'PK\u0003\u0004 and so on' }), 'x.ckpt');
    expect(refusal({ ...args, model: pickle }).subject).toBe(pickle);
    expect(refusal({ ...args, model: temporaryFolder() }).found).toBe('a folder');
    expect(refusal({ ...args, config: `${args.config}.none` }).found).toBe('no such file');
    expect(refusal({ ...args, tokenizer: `${args.config}.none` })).toMatchObject({
      expected: 'a folder with a tokenizer',
      found: 'nothing of that name',
    });
  });

  it("a tokenizer that does not fit the model's vocabulary", () => {
    const tokenizer = folderOf({ ...checkpointFiles(tiedConfig), 'tokenizer.json': byteTokenizerJson() });
    expect(refusal({ ...given(), tokenizer })).toMatchObject({
      expected: 'ids below vocab_size = 19, which have an embedding',
    });
  });
});
