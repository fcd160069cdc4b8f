import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { fileSource } from '../../lib/checkpoint/file-source.ts';
import { openSafetensors } from '../../lib/checkpoint/safetensors.ts';
import { bindWeights, parameters } from '../../lib/model/weights.ts';
import { goldenPath } from '../helpers/goldens.ts';
import { smallConfig } from '../helpers/models.ts';

describe('table of parameters', () => {
  it.each(['distinct', 'odd'])(
    'checkpoint/C1: is that of the independently written golden model %s',
    (name) => {
      const file = openSafetensors(fileSource(goldenPath(`models/${name}/model.safetensors`)));
      const { config } = openCheckpoint(goldenPath(`models/${name}`));
      const sorted = (entries: (readonly [string, readonly number[]])[]) =>
        entries.sort(([a], [b]) => (a < b ? -1 : 1));
      expect(sorted(parameters(config).map((p) => [p.name, p.shape] as const))).toEqual(
        sorted([...file.tensors].map(([key, { shape }]) => [key, shape] as const)),
      );
    },
  );

  it('checkpoint/C4: a tied table is taken once, an untied one twice', () => {
    const heads = (tieWordEmbeddings: boolean) =>
      parameters({ ...smallConfig, tieWordEmbeddings }).filter(({ name }) => name.endsWith('lm_head.weight'))
        .length;
    expect([heads(true), heads(false)]).toEqual([0, 1]);
  });

  it('a plain base has the names of Hugging Face, a HAMburger nests them', () => {
    const first = (hamburger: typeof smallConfig.hamburger) =>
      parameters({ ...smallConfig, hamburger })[0]!.name;
    expect(first(null)).toBe('model.embed_tokens.weight');
    expect(first(smallConfig.hamburger)).toBe('model.model.embed_tokens.weight');
  });

  it('puts every parameter in the place that its name says', () => {
    const bound = bindWeights(smallConfig, (name) => name);
    expect(bound.layers[3]!.mlp.down_proj.weight).toBe('model.model.layers.3.mlp.down_proj.weight');
    expect(bound.layers[0]!.self_attn.k_proj.bias).toBeUndefined();
    expect(bound.comp_embedder!.merger.k_proj.bias).toBe('comp_embedder.merger.k_proj.bias');
    expect(bound.micro_step_decoder!.decoders[1]!.input_layernorm).toBe(
      'micro_step_decoder.decoders.1.input_layernorm.weight',
    );
    expect(bound.micro_step_decoder!.stop_head[4].weight).toBe('micro_step_decoder.stop_head.4.weight');
  });
});
