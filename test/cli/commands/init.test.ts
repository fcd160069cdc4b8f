import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/checkpoint/checkpoint.ts';
import { presets } from '../../../lib/checkpoint/presets.ts';
import { contentsOf } from '../../helpers/checkpoint-folders.ts';
import { binary, hamburger, init, words, workFolder } from '../run.ts';

const cwd = workFolder();
const configOf = (folder: string) => JSON.parse(readFileSync(join(cwd, folder, 'config.json'), 'utf8'));
const fails = async (args: readonly string[], message: string): Promise<void> => {
  const before = readdirSync(cwd);
  expect(await hamburger(['init', ...args], { cwd })).toEqual({
    code: 2,
    stdout: '',
    stderr: `hamburger: ${message}\n`,
  });
  expect(readdirSync(cwd)).toEqual(before);
};

/** The least that makes a base, and a small one. */
const dimensions = [
  ...words('--vocab-size 20 --hidden-size 16 --intermediate-size 24'),
  ...words('--num-hidden-layers 6 --num-attention-heads 2'),
];

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
  await init(cwd, '--preset', 'tiny', '--no-modules', '--seed', '3', '--dtype', 'BF16', '--out', 'base');
});

describe('init', () => {
  it('a preset is what its name says, and comes with the tokenizer of its vocabulary', async () => {
    const { config, tokenizer, tensors } = openCheckpoint(join(cwd, 'tiny'));
    expect(config).toEqual(presets.get('tiny'));
    expect(tokenizer?.vocabularySize).toBe(config.vocabSize);
    expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  });

  it('the same seed gives the same bytes, another seed others', async () => {
    expect(binary(['init', '--preset', 'tiny', '--seed', '7', '--out', 'again'], { cwd }).code).toBe(0);
    await init(cwd, '--preset', 'tiny', '--seed', '8', '--out', 'other');
    expect(contentsOf(join(cwd, 'again'))).toEqual(contentsOf(join(cwd, 'tiny')));
    const { 'model.safetensors': weights, ...rest } = contentsOf(join(cwd, 'other'));
    expect(rest).toEqual({ ...rest, ...contentsOf(join(cwd, 'tiny')), 'model.safetensors': undefined });
    expect(weights).not.toBe(contentsOf(join(cwd, 'tiny'))['model.safetensors']);
  });

  it('dimensions alone make a model; what they do not say is in proportion', async () => {
    await init(cwd, ...dimensions, '--out', 'small');
    expect(openCheckpoint(join(cwd, 'small')).config).toEqual({
      vocabSize: 20,
      hiddenSize: 16,
      intermediateSize: 24,
      numHiddenLayers: 6,
      numAttentionHeads: 2,
      numKeyValueHeads: 2,
      maxPositionEmbeddings: 512,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: true,
      bosTokenId: null,
      eosTokenIds: [],
      // Four of six layers, the last among them.
      hamburger: { maxSteps: 4, numMergerHeads: 2, featureLayerIndices: [0, 2, 3, 5], numMicroLayers: 1 },
    });
  });

  it('every option arrives where it belongs', async () => {
    const all = [
      ...words('--num-key-value-heads 1 --max-position-embeddings 77 --rms-norm-eps 1e-6'),
      ...words('--rope-theta 500000 --rope-scaling 8,1,4,32 --no-tie-word-embeddings'),
      ...words('--bos-token-id 3 --eos-token-ids 4,5 --max-steps 5 --merger-heads 8'),
      ...words('--feature-layers 1,5 --micro-layers 3 --dtype F16'),
    ];
    await init(cwd, ...dimensions, ...all, '--out', 'every');
    expect(configOf('every')).toMatchObject({
      num_key_value_heads: 1,
      max_position_embeddings: 77,
      rms_norm_eps: 1e-6,
      rope_theta: 500000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
      tie_word_embeddings: false,
      bos_token_id: 3,
      eos_token_id: [4, 5],
      torch_dtype: 'float16',
      hamburger: { max_steps: 5, num_merger_heads: 8, feature_layer_indices: [1, 5], num_micro_layers: 3 },
    });
  });

  it('options change a preset; what depended on the changed is not kept', async () => {
    await init(
      cwd,
      ...words('--preset llama-3.2-1b --num-key-value-heads 1 --rope-scaling none --out changed'),
      ...dimensions,
    );
    expect(openCheckpoint(join(cwd, 'changed')).config).toMatchObject({
      ropeTheta: 500000,
      ropeScaling: null,
      bosTokenId: null,
      eosTokenIds: [],
      hamburger: { numMergerHeads: 2, featureLayerIndices: [0, 2, 3, 5], numMicroLayers: 1 },
    });
  });

  it('a base that is grafted keeps its weights to the bit, its element type and its tokenizer', async () => {
    await init(cwd, ...words('--from-base base --max-steps 3 --feature-layers 0,3 --seed 9 --out grafted'));
    const [base, grafted] = ['base', 'grafted'].map((name) => openCheckpoint(join(cwd, name)));
    expect(grafted!.config).toEqual({
      ...base!.config,
      hamburger: { maxSteps: 3, numMergerHeads: 4, featureLayerIndices: [0, 3], numMicroLayers: 1 },
    });
    for (const { name, shape, dtype } of base!.tensors) {
      const [before, after] = [base!, grafted!].map((checkpoint, i) => {
        const elements = new Float32Array(shape.reduce((product, size) => product * size, 1));
        checkpoint.readTensor(i === 0 ? name : `model.${name}`, elements);
        return elements;
      });
      expect(dtype).toBe('BF16');
      expect(after).toEqual(before);
    }
    const { 'tokenizer.json': tokenizer } = contentsOf(join(cwd, 'grafted'));
    expect(tokenizer).toBe(contentsOf(join(cwd, 'base'))['tokenizer.json']);
  });

  it('a folder is replaced only by force, and only if it is a checkpoint', async () => {
    await init(cwd, '--preset', 'tiny', '--seed', '1', '--out', 'place');
    const before = contentsOf(join(cwd, 'place'));
    const again = ['--preset', 'tiny', '--seed', '2', '--out', 'place'];
    await fails(
      again,
      'place: expected a name that is free, found a folder of that name. Choose another name, or replace it with --force',
    );
    expect(contentsOf(join(cwd, 'place'))).toEqual(before);
    await init(cwd, ...again, '--force');
    expect(contentsOf(join(cwd, 'place'))).not.toEqual(before);

    mkdirSync(join(cwd, 'precious'));
    writeFileSync(join(cwd, 'precious', 'photo.jpg'), 'x');
    const { code, stderr } = await hamburger(['init', '--preset', 'tiny', '--out', 'precious', '--force'], {
      cwd,
    });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^hamburger: precious: expected a folder that may be replaced, found .*photo\.jpg/,
      ),
    });
    expect(readdirSync(join(cwd, 'precious'))).toEqual(['photo.jpg']);
  });

  it('nothing temporary is left of all that', async () => {
    expect(readdirSync(cwd).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  const out = ['--out', 'new'];
  it.each<[string, string[], string]>([
    [
      'nothing to make',
      out,
      'configuration: expected --preset, --from-base, or the dimensions of a model, found no --vocab-size, no --hidden-size, no --intermediate-size, no --num-hidden-layers, no --num-attention-heads. The quickest is --preset tiny',
    ],
    [
      'dimensions that are incomplete',
      [...dimensions.slice(2), ...out],
      'configuration: expected --preset, --from-base, or the dimensions of a model, found no --vocab-size. The quickest is --preset tiny',
    ],
    [
      'heads that do not divide the width',
      [...dimensions.slice(0, -1), '3', ...out],
      'configuration/C2: --num-attention-heads: expected a divisor of hidden_size = 16, found 3',
    ],
    [
      'feature layers that do not end in the last',
      ['--preset', 'tiny', '--feature-layers', '0,2', ...out],
      'configuration/C10: --feature-layers: expected a list that ends in the last layer, 3, because the first token is read from it, found [0, 2]',
    ],
    [
      'merger heads that do not divide the width',
      ['--preset', 'tiny', '--merger-heads', '5', ...out],
      'configuration/C9: --merger-heads: expected a divisor of hidden_size = 64, found 5',
    ],
    [
      'an end token outside the vocabulary',
      ['--preset', 'tiny', '--eos-token-ids', '258', ...out],
      'configuration/C7: --eos-token-ids: expected an integer from 0 to 257, found 258',
    ],
    [
      'modules of no modules',
      ['--preset', 'tiny', '--no-modules', '--max-steps', '3', ...out],
      '--no-modules: expected no options of the modules, found --max-steps',
    ],
    [
      'another base than that to be grafted',
      ['--from-base', 'base', '--hidden-size', '32', '--dtype', 'F32', ...out],
      '--from-base: expected only options of the modules, because the rest is as in the base, found --hidden-size, --dtype',
    ],
    [
      'a base that has modules',
      ['--from-base', 'tiny', ...out],
      'tiny: expected a plain base, found a checkpoint that has HAMburger modules already. Its base alone can be had by "hamburger export"',
    ],
    [
      'a byte tokenizer with ids that have no embedding',
      [...dimensions, '--tokenizer', 'byte', ...out],
      '--tokenizer byte: expected a vocabulary of at least 258 tokens, found 20',
    ],
    [
      'a place that is not there',
      ['--preset', 'tiny', '--out', 'no/new'],
      'no/new: expected a place that can be written to, found no folder there to put it in',
    ],
  ])('%s: said, and nothing is made', (_, args, message) => fails(args, message));
});
