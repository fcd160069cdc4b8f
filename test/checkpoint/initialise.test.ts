import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import type { WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { graft, initialiser } from '../../lib/checkpoint/initialise.ts';
import { openWeightFolder } from '../../lib/checkpoint/weight-files.ts';
import { CallerError } from '../../lib/errors.ts';
import { roundToBf16 } from '../../lib/math/float.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';
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
  untiedConfig,
} from '../helpers/checkpoint-folders.ts';

const hamburger = tiedConfig.hamburger!;

/** All parameters by name. */
function all(seed: string, config = tiedConfig, order = parameters(config)): Record<string, number[]> {
  const values = initialiser(seed, config);
  return Object.fromEntries(order.map(({ name, shape }) => [name, Array.from(values(name, shape))]));
}

describe('initialiser', () => {
  it('depends on seed and name alone: not on the order, not on what was asked before', () => {
    const values = all('7');
    expect(all('7', tiedConfig, [...parameters(tiedConfig)].reverse())).toEqual(values);
    const pos = initialiser('7', tiedConfig)('comp_embedder.merger.pos', [4, 8]);
    expect(Array.from(pos)).toEqual(values['comp_embedder.merger.pos']);
  });

  it('gives a base the same weights with and without HAMburger modules', () => {
    const [with_, without] = [all('7'), all('7', plainConfig)];
    for (const [name, values] of Object.entries(without)) expect(with_[`model.${name}`]).toEqual(values);
  });

  it('gives other values for another seed, and for another name', () => {
    const [a, b] = [all('7'), all('8')];
    const random = Object.keys(a).filter((name) => !/norm\.weight$|bias$/.test(name));
    for (const name of random) expect(a[name]![0]).not.toBe(b[name]![0]);
    expect(new Set(random.map((name) => a[name]![0])).size).toBe(random.length);
  });

  it('does not take one pair of seed and name for another', () => {
    const first = (seed: string, name: string) => initialiser(seed, plainConfig)(name, [1])[0];
    expect(first('a', 'b.weight')).not.toBe(first('ab', '.weight'));
    expect(first('a","b', 'c')).not.toBe(first('a', 'b","c'));
  });

  it('has norms of 1, biases of 0, and nothing else that is constant', () => {
    for (const [name, values] of Object.entries(all('7'))) {
      if (name.endsWith('norm.weight')) expect(new Set(values), name).toEqual(new Set([1]));
      else if (name.endsWith('.bias')) expect(new Set(values), name).toEqual(new Set([0]));
      else expect(new Set(values).size, name).toBe(values.length);
    }
  });

  /** Mean and standard deviation of 40000 elements, which lie within 1.5 % of the deviation of what they estimate. */
  it.each([
    ['model.model.embed_tokens.weight', [200, 200], 0.02],
    ['model.model.layers.0.self_attn.q_proj.weight', [400, 100], 0.02],
    ['micro_step_decoder.stop_head.0.weight', [100, 400], 0.02],
    ['comp_embedder.merger.pos', [4, 10000], Math.sqrt(2 / 10004)],
  ])('%s is normal with the published deviation', (name, shape, deviation) => {
    const values = initialiser('seed', tiedConfig)(name, shape);
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const variance = values.reduce((sum, x) => sum + (x - mean) * (x - mean), 0) / values.length;
    expect(Math.abs(mean) / deviation).toBeLessThan(0.015);
    expect(Math.abs(Math.sqrt(variance) / deviation - 1)).toBeLessThan(0.015);
    // A normal distribution and no uniform one: 0.27 % beyond three deviations.
    const beyond = values.filter((x) => Math.abs(x) > 3 * deviation).length / values.length;
    expect(beyond).toBeGreaterThan(0.0017);
    expect(beyond).toBeLessThan(0.0037);
  });

  it('another deviation scales linear layers and tables alone: not the published one of positions', () => {
    const wide = initialiser('7', tiedConfig, 0.06);
    for (const [name, values] of Object.entries(all('7'))) {
      const scale = /norm\.weight$|bias$|\.pos$/.test(name) ? 1 : 3;
      const { shape } = parameters(tiedConfig).find((parameter) => parameter.name === name)!;
      for (const [i, value] of wide(name, shape).entries()) {
        expect(value, name).toBeCloseTo(scale * values[i]!, 12);
      }
    }
  });

  it('refuses an empty seed and a configuration that breaks a rule, before the first parameter', () => {
    expect(faultOf(() => initialiser('', tiedConfig), CallerError).subject).toBe('seed');
    const broken = { ...tiedConfig, numAttentionHeads: 3 };
    expect(faultOf(() => initialiser('7', broken), CallerError).rule).toBe('configuration/C2');
  });
});

/** The bytes of each tensor in a folder, by name. */
function bytesOf(folder: string): Record<string, string> {
  const file = readFileSync(join(folder, 'model.safetensors'));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  return Object.fromEntries(
    Object.entries<{ dtype: string; data_offsets: [number, number] }>(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            data_offsets: [begin, end],
          },
        ]) => [name, `${dtype} ${file.subarray(8 + length + begin, 8 + length + end).toString('hex')}`],
      ),
  );
}

describe('graft', () => {
  const grafted = (folder: string, seed = 's', force = false) => {
    const out = join(temporaryFolder(), 'out');
    const base = openCheckpoint(folder);
    graft(base, hamburger, seed, { out, force });
    base.close();
    return out;
  };

  it.each(['F32', 'BF16', 'F16', 'F64'] satisfies WeightDtype[])(
    '%s: keeps the base bit for bit, also -0 and the smallest numbers, under the names that it has there',
    (dtype) => {
      const tensors = tensorsOf(untiedConfig, dtype);
      const tiny = { F64: 5e-324, F32: 2 ** -149, BF16: 2 ** -133, F16: 2 ** -24 }[dtype];
      const exact = { F64: 1 / 3, F32: 1 + 2 ** -23, BF16: 1 + 2 ** -7, F16: 1 + 2 ** -10 }[dtype];
      const norm: TestTensor = {
        dtype,
        shape: [16],
        values: [-0, tiny, -tiny, exact, -exact, ...elementsOf('n', [11])],
      };
      const base = folderOf({
        'config.json': checkpointFiles(untiedConfig, dtype)['config.json'],
        'model.safetensors': tensorFile({ ...tensors, 'model.norm.weight': norm }),
      });
      const [before, after] = [bytesOf(base), bytesOf(grafted(base))];
      for (const [name, bytes] of Object.entries(before)) expect(after[`model.${name}`], name).toBe(bytes);
    },
  );

  it('adds new modules from the seed, in the element type of the embedding table', () => {
    const base = folderOf(checkpointFiles(plainConfig, 'BF16'));
    const out = grafted(base, 'another');
    const fresh = initialiser('another', tiedConfig);
    const checkpoint = openCheckpoint(out);
    expect(checkpoint.config).toEqual(tiedConfig);
    const added = checkpoint.tensors.filter(({ name }) => !name.startsWith('model.'));
    expect(added.length).toBe(parameters(tiedConfig).length - parameters(plainConfig).length);
    for (const { name, shape, dtype } of added) {
      const into = new Float64Array(sizeOf(shape));
      checkpoint.readTensor(name, into);
      expect(dtype).toBe('BF16');
      expect(into, name).toEqual(fresh(name, shape).map(roundToBf16));
    }
    checkpoint.close();
  });

  it('keeps several element types apart', () => {
    const tensors = tensorsOf(plainConfig, 'BF16');
    const norm: TestTensor = {
      dtype: 'F32',
      shape: [16],
      values: elementsOf('n', [16]).map((x) => x + 2 ** -20),
    };
    const base = folderOf({
      'config.json': checkpointFiles(plainConfig, 'BF16')['config.json'],
      'model.safetensors': tensorFile({ ...tensors, 'model.norm.weight': norm }),
    });
    const out = grafted(base);
    expect(bytesOf(out)['model.model.norm.weight']).toBe(bytesOf(base)['model.norm.weight']);
    const weights = openWeightFolder(out);
    expect(weights.tensors.get('comp_embedder.merger.pos')!.dtype).toBe('BF16');
    weights.close();
  });

  it('takes the other files along to the byte, and nothing that is unknown', () => {
    const files = {
      'generation_config.json': '{"eos_token_id":[4],  "top_p":0.9}',
      'chat_template.jinja': '{{ x }}',
      'special_tokens_map.json': '{ }',
      'README.md': 'x',
      'pytorch_model.bin': 'x',
    };
    const out = grafted(folderOf({ ...checkpointFiles(plainConfig), ...files }));
    const text = (name: string) => Buffer.from(contentsOf(out)[name]!, 'base64').toString();
    expect(Object.keys(contentsOf(out)).sort()).toEqual([
      'chat_template.jinja',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'special_tokens_map.json',
    ]);
    expect(text('generation_config.json')).toBe(files['generation_config.json']);
    expect(JSON.parse(text('config.json')).eos_token_id).toBe(4);
  });

  it('refuses what has the modules already, and modules that do not fit', () => {
    const out = join(temporaryFolder(), 'out');
    const done = openCheckpoint(folderOf(checkpointFiles(tiedConfig)));
    expect(faultOf(() => graft(done, hamburger, 's', { out }), CallerError)).toMatchObject({
      subject: done.folder,
      expected: 'a plain base',
    });
    done.close();
    const base = openCheckpoint(folderOf(checkpointFiles(plainConfig)));
    const wrong = { ...hamburger, featureLayerIndices: [0, 1] };
    expect(faultOf(() => graft(base, wrong, 's', { out }), CallerError).rule).toBe('configuration/C10');
    expect(faultOf(() => graft(base, hamburger, '', { out }), CallerError).subject).toBe('seed');
    base.close();
  });
});
