/**
 * Deliberate mistakes: each is one that a reader of the paper, or a port, has made or could make. `npm run mutations` plants them one
 * by one and expects the named test to fail.
 */

/** One mistake: `find`, which occurs once in `file`, becomes `replace`; the test whose name contains `caughtBy` fails. */
export interface Mutation {
  readonly mistake: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Further replacements in the same file. */
  readonly also?: readonly (readonly [find: string, replace: string])[];
  readonly test: string;
  readonly caughtBy: string;
}

const embedder = 'lib/model/compositional-embedder.ts';
const embedderTest = 'test/model/compositional-embedder.test.ts';
const microTest = 'test/model/micro-step-decoder.test.ts';
const generateTest = 'test/decode/generate.test.ts';
const segmentationTest = 'test/train/segmentation.test.ts';

/** A wrong sign in each backward: what it is the backward of, where, what is replaced. */
const signs: readonly (readonly [of: string, file: string, find: string, replace: string])[] = [
  [
    'add',
    'lib/ops/add.ts',
    '  kernels.add(into.y, dz, into.y);',
    '  kernels.scale(dz, -1, dz);\n  kernels.add(into.y, dz, into.y);',
  ],
  [
    'linear',
    'lib/ops/linear.ts',
    '    kernels.add(into.bias, sums, into.bias);',
    '    kernels.scale(sums, -1, sums);\n    kernels.add(into.bias, sums, into.bias);',
  ],
  [
    'linear',
    'lib/ops/linear.ts',
    '  kernels.addMatmulNN(dy.matrix(), weight.matrix(), into.x.matrix());',
    '  kernels.scale(dy, -1, dy);\n  kernels.addMatmulNN(dy.matrix(), weight.matrix(), into.x.matrix());\n  kernels.scale(dy, -1, dy);',
  ],
  [
    'linear',
    'lib/ops/linear.ts',
    '  kernels.addMatmulTN(dy.matrix(), x.matrix(), into.weight.matrix());',
    '  kernels.scale(dy, -1, dy);\n  kernels.addMatmulTN(dy.matrix(), x.matrix(), into.weight.matrix());',
  ],
  ['rms-norm', 'lib/ops/rms-norm.ts', 'factor.data[t] = -round(', 'factor.data[t] = round('],
  [
    'rms-norm',
    'lib/ops/rms-norm.ts',
    '  kernels.add(into.weight, dweight, into.weight);',
    '  kernels.scale(dweight, -1, dweight);\n  kernels.add(into.weight, dweight, into.weight);',
  ],
  [
    'softmax',
    'lib/ops/softmax.ts',
    '  kernels.subtractColumn(dy, inner, dx);',
    '  kernels.scale(inner, -1, inner);\n  kernels.subtractColumn(dy, inner, dx);',
  ],
  [
    'rope',
    'lib/ops/rope.ts',
    'kernels.scale(table.sin, -1, sinBack);',
    'kernels.scale(table.sin, 1, sinBack);',
  ],
  [
    'attention',
    'lib/ops/attention.ts',
    'kernels.scale(da, scaleOf(kernels, size), da);',
    'kernels.scale(da, -scaleOf(kernels, size), da);',
  ],
  [
    'attention',
    'lib/ops/attention.ts',
    '    kernels.addAttentionTransposed(weights, dout, into.values.rows(...entries));',
    '    kernels.scale(weights, -1, weights);\n    kernels.addAttentionTransposed(weights, dout, into.values.rows(...entries));\n    kernels.scale(weights, -1, weights);',
  ],
  [
    'silu',
    'lib/ops/silu.ts',
    '  kernels.addProduct(dy, slope, into.x);',
    '  kernels.scale(slope, -1, slope);\n  kernels.addProduct(dy, slope, into.x);',
  ],
  [
    'swiglu',
    'lib/ops/swiglu.ts',
    '  kernels.addProduct(dactivation, factor, into.up);',
    '  kernels.scale(factor, -1, factor);\n  kernels.addProduct(dactivation, factor, into.up);',
  ],
  [
    'swiglu',
    'lib/ops/swiglu.ts',
    '  kernels.addProduct(dactivation, factor, into.gate);',
    '  kernels.scale(factor, -1, factor);\n  kernels.addProduct(dactivation, factor, into.gate);',
  ],
  [
    'mean-rows',
    'lib/ops/mean-rows.ts',
    '  kernels.divideColumn(dy, counts, share);',
    '  kernels.divideColumn(dy, counts, share);\n  kernels.scale(share, -1, share);',
  ],
  ['concat-columns', 'lib/ops/concat-columns.ts', 'b[j * n + c]! + dy.data', 'b[j * n + c]! - dy.data'],
  ['gather-rows', 'lib/ops/gather-rows.ts', 'data[row * d + i]! + dy.data', 'data[row * d + i]! - dy.data'],
  [
    'token cross-entropy',
    'lib/train/losses.ts',
    'share.data[n * V + id]! - round(factor);',
    'share.data[n * V + id]! + round(factor);',
  ],
  [
    'stop cross-entropy',
    'lib/train/losses.ts',
    '(sigmoid(stopLogits.data[n]!) - (end ? 1 : 0)) * factor',
    '(sigmoid(stopLogits.data[n]!) + (end ? 1 : 0)) * factor',
  ],
  [
    'teacher divergence',
    'lib/train/losses.ts',
    'kernels.scale(target.p, -1, share);',
    'kernels.scale(target.p, 1, share);',
  ],
];

const lossTitles: Readonly<Record<string, string>> = {
  'token cross-entropy': 'cross-entropy of tokens is the mean of -log p, and its backward',
  'stop cross-entropy': 'cross-entropy of the stop head is that of sigmoid(z), and its backward',
  'teacher divergence': 'the divergence is KL(teacher || student), not the other way round, and its backward',
};

const wrongSigns: readonly Mutation[] = signs.map(([of, file, find, replace]) => ({
  mistake: `wrong sign in the backward of ${of}: ${find.trim()}`,
  file,
  find,
  replace,
  test: of in lossTitles ? 'test/train/losses.test.ts' : 'test/ops/backward.test.ts',
  caughtBy: lossTitles[of] ?? `backward of ${of}`,
}));

export const mutations: readonly Mutation[] = [
  {
    mistake: 'position of a segment off by one: the index of the token after it',
    file: 'lib/decode/positions.ts',
    find: 'return tokens - 1 + entryPositionOffset;',
    replace: 'return tokens + entryPositionOffset;',
    test: 'test/decode/positions.test.ts',
    caughtBy: 'positions/C2: the index of the last token, not of the first, nor of the one after it',
  },
  {
    mistake: 'RoPE takes the index of the cache entry instead of the position',
    file: 'lib/model/decoder-layer.ts',
    find: 'model.ropeFrequencies, positions, model.ropeTableRounding',
    replace: 'model.ropeFrequencies, positions.map((_, t) => cache.length + t), model.ropeTableRounding',
    test: 'test/decode/positions.test.ts',
    caughtBy: 'positions/C3: it is the position that RoPE takes',
  },
  {
    mistake: 'mean residual dropped',
    file: embedder,
    find: 'return add(kernels, m, projected);',
    replace: 'return projected;',
    test: embedderTest,
    caughtBy: 'compositional-embedder/C5: the mean is added (mean residual)',
  },
  {
    mistake: 'mean divided by max_steps',
    file: embedder,
    find: 'const m = meanRows(kernels, e, sizes);',
    replace:
      'const m = meanRows(kernels, e, sizes);\n  m.data.forEach((value, i) => { m.data[i] = (value * sizes[0]!) / config.hamburger.maxSteps; });',
    test: embedderTest,
    caughtBy: 'compositional-embedder/C3: the mean is divided by the tokens that are there, not by max_steps',
  },
  {
    mistake: 'a single token goes through the merger',
    file: embedder,
    find: '(segment) => segment.length === 1)',
    replace: '(segment) => segment.length === 0)',
    also: [['(segment) => segment.length > 1)', '(segment) => segment.length > 0)']],
    test: embedderTest,
    caughtBy: 'compositional-embedder/C2: a single token is its own embedding',
  },
  {
    mistake: 'merger positions left out: the same row of the table for every token',
    file: embedder,
    find: '({ tensor: merger.pos, row: j })',
    replace: '({ tensor: merger.pos, row: 0 * j })',
    test: embedderTest,
    caughtBy: 'compositional-embedder/C6: order matters, and only through the learned positions',
  },
  {
    mistake: 'eps outside the root',
    file: 'lib/ops/rms-norm.ts',
    find: '1 / round(Math.sqrt(round(round(ss.data[t]! / d) + epsRounded)))',
    replace: '1 / round(round(Math.sqrt(round(ss.data[t]! / d))) + epsRounded)',
    test: 'test/ops/rms-norm.test.ts',
    caughtBy: 'rms-norm/C2: eps stands inside the root',
  },
  {
    mistake: 'sum of squares instead of their mean',
    file: 'lib/ops/rms-norm.ts',
    find: 'round(ss.data[t]! / d)',
    replace: 'ss.data[t]!',
    test: 'test/ops/rms-norm.test.ts',
    caughtBy: 'golden rms-norm.normal',
  },
  {
    mistake: 'RoPE turns neighbouring pairs instead of halves',
    file: 'lib/kernels/reference.ts',
    find: 'const a = x.data[first + i]!;\n            const b = x.data[first + half + i]!;\n            out.data[first + i] = round(a * c) - round(b * s);\n            out.data[first + half + i] = round(b * c) + round(a * s);',
    replace:
      'const a = x.data[first + 2 * i]!;\n            const b = x.data[first + 2 * i + 1]!;\n            out.data[first + 2 * i] = round(a * c) - round(b * s);\n            out.data[first + 2 * i + 1] = round(b * c) + round(a * s);',
    test: 'test/ops/rope.test.ts',
    caughtBy: 'rope/C4: pairs are halves',
  },
  {
    mistake: 'RoPE turns the other way',
    file: 'lib/kernels/reference.ts',
    find: 'out.data[first + i] = round(a * c) - round(b * s);\n            out.data[first + half + i] = round(b * c) + round(a * s);',
    replace:
      'out.data[first + i] = round(a * c) + round(b * s);\n            out.data[first + half + i] = round(b * c) - round(a * s);',
    test: 'test/ops/rope.test.ts',
    caughtBy: 'golden rope.plain.head-10',
  },
  {
    mistake: 'llama3 blend the wrong way round',
    file: 'lib/ops/rope.ts',
    find: 'return ((1 - s) * frequency) / factor + s * frequency;',
    replace: 'return (s * frequency) / factor + (1 - s) * frequency;',
    test: 'test/ops/rope.test.ts',
    caughtBy: 'golden rope-frequencies.llama3.three-bands',
  },
  {
    mistake: 'bfloat16 table rounded once instead of by way of binary32',
    file: 'lib/ops/rope.ts',
    find: 'roundToBf16(Math.fround(value))',
    replace: 'roundToBf16(value)',
    test: 'test/ops/rope.test.ts',
    caughtBy: 'rope/C5: a bf16 table has bf16 entries',
  },
  {
    mistake: 'query head h reads key/value head h mod Hkv',
    file: 'lib/kernels/reference.ts',
    find: 'keys.head(Math.floor(h / group))',
    replace: 'keys.head(h % keys.shape[1]!)',
    also: [['values.head(Math.floor(h / group))', 'values.head(h % values.shape[1]!)']],
    test: 'test/ops/attention.test.ts',
    caughtBy: 'query head h reads key/value head floor(h / (H / Hkv)), not h mod Hkv',
  },
  {
    mistake: 'attention scaled by the head size instead of its root',
    file: 'lib/ops/attention.ts',
    find: 'kernels.round(1 / Math.sqrt(size))',
    replace: 'kernels.round(1 / size)',
    test: 'test/ops/attention.test.ts',
    caughtBy: 'golden attention.prefill.12-6',
  },
  {
    mistake: 'no causality: every row of a pass sees the whole pass',
    file: 'lib/model/decoder-layer.ts',
    find: 'visible.push(earlier + t + 1);',
    replace: 'visible.push(earlier + T);',
    test: 'test/model/base.test.ts',
    caughtBy: 'attention/C3: is causal: a later token changes no earlier row',
  },
  {
    mistake: 'SiLU on up instead of gate',
    file: 'lib/ops/swiglu.ts',
    find: 'kernels.silu(gate, activation);\n  kernels.multiply(activation, up, activation);',
    replace: 'kernels.silu(up, activation);\n  kernels.multiply(activation, gate, activation);',
    test: 'test/ops/swiglu.test.ts',
    caughtBy: 'swiglu/C1: SiLU is on the gate',
  },
  {
    mistake: 'final norm missing on the last feature',
    file: 'lib/model/base.ts',
    find: 'const normed = finalNorm(model, rows);',
    replace: 'const normed = rows;',
    test: 'test/model/base.test.ts',
    caughtBy: 'features/C2: the last feature passes the final norm, the others do not',
  },
  {
    mistake: 'features taken one layer too early',
    file: 'lib/model/base.ts',
    find: 'const output = outputs[layer]!;',
    replace: 'const output = outputs[Math.max(0, layer - 1)]!;',
    test: 'test/model/base.test.ts',
    caughtBy: 'features/C1: feature i is the last row after layer indices[i], not before it',
  },
  {
    mistake: 'stop compared with <=',
    file: 'lib/decode/termination.ts',
    find: 'continueConfidence(stopProbability, round) < round(threshold)',
    replace: 'continueConfidence(stopProbability, round) <= round(threshold)',
    test: 'test/decode/termination.test.ts',
    caughtBy: 'termination/C2: a tie goes on (the comparison is <, not <=)',
  },
  {
    mistake: 'stop probability compared instead of continue confidence',
    file: 'lib/decode/termination.ts',
    find: 'return round(1 - stopProbability);',
    replace: 'return round(stopProbability);',
    test: 'test/decode/termination.test.ts',
    caughtBy: 'it is the continue confidence 1 - p that is compared, not p',
  },
  {
    mistake: 'without a threshold p = 0.5 stops',
    file: 'lib/decode/termination.ts',
    find: 'stopProbability > 0.5',
    replace: 'stopProbability >= 0.5',
    test: 'test/decode/termination.test.ts',
    caughtBy: 'termination/C3: without a threshold p = 0.5 goes on',
  },
  {
    mistake: 'micro cache kept across macro-steps',
    file: 'lib/decode/macro-step.ts',
    find: '  let microIndex = 0;',
    replace:
      '  let microIndex = 0;\n  Object.assign(cache, { kept: (cache as { kept?: unknown }).kept ?? {} });\n  const kept = (cache as unknown as { kept: { micro?: EntryCache } }).kept;',
    also: [
      [
        'microCache = createKvCache(model.kernels, model.config, numMicroLayers, F + maxSteps - 1);',
        'microCache = kept.micro ??= createKvCache(model.kernels, model.config, numMicroLayers, 99);',
      ],
    ],
    test: microTest,
    caughtBy: 'micro-step-decoder/C3: its cache lives for one macro-step',
  },
  {
    mistake: 'micro positions start again at 0 with the first token',
    file: 'lib/model/micro-step-decoder.ts',
    find: 'positions.push(cache.length + t);',
    replace: 'positions.push(t > 0 && t === rows.shape[0]! - 1 ? 0 : cache.length + t);',
    test: microTest,
    caughtBy: 'micro-step-decoder/C2: features stand first, at 0 to F - 1',
  },
  {
    mistake: 'the first token goes through the micro-step decoder too',
    file: 'lib/decode/macro-step.ts',
    find: 'if (microIndex === 0) return f.rows(F - 1, F);',
    replace: 'if (microIndex === 0) return f.rows(0, 1);',
    test: microTest,
    caughtBy: 'micro-step-decoder/C1: the first token skips the decoder',
  },
  {
    mistake: 'final norm behind the micro-step layers',
    file: 'lib/model/micro-step-decoder.ts',
    find: 'return x.rows(n - 1, n);',
    replace: 'return rmsNorm(model.kernels, x.rows(n - 1, n), model.weights.norm, model.config.rmsNormEps);',
    also: [
      [
        "import type { Tensor } from '../tensor/tensor.ts';",
        "import { rmsNorm } from '../ops/rms-norm.ts';\nimport type { Tensor } from '../tensor/tensor.ts';",
      ],
    ],
    test: microTest,
    caughtBy: 'micro-step-decoder/C4: no norm behind its layers',
  },
  {
    mistake: 'features left out of the micro-step decoder’s input',
    file: 'lib/decode/macro-step.ts',
    find: 'rows.data.set(f.data);',
    replace: '',
    test: microTest,
    caughtBy: 'agrees with the naive implementation at every micro index',
  },
  {
    mistake: 'no activation between the layers of the stop head',
    file: 'lib/model/stop-head.ts',
    find: 'x = module(3, silu(kernels, x));',
    replace: 'x = module(3, x);',
    test: 'test/model/stop-head.test.ts',
    caughtBy: 'two SiLUs, three biases',
  },
  {
    mistake: 'the macro-step emits one token more than max_steps',
    file: 'lib/decode/generate.ts',
    find: 'segment.length >= maxSteps',
    replace: 'segment.length > maxSteps',
    test: generateTest,
    caughtBy: 'same tokens in the same segments at confidence 0.3',
  },
  {
    mistake: 'the positions end a macro-step one token early',
    file: 'lib/decode/generate.ts',
    find: 'maxPositions - prompt.length + 1;',
    replace: 'maxPositions - prompt.length;',
    test: generateTest,
    caughtBy: 'generation/C2: the positions end a macro-step only with the last token that fits',
  },
  {
    mistake: 'judged before it is emitted: a token that is not confident is dropped',
    file: 'lib/decode/generate.ts',
    find: "if (profile.atMaxTokens !== 'cut' || outputTokens <= maxTokens) {",
    replace: "if (end !== 'confidence') {",
    test: generateTest,
    caughtBy: 'same tokens in the same segments at confidence 0.8',
  },
  {
    mistake: 'EOS not looked at in the first macro-step',
    file: 'lib/decode/profiles.ts',
    find: "  eosEndsMacroStep: false,\n  eosInFirstMacroStep: true,\n  atMaxTokens: 'overshoot',",
    replace: "  eosEndsMacroStep: false,\n  eosInFirstMacroStep: false,\n  atMaxTokens: 'overshoot',",
    test: generateTest,
    caughtBy: 'generation/C5: EOS in the first macro-step is overlooked only where the profile says so',
  },
  {
    mistake: 'argmax takes the last of a tie',
    file: 'lib/ops/argmax.ts',
    find: 'if (logit <= largest) continue;',
    replace: 'if (logit < largest) continue;',
    test: 'test/decode/token-choice.test.ts',
    caughtBy: 'token-choice/C1: the lowest id of a tie',
  },
  {
    mistake: 'softmax without subtracting the maximum',
    file: 'lib/kernels/reference.ts',
    find: 'exp(round(value - column.data[r]!))',
    replace: 'exp(value)',
    test: 'test/ops/softmax.test.ts',
    caughtBy: 'does not overflow: the maximum is subtracted',
  },
  {
    mistake: 'f32 dot product summed left to right',
    file: 'lib/kernels/reference.ts',
    find: 'const { dot, sum } = f32 ? f32Sums() : f64Sums;',
    replace: 'const { dot, sum } = f64Sums;',
    test: 'test/kernels/reference.test.ts',
    caughtBy: 'numerics/N3: a dot product has the stated order for every length',
  },
  {
    mistake: 'cache entries overwritten instead of appended',
    file: 'lib/decode/kv-cache.ts',
    find: 'stored.data.set(rows.data, positions.length * width);',
    replace: 'stored.data.set(rows.data, Math.max(0, positions.length - 1) * width);',
    test: 'test/decode/kv-cache.test.ts',
    caughtBy: 'kv-cache/C1: each layer has its own entries, old ones first',
  },
  {
    mistake: 'SIMD: two of the sixteen accumulators of a dot product meet in another order',
    file: 'lib/kernels/simd/assembly/vectors.ts',
    find: 'i8x16.shuffle(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)',
    replace: 'i8x16.shuffle(ab, cd, 12, 13, 14, 15, 4, 5, 6, 7, 20, 21, 22, 23, 28, 29, 30, 31)',
    test: 'test/kernels/simd.test.ts',
    caughtBy: 'numerics/N3: matmulNT, for every length of the dot product',
  },
  {
    mistake: 'SIMD: the second pair of vectors of a dot product is added before the first',
    file: 'lib/kernels/simd/assembly/dot-products.ts',
    find: 'return tree(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));\n}\n\n/**\n * One row',
    replace: 'return tree(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));\n}\n\n/**\n * One row',
    test: 'test/kernels/simd.test.ts',
    caughtBy: 'numerics/N3: matmulNT, for every length of the dot product',
  },
  {
    mistake: 'SIMD: four rows that see different numbers of entries all stop where the first does',
    file: 'lib/kernels/simd/assembly/left-to-right.ts',
    find: 'if (more > 0) {',
    replace: 'if (false) {',
    test: 'test/kernels/simd.test.ts',
    caughtBy: 'attentionScores, attentionContext: all heads',
  },
  {
    mistake: 'SIMD: what is left over when several threads share a product is done by none',
    file: 'lib/kernels/simd/assembly/threads.ts',
    find: 'chunk == chunks ? count :',
    replace: 'chunk == chunks ? count & ~3 :',
    test: 'test/kernels/simd.test.ts',
    caughtBy: 'matmulNT: any number of rows and columns, blocks left over',
  },
  {
    mistake: 'decreasing_v2 lets a token join in a tie',
    file: 'lib/train/segmentation.ts',
    find: 'u < minThreshold || u < ratioThreshold * largest',
    replace: 'u <= minThreshold || u <= ratioThreshold * largest',
    test: segmentationTest,
    caughtBy: 'segmentation/C8: a tie with either threshold begins a new segment',
  },
  {
    mistake: 'the largest uncertainty outlives its segment',
    file: 'lib/train/segmentation.ts',
    find: 'running = { size: 1, first: u, last: u, largest: u };',
    replace: 'running = { size: 1, first: u, last: u, largest: Math.max(running?.largest ?? -1, u) };',
    test: segmentationTest,
    caughtBy: 'segmentation/C9: the largest is forgotten when its segment ends',
  },
  {
    mistake: 'a row is asked about its own token instead of the next',
    file: 'lib/train/token-metrics.ts',
    find: 'ids[t + 1]!',
    replace: 'ids[t]!',
    test: 'test/train/token-metrics.test.ts',
    caughtBy: 'segmentation/C1: is what the base says token by token as it decodes',
  },
  {
    mistake: 'an attention window of W shows W entries before the row, and the row',
    file: 'lib/train/sliding-kv-cache.ts',
    find: 'end - (window - 1)',
    replace: 'end - window',
    test: 'test/train/token-metrics.test.ts',
    caughtBy: 'segmentation/C4: window 5: as the independent base has it',
  },
  ...wrongSigns,
];
