import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKvCache, type EntryCache } from '../../lib/decode/kv-cache.ts';
import {
  baseLayers,
  featureLayerIndices,
  features,
  finalNorm,
  languageModelHead,
  tokenEmbeddings,
} from '../../lib/model/base.ts';
import { baseOf, type Model } from '../../lib/model/model.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { hamburgerOf, modelOf, smallConfig } from '../helpers/models.ts';

const model = hamburgerOf(smallConfig, 'f64');
const f32Model = hamburgerOf(smallConfig, 'f32');
const cacheOf = (m: Model) => createKvCache(m.kernels, m.config, m.config.numHiddenLayers, 40);
const positions = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);
/** The outputs of all rows of a pass, which stand at positions `from` and up. */
const allRows = (m: Model, tokens: number[], from: number, cache: EntryCache) =>
  baseLayers(
    m,
    tokenEmbeddings(m, tokens),
    [{ positions: positions(tokens.length, from), cache, outputRows: tokens.length }],
    discardTrace,
  );

describe('base', () => {
  it('base/C2: a tied LM head is the embedding table, an untied one is not', () => {
    const tied = modelOf({ ...smallConfig, tieWordEmbeddings: true }, 'f64');
    expect(tied.weights.lm_head).toBe(tied.weights.embed_tokens);
    expect(model.weights.lm_head.data).not.toEqual(model.weights.embed_tokens.data);
    const x = tokenEmbeddings(tied, [3]);
    expect(languageModelHead(tied, x).get(0, 3)).toBeCloseTo(
      [...x.data].reduce((sum, value) => sum + value * value, 0),
      12,
    );
  });

  it('base/C3, kv-cache/C1: keys in the cache are turned, values are not', () => {
    const { trace, tensors } = recordTrace();
    const seen: { keys: number[]; values: number[] }[] = [];
    const cache = cacheOf(model);
    const spy = {
      get length() {
        return cache.length;
      },
      append(
        layer: number,
        keys: Parameters<typeof cache.append>[1],
        values: Parameters<typeof cache.append>[1],
      ) {
        seen[layer] = { keys: [...keys.data], values: [...values.data] };
        return cache.append(layer, keys, values);
      },
      complete: cache.complete,
    };
    baseLayers(
      model,
      tokenEmbeddings(model, [1, 2]),
      [{ positions: [5, 9], cache: spy, outputRows: 2 }],
      trace,
    );
    expect(seen.length).toBe(smallConfig.numHiddenLayers);
    expect(seen[1]!.keys).toEqual([...tensors.get('layers.1.self_attn.k_rope')!.data]);
    expect(seen[1]!.keys).not.toEqual([...tensors.get('layers.1.self_attn.k_proj')!.data]);
    expect(seen[1]!.values).toEqual([...tensors.get('layers.1.self_attn.v_proj')!.data]);
  });

  it.each([
    ['f64', model],
    ['f32', f32Model],
  ] as const)(
    'numerics/N6: a pass cut in two over the cache gives the rows of the uncut one, to the bit (%s)',
    (_, m) => {
      const ids = fc.array(fc.integer({ min: 0, max: smallConfig.vocabSize - 1 }), {
        minLength: 2,
        maxLength: 9,
      });
      fc.assert(
        fc.property(ids, fc.nat(), (tokens, where) => {
          const cut = 1 + (where % (tokens.length - 1));
          const whole = allRows(m, tokens, 0, cacheOf(m)).at(-1)!;
          const cache = cacheOf(m);
          const pass = (from: number, to: number) => allRows(m, tokens.slice(from, to), from, cache).at(-1)!;
          expect([...pass(0, cut).data, ...pass(cut, tokens.length).data]).toEqual([...whole.data]);
        }),
        { seed: 6, numRuns: 15 },
      );
    },
  );

  it('attention/C3: is causal: a later token changes no earlier row', () => {
    const run = (last: number) => allRows(model, [4, 5, last], 0, cacheOf(model)).at(-1)!;
    expect(run(6).rows(0, 2).data).toEqual(run(7).rows(0, 2).data);
    expect(run(6).rows(2, 3).data).not.toEqual(run(7).rows(2, 3).data);
  });
});

describe('outputs that nothing reads', () => {
  it('numerics/N9: are left out in the last layer; those that are read, keys and values stay the same to the bit', () => {
    const tokens = [4, 5, 6, 7, 8];
    const [whole, part] = [cacheOf(f32Model), cacheOf(f32Model)];
    const all = allRows(f32Model, tokens, 0, whole);
    const pass = [{ positions: positions(5), cache: part, outputRows: 2 }];
    const last = baseLayers(f32Model, tokenEmbeddings(f32Model, tokens), pass, discardTrace);
    expect(last.map(({ shape }) => shape[0])).toEqual([5, 5, 5, 5, 2]);
    expect(last.at(-1)!.data).toEqual(all.at(-1)!.rows(3, 5).data);
    // The next token sees every key and value of all layers.
    const next = (cache: EntryCache) => allRows(f32Model, [9], 5, cache).at(-1)!.data;
    expect(next(part)).toEqual(next(whole));
  });

  it('are all there for a trace that is wanted', () => {
    const { trace, tensors } = recordTrace();
    const pass = [{ positions: positions(3), cache: cacheOf(model), outputRows: 1 }];
    baseLayers(model, tokenEmbeddings(model, [4, 5, 6]), pass, trace);
    expect(tensors.get('layers.4.output')!.shape[0]).toBe(3);
    expect(tensors.get('layers.4.self_attn.weights')!.shape.slice(1)).toEqual([3, 3]);
  });
});

describe('features', () => {
  const outputs = allRows(model, [4, 5, 6], 0, cacheOf(model));
  const rows = [{ positions: positions(3), outputRows: 1 }];
  const f = features(model, outputs, rows, discardTrace);
  const lastRow = (layer: number) => [...outputs[layer]!.rows(2, 3).data];

  it('features/C1: feature i is the last row after layer indices[i], not before it', () => {
    expect([...f.rows(0, 1).data]).toEqual(lastRow(1));
  });

  it('features/C2: the last feature passes the final norm, the others do not', () => {
    expect([...f.rows(1, 2).data]).toEqual([...finalNorm(model, outputs[4]!.rows(2, 3)).data]);
    expect([...f.rows(1, 2).data]).not.toEqual(lastRow(4));
  });

  it('base/C4: a plain base has one feature, of its last layer', () => {
    expect(featureLayerIndices(baseOf(model))).toEqual([4]);
    expect(features(baseOf(model), outputs, rows, discardTrace).data).toEqual(f.rows(1, 2).data);
  });
});
