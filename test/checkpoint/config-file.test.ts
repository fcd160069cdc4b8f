import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configJson, parseConfig } from '../../lib/checkpoint/config-file.ts';
import { canonicalJson, parseJson } from '../../lib/checkpoint/json.ts';
import { presets } from '../../lib/checkpoint/presets.ts';
import { configFault, type ModelConfig } from '../../lib/model/config.ts';
import { faultOf, tiedConfig } from '../helpers/checkpoint-folders.ts';

/** `config.json` of Llama 3.2 1B Instruct, with the values that it is published with. */
const published = {
  architectures: ['LlamaForCausalLM'],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 128000,
  eos_token_id: [128001, 128008, 128009],
  head_dim: 64,
  hidden_act: 'silu',
  hidden_size: 2048,
  initializer_range: 0.02,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  mlp_bias: false,
  model_type: 'llama',
  num_attention_heads: 32,
  num_hidden_layers: 16,
  num_key_value_heads: 8,
  pretraining_tp: 1,
  rms_norm_eps: 1e-5,
  rope_scaling: {
    factor: 32.0,
    high_freq_factor: 4.0,
    low_freq_factor: 1.0,
    original_max_position_embeddings: 8192,
    rope_type: 'llama3',
  },
  rope_theta: 500000.0,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  transformers_version: '4.45.0.dev0',
  use_cache: true,
  vocab_size: 128256,
};
const publishedConfig: ModelConfig = { ...presets.get('llama-3.2-1b')!, hamburger: null };

const hamburger = {
  max_steps: 4,
  num_merger_heads: 64,
  feature_layer_indices: [3, 7, 11, 15],
  num_micro_layers: 4,
};

/** The least that has to be given. */
const least = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 16,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};

const parse = (json: unknown, generation?: unknown) => parseConfig(json, 'm/config.json', generation);
const fault = (json: unknown, generation?: unknown) => faultOf(() => parse(json, generation));

describe('reading', () => {
  it('reads the published configuration, and that of the published HAMburger', () => {
    expect(parse(published)).toEqual(publishedConfig);
    expect(parse({ ...published, hamburger })).toEqual(presets.get('llama-3.2-1b'));
  });

  it('reads the newer spelling of RoPE like the older', () => {
    const { rope_theta, rope_scaling, torch_dtype, ...rest } = published;
    expect(parse({ ...rest, dtype: torch_dtype, rope_parameters: { ...rope_scaling, rope_theta } })).toEqual(
      publishedConfig,
    );
    const { ropeTheta, ropeScaling } = parse({
      ...least,
      rope_parameters: { rope_type: 'default', rope_theta: 7 },
    });
    expect([ropeTheta, ropeScaling]).toEqual([7, null]);
    expect(parse({ ...least, rope_theta: 5, rope_parameters: { rope_type: 'default' } }).ropeTheta).toBe(5);
  });

  it('reads the oldest spelling of the type of RoPE, also beside the other', () => {
    const { rope_type: type, ...numbers } = published.rope_scaling;
    expect(parse({ ...published, rope_scaling: { ...numbers, type } })).toEqual(publishedConfig);
    expect(parse({ ...published, rope_scaling: { ...numbers, type, rope_type: type } })).toEqual(
      publishedConfig,
    );
  });

  it.each([[null], [{ rope_type: 'default' }], [{}]])('takes rope_scaling %j for none', (rope_scaling) => {
    expect(parse({ ...published, rope_scaling }).ropeScaling).toBeNull();
  });

  it("takes Transformers' defaults for what is left out", () => {
    expect(parse(least)).toEqual({
      vocabSize: 100,
      hiddenSize: 16,
      intermediateSize: 20,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 4,
      maxPositionEmbeddings: 2048,
      rmsNormEps: 1e-6,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: false,
      bosTokenId: 1,
      eosTokenIds: [2],
      hamburger: null,
    });
  });

  it('does not take null for the default where it means "none"', () => {
    const config = parse({ ...least, bos_token_id: null, eos_token_id: null });
    expect([config.bosTokenId, config.eosTokenIds]).toEqual([null, []]);
  });

  it.each([
    ['goes before that of config.json', { eos_token_id: [7, 8], temperature: 0.6 }, [7, 8]],
    ['also where it says "none"', { eos_token_id: null }, []],
    ['but only where there is one', { temperature: 0.6, bos_token_id: 9 }, [3]],
  ])('eos_token_id of generation_config.json %s', (_, generation, eos) => {
    const config = parse({ ...least, eos_token_id: 3 }, generation);
    expect([config.eosTokenIds, config.bosTokenId]).toEqual([eos, 1]);
  });
});

describe('refusing', () => {
  const llama3 = published.rope_scaling;
  it.each<[string, object, string, string, string]>([
    [
      'another kind of model, before anything else of it',
      { model_type: 'qwen2', vocab_size: 'x' },
      'model_type',
      '"llama", the only one that SPEC defines',
      '"qwen2"',
    ],
    [
      'no kind of model',
      { model_type: undefined },
      'model_type',
      '"llama", the only one that SPEC defines',
      'nothing',
    ],
    ['a size that is missing', { hidden_size: undefined }, 'hidden_size', 'an integer', 'nothing'],
    ['a size that is no integer', { num_hidden_layers: '2' }, 'num_hidden_layers', 'an integer', '"2"'],
    [
      'configuration/C11: another activation',
      { hidden_act: 'gelu' },
      'hidden_act',
      '"silu", the only one that SPEC defines',
      '"gelu"',
    ],
    [
      'configuration/C11: biases in attention',
      { attention_bias: true },
      'attention_bias',
      'false, the only one that SPEC defines',
      'true',
    ],
    [
      'configuration/C11: biases in the feed-forward block',
      { mlp_bias: true },
      'mlp_bias',
      'false, the only one that SPEC defines',
      'true',
    ],
    [
      'configuration/C11: split matrices',
      { pretraining_tp: 2 },
      'pretraining_tp',
      '1, the only one that SPEC defines',
      '2',
    ],
    [
      'configuration/C11: RoPE on neighbours',
      { rope_interleaved: true },
      'rope_interleaved',
      'false, the only one that SPEC defines',
      'true',
    ],
    [
      'configuration/C11: an unknown key',
      { sliding_window: 4096 },
      'sliding_window',
      'no key of this name',
      '4096',
    ],
    [
      'configuration/C11: quantised weights',
      { quantization_config: { bits: 4 } },
      'quantization_config',
      'no key of this name',
      '{"bits":4}',
    ],
    [
      'configuration/C11: a misspelled key of hamburger',
      { hamburger: { ...hamburger, max_step: 4 } },
      'hamburger.max_step',
      'no key of this name',
      '4',
    ],
    [
      'a key of hamburger that is missing',
      { hamburger: { ...hamburger, num_micro_layers: undefined } },
      'hamburger.num_micro_layers',
      'an integer',
      'nothing',
    ],
    [
      'feature layers that are no list',
      { hamburger: { ...hamburger, feature_layer_indices: 3 } },
      'hamburger.feature_layer_indices',
      'a list',
      '3',
    ],
    [
      'another head size',
      { head_dim: 128 },
      'head_dim',
      'hidden_size / num_attention_heads = 64, the only head size that SPEC defines',
      '128',
    ],
    [
      'an unknown type of RoPE',
      { rope_scaling: { type: 'yarn', factor: 2 } },
      'rope_scaling.type',
      '"default" or "llama3", the RoPE types that SPEC defines',
      '"yarn"',
    ],
    [
      'a number of RoPE that is missing',
      { rope_scaling: { ...llama3, factor: undefined } },
      'rope_scaling.factor',
      'a number, because the type is "llama3"',
      'nothing',
    ],
    [
      'a number of RoPE that would be ignored',
      { rope_scaling: { factor: 2 } },
      'rope_scaling.factor',
      'nothing, because the type is "default"',
      '2',
    ],
    [
      'a key of RoPE that is not known',
      { rope_scaling: { ...llama3, beta: 2 } },
      'rope_scaling.beta',
      'no key of this name',
      '2',
    ],
    [
      'two types of RoPE',
      { rope_scaling: { ...llama3, type: 'default' } },
      'rope_scaling.type',
      '"llama3" like rope_type, since both are given',
      '"default"',
    ],
    [
      'two RoPEs',
      { rope_parameters: llama3 },
      'rope_parameters',
      'either rope_parameters or rope_scaling',
      'both',
    ],
    [
      'two bases of RoPE',
      { rope_scaling: null, rope_parameters: { ...llama3, rope_theta: 3 } },
      'rope_parameters.rope_theta',
      'rope_theta = 500000, since both are given',
      '3',
    ],
    ['an EOS that is no id', { eos_token_id: [1, 'x'] }, 'eos_token_id[1]', 'a token id', '"x"'],
    ['a BOS that is no id', { bos_token_id: 1.5 }, 'bos_token_id', 'a token id', '1.5'],
    [
      'configuration/C2 by its rule',
      { num_attention_heads: 3 },
      'num_attention_heads',
      'a divisor of hidden_size = 2048',
      '3',
    ],
    [
      'configuration/C7 by its rule',
      { eos_token_id: 128256 },
      'eos_token_id',
      'an integer from 0 to 128255',
      '128256',
    ],
    [
      'configuration/C10 by its rule',
      { hamburger: { ...hamburger, feature_layer_indices: [3, 16] } },
      'hamburger.feature_layer_indices',
      'an integer from 0 to 15',
      '16',
    ],
  ])('%s', (_, change, place, expected, found) => {
    expect(fault({ ...published, ...change })).toMatchObject({
      subject: `m/config.json: ${place}`,
      expected,
      found,
    });
  });

  it('keeps the rule that a configuration breaks', () => {
    expect(fault({ ...published, num_key_value_heads: 5 }).rule).toBe('configuration/C3');
  });

  it.each([
    ['no id', { eos_token_id: 'x' }, 'a token id or a list or null', '"x"'],
    [
      'an id outside the vocabulary, although config.json is right',
      { eos_token_id: [3, 100] },
      'an integer from 0 to 99',
      '100',
    ],
    ['no object', [], '', '[]'],
  ])('names generation_config.json for %s', (_, generation, expected, found) => {
    const wrong = fault(least, generation);
    expect(wrong).toMatchObject({ subject: expect.stringMatching(/^generation_config\.json/), found });
    expect(wrong.expected).toContain(expected);
  });

  it('what is no object', () => {
    expect(fault([published])).toMatchObject({ subject: 'm/config.json', expected: 'an object' });
  });
});

/** Valid configurations of every kind. */
const configs: fc.Arbitrary<ModelConfig> = fc
  .record({
    heads: fc.integer({ min: 1, max: 12 }),
    halfSize: fc.integer({ min: 1, max: 8 }),
    groups: fc.integer({ min: 1, max: 4 }),
    layers: fc.integer({ min: 1, max: 9 }),
    vocabSize: fc.integer({ min: 3, max: 300 }),
    positions: fc.integer({ min: 1, max: 5000 }),
    eps: fc.double({ min: 1e-12, max: 1, noNaN: true }),
    theta: fc.double({ min: 1, max: 1e7, noNaN: true }),
    tied: fc.boolean(),
    bos: fc.option(fc.integer({ min: 0, max: 2 })),
    eos: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 3 }),
    scaled: fc.option(
      fc.record({
        factor: fc.double({ min: 1, max: 64, noNaN: true }),
        lowFreqFactor: fc.double({ min: 0.5, max: 2, noNaN: true }),
        highFreqFactor: fc.double({ min: 2.5, max: 8, noNaN: true }),
        originalMaxPositionEmbeddings: fc.integer({ min: 1, max: 9000 }),
      }),
    ),
    modules: fc.option(
      fc.record({
        maxSteps: fc.integer({ min: 1, max: 9 }),
        numMicroLayers: fc.integer({ min: 1, max: 5 }),
        features: fc.integer({ min: 0, max: 511 }),
      }),
    ),
  })
  .map(({ heads, halfSize, groups, layers, modules, ...rest }) => ({
    vocabSize: rest.vocabSize,
    hiddenSize: heads * groups * 2 * halfSize,
    intermediateSize: rest.positions,
    numHiddenLayers: layers,
    numAttentionHeads: heads * groups,
    numKeyValueHeads: heads,
    maxPositionEmbeddings: rest.positions,
    rmsNormEps: rest.eps,
    ropeTheta: rest.theta,
    ropeScaling: rest.scaled,
    tieWordEmbeddings: rest.tied,
    bosTokenId: rest.bos,
    eosTokenIds: rest.eos,
    hamburger:
      modules === null
        ? null
        : {
            maxSteps: modules.maxSteps,
            numMicroLayers: modules.numMicroLayers,
            numMergerHeads: heads,
            featureLayerIndices: Array.from({ length: layers }, (_, l) => l).filter(
              (l) => l === layers - 1 || (modules.features >> l) % 2 === 1,
            ),
          },
  }));

describe('writing', () => {
  it('property: what is written reads back the same, through the text of the file', () => {
    fc.assert(
      fc.property(configs, (config) => {
        expect(configFault(config)).toBeUndefined();
        const text = canonicalJson(configJson(config, 'BF16'));
        expect(parseConfig(parseJson(text, 'c'), 'c')).toEqual(config);
      }),
      { seed: 20440, numRuns: 500 },
    );
  });

  it('writes the keys that other tools read', () => {
    expect(configJson(publishedConfig, 'BF16')).toEqual({
      ...Object.fromEntries(
        Object.entries(published).filter(
          ([key]) =>
            ![
              'attention_dropout',
              'head_dim',
              'initializer_range',
              'pretraining_tp',
              'transformers_version',
              'use_cache',
            ].includes(key),
        ),
      ),
    });
  });

  it('does not call a HAMburger a Llama where tools look for the architecture', () => {
    const written = configJson(tiedConfig, 'F32');
    expect(written).toMatchObject({ architectures: ['HamburgerForCausalLM'], torch_dtype: 'float32' });
    expect(written.hamburger).toEqual({
      max_steps: 4,
      num_merger_heads: 4,
      feature_layer_indices: [0, 2],
      num_micro_layers: 1,
    });
  });
});
