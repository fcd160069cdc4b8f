/** f32 against f64, tensor by tensor: each stage recomputed in binary64 from the inputs that the f32 run itself shows. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { anchoredCheck, firstDivergence } from '../../lib/conformance/anchored-check.ts';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { trainProfile } from '../../lib/decode/profiles.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { HamburgerModel } from '../../lib/model/model.ts';
import { type Numerics, type Tensor, tensorOf } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';
import { goldenPath } from '../helpers/goldens.ts';
import { finish, hamburgerOf, randomWeights, segmentsOf, smallConfig } from '../helpers/models.ts';

const f32Numerics = portNumerics.get('f32')!;
const prompt = [3, 14, 15, 9, 2, 6, 5];

/** Verdicts of a traced f32 run of the given or the greedily chosen segments. */
function check(
  f32: HamburgerModel,
  f64: HamburgerModel,
  forced?: readonly (readonly number[])[],
  spoil?: (tensors: Map<string, Tensor>) => void,
) {
  const { trace, tensors } = recordTrace();
  const segments =
    forced ?? segmentsOf(finish(generate(f32, { prompt, maxTokens: 24, confidence: 0.6, trace })).tokens);
  if (forced !== undefined) teacherForced(f32, { prompt, segments: forced, trace });
  spoil?.(tensors as Map<string, Tensor>);
  return anchoredCheck({ model: f64, prompt, segments, profile: trainProfile }, tensors, f32Numerics);
}

const worst = (verdicts: ReturnType<typeof check>) =>
  verdicts.reduce((a, b) => (b.margin > a.margin ? b : a));

describe('f32 is within the anchored bounds of f64 at every traced tensor', () => {
  const segments = [[1, 2, 3], [4], [5, 6, 7, 8], [9, 10]];
  const pair = (scale: number, changes: object = {}) =>
    (['f32', 'f64'] as const).map((numerics) =>
      hamburgerOf({ ...smallConfig, ...changes }, numerics, randomWeights(scale)),
    ) as [HamburgerModel, HamburgerModel];

  it.each([0.1, 0.3, 1])('forced segments 3, 1, 4, 2, weights of scale %s', (scale) => {
    const verdicts = check(...pair(scale), segments);
    expect(verdicts.length).toBeGreaterThan(400);
    expect(worst(verdicts)).toMatchObject({ margin: expect.any(Number) });
    expect(worst(verdicts).margin, JSON.stringify(worst(verdicts))).toBeLessThanOrEqual(1);
  });

  it('f64 in its own numerics: eps is the binary64 one', () => {
    const [, f64] = pair(0.01);
    const { trace, tensors } = recordTrace();
    teacherForced(f64, { prompt, segments, trace });
    const run = { model: f64, prompt, segments, profile: trainProfile };
    expect(firstDivergence(anchoredCheck(run, tensors, portNumerics.get('f64')!))).toBeUndefined();
    expect(
      firstDivergence(anchoredCheck(run, tensors, { ...portNumerics.get('f64')!, constant: Math.fround }))!
        .name,
    ).toBe('macro.0.model.layers.0.input_layernorm');
  });

  it('a free run, llama3 scaling', () => {
    const ropeScaling = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositionEmbeddings: 64 };
    const verdicts = check(...pair(0.3, { ropeScaling }));
    expect(worst(verdicts).margin, JSON.stringify(worst(verdicts))).toBeLessThanOrEqual(1);
  });

  it.each([
    ['the golden model', goldenPath('models/distinct')],
    ['the shipped toy checkpoint', fileURLToPath(new URL('../../fixtures/checkpoints/toy', import.meta.url))],
  ])('a free run of %s', (_, folder) => {
    const checkpoint = openCheckpoint(folder);
    const load = (numerics: Numerics) => checkpoint.loadModel(referenceKernels(numerics)) as HamburgerModel;
    const verdicts = check(load('f32'), load('f64'));
    checkpoint.close();
    expect(worst(verdicts).margin, JSON.stringify(worst(verdicts))).toBeLessThanOrEqual(1);
  });

  it('the bounds are not loose: the worst margin is above a twentieth', () => {
    expect(worst(check(...pair(0.3), segments)).margin).toBeGreaterThan(0.05);
  });

  it.each([
    ['a feature un-normed', 'macro.1.features', (t: Tensor) => t.data.fill(1, -1)],
    [
      'one logit off by 2e-6 of the largest',
      'macro.2.micro.3.logits',
      (t: Tensor) => {
        t.data[5] = t.data[5]! + 1e-5 * Math.max(...t.data.map(Math.abs));
      },
    ],
    ['one NaN', 'macro.0.model.layers.2.mlp.up_proj', (t: Tensor) => t.data.fill(Number.NaN, 7, 8)],
    [
      'weights of a masked entry',
      'macro.0.model.layers.0.self_attn.weights',
      (t: Tensor) => t.data.fill(1e-30, 1, 2),
    ],
  ])('the check itself finds %s, at the very tensor', (_, name, spoil) => {
    const verdicts = check(...pair(0.3), segments, (tensors) => spoil(tensors.get(name)!));
    expect(verdicts.find((verdict) => verdict.name === name)!.margin).toBeGreaterThan(1);
  });

  it('conformance/C4: a run of other tokens than was said differs first where they enter', () => {
    const [f32, f64] = pair(0.3);
    const { trace, tensors } = recordTrace();
    teacherForced(f32, { prompt, segments, trace });
    const others = [[1, 2, 3], [4], [5, 6, 7, 9], [9, 10]];
    const verdicts = anchoredCheck(
      { model: f64, prompt, segments: others, profile: trainProfile },
      tensors,
      f32Numerics,
    );
    expect(firstDivergence(verdicts)).toMatchObject({
      name: 'macro.3.comp_embedder.embeddings',
      outcome: 'wrong',
    });
  });
});

describe('a dump that is not whole', () => {
  const segments = [[1, 2, 3], [4]];
  const [f32, f64] = (['f32', 'f64'] as const).map((numerics) =>
    hamburgerOf(smallConfig, numerics, randomWeights(0.3)),
  ) as [HamburgerModel, HamburgerModel];
  const verdictsOf = (spoil: (tensors: Map<string, Tensor>) => void) => {
    const { trace, tensors } = recordTrace();
    teacherForced(f32, { prompt, segments, trace });
    spoil(tensors as Map<string, Tensor>);
    return anchoredCheck({ model: f64, prompt, segments, profile: trainProfile }, tensors, f32Numerics);
  };
  const outcomes = (verdicts: ReturnType<typeof verdictsOf>) =>
    verdicts.filter(({ outcome }) => outcome !== 'right').map(({ name, outcome }) => `${name}: ${outcome}`);
  const name = 'macro.0.model.layers.1.mlp.gate_proj';

  it('conformance/C3: a missing tensor is told, and what follows from it cannot be judged; all else is', () => {
    const missing = 'macro.0.model.layers.1.self_attn.v_proj';
    const verdicts = verdictsOf((tensors) => tensors.delete(missing));
    expect(outcomes(verdicts)).toEqual([
      `${missing}: missing`,
      'macro.0.model.layers.1.self_attn.context: unjudged',
      'macro.1.model.layers.1.self_attn.context: unjudged',
    ]);
    expect(firstDivergence(verdicts)).toMatchObject({ name: missing, shape: { found: null } });
  });

  it('conformance/C5: what may be left out is judged through, as one stage; a mistake inside shows at its end', () => {
    const required =
      /(comp_embedder\.output|k_rope|v_proj|layers\.\d+\.output|decoders\.0\.output|features|hidden|logits|stop_probability)$/;
    const fuse = (tensors: Map<string, Tensor>) => {
      for (const each of tensors.keys())
        if (!required.test(each) || /merger|decoders\.1\.output/.test(each)) tensors.delete(each);
    };
    const whole = verdictsOf(fuse);
    expect(new Set(whole.map(({ outcome }) => outcome))).toEqual(new Set(['right', 'left-out']));
    expect(whole.filter(({ outcome }) => outcome === 'left-out').length).toBeGreaterThan(100);
    const spoiled = verdictsOf((tensors) => {
      fuse(tensors);
      const { data } = tensors.get('macro.0.model.layers.1.output')!;
      data[0] = data[0]! + 0.05;
    });
    expect(firstDivergence(spoiled)).toMatchObject({
      name: 'macro.0.model.layers.1.output',
      outcome: 'wrong',
    });
  });

  it('conformance/C5: bounds that are carried through what was left out do not grow out of sense', () => {
    const verdicts = verdictsOf((tensors) => {
      for (const each of tensors.keys())
        if (
          each.startsWith('macro.0.model.layers.0.') &&
          /(norm|q_|weights|context|o_proj|residual|mlp)/.test(each)
        )
          tensors.delete(each);
    });
    const { data, bounds } = { data: verdicts, bounds: verdicts.map(({ worst }) => worst?.bound ?? 0) };
    expect(firstDivergence(data)).toBeUndefined();
    expect(Math.max(...bounds)).toBeLessThan(0.02);
  });

  it('a tensor of another shape is not read as if it had the right one', () => {
    const verdicts = verdictsOf((tensors) => {
      const [rows, columns] = tensors.get(name)!.shape as [number, number];
      tensors.set(name, tensors.get(name)!.reshape([columns, rows]));
    });
    expect(outcomes(verdicts)).toEqual([
      `${name}: misshapen`,
      'macro.0.model.layers.1.mlp.activation: unjudged',
    ]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'conformance/C2: %s is wrong where it comes up, and infinitely so',
    (value) => {
      const verdicts = verdictsOf((tensors) => tensors.get(name)!.data.fill(value, 3, 4));
      expect(firstDivergence(verdicts)).toMatchObject({
        name,
        outcome: 'wrong',
        margin: Infinity,
        worst: { index: 3, got: value },
      });
      expect(outcomes(verdicts)[1]).toBe('macro.0.model.layers.1.mlp.activation: unjudged');
    },
  );

  it('conformance/C2: finite numbers so large that no bound of what follows is finite are wrong, and it is not judged', () => {
    const rope = 'macro.0.model.layers.1.self_attn.k_rope';
    const verdicts = verdictsOf((tensors) => {
      const { data } = tensors.get(rope)!;
      data.forEach((value, i) => {
        data[i] = value * 1e30;
      });
    });
    expect(firstDivergence(verdicts)).toMatchObject({ name: rope, outcome: 'wrong' });
    expect(outcomes(verdicts)).toContain('macro.0.model.layers.1.self_attn.weights: unjudged');
  });

  it('what is no tensor of such a run is told, after all others', () => {
    const extra = tensorOf('f32', [1], [0]);
    const verdicts = verdictsOf((tensors) => tensors.set('macro.9.features', extra));
    expect(verdicts.at(-1)).toMatchObject({ name: 'macro.9.features', outcome: 'unknown' });
    expect(firstDivergence(verdicts)!.name).toBe('macro.9.features');
  });

  it('the largest margin is told with its element: what was found, what was expected, how far it may be', () => {
    let was = 0;
    const verdicts = verdictsOf((tensors) => {
      const { data } = tensors.get(name)!;
      was = data[5]!;
      data[5] = was + 1;
    });
    const { margin, worst } = firstDivergence(verdicts)!;
    expect(worst).toMatchObject({ index: 5, got: Math.fround(was + 1) });
    expect(worst!.want).toBeCloseTo(was, 5);
    expect(margin).toBeCloseTo(Math.abs(worst!.got - worst!.want) / worst!.bound, 3);
  });
});
