import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { configFault, headSize, type ModelConfig } from '../../lib/model/config.ts';
import { createModel } from '../../lib/model/model.ts';
import { smallConfig } from '../helpers/models.ts';

const hamburger = smallConfig.hamburger!;
const scaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 };

/** Rule → changes that break it, and what is said of each: which setting, what would be right, what was found. */
const broken: Record<string, readonly (readonly [Partial<ModelConfig>, string])[]> = {
  'configuration/C1': [
    [{ vocabSize: 0 }, 'vocab_size: expected an integer from 1 to 4194304, found 0'],
    [{ hiddenSize: 1.5 }, 'hidden_size: expected an integer from 1 to 131072, found 1.5'],
    [{ intermediateSize: -3 }, 'intermediate_size: expected an integer from 1 to 131072, found -3'],
    [{ numHiddenLayers: 0 }, 'num_hidden_layers: expected an integer from 1 to 1024, found 0'],
    [
      { numAttentionHeads: Number.NaN },
      'num_attention_heads: expected an integer from 1 to 131072, found NaN',
    ],
    [{ numKeyValueHeads: 0 }, 'num_key_value_heads: expected an integer from 1 to 131072, found 0'],
    [
      { maxPositionEmbeddings: 0 },
      'max_position_embeddings: expected an integer from 1 to 134217728, found 0',
    ],
    [
      { maxPositionEmbeddings: 1e12 },
      'max_position_embeddings: expected an integer from 1 to 134217728, found 1000000000000',
    ],
    [{ vocabSize: 1e12 }, 'vocab_size: expected an integer from 1 to 4194304, found 1000000000000'],
  ],
  'configuration/C2': [
    [
      { numAttentionHeads: 5, numKeyValueHeads: 5 },
      'num_attention_heads: expected a divisor of hidden_size = 24, found 5',
    ],
  ],
  'configuration/C3': [
    [{ numKeyValueHeads: 4 }, 'num_key_value_heads: expected a divisor of num_attention_heads = 6, found 4'],
  ],
  'configuration/C4': [
    [
      { hiddenSize: 18, hamburger: null },
      'head size (hidden_size / num_attention_heads): expected an even number, because RoPE turns pairs, found 3',
    ],
  ],
  'configuration/C5': [
    [{ rmsNormEps: 0 }, 'rms_norm_eps: expected a positive number, found 0'],
    [{ rmsNormEps: -1e-5 }, 'rms_norm_eps: expected a positive number, found -0.00001'],
    [{ rmsNormEps: Infinity }, 'rms_norm_eps: expected a positive number, found Infinity'],
    [{ ropeTheta: 0.5 }, 'rope_theta: expected a number >= 1, found 0.5'],
    [{ ropeTheta: Infinity }, 'rope_theta: expected a positive number, found Infinity'],
    [{ ropeTheta: Number.NaN }, 'rope_theta: expected a number >= 1, found NaN'],
  ],
  'configuration/C6': [
    [{ ropeScaling: { ...scaling, factor: 0.5 } }, 'rope_scaling.factor: expected a number >= 1, found 0.5'],
    [{ ropeScaling: { ...scaling, factor: 0 } }, 'rope_scaling.factor: expected a positive number, found 0'],
    [
      { ropeScaling: { ...scaling, lowFreqFactor: 4 } },
      'rope_scaling.low_freq_factor: expected less than high_freq_factor = 4, found 4',
    ],
    [
      { ropeScaling: { ...scaling, lowFreqFactor: 0 } },
      'rope_scaling.low_freq_factor: expected a positive number, found 0',
    ],
    [
      { ropeScaling: { ...scaling, highFreqFactor: Number.NaN } },
      'rope_scaling.high_freq_factor: expected a positive number, found NaN',
    ],
    [
      { ropeScaling: { ...scaling, originalMaxPositionEmbeddings: -1 } },
      'rope_scaling.original_max_position_embeddings: expected a positive number, found -1',
    ],
  ],
  'configuration/C7': [
    [{ bosTokenId: 23 }, 'bos_token_id: expected an integer from 0 to 22, found 23'],
    [{ bosTokenId: -1 }, 'bos_token_id: expected an integer from 0 to 22, found -1'],
    [{ eosTokenIds: [1, 99] }, 'eos_token_id: expected an integer from 0 to 22, found 99'],
    [{ eosTokenIds: [0.5] }, 'eos_token_id: expected an integer from 0 to 22, found 0.5'],
  ],
  'configuration/C8': [
    [
      { hamburger: { ...hamburger, maxSteps: 0 } },
      'hamburger.max_steps: expected an integer from 1 to 131072, found 0',
    ],
    [
      { hamburger: { ...hamburger, numMicroLayers: 0 } },
      'hamburger.num_micro_layers: expected an integer from 1 to 1024, found 0',
    ],
    [
      { hamburger: { ...hamburger, numMergerHeads: 0 } },
      'hamburger.num_merger_heads: expected an integer from 1 to 131072, found 0',
    ],
    [
      { hamburger: { ...hamburger, maxSteps: 2.5 } },
      'hamburger.max_steps: expected an integer from 1 to 131072, found 2.5',
    ],
  ],
  'configuration/C9': [
    [
      { hamburger: { ...hamburger, numMergerHeads: 5 } },
      'hamburger.num_merger_heads: expected a divisor of hidden_size = 24, found 5',
    ],
  ],
  'configuration/C10': [
    [
      { hamburger: { ...hamburger, featureLayerIndices: [] } },
      'hamburger.feature_layer_indices: expected a list that ends in the last layer, 4, because the first token is read from it, found []',
    ],
    [
      { hamburger: { ...hamburger, featureLayerIndices: [1, 5] } },
      'hamburger.feature_layer_indices: expected an integer from 0 to 4, found 5',
    ],
    [
      { hamburger: { ...hamburger, featureLayerIndices: [-1, 4] } },
      'hamburger.feature_layer_indices: expected an integer from 0 to 4, found -1',
    ],
    [
      { hamburger: { ...hamburger, featureLayerIndices: [4, 1] } },
      'hamburger.feature_layer_indices: expected ascending layer numbers, found [4, 1]',
    ],
    [
      { hamburger: { ...hamburger, featureLayerIndices: [4, 4] } },
      'hamburger.feature_layer_indices: expected ascending layer numbers, found [4, 4]',
    ],
    [
      { hamburger: { ...hamburger, featureLayerIndices: [0, 3] } },
      'hamburger.feature_layer_indices: expected a list that ends in the last layer, 4, because the first token is read from it, found [0, 3]',
    ],
  ],
};

describe('configuration', () => {
  it('a right one has no fault', () => {
    expect(configFault(smallConfig)).toBeUndefined();
    expect(
      configFault({ ...smallConfig, hamburger: null, bosTokenId: null, ropeScaling: scaling }),
    ).toBeUndefined();
    expect(headSize(smallConfig)).toBe(4);
  });

  for (const [rule, changes] of Object.entries(broken)) {
    it.each(
      changes.map(
        ([change, message]) =>
          [
            JSON.stringify(change, (_, value) => (Number.isNaN(value) ? 'NaN' : value)),
            change,
            message,
          ] as const,
      ),
    )(`${rule}: refuses %s`, (_, change, message) => {
      const fault = configFault({ ...smallConfig, ...change });
      expect(fault).toMatchObject({ rule });
      expect(`${fault!.subject}: expected ${fault!.expected}, found ${fault!.found}`).toBe(message);
    });
  }

  it('configuration/C5, C6: a base of 1 and a factor of 1 are right, as they leave every frequency what it is', () => {
    expect(
      configFault({ ...smallConfig, ropeTheta: 1, ropeScaling: { ...scaling, factor: 1 } }),
    ).toBeUndefined();
  });

  it('a model cannot be made of a broken one', () => {
    const make = () =>
      createModel({ ...smallConfig, numKeyValueHeads: 4 }, referenceKernels('f64'), () =>
        expect.unreachable(),
      );
    expect(make).toThrow(CallerError);
  });
});
