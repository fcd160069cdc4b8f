import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { openCheckpointBytes } from '../../lib/checkpoint/checkpoint-bytes.ts';
import type { WeightDtype } from '../../lib/checkpoint/config-file.ts';
import {
  emptyWeight,
  SIMD_WEIGHT_MEMORY,
  storageOf,
  weightBytes,
  weightMemoryOf,
} from '../../lib/checkpoint/weight-storage.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { Model } from '../../lib/model/model.ts';
import { parameters } from '../../lib/model/weights.ts';
import type { Tensor } from '../../lib/tensor/tensor.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  elementsOf,
  faultOf,
  folderOf,
  tensorFile,
  tensorsOf,
  tiedConfig,
  untiedConfig,
} from '../helpers/checkpoint-folders.ts';

const simd = simdKernels();
const byteConfig = { ...tiedConfig, vocabSize: 258 };

function load(dtype: WeightDtype, kernels = simd): Model {
  const checkpoint = openCheckpoint(folderOf(checkpointFiles(tiedConfig, dtype)));
  const model = checkpoint.loadModel(kernels);
  checkpoint.close();
  return model;
}

/** The same from files in memory. */
function loadBytes(dtype: WeightDtype): Model {
  const { 'config.json': config, 'model.safetensors': weights } = checkpointFiles(byteConfig, dtype);
  const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return openCheckpointBytes('page', {
    'config.json': bytes(config),
    'model.safetensors': weights,
    'tokenizer.json': bytes(byteTokenizerJson()),
    'tokenizer_config.json': bytes(byteTokenizerConfigJson()),
  }).loadModel(simd);
}

describe('how weights lie in memory', () => {
  it('matrices of BF16 as they are, what is not only multiplied by or copied from in the mode', () => {
    const list = [...parameters(tiedConfig), ...parameters(untiedConfig)].map(({ name, shape }) => ({
      ...{ name, shape, dtype: 'BF16' },
    }));
    const widened = list.filter((weight) => storageOf(SIMD_WEIGHT_MEMORY, weight) !== 'bf16');
    const names = new Set(
      widened.map(({ name }) => name.replace(/^model\.(?=model\.)/, '').replace(/\d+/, 'N')),
    );
    expect([...names]).toEqual([
      'model.layers.N.input_layernorm.weight',
      'model.layers.N.post_attention_layernorm.weight',
      'model.norm.weight',
      'comp_embedder.merger.q_proj.bias',
      'comp_embedder.merger.k_proj.bias',
      'comp_embedder.merger.v_proj.bias',
      'comp_embedder.merger.pos',
      'comp_embedder.out_proj.bias',
      'micro_step_decoder.decoders.N.input_layernorm.weight',
      'micro_step_decoder.decoders.N.post_attention_layernorm.weight',
      'micro_step_decoder.stop_head.N.bias',
    ]);
    expect(new Set(widened.map((weight) => storageOf(SIMD_WEIGHT_MEMORY, weight)))).toEqual(new Set(['f32']));
  });

  it('other element types in the mode, and so all of them in kernels that keep none', () => {
    const weight = { name: 'lm_head.weight', shape: [2, 2] };
    for (const dtype of ['F64', 'F32', 'F16'])
      expect(storageOf(SIMD_WEIGHT_MEMORY, { ...weight, dtype })).toBe('f32');
    for (const mode of ['f32', 'f64'] as const) {
      const memory = weightMemoryOf(referenceKernels(mode));
      expect(storageOf(memory, { ...weight, dtype: 'BF16' })).toBe(mode);
    }
    expect(weightMemoryOf(simd)).toEqual(SIMD_WEIGHT_MEMORY);
  });

  it('takes two bytes for an element that is kept, four and eight for one of the modes', () => {
    const weights = [
      { name: 'a.weight', shape: [3, 5], dtype: 'BF16' },
      { name: 'a.bias', shape: [3], dtype: 'BF16' },
      { name: 'b.weight', shape: [2, 5], dtype: 'F32' },
    ];
    expect(weightBytes(SIMD_WEIGHT_MEMORY, weights)).toBe(2 * 15 + 4 * 3 + 4 * 10);
    expect(weightBytes(weightMemoryOf(referenceKernels('f64')), weights)).toBe(8 * 28);
    for (const weight of weights) {
      const { storage, shape } = emptyWeight(simd, weight);
      expect({ storage, shape }).toEqual({
        storage: storageOf(SIMD_WEIGHT_MEMORY, weight),
        shape: weight.shape,
      });
    }
  });

  it.each([
    ['a folder', () => load('BF16')],
    ['files in memory', () => loadBytes('BF16')],
  ])('are loaded from %s with every bit, in their places', (_, loaded) => {
    const { weights } = loaded();
    const places: [string, Tensor, string][] = [
      ['model.model.embed_tokens.weight', weights.embed_tokens, 'bf16'],
      ['model.model.layers.2.self_attn.k_proj.weight', weights.layers[2]!.self_attn.k_proj.weight, 'bf16'],
      ['model.model.norm.weight', weights.norm, 'f32'],
      ['comp_embedder.merger.pos', weights.comp_embedder!.merger.pos, 'f32'],
      ['comp_embedder.out_proj.bias', weights.comp_embedder!.out_proj.bias!, 'f32'],
      ['micro_step_decoder.stop_head.4.weight', weights.micro_step_decoder!.stop_head[4].weight, 'bf16'],
    ];
    for (const [name, tensor, storage] of places) {
      expect(tensor.storage, name).toBe(storage);
      expect([...tensor.data], name).toEqual(elementsOf(name, tensor.shape));
    }
  });

  it.each([
    ['NaN', Number.NaN],
    ['-Infinity', Number.NEGATIVE_INFINITY],
  ])('checkpoint/C3: %s among them is refused, with its place', (shown, value) => {
    const name = 'model.model.embed_tokens.weight';
    const tensors = tensorsOf(tiedConfig, 'BF16');
    const values = Array.from(tensors[name]!.values);
    values[3 * 16 + 5] = value;
    const weights = tensorFile({ ...tensors, [name]: { ...tensors[name]!, values } });
    const path = folderOf({ ...checkpointFiles(tiedConfig, 'BF16'), 'model.safetensors': weights });
    const checkpoint = openCheckpoint(path);
    expect(faultOf(() => checkpoint.loadModel(simd))).toEqual({
      rule: 'checkpoint/C3',
      subject: `${join(path, 'model.safetensors')}, tensor "${name}", element [3, 5]`,
      expected: 'a finite number',
      found: shown,
    });
    checkpoint.close();
  });
});
