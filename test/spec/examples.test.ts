/** Executes the worked example of every section of SPEC.md, in both modes. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../lib/checkpoint/byte-source.ts';
import { openSafetensors } from '../../lib/checkpoint/safetensors.ts';
import { boundedOperations, exactly } from '../../lib/conformance/bounded.ts';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { formulaCounts, growthOf, meter, plainDecoderCounts } from '../../lib/decode/accounting.ts';
import { generate, teacherForced } from '../../lib/decode/generate.ts';
import { generateBatch } from '../../lib/decode/generate-batch.ts';
import { createKvCache } from '../../lib/decode/kv-cache.ts';
import { logProbabilities } from '../../lib/decode/log-probabilities.ts';
import { promptPositions, segmentPosition } from '../../lib/decode/positions.ts';
import { profiles, trainProfile } from '../../lib/decode/profiles.ts';
import { rolledBack } from '../../lib/decode/roll-back.ts';
import { endsByConfidence } from '../../lib/decode/termination.ts';
import { greedyChoice, samplingChoice } from '../../lib/decode/token-choice.ts';
import { adjustLogits, probabilitiesById, tokenDistribution } from '../../lib/decode/token-distribution.ts';
import { lenientPolicy, samplingPolicy, typicalPolicy } from '../../lib/decode/verification-policy.ts';
import { suggestedThreshold, thresholdFigures } from '../../lib/evaluate/calibration.ts';
import { meanOfEstimates } from '../../lib/evaluate/estimate.ts';
import { figuresOf, speedOf } from '../../lib/evaluate/figures.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { exp } from '../../lib/math/exp.ts';
import { log } from '../../lib/math/log.ts';
import { pow } from '../../lib/math/pow.ts';
import { replayedUniforms } from '../../lib/math/random.ts';
import { sigmoid, silu } from '../../lib/math/sigmoid.ts';
import { cos, sin } from '../../lib/math/trigonometric.ts';
import { features } from '../../lib/model/base.ts';
import { compositionalEmbedder } from '../../lib/model/compositional-embedder.ts';
import { configFault, type HamburgerConfig, type ModelConfig } from '../../lib/model/config.ts';
import type { ModelPart } from '../../lib/model/cost.ts';
import { stopProbabilities } from '../../lib/model/stop-head.ts';
import { parameters } from '../../lib/model/weights.ts';
import { add } from '../../lib/ops/add.ts';
import { attention } from '../../lib/ops/attention.ts';
import { linear, linearBackward } from '../../lib/ops/linear.ts';
import { rmsNorm } from '../../lib/ops/rms-norm.ts';
import { rope, ropeFrequencies, ropeTable } from '../../lib/ops/rope.ts';
import { softmax } from '../../lib/ops/softmax.ts';
import { swiglu } from '../../lib/ops/swiglu.ts';
import { type Numerics, sizeOf, type Tensor } from '../../lib/tensor/tensor.ts';
import { type StopStringProgress, stopStringMatcher } from '../../lib/text/stop-strings.ts';
import { discardTrace, recordTrace } from '../../lib/trace.ts';
import { batchesFrom, shuffled, totalSteps } from '../../lib/train/batches.ts';
import { withBreaks } from '../../lib/train/breaks.ts';
import { stopCrossEntropy, teacherDivergence, tokenCrossEntropy } from '../../lib/train/losses.ts';
import { clipGradients, createAdamW } from '../../lib/train/optimiser.ts';
import { type GraftRecipe, parseRecipe } from '../../lib/train/recipe.ts';
import { learningRateAt } from '../../lib/train/schedule.ts';
import { metrics, segmentSizes, strategies } from '../../lib/train/segmentation.ts';
import { trainingPass } from '../../lib/train/tape.ts';
import { metricsOf } from '../../lib/train/token-metrics.ts';
import { fromNested, hamburgerOf, modelOf, nested, smallConfig, sparseWeights } from '../helpers/models.ts';

const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');

/** Slug → the example's JSON. */
const examples = new Map(
  [...spec.matchAll(/```json example ([a-z-]+)\n(.*?)```/gs)].map(([, slug, json]) => [
    slug!,
    JSON.parse(json!),
  ]),
);

// biome-ignore lint/suspicious/noExplicitAny: an example's shape is its own; a wrong one fails the test that reads it.
type Example = any;

/** A model of width 2 whose layers pass the residual stream on: all weights zero but those given. */
function twoWide(
  numerics: Numerics,
  example: Example,
  hamburger: HamburgerConfig | null,
  extra: Record<string, number[]> = {},
) {
  const config: ModelConfig = {
    ...smallConfig,
    vocabSize: example.embed_tokens?.length ?? 3,
    hiddenSize: 2,
    intermediateSize: 1,
    numHiddenLayers: example.layer_outputs?.length ?? 1,
    numAttentionHeads: 1,
    numKeyValueHeads: 1,
    rmsNormEps: example.eps ?? 1e-5,
    tieWordEmbeddings: example.lm_head === undefined,
    hamburger,
  };
  const base = hamburger === null ? '' : 'model.';
  const weights = sparseWeights({
    [`${base}model.embed_tokens.weight`]: (example.embed_tokens ?? []).flat(),
    [`${base}lm_head.weight`]: (example.lm_head ?? []).flat(),
    [`${base}model.norm.weight`]: example.norm ?? [1, 1],
    ...extra,
  });
  return hamburgerOf(config, numerics, weights);
}

const twoSteps: HamburgerConfig = {
  maxSteps: 2,
  numMergerHeads: 1,
  featureLayerIndices: [0],
  numMicroLayers: 1,
};

/** Runs the example of a section and compares. */
const runners: Record<
  string,
  (example: Example, kernels: Kernels, t: (values: unknown) => ReturnType<typeof fromNested>) => void
> = {
  notation: (e, kernels, t) => near(nested(add(kernels, t(e.add.x), t(e.add.y))), e.result),
  numerics: (e, kernels, t) => {
    const out = kernels.empty([1, 1]);
    kernels.matmulNT(t([e.dot.a]).matrix(), t([e.dot.b]).matrix(), out.matrix());
    expect(out.data[0]! - 1).toBe(e[`${kernels.numerics}_minus_1`]);
    const leftToRight = e.dot.b.reduce((sum: number, term: number) => Math.fround(sum + term), 0);
    expect(leftToRight - 1).toBe(e.left_to_right_in_f32_minus_1);
  },
  'elementary-functions': (e) => {
    const functions = { exp, log, sin, cos, pow, sigmoid, silu };
    for (const [name, f] of Object.entries(functions)) {
      for (const row of e[name]) near((f as (...x: number[]) => number)(...row.slice(0, -1)), row.at(-1));
    }
  },
  configuration: (e) => {
    const config = {
      ...smallConfig,
      numAttentionHeads: e.config.num_attention_heads,
      hiddenSize: e.config.hidden_size,
    };
    expect(configFault(config)?.rule).toBe(e.fault);
  },
  linear: (e, kernels, t) =>
    near(nested(linear(kernels, t(e.x), { weight: t(e.weight), bias: t(e.bias) })), e.y),
  'rms-norm': (e, kernels, t) => near(nested(rmsNorm(kernels, t(e.x), t(e.weight), e.eps)), e.y),
  softmax: (e, kernels, t) => near(nested(softmax(kernels, t(e.x), e.visible)), e.y),
  rope: (e, kernels, t) => {
    const frequencies = ropeFrequencies(e.size, e.theta, null);
    near([...frequencies], e.frequencies);
    const scaling = {
      factor: e.scaling.factor,
      lowFreqFactor: e.scaling.low_freq_factor,
      highFreqFactor: e.scaling.high_freq_factor,
      originalMaxPositionEmbeddings: e.scaling.original_max_position_embeddings,
    };
    near([...ropeFrequencies(e.size, e.theta, scaling)], e.scaled_frequencies);
    near(nested(rope(kernels, t([[e.x]]), ropeTable(kernels, frequencies, [e.position], 'mode'))), [[e.y]]);
  },
  attention: (e, kernels, t) => {
    const inputs = { queries: t(e.queries), keys: t(e.keys), values: t(e.values), visible: e.visible };
    near(nested(attention(kernels, inputs, discardTrace)), e.context);
  },
  'kv-cache': (e, kernels) => {
    const cache = createKvCache(kernels, smallConfig, 1, 20);
    const rows = (n: number) => kernels.empty([n, smallConfig.numKeyValueHeads, 4]);
    const pass = (n: number) => {
      cache.append(0, rows(n), rows(n));
      cache.complete(Array.from({ length: n }, (_, i) => i));
    };
    pass(e.prompt_tokens);
    for (const _ of e.segments_fed_back) pass(1);
    expect(cache.length).toBe(e.entries);
    expect(e.prompt_tokens + e.segments_fed_back.reduce((a: number, b: number) => a + b)).toBe(
      e.plain_decoder_entries,
    );
  },
  swiglu: (e, kernels, t) => {
    const weights = {
      gate_proj: { weight: t(e.gate_proj) },
      up_proj: { weight: t(e.up_proj) },
      down_proj: { weight: t(e.down_proj) },
    };
    near(nested(swiglu(kernels, t(e.x), weights, discardTrace)), e.y);
  },
  base: (e, { numerics }) => {
    const [[token]] = teacherForced(twoWide(numerics, e, null), {
      prompt: e.prompt,
      segments: [[0]],
    }) as Example;
    near([...token.logits.data], e.logits);
  },
  'compositional-embedder': (e, { numerics }) => {
    const model = twoWide(numerics, e, twoSteps, {
      'comp_embedder.merger.pos': e.pos.flat(),
      'comp_embedder.merger.v_proj.weight': e.v_proj.flat(),
      'comp_embedder.out_proj.weight': e.out_proj.flat(),
      'comp_embedder.out_proj.bias': e.out_bias,
    });
    near([...compositionalEmbedder(model, e.segment, discardTrace).data], e.output);
  },
  positions: (e) => {
    let tokens = e.prompt_tokens;
    const later = e.segments.map((s: number) => {
      tokens += s;
      return segmentPosition(tokens, trainProfile);
    });
    expect([...promptPositions(e.prompt_tokens), ...later]).toEqual(e.positions);
  },
  features: (e, { numerics }, t) => {
    const model = twoWide(numerics, e, { ...twoSteps, featureLayerIndices: e.feature_layer_indices });
    const rows = [{ positions: [0, 1], outputRows: 1 }];
    near(nested(features(model, e.layer_outputs.map(t), rows, discardTrace)), e.features);
  },
  'micro-step-decoder': (e, { numerics }) => {
    const run = teacherForced(twoWide(numerics, e, twoSteps), { prompt: e.prompt, segments: [e.segment] });
    near(
      run[0]!.map(({ logits }) => [...logits.data]),
      e.logits,
    );
  },
  'stop-head': (e, { numerics }, t) => {
    const model = twoWide(numerics, {}, twoSteps, { 'micro_step_decoder.stop_head.4.bias': [e.bias_4] });
    near([...stopProbabilities(model, t(e.hidden), discardTrace).data], [e.p]);
  },
  termination: (e) => {
    for (const { p, tau, arithmetic, ends } of e.cases) {
      const round = arithmetic === 'f32' ? Math.fround : (x: number) => x;
      expect(endsByConfidence(p, tau, round), JSON.stringify({ p, tau, arithmetic })).toBe(ends);
    }
  },
  'token-distribution': (e) => {
    const logits = Float64Array.from(e.logits);
    const logitBias = new Map(Object.entries(e.bias).map(([id, bias]) => [Number(id), bias as number]));
    const adjustments = { logitBias, repetitionPenalty: e.repetition_penalty };
    expect([...adjustLogits(logits, e.previous, adjustments)]).toEqual(e.adjusted);
    for (const { top_k: topK, top_p: topP, min_p: minP, ids, weights, total } of e.cases) {
      const options = { temperature: e.temperature, ...adjustments, topK, topP, minP };
      const distribution = tokenDistribution(options)(logits, e.previous);
      expect([...distribution.ids]).toEqual(ids);
      near([...distribution.weights, distribution.total], [...weights, total]);
    }
  },
  'token-choice': (e) => {
    expect(greedyChoice(Float64Array.from(e.greedy.logits), [])).toBe(e.greedy.id);
    for (const { u, id } of e.sampled.draws) {
      const choice = samplingChoice({ temperature: e.sampled.temperature, uniforms: replayedUniforms([u]) });
      expect(choice(Float64Array.from(e.sampled.logits), [])).toBe(id);
    }
  },
  generation: (e, { numerics }) => {
    const model = twoWide(
      numerics,
      e,
      { ...twoSteps, maxSteps: e.max_steps },
      {
        'micro_step_decoder.stop_head.4.bias': [Math.log(e.p / (1 - e.p))],
      },
    );
    for (const { confidence, max_tokens, segments, positions } of e.runs) {
      const run = generate(model, { prompt: e.prompt, maxTokens: max_tokens, confidence });
      const emitted: number[][] = [];
      let next = run.next();
      for (; !next.done; next = run.next()) {
        emitted[next.value.macroStep] ??= [];
        emitted[next.value.macroStep]!.push(next.value.id);
      }
      expect(emitted).toEqual(segments);
      expect(next.value.entryPositions).toEqual(positions);
    }
  },
  batching: (e, { numerics }) => {
    const model = twoWide(
      numerics,
      e,
      { ...twoSteps, maxSteps: e.max_steps },
      { 'micro_step_decoder.stop_head.4.bias': [Math.log(e.p / (1 - e.p))] },
    );
    const requests = e.requests.map(({ prompt, confidence, max_tokens }: Example) => ({
      prompt,
      confidence,
      maxTokens: max_tokens,
    }));
    const events = [...generateBatch(model, requests, { places: e.places })];
    expect(
      events.flatMap((event) => (event.kind === 'token' ? [[event.request, event.token.id]] : [])),
    ).toEqual(e.events);
    expect(events.flatMap((event) => (event.kind === 'end' ? [event.request] : []))).toEqual(e.ends);
  },
  'stop-strings': (e) => {
    for (const { pieces, certain, found, rest, kept } of e.runs) {
      const matcher = stopStringMatcher(e.stop_strings);
      const steps = certain.map((_: string, i: number) => matcher.push(pieces[i]));
      expect(steps.map(({ text }: StopStringProgress) => text)).toEqual(certain);
      expect(steps.at(-1).found).toBe(found);
      expect(matcher.flush()).toBe(rest ?? '');
      const keeping = stopStringMatcher(e.stop_strings, { keep: true });
      const all = certain.map((_: string, i: number) => keeping.push(pieces[i]).text).join('');
      if (found !== null) expect(all).toBe(kept);
    }
  },
  'log-probabilities': (e) => {
    const { logProbability, alternatives } = logProbabilities(
      Float64Array.from(e.logits),
      e.id,
      e.alternatives,
    );
    near(logProbability, e.log_probability);
    near(
      alternatives.map((each) => [each.id, each.logProbability]),
      e.most_probable,
    );
  },
  verification: (e) => {
    const { tokens_before: tokensBefore, segments, next } = e;
    for (const { accepted, profile, entries_kept, pending } of e.rolled_back) {
      const left = rolledBack(
        { tokensBefore, segments, accepted, next },
        profile === undefined ? trainProfile : profiles.get(profile)!,
      );
      expect([left.entriesKept, left.pending]).toEqual([entries_kept, pending]);
    }
    const distributionOf = (probabilities: number[]) => {
      const logits = Float64Array.from(probabilities, log);
      return { logits, drawnFrom: tokenDistribution({ temperature: 1 })(logits, []) };
    };
    const [q, p] = [distributionOf(e.q), distributionOf(e.p)];
    const evidence = (u: number) => ({
      id: e.token,
      logits: q.logits,
      target: () => q.drawnFrom,
      draft: () => p.drawnFrom,
      uniform: () => u,
    });
    for (const { u, accepted } of e.sampling) expect(samplingPolicy.accepts(evidence(u))).toBe(accepted);
    near([...probabilitiesById(samplingPolicy.afterRejection(evidence(0)), 3)], e.after_rejection);
    for (const { threshold, factor, accepted } of e.typical) {
      expect(typicalPolicy({ threshold, entropyFactor: factor }).accepts(evidence(0))).toBe(accepted);
    }
    for (const { k, accepted } of e.lenient) expect(lenientPolicy(k).accepts(evidence(0))).toBe(accepted);
  },
  segmentation: (e) => {
    const vocabularySize = e.logits.length;
    near(metricsOf(Float64Array.from(e.logits), e.token).entropy, e.entropy);
    near(metricsOf(Float32Array.from(e.logits), e.token).probability, e.probability);
    for (const [name, theta] of Object.entries(e.theta))
      near(metrics.get(name)!.threshold(e.confidence, vocabularySize), theta);
    expect(Object.keys(e.sizes)).toEqual([...strategies.keys()]);
    for (const [name, sizes] of Object.entries(e.sizes)) {
      const strategy = strategies.get(name)!;
      const confidence = strategy.defaults.confidence === undefined ? {} : { confidence: e.confidence };
      expect(
        segmentSizes(e.u, { vocabularySize, strategy, maxSteps: e.max_steps, ...confidence }),
        name,
      ).toEqual(sizes);
    }
  },
  training: (e, kernels, t) => {
    const into = { x: t([[0, 0]]), weight: t(e.weight.map(() => [0, 0])), bias: t([0, 0, 0]) };
    linearBackward(kernels, { x: t(e.x), weight: t(e.weight) }, t(e.dy), into);
    near([nested(into.x), nested(into.weight), nested(into.bias)], [e.dx, e.dweight, e.dbias]);
  },
  losses: (e, kernels, t) => {
    const place = { values: kernels.empty([32]), gradients: kernels.empty([32]) };
    const logits = place.values.rows(0, 2).reshape([1, 2]);
    const stop = place.values.rows(16, 17).reshape([1, 1]);
    logits.data.set(e.logits[0]);
    stop.data[0] = e.stop_logit;
    const pass = trainingPass(kernels, place);
    const gradientOf = (tensor: Tensor, loss: () => number, value: number): unknown => {
      place.gradients.data.fill(0);
      near(loss(), value);
      pass.backward();
      return nested(pass.gradient(tensor));
    };
    const k = pass.kernels;
    near(
      gradientOf(logits, () => tokenCrossEntropy(k, logits, [e.token], 1), e.cross_entropy),
      e.dlogits,
    );
    near(
      gradientOf(stop, () => stopCrossEntropy(k, stop, [e.ends], 1), e.stop_cross_entropy),
      [[e.dstop_logit]],
    );
    near(
      gradientOf(logits, () => teacherDivergence(k, logits, t(e.teacher), 1), e.divergence),
      e.dlogits_of_divergence,
    );
  },
  optimiser: (e, kernels, t) => {
    const parameter = { name: 'w', values: t(e.w), gradients: t(e.g) };
    expect(clipGradients(kernels, [parameter], e.limit)).toBe(e.norm);
    const groups = [{ prefixes: [''], weightDecay: e.decay }];
    const optimiser = createAdamW(kernels, [parameter], { groups, beta1: e.b1, beta2: e.b2, eps: e.eps });
    optimiser.step([e.lr]);
    near(nested(parameter.values), e.after);
    const { warm_up: warmUp, ...rest } = e.schedule;
    near(
      e.rates.map((_: number, i: number) => learningRateAt({ warmUp, ...rest }, i)),
      e.rates,
    );
  },
  recipe: (e) => {
    const { batchTokens, data, segmentation, adam } = parseRecipe(e.recipe, 'recipe.json') as GraftRecipe;
    expect([batchTokens, data.chat, segmentation.strategy.name, adam.beta2]).toEqual([
      2048,
      true,
      'sliding',
      0.999,
    ]);
    expect(shuffled(e.order.n, e.order.seed, e.order.epoch)).toEqual(e.order.samples);
    const { lengths, batch_tokens, seed, epochs, samples } = e.batches;
    const options = { lengths, batchTokens: batch_tokens, seed };
    const batches = batchesFrom(0, options);
    const taken = Array.from({ length: totalSteps({ epochs }, options) }, () => batches.next().value.samples);
    expect(taken).toEqual(samples);
    const uniforms = replayedUniforms(e.breaks.uniforms);
    const { cut, stops } = e.breaks;
    expect(withBreaks(e.breaks.sizes, e.breaks, uniforms)).toEqual({ sizes: cut, stops });
    expect(uniforms.remaining).toBe(0);
  },
  evaluation: (e) => {
    const answers = e.answers.map(({ correct, T, N, m, E }: Record<string, number>) => ({
      ...{ correct, ended: true, promptTokens: T, outputTokens: N, macroSteps: m, entries: E },
    }));
    const { score, tokens_per_macro_step, kv_entries_saved } = e;
    expect(figuresOf(answers)).toMatchObject({ tokens_per_macro_step });
    near(Object.values(figuresOf(answers).score!), Object.values(score));
    near(Object.values(figuresOf(answers).kv_entries_saved), Object.values(kv_entries_saved));
    const times = (tokens: number[], seconds: number[]) =>
      tokens.map((decodeTokens, i) => ({
        ...{ decodeTokens, decodeSeconds: seconds[i]!, firstTokenSeconds: 1, seconds: seconds[i]! + 1 },
      }));
    const { ratio, overall_ratio } = e.speed;
    expect(
      speedOf(times(e.speed.tokens, e.speed.seconds), times(e.speed.base_tokens, e.speed.base_seconds)),
    ).toMatchObject({ ratio, overall_ratio });
    near(Object.values(meanOfEstimates(e.mean.of)!), Object.values(e.mean.is));
  },
  cost: (e, kernels) => {
    const { vocab_size, hidden_size, intermediate_size, num_hidden_layers, heads, hamburger } = e.config;
    const config: ModelConfig = {
      ...smallConfig,
      vocabSize: vocab_size,
      hiddenSize: hidden_size,
      intermediateSize: intermediate_size,
      numHiddenLayers: num_hidden_layers,
      numAttentionHeads: heads,
      numKeyValueHeads: heads,
      hamburger: {
        maxSteps: hamburger.max_steps,
        numMergerHeads: hamburger.num_merger_heads,
        featureLayerIndices: hamburger.feature_layer_indices,
        numMicroLayers: hamburger.num_micro_layers,
      },
    };
    const series = formulaCounts(config, e.prompt_tokens, e.segments);
    const { model, trace, read } = meter(modelOf(config, kernels.numerics, undefined, kernels));
    const prompt = Array.from({ length: e.prompt_tokens }, () => 0);
    const segments = e.segments.map((s: number) => Array.from({ length: s }, () => 0));
    teacherForced(model, { prompt, segments, trace });
    expect(read()).toEqual(series.at(-1));
    const flops = (part: ModelPart) => series.map((counts) => counts.flops[part]);
    expect(flops('base')).toEqual(e.base);
    expect(flops('compositionalEmbedder')).toEqual(e.compositional_embedder);
    expect(flops('microStepDecoder')).toEqual(e.micro_step_decoder);
    expect(flops('stopHead')).toEqual(e.stop_head);
    expect(flops('lmHead')).toEqual(e.lm_head);
    expect(series.map(({ kvEntries }) => kvEntries)).toEqual(e.kv_entries);
    expect(series.map(({ microRows }) => microRows)).toEqual(e.micro_rows);
    const { kvEntries, baseFlops } = growthOf(config, e.prompt_tokens, series);
    near([kvEntries, baseFlops], [e.growth.kv_entries, e.growth.base_flops]);
    const plain = plainDecoderCounts(config, e.prompt_tokens, series.length);
    expect(plain.map(({ flops }) => flops.base)).toEqual(e.plain_decoder.base);
    expect(plain.map(({ kvEntries }) => kvEntries)).toEqual(e.plain_decoder.kv_entries);
  },
  calibration: (e) => {
    const runs = e.runs.map((run: { drafts: { c: number; agrees: boolean; held_back?: true }[] }) => ({
      ...{ outputTokens: 4, macroSteps: 2, firsts: [true, true] },
      drafts: run.drafts.map(({ c, agrees, held_back }) => ({
        ...{ microIndex: 1, draftedWith: c, agrees, heldBack: held_back === true },
      })),
    }));
    const figures = thresholdFigures(0.5, runs);
    expect(figures.drafts).toBe(3);
    near(Object.values(figures.agreement!), Object.values(e.agreement));
    const bins = figures.reliability.filter(({ drafts }) => drafts > 0);
    near(
      bins.map((bin) => [bin.from, bin.drafts, bin.mean_confidence, bin.agreement!.value]),
      e.bins.map(Object.values),
    );
    near(figures.expected_calibration_error, e.expected_calibration_error);
    const several = e.at_least.map(({ threshold, value }: { threshold: number; value: number }) => ({
      ...figures,
      threshold,
      agreement_at_least: value,
    }));
    expect(suggestedThreshold(several, e.wanted)).toBe(e.suggested);
  },
  checkpoint: (e) => {
    const { vocab_size, hidden_size, intermediate_size, num_hidden_layers, heads, tied } = e.config;
    const config: ModelConfig = {
      ...smallConfig,
      vocabSize: vocab_size,
      hiddenSize: hidden_size,
      intermediateSize: intermediate_size,
      numHiddenLayers: num_hidden_layers,
      numAttentionHeads: heads,
      numKeyValueHeads: heads,
      tieWordEmbeddings: tied,
      hamburger: null,
    };
    expect(parameters(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(e.parameters);
  },
  safetensors: (e) => {
    const file = openSafetensors(bytesSource('example', Buffer.from(e.hex.replaceAll(' ', ''), 'hex')));
    expect(file.tensors.get(e.tensor)?.shape).toEqual(e.shape);
    const values = new Float32Array(e.values.length);
    file.readFloats(e.tensor, values);
    expect([...values]).toEqual(e.values);
  },
  trace: (e, { numerics }) => {
    const { trace, tensors } = recordTrace();
    const prompt = Array.from({ length: e.prompt_tokens }, () => 0);
    const segments = e.segments.map((s: number) => Array.from({ length: s }, () => 0));
    teacherForced(twoWide(numerics, {}, twoSteps), { prompt, segments, trace });
    for (const [name, shape] of Object.entries(e.some_names_and_shapes))
      expect(tensors.get(name)?.shape, name).toEqual(shape);
  },
  conformance: (e) => {
    const { linear } = boundedOperations(portNumerics.get(e.numerics)!);
    const x = exactly(e.x.flat(), e.x[0].length);
    const { values, bounds } = linear(x, e.weight.flat(), null);
    const [y, bound] = [values[0]!, bounds[0]!];
    expect(y).toBe(e.y);
    near([bound, Math.abs(e.port - y) / bound], [e.bound, e.margin]);
  },
};

/** Equal structure, numbers equal to four decimal places. */
function near(actual: unknown, expected: unknown): void {
  const round = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(round)
      : Math.abs(Number(value)) < 5e-5
        ? 0
        : Number(Number(value).toFixed(4));
  expect(round(actual)).toEqual(round(expected));
}

describe('worked examples of SPEC.md', () => {
  const sections = [...spec.matchAll(/^## .*\(([a-z-]+)\)$/gm)].map(([, slug]) => slug!);

  it('every section but the profiles has an example, and every example a runner', () => {
    expect([...examples.keys()]).toEqual(sections.filter((slug) => slug !== 'profiles'));
    expect(Object.keys(runners)).toEqual([...examples.keys()]);
  });

  for (const [slug, example] of examples) {
    for (const numerics of ['f64', 'f32'] as const) {
      it(`${slug}, ${numerics}`, () => {
        expect.hasAssertions();
        runners[slug]!(example, referenceKernels(numerics), (values) => fromNested(numerics, values));
      });
    }
  }
});
