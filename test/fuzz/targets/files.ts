/** Readers of files and folders. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesSource } from '../../../lib/checkpoint/byte-source.ts';
import { openCheckpoint } from '../../../lib/checkpoint/checkpoint.ts';
import { configJson } from '../../../lib/checkpoint/config-file.ts';
import { importHuggingFace } from '../../../lib/checkpoint/import-hugging-face.ts';
import { importLlama2c } from '../../../lib/checkpoint/import-llama2c.ts';
import { importStateDict } from '../../../lib/checkpoint/import-state-dict.ts';
import { openSafetensors } from '../../../lib/checkpoint/safetensors.ts';
import { safetensorsBytes, type TensorToWrite } from '../../../lib/checkpoint/safetensors-writer.ts';
import { readSnapshot, writeSnapshot } from '../../../lib/checkpoint/snapshot.ts';
import type { Kernels } from '../../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../../lib/kernels/reference.ts';
import { sizeOf, Tensor, tensorOf } from '../../../lib/tensor/tensor.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../../lib/text/byte-tokenizer.ts';
import {
  checkpointFiles,
  plainConfig,
  tensorFile,
  tensorsOf,
  tiedConfig,
} from '../../helpers/checkpoint-contents.ts';
import { inputOf } from '../input.ts';
import { must, type Target } from '../target.ts';

const small = {
  vocabSize: 7,
  hiddenSize: 4,
  intermediateSize: 6,
  numHiddenLayers: 1,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
};
const smallBase = { ...plainConfig, ...small };
const smallHamburger = {
  ...tiedConfig,
  ...small,
  hamburger: { maxSteps: 2, numMergerHeads: 2, featureLayerIndices: [0], numMicroLayers: 1 },
};

/** Kernels that have matrices of BF16 as they are in the file. They have no memory of their own, to be laid out for every input. */
const keepingBf16: Kernels = {
  ...referenceKernels('f32'),
  emptyBf16: (shape) => new Tensor(new Uint16Array(sizeOf(shape)), shape),
};

/** Every element type, a scalar, an empty tensor, metadata. */
function variousTensors(): Uint8Array {
  const header = {
    __metadata__: { format: 'pt' },
    a: { dtype: 'F64', shape: [2], data_offsets: [0, 16] },
    b: { dtype: 'F16', shape: [2, 2], data_offsets: [16, 24] },
    c: { dtype: 'BF16', shape: [], data_offsets: [24, 26] },
    d: { dtype: 'U8', shape: [2], data_offsets: [26, 28] },
    e: { dtype: 'I64', shape: [1], data_offsets: [28, 36] },
    f: { dtype: 'BOOL', shape: [3], data_offsets: [36, 39] },
    g: { dtype: 'F32', shape: [0, 5], data_offsets: [39, 39] },
  };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Uint8Array.from({ length: 39 }, (_, i) => (i < 36 ? (i * 37) % 251 : i % 2));
  return new Uint8Array(Buffer.concat([length, text, data]));
}

/** A model of llama2.c: its header, and as many floats as that says. */
function llama2cModel(sharedTable: boolean): Uint8Array {
  const [dim, hidden, layers, heads, kvHeads, vocabulary, positions] = [4, 6, 1, 2, 1, 7, 8];
  const kv = (kvHeads * dim) / heads;
  const floats =
    vocabulary * dim +
    layers * (2 * dim + 2 * dim * dim + 2 * kv * dim + 3 * hidden * dim) +
    dim +
    (positions * dim) / heads +
    (sharedTable ? 0 : vocabulary * dim);
  const bytes = Buffer.alloc(28 + 4 * floats);
  [dim, hidden, layers, heads, kvHeads, sharedTable ? vocabulary : -vocabulary, positions].forEach(
    (value, i) => {
      bytes.writeInt32LE(value, 4 * i);
    },
  );
  for (let i = 0; i < floats; i++) bytes.writeFloatLE(((i * 37) % 101) / 64 - 0.7, 28 + 4 * i);
  return new Uint8Array(bytes);
}

/** A tokenizer of llama2.c with seven tokens. */
export function llama2cTokenizerBytes(): Uint8Array {
  const tokens = ['<unk>', '\n<s>\n', '\n</s>\n', ' ', 'a', 'b', 'ab'];
  const parts = tokens.map((text, i) => {
    const spelled = Buffer.from(text);
    const head = Buffer.alloc(8);
    head.writeFloatLE(-i, 0);
    head.writeInt32LE(spelled.length, 4);
    return Buffer.concat([head, spelled]);
  });
  const longest = Buffer.alloc(4);
  longest.writeUInt32LE(6);
  return new Uint8Array(Buffer.concat([longest, ...parts]));
}

const shards = () => {
  const tensors = Object.entries(tensorsOf(smallHamburger));
  const half = tensors.length >> 1;
  const [first, second] = [tensors.slice(0, half), tensors.slice(half)];
  const map = Object.fromEntries(
    [first, second].flatMap((part, i) =>
      part.map(([name]) => [name, `model-0000${i + 1}-of-00002.safetensors`]),
    ),
  );
  return {
    'model-00001-of-00002.safetensors': tensorFile(Object.fromEntries(first)),
    'model-00002-of-00002.safetensors': tensorFile(Object.fromEntries(second)),
    'model.safetensors.index.json': { metadata: { total_size: 1 }, weight_map: map },
  };
};

const text = {
  'tokenizer.json': byteTokenizerJson(),
  'tokenizer_config.json': {
    ...(byteTokenizerConfigJson() as object),
    chat_template: '{{ messages[0].content }}',
  },
};

export const fileTargets: readonly Target[] = [
  {
    name: 'safetensors',
    share: 130,
    seeds: () => [
      inputOf({ 'x.safetensors': variousTensors() }),
      inputOf({
        'x.safetensors': tensorFile({ 'a.b': { dtype: 'F32', shape: [2, 3], values: [1, 2, 3, 4, 5, 6] } }),
      }),
      inputOf({ 'x.safetensors': tensorFile({}) }),
    ],
    run(input) {
      const bytes = input['x.safetensors'] ?? new Uint8Array(0);
      const file = openSafetensors(bytesSource('x.safetensors', bytes));
      const again: (Omit<TensorToWrite, 'elements'> & { readonly elements: () => Float64Array })[] = [];
      for (const [name, { dtype, shape, begin, end }] of file.tensors) {
        must(file.readBytes(name).length === end - begin, `${name} has other bytes than it says`);
        if (/^(F|BF)/.test(dtype)) {
          const elements = new Float64Array(sizeOf(shape));
          file.readFloats(name, elements);
          if (dtype === 'BF16') {
            const bits = new Uint16Array(elements.length);
            file.readBf16(name, bits);
            const { data } = new Tensor(bits, shape);
            must(
              data.every((value, i) => Object.is(value, elements[i])),
              `${name} has other bits than numbers`,
            );
          }
          again.push({ name, dtype: dtype as 'F64', shape, elements: () => elements });
        } else file.readBigIntegers(name);
      }
      const written = openSafetensors(bytesSource('again', safetensorsBytes(again)));
      for (const { name, elements } of again) {
        const back = new Float64Array(elements().length);
        written.readFloats(name, back);
        must(
          back.every((value, i) => Object.is(value, elements()[i]) || Number.isNaN(value)),
          `${name} does not come back`,
        );
      }
    },
  },
  {
    name: 'checkpoint',
    share: 8,
    seeds: () => [
      inputOf({ ...checkpointFiles(smallHamburger), 'generation_config.json': { eos_token_id: [2] } }),
      inputOf({ ...checkpointFiles(smallBase, 'BF16'), 'generation_config.json': {} }),
    ],
    run(input, scratch) {
      const checkpoint = openCheckpoint(scratch.folderOf(input));
      /** What is wrong with the weights, if anything is. */
      const faultIn = (kernels: Kernels): unknown => {
        try {
          checkpoint.loadModel(kernels);
          return undefined;
        } catch (error) {
          return error;
        }
      };
      try {
        const [widened, kept] = [faultIn(referenceKernels('f32')), faultIn(keepingBf16)];
        must(`${widened}` === `${kept}`, `${widened} where BF16 is widened, ${kept} where it is kept`);
        if (widened !== undefined) throw widened;
      } finally {
        checkpoint.close();
      }
    },
  },
  {
    name: 'shards',
    share: 6,
    seeds: () => [inputOf({ 'config.json': configJson(smallHamburger, 'F32'), ...shards() })],
    run(input, scratch) {
      openCheckpoint(scratch.folderOf(input)).close();
    },
  },
  {
    name: 'snapshot',
    share: 20,
    seeds: () => {
      const path = join(process.env.FUZZ_SEEDS!, 'snapshot');
      writeSnapshot(path, {
        state: { recipe: {}, inputs: 'x', step: 1, evaluated: 0, log_bytes: 0 },
        tensors: new Map([
          ['a', tensorOf('f32', [2], [1, 2])],
          ['b', tensorOf('f64', [1], [0.1])],
        ]),
      });
      return [inputOf({ 'snapshot.safetensors': new Uint8Array(readFileSync(path)) })];
    },
    run(input, scratch) {
      const { tensors } = readSnapshot(join(scratch.folderOf(input), 'snapshot.safetensors'));
      must(
        tensors.size === 2 && tensors.get('b')!.data[0] === 0.1,
        'a snapshot that was changed and is taken for sound',
      );
    },
  },
  {
    name: 'llama2c',
    share: 4,
    seeds: () =>
      [true, false].map((shared) =>
        inputOf({ 'model.bin': llama2cModel(shared), 'tokenizer.bin': llama2cTokenizerBytes() }),
      ),
    run(input, scratch) {
      const folder = scratch.folderOf(input);
      const out = join(scratch.out, 'x');
      importLlama2c({
        model: join(folder, 'model.bin'),
        tokenizer: join(folder, 'tokenizer.bin'),
        out,
        force: false,
      });
      openCheckpoint(out).close();
    },
  },
  {
    name: 'state-dict',
    share: 4,
    seeds: () => {
      const tensors = tensorsOf(smallHamburger);
      const table = tensors['model.model.embed_tokens.weight']!;
      const copies = { 'comp_embedder.embedding.weight': table, 'model.lm_head.weight': table };
      const buffer = {
        'model.model.layers.0.self_attn.rotary_emb.inv_freq': {
          dtype: 'F32',
          shape: [1],
          values: [1],
        } as const,
      };
      return [
        inputOf({
          'x.safetensors': tensorFile({ ...tensors, ...copies, ...buffer }),
          'config.json': configJson(smallHamburger, 'F32'),
        }),
      ];
    },
    run(input, scratch) {
      const folder = scratch.folderOf(input);
      const out = join(scratch.out, 'x');
      importStateDict({
        model: join(folder, 'x.safetensors'),
        config: join(folder, 'config.json'),
        out,
        force: false,
      });
      openCheckpoint(out).close();
    },
  },
  {
    name: 'hugging-face',
    share: 3,
    seeds: () => [
      inputOf({ ...checkpointFiles(smallBase), 'tokenizer_config.json': {}, 'special_tokens_map.json': {} }),
    ],
    run(input, scratch) {
      const out = join(scratch.out, 'x');
      importHuggingFace({ model: scratch.folderOf(input), out, force: false });
      openCheckpoint(out).close();
    },
  },
  {
    name: 'folder-with-text',
    share: 4,
    seeds: () => [
      inputOf({
        ...checkpointFiles({ ...smallBase, vocabSize: 258, bosTokenId: 256, eosTokenIds: [257] }),
        ...text,
        'chat_template.jinja': 'x{{ messages[0].content }}',
      }),
    ],
    run(input, scratch) {
      const checkpoint = openCheckpoint(scratch.folderOf(input));
      checkpoint.close();
      must(
        checkpoint.tokenizer === null || checkpoint.tokenizer.vocabularySize <= checkpoint.config.vocabSize,
        'tokens without an embedding',
      );
    },
  },
];
