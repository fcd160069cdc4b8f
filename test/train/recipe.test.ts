import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configFault } from '../../lib/model/config.ts';
import { type GraftRecipe, type PretrainRecipe, parseRecipe } from '../../lib/train/recipe.ts';
import { faultOf, plainConfig, tiedConfig } from '../helpers/checkpoint-folders.ts';
import { graftJson, pretrainJson } from '../helpers/recipes.ts';

describe('recipes', () => {
  it('those that come with the package are recipes, and fit together', () => {
    const [base, graft] = ['toy-base', 'toy', 'toy-responses'].map((name) => {
      const url = new URL(`../../fixtures/toy-training/${name}.json`, import.meta.url);
      return parseRecipe(JSON.parse(readFileSync(url, 'utf8')), name);
    }) as [PretrainRecipe, GraftRecipe];
    expect(configFault({ ...base.config, hamburger: graft.modules })).toBeUndefined();
    expect([base.phase, graft.phase]).toEqual(['pretrain', 'graft']);
  });

  it('of both phases, with defaults where nothing is said', () => {
    const base = parseRecipe(pretrainJson(), 'r.json') as PretrainRecipe;
    expect(base.config).toEqual(plainConfig);
    expect(base).toMatchObject({
      phase: 'pretrain',
      tokenizer: 'byte',
      learn: 'text',
      initialDeviation: 0.02,
      duration: { steps: 10 },
      data: { train: ['train.jsonl'], heldOut: [], chat: false, tooLong: 'refuse' },
      learningRates: { base: 1e-3, modules: 0, warmUpSteps: 0, floor: 0.05 },
      adam: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 },
      clip: 1,
      numerics: 'f32',
      dtype: 'F32',
    });
    const graft = parseRecipe(graftJson(), 'r.json') as GraftRecipe;
    expect(graft).toMatchObject({
      base: 'base',
      modules: { maxSteps: 4, numMergerHeads: 4, featureLayerIndices: [0, 2], numMicroLayers: 1 },
      duration: { epochs: 2 },
      learningRates: { base: 1e-3, modules: 3e-3 },
      breaks: { forced: 0.5, unmerged: 0 },
      loss: { stop: 0.5, teacher: 0 },
    });
    expect([graft.segmentation.strategy.name, graft.segmentation.metric.name]).toEqual([
      'decreasing_v2',
      'entropy',
    ]);
    expect(graft.segmentation).toMatchObject({
      thresholds: {},
      window: null,
      base: null,
      promptTokens: null,
    });
    expect(graft.data.promptTokens).toBeNull();
  });

  it('what is said goes before the defaults', () => {
    const segmentation = {
      strategy: 'small_group',
      metric: 'probability',
      confidence: 0.8,
      window: 16,
      base: 'other',
      prompt_tokens: 3,
    };
    const recipe = parseRecipe(
      graftJson({
        segmentation,
        breaks: { forced: 0.25, unmerged: 0.75 },
        loss: { stop: 0, teacher: 2 },
        clip: null,
        numerics: 'f64',
        dtype: 'BF16',
        adam: { beta2: 0.95 },
      }),
      'r.json',
    ) as GraftRecipe;
    expect(recipe.segmentation.thresholds).toEqual({ confidence: 0.8 });
    expect(recipe).toMatchObject({
      segmentation: { window: 16, base: 'other', promptTokens: 3 },
      breaks: { forced: 0.25, unmerged: 0.75 },
      loss: { stop: 0, teacher: 2 },
      clip: null,
      numerics: 'f64',
      dtype: 'BF16',
      adam: { beta1: 0.9, beta2: 0.95 },
    });
  });

  it('what a base learns and how it begins may be said', () => {
    const said = { learn: 'response', initial_deviation: 0.06, data: { train: ['a'], prompt_tokens: 1 } };
    const base = parseRecipe(pretrainJson(said), 'r.json');
    expect(base).toMatchObject({ learn: 'response', initialDeviation: 0.06, data: { promptTokens: 1 } });
    expect(parseRecipe(graftJson({ initial_deviation: 0.5 }), 'r.json')).toMatchObject({
      initialDeviation: 0.5,
    });
  });

  const data = { train: ['a'] };
  const rates = { base: 1e-3, modules: 1e-3 };
  it.each([
    ['no phase', graftJson({ phase: undefined }), 'phase', '"pretrain" or "graft"', 'nothing'],
    ['another phase', graftJson({ phase: 'tune' }), 'phase', '"pretrain" or "graft"', '"tune"'],
    ['a key that is not known', graftJson({ step: 3 }), 'step', 'no key of this name', '3'],
    ['a key of the other phase', pretrainJson({ base: 'b' }), 'base', 'no key of this name', '"b"'],
    [
      'a key that is not known, deep',
      graftJson({ learning_rate: { ...rates, warmup: 1 } }),
      'learning_rate.warmup',
      'no key of this name',
      '1',
    ],
    [
      'a rate of modules for a base',
      pretrainJson({ learning_rate: rates }),
      'learning_rate.modules',
      'no key of this name',
      '0.001',
    ],
    ['no data', graftJson({ data: undefined }), 'data', 'an object', 'nothing'],
    [
      'no files',
      graftJson({ data: { train: [] } }),
      'data.train',
      'a list with a length of at least 1',
      '[]',
    ],
    [
      'a name of no file',
      graftJson({ data: { train: [''] } }),
      'data.train[0]',
      /length of at least 1/,
      '""',
    ],
    ['another object of learning', pretrainJson({ learn: 'all' }), 'learn', '"text" or "response"', '"all"'],
    ['a graft on texts', graftJson({ learn: 'text' }), 'learn', 'no key of this name', '"text"'],
    [
      'weights that begin alike',
      graftJson({ initial_deviation: 0 }),
      'initial_deviation',
      'a number above 0',
      '0',
    ],
    ['a seed that is a number', graftJson({ seed: 1 }), 'seed', 'a string', '1'],
    ['an empty seed', graftJson({ seed: '' }), 'seed', /length of at least 1/, '""'],
    ['no steps', graftJson({ epochs: 0 }), 'epochs', 'an integer of at least 1', '0'],
    ['half an epoch', graftJson({ epochs: 0.5 }), 'epochs', 'an integer', '0.5'],
    ['batches of one token', graftJson({ batch_tokens: 1 }), 'batch_tokens', 'an integer of at least 2', '1'],
    [
      'a negative learning rate',
      graftJson({ learning_rate: { ...rates, base: -1 } }),
      'learning_rate.base',
      'a number of at least 0',
      '-1',
    ],
    [
      'a floor above the top',
      graftJson({ learning_rate: { ...rates, floor: 2 } }),
      'learning_rate.floor',
      'a number of at most 1',
      '2',
    ],
    ['a beta of 1', graftJson({ adam: { beta1: 1 } }), 'adam.beta1', 'a number below 1', '1'],
    ['a clip of 0', graftJson({ clip: 0 }), 'clip', 'a number above 0', '0'],
    [
      'another strategy',
      graftJson({ segmentation: { strategy: 'best' } }),
      'segmentation.strategy',
      /"decreasing_v2" or/,
      '"best"',
    ],
    [
      'a window of nothing',
      graftJson({ segmentation: { window: 0 } }),
      'segmentation.window',
      'an integer of at least 1',
      '0',
    ],
    [
      'skipping by another word',
      graftJson({ data: { ...data, too_long: 'cut' } }),
      'data.too_long',
      '"refuse" or "skip"',
      '"cut"',
    ],
  ])('recipe/R1: %s is refused with its place', (_, json, place, expected, found) => {
    // As it comes from a file.
    const fault = faultOf(() => parseRecipe(JSON.parse(JSON.stringify(json)), 'r.json'));
    expect(fault).toMatchObject({ subject: `r.json: ${place}`, found });
    expect(fault.expected).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected));
  });

  it.each([
    ['both steps and epochs', graftJson({ steps: 3 }), 'r.json', 'both'],
    ['neither', graftJson({ epochs: undefined }), 'r.json', 'neither'],
    [
      'a warm-up longer than all',
      pretrainJson({ learning_rate: { base: 1, warm_up_steps: 11 } }),
      'r.json: learning_rate.warm_up_steps',
      '11',
    ],
    [
      'shares above 1',
      graftJson({ breaks: { forced: 0.6, unmerged: 0.6 } }),
      'r.json: breaks',
      '0.6 and 0.6',
    ],
    [
      'a threshold that is not read',
      graftJson({ segmentation: { strategy: 'sliding', ratio_threshold: 0.3 } }),
      'r.json: segmentation.ratio_threshold',
      '0.3',
    ],
  ])('recipe/R1: %s are impossible together', (_, json, subject, found) => {
    expect(faultOf(() => parseRecipe(json, 'r.json'))).toMatchObject({ rule: 'recipe/R1', subject, found });
  });

  it('recipe/R1: a model that breaks a rule, or has modules, is refused', () => {
    const { model } = pretrainJson();
    expect(
      faultOf(() => parseRecipe(pretrainJson({ model: { ...model, num_attention_heads: 3 } }), 'r')),
    ).toMatchObject({ rule: 'configuration/C2', subject: expect.stringMatching(/^r: model: /) });
    const hamburger = {
      max_steps: 2,
      num_merger_heads: 4,
      feature_layer_indices: [2],
      num_micro_layers: 1,
    };
    expect(tiedConfig.numHiddenLayers).toBe(3);
    expect(faultOf(() => parseRecipe(pretrainJson({ model: { ...model, hamburger } }), 'r'))).toMatchObject({
      rule: 'recipe/R1',
      subject: 'r: model.hamburger',
    });
  });
});
