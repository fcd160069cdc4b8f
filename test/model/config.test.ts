import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { configFault, headSize, type ModelConfig } from '../../lib/model/config.ts';
import { createModel } from '../../lib/model/model.ts';
import { smallConfig } from '../helpers/models.ts';

const hamburger = smallConfig.hamburger!;
const scaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 };

/** Rule → changes that break it. */
const broken: Record<string, readonly Partial<ModelConfig>[]> = {
  'configuration/C1': [
    { vocabSize: 0 },
    { hiddenSize: 1.5 },
    { intermediateSize: -3 },
    { numHiddenLayers: 0 },
    { numAttentionHeads: Number.NaN },
    { numKeyValueHeads: 0 },
    { maxPositionEmbeddings: 0 },
    { maxPositionEmbeddings: 1e12 },
    { vocabSize: 1e12 },
  ],
  'configuration/C2': [{ numAttentionHeads: 5, numKeyValueHeads: 5 }],
  'configuration/C3': [{ numKeyValueHeads: 4 }],
  'configuration/C4': [{ hiddenSize: 18, hamburger: null }],
  'configuration/C5': [
    { rmsNormEps: 0 },
    { rmsNormEps: -1e-5 },
    { rmsNormEps: Infinity },
    { ropeTheta: 0.5 },
    { ropeTheta: Infinity },
    { ropeTheta: Number.NaN },
  ],
  'configuration/C6': [
    { ropeScaling: { ...scaling, factor: 0.5 } },
    { ropeScaling: { ...scaling, factor: 0 } },
    { ropeScaling: { ...scaling, lowFreqFactor: 4 } },
    { ropeScaling: { ...scaling, highFreqFactor: Number.NaN } },
    { ropeScaling: { ...scaling, originalMaxPositionEmbeddings: -1 } },
  ],
  'configuration/C7': [
    { bosTokenId: 23 },
    { bosTokenId: -1 },
    { eosTokenIds: [1, 99] },
    { eosTokenIds: [0.5] },
  ],
  'configuration/C8': [
    { hamburger: { ...hamburger, maxSteps: 0 } },
    { hamburger: { ...hamburger, numMicroLayers: 0 } },
    { hamburger: { ...hamburger, numMergerHeads: 0 } },
    { hamburger: { ...hamburger, maxSteps: 2.5 } },
  ],
  'configuration/C9': [{ hamburger: { ...hamburger, numMergerHeads: 5 } }],
  'configuration/C10': [
    { hamburger: { ...hamburger, featureLayerIndices: [] } },
    { hamburger: { ...hamburger, featureLayerIndices: [1, 5] } },
    { hamburger: { ...hamburger, featureLayerIndices: [-1, 4] } },
    { hamburger: { ...hamburger, featureLayerIndices: [4, 1] } },
    { hamburger: { ...hamburger, featureLayerIndices: [4, 4] } },
    { hamburger: { ...hamburger, featureLayerIndices: [0, 3] } },
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
        (change) =>
          [JSON.stringify(change, (_, value) => (Number.isNaN(value) ? 'NaN' : value)), change] as const,
      ),
    )(`${rule}: refuses %s`, (_, change) => {
      expect(configFault({ ...smallConfig, ...change })).toMatchObject({
        rule,
        subject: expect.any(String),
        found: expect.any(String),
      });
    });
  }

  it('says what would be right, and why', () => {
    const fault = configFault({ ...smallConfig, hamburger: { ...hamburger, featureLayerIndices: [0, 3] } })!;
    expect(fault.expected).toBe(
      'a list that ends in the last layer, 4, because the first token is read from it',
    );
    expect(fault.found).toBe('[0, 3]');
  });

  it('a model cannot be made of a broken one', () => {
    const make = () =>
      createModel({ ...smallConfig, numKeyValueHeads: 4 }, referenceKernels('f64'), () =>
        expect.unreachable(),
      );
    expect(make).toThrow(CallerError);
  });
});
