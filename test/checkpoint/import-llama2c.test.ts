import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { importLlama2c, pairsToHalves } from '../../lib/checkpoint/import-llama2c.ts';
import { generate } from '../../lib/decode/generate.ts';
import { CallerError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { ropeFrequencies, ropeTable } from '../../lib/ops/rope.ts';
import { sizeOf, tensorOf } from '../../lib/tensor/tensor.ts';
import { contentsOf, elementAt, faultOf, folderOf, temporaryFolder } from '../helpers/checkpoint-folders.ts';
import { realModel } from '../helpers/real-model.ts';

/** Sizes in the order of the header. Heads of six: with four, the permutation would be its own inverse. */
const sizes = { dim: 12, hiddenDim: 10, layers: 2, heads: 2, kvHeads: 1, vocabulary: 7, positions: 5 };
type Sizes = typeof sizes;

/** What a llama2.c file holds, in its order, by names of its own. */
function partsOf({
  dim,
  hiddenDim,
  layers,
  heads,
  kvHeads,
  vocabulary,
  positions,
}: Sizes): [string, number[]][] {
  const kv = (dim / heads) * kvHeads;
  return [
    ['tok_embeddings', [Math.abs(vocabulary), dim]],
    ['attention_norm', [layers, dim]],
    ['wq', [layers, dim, dim]],
    ['wk', [layers, kv, dim]],
    ['wv', [layers, kv, dim]],
    ['wo', [layers, dim, dim]],
    ['ffn_norm', [layers, dim]],
    ['w1', [layers, hiddenDim, dim]],
    ['w2', [layers, dim, hiddenDim]],
    ['w3', [layers, hiddenDim, dim]],
    ['norm', [dim]],
    ['freq_cis_real', [positions, dim / heads / 2]],
    ['freq_cis_imag', [positions, dim / heads / 2]],
    ...(vocabulary < 0 ? ([['output', [-vocabulary, dim]]] as [string, number[]][]) : []),
  ];
}

function modelFile(given: Sizes, set?: (part: string, index: number) => number | undefined): Uint8Array {
  const floats = partsOf(given).flatMap(([part, shape]) =>
    Array.from({ length: sizeOf(shape) }, (_, i) => set?.(part, i) ?? elementAt(part, i)),
  );
  const bytes = new DataView(new ArrayBuffer(28 + 4 * floats.length));
  Object.values(given).forEach((value, i) => {
    bytes.setInt32(4 * i, value, true);
  });
  floats.forEach((value, i) => {
    bytes.setFloat32(28 + 4 * i, value, true);
  });
  return new Uint8Array(bytes.buffer);
}

/** Seven tokens in the format of llama2.c. */
function tokenizerFile(texts = ['<unk>', '<s>', '</s>', ' ', 'a', 'b', 'ab']): Uint8Array {
  const entries = texts.flatMap((text, i) => {
    const spelling = new TextEncoder().encode(text);
    const head = new DataView(new ArrayBuffer(8));
    head.setFloat32(0, -i, true);
    head.setInt32(4, spelling.length, true);
    return [...new Uint8Array(head.buffer), ...spelling];
  });
  return Uint8Array.from([5, 0, 0, 0, ...entries]);
}

/** Imports a file and gives the folder. */
function imported(model: Uint8Array, tokenizer?: Uint8Array) {
  const folder = folderOf({ 'model.bin': model, ...(tokenizer && { 'tokenizer.bin': tokenizer }) });
  const out = join(folder, 'out');
  const report = importLlama2c({
    model: join(folder, 'model.bin'),
    tokenizer: tokenizer && join(folder, 'tokenizer.bin'),
    out,
  });
  return { out, report };
}

/** The elements of one tensor of a folder. */
function tensor(out: string, name: string): number[] {
  const checkpoint = openCheckpoint(out);
  const into = new Float64Array(sizeOf(checkpoint.tensors.find((stored) => stored.name === name)!.shape));
  checkpoint.readTensor(name, into);
  checkpoint.close();
  return [...into];
}

const part = (name: string, from: number, count: number) =>
  Array.from({ length: count }, (_, i) => elementAt(name, from + i));

/** Rows of twelve, in the given order, of `part` from row `first` on. */
const rows = (name: string, first: number, order: readonly number[]) =>
  order.flatMap((row) => part(name, (first + row) * 12, 12));

describe('what is imported', () => {
  it('every tensor is where llama2.c has it', () => {
    const { out } = imported(modelFile(sizes));
    expect(tensor(out, 'model.embed_tokens.weight')).toEqual(part('tok_embeddings', 0, 84));
    expect(tensor(out, 'model.layers.1.input_layernorm.weight')).toEqual(part('attention_norm', 12, 12));
    expect(tensor(out, 'model.layers.1.self_attn.v_proj.weight')).toEqual(part('wv', 72, 72));
    expect(tensor(out, 'model.layers.1.self_attn.o_proj.weight')).toEqual(part('wo', 144, 144));
    expect(tensor(out, 'model.layers.0.post_attention_layernorm.weight')).toEqual(part('ffn_norm', 0, 12));
    expect(tensor(out, 'model.layers.1.mlp.gate_proj.weight')).toEqual(part('w1', 120, 120));
    expect(tensor(out, 'model.layers.1.mlp.down_proj.weight')).toEqual(part('w2', 120, 120));
    expect(tensor(out, 'model.layers.1.mlp.up_proj.weight')).toEqual(part('w3', 120, 120));
    expect(tensor(out, 'model.norm.weight')).toEqual(part('norm', 0, 12));
  });

  it('rows of wq and wk, and of no other, are put in the order of halves, each head by itself', () => {
    const { out } = imported(modelFile(sizes));
    expect(tensor(out, 'model.layers.1.self_attn.q_proj.weight')).toEqual(
      rows('wq', 12, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]),
    );
    expect(tensor(out, 'model.layers.1.self_attn.k_proj.weight')).toEqual(rows('wk', 6, [0, 2, 4, 1, 3, 5]));
  });

  it('an output table of its own comes after the RoPE tables', () => {
    const { out, report } = imported(modelFile({ ...sizes, vocabulary: -7 }));
    expect(report.config.tieWordEmbeddings).toBe(false);
    expect(tensor(out, 'lm_head.weight')).toEqual(part('output', 0, 84));
  });

  it('the configuration has the numbers of the header, and those that llama2.c fixes', () => {
    const { out, report } = imported(modelFile(sizes));
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.config).toEqual(report.config);
    expect(checkpoint.config).toEqual({
      vocabSize: 7,
      hiddenSize: 12,
      intermediateSize: 10,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      numKeyValueHeads: 1,
      maxPositionEmbeddings: 5,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: true,
      bosTokenId: 1,
      eosTokenIds: [1],
      hamburger: null,
    });
    expect(new Set(checkpoint.tensors.map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  });

  it('a text ends at BOS, as in llama2.c, and not at what is called EOS there', () => {
    const { out } = imported(modelFile(sizes), tokenizerFile());
    expect(JSON.parse(readFileSync(join(out, 'generation_config.json'), 'utf8')).eos_token_id).toBe(1);
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.config.eosTokenIds).toEqual([1]);
    expect(checkpoint.tokenizer!.eosToken!.id).toBe(2);
  });

  it('the tokenizer splits as llama2.c does: BOS, a space, joins by score', () => {
    const { out, report } = imported(modelFile(sizes), tokenizerFile());
    const checkpoint = openCheckpoint(out);
    checkpoint.close();
    expect(checkpoint.tokenizer!.encode('bab')).toEqual([1, 3, 5, 6]);
    expect(report.ties).toEqual([]);
  });

  it('is the same to the byte each time', () => {
    const [a, b] = [imported(modelFile(sizes), tokenizerFile()), imported(modelFile(sizes), tokenizerFile())];
    expect(contentsOf(a.out)).toEqual(contentsOf(b.out));
  });
});

describe('the order of halves', () => {
  it('puts row 2i at i and row 2i + 1 at i + size/2', () => {
    const numbered = Float32Array.from({ length: 16 }, (_, i) => i);
    expect([...pairsToHalves(numbered, 1, 8)]).toEqual([
      0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
    ]);
  });

  it('makes attention with turned halves the function that it was with turned neighbours', () => {
    const size = 8;
    const [positions, frequencies] = [[0, 1, 6, 40], ropeFrequencies(size, 10000, null)];
    const heads = (seed: number) =>
      positions.map((_, p) => Float32Array.from({ length: size }, (_, i) => ((seed * p + 5 * i) % 17) - 8.5));
    const [queries, keys] = [heads(3), heads(7)];
    /** As llama2.c: components 2i and 2i + 1 turn by position * frequency[i]. */
    const turnNeighbours = (x: Float32Array, position: number) =>
      Array.from(x, (value, c) => {
        const angle = position * frequencies[c >> 1]!;
        const other = x[c ^ 1]!;
        return value * Math.cos(angle) + (c % 2 === 0 ? -other : other) * Math.sin(angle);
      });
    const kernels = referenceKernels('f64');
    const { cos, sin } = ropeTable(kernels, frequencies, positions, 'mode');
    const turnHalves = (xs: Float32Array[]) => {
      const x = tensorOf(
        'f64',
        [4, 1, size],
        xs.flatMap((head) => [...pairsToHalves(head, 1, size)]),
      );
      const out = kernels.empty([4, 1, size]);
      kernels.rotateHalves(x, cos, sin, out);
      return positions.map((_, p) => out.data.subarray(p * size, (p + 1) * size));
    };
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);
    const [turnedQueries, turnedKeys] = [turnHalves(queries), turnHalves(keys)];
    positions.forEach((q, i) => {
      positions.forEach((k, j) => {
        const before = dot(turnNeighbours(queries[i]!, q), turnNeighbours(keys[j]!, k));
        expect(dot(turnedQueries[i]!, turnedKeys[j]!)).toBeCloseTo(before, 10);
      });
    });
  });
});

describe('what is refused', () => {
  const refusal = (model: Uint8Array, tokenizer?: Uint8Array) => faultOf(() => imported(model, tokenizer));
  const good = modelFile(sizes);
  const size = good.length;

  it.each([
    ['cut short by a float', good.subarray(0, size - 4), `${size - 4}`, 'The file may have been cut short'],
    ['cut short by a byte', good.subarray(0, size - 1), `${size - 1}`, 'The file may have been cut short'],
    [
      'too long',
      Uint8Array.from([...good, 0]),
      `${size + 1}`,
      'Is it a llama2.c model of the legacy format?',
    ],
  ])('a file that is %s', (_, model, found, hint) => {
    expect(refusal(model)).toEqual({
      subject: expect.stringMatching(/model\.bin$/),
      expected: `${size} bytes, as its header says (tied output table)`,
      found,
      hint,
    });
  });

  it('a file with a tied header and an output table, or the other way round', () => {
    const untied = modelFile({ ...sizes, vocabulary: -7 });
    const wrong = untied.slice();
    new DataView(wrong.buffer).setInt32(20, 7, true);
    expect(refusal(wrong)).toMatchObject({ found: `${untied.length}` });
    const missing = good.slice();
    new DataView(missing.buffer).setInt32(20, -7, true);
    expect(refusal(missing)).toMatchObject({
      expected: `${untied.length} bytes, as its header says (untied output table)`,
      found: `${size}`,
    });
  });

  it.each([
    [
      'an empty file',
      new Uint8Array(0),
      'a llama2.c model, which begins with 28 bytes of header',
      'a file of 0 bytes',
    ],
    [
      'a file shorter than the header',
      good.subarray(0, 27),
      'a llama2.c model, which begins with 28 bytes of header',
      'a file of 27 bytes',
    ],
    [
      'a newer format',
      Uint8Array.from([0x32, 0x34, 0x6b, 0x61, ...good.subarray(4)]),
      "llama2.c's legacy format",
      'one of its newer formats ("ak42")',
    ],
  ])('%s', (_, model, expected, found) => {
    expect(refusal(model)).toMatchObject({ subject: expect.stringMatching(/model\.bin$/), expected, found });
  });

  it.each([
    [0, 0, 'hidden_size', 'an integer from 1 to 131072', '0'],
    [8, -1, 'num_hidden_layers', 'an integer from 1 to 1024', '-1'],
    [12, 5, 'num_attention_heads', 'a divisor of hidden_size = 12', '5'],
    [12, 4, 'head size (hidden_size / num_attention_heads)', 'an even number, because RoPE turns pairs', '3'],
    [16, 3, 'num_key_value_heads', 'a divisor of num_attention_heads = 2', '3'],
    [20, 0, 'vocab_size', 'an integer from 1 to 4194304', '0'],
    [20, -(2 ** 31), 'vocab_size', 'an integer from 1 to 4194304', '2147483648'],
    [20, 1, 'bos_token_id', 'an integer from 0 to 0', '1'],
    [24, 0, 'max_position_embeddings', expect.stringContaining('an integer from 1'), '0'],
  ])('a header with %i at byte %i', (at, value, place, expected, found) => {
    const model = good.slice();
    new DataView(model.buffer).setInt32(at, value, true);
    const fault = refusal(model);
    expect(fault).toMatchObject({ expected, found, rule: expect.stringMatching(/^configuration\//) });
    expect(fault.subject).toMatch(/model\.bin, header: /);
    expect(fault.subject.endsWith(place)).toBe(true);
    expect(fault.hint).toMatch(/^The header says dim -?\d+, hidden_dim 10, /);
  });

  it('checkpoint/C3: a weight that is not finite; but the RoPE tables are not read', () => {
    const spoil = (wanted: string) => (name: string, i: number) =>
      name === wanted && i === 30 ? Number.NaN : undefined;
    expect(refusal(modelFile(sizes, spoil('w2')))).toMatchObject({
      rule: 'checkpoint/C3',
      subject: expect.stringMatching(
        /model\.bin, tensor model\.layers\.0\.mlp\.down_proj\.weight, float \d+ after the header$/,
      ),
      expected: 'a finite number',
      found: 'NaN',
    });
    const tables = (name: string) => (name.startsWith('freq_cis') ? Number.NaN : undefined);
    expect(() => imported(modelFile(sizes, tables))).not.toThrow();
  });

  it('a tokenizer of another size, and one that is not there', () => {
    expect(refusal(good, tokenizerFile(['<unk>', '<s>', '</s>', ' ', 'a'])).subject).toMatch(
      /tokenizer\.bin/,
    );
    expect(refusal(good, tokenizerFile(['<unk>', '<s>', '</s>', ' ', 'a', 'b', 'ab', 'c'])).subject).toMatch(
      /tokenizer\.bin/,
    );
    const model = join(folderOf({ 'model.bin': good }), 'model.bin');
    const [tokenizer, out] = [`${model}.none`, `${model}.out`];
    expect(faultOf(() => importLlama2c({ model, tokenizer, out }))).toMatchObject({
      subject: tokenizer,
      found: 'no such file',
    });
    expect(existsSync(out)).toBe(false);
  });

  it('a model that is not there', () => {
    const model = join(temporaryFolder(), 'none.bin');
    expect(faultOf(() => importLlama2c({ model, out: `${model}.out` }))).toMatchObject({ subject: model });
  });

  it('a folder that is there already', () => {
    const folder = folderOf({ 'model.bin': good });
    const [model, out] = [join(folder, 'model.bin'), join(folder, 'out')];
    importLlama2c({ model, out });
    expect(faultOf(() => importLlama2c({ model, out }), CallerError).subject).toBe(out);
    importLlama2c({ model, out, force: true });
  });
});

/** A trained model of others, and what llama2.c itself makes of it. */
describe('a real model', () => {
  /** Enough for attention over many positions to go wrong, and few enough to be quick. */
  const positions = 96;

  it.for(['f32', 'f64'] as const)(
    '%s: continues prompts as llama2.c does, to the character',
    (numerics, { skip }) => {
      if (!existsSync(realModel)) skip('../shared/real/tok105 is not beside the project');
      const out = join(temporaryFolder(), 'out');
      importLlama2c({
        model: join(realModel, 'model.bin'),
        tokenizer: join(realModel, 'tokenizer.bin'),
        out,
      });
      const checkpoint = openCheckpoint(out);
      const model = checkpoint.loadModel(referenceKernels(numerics));
      checkpoint.close();
      const cases = JSON.parse(readFileSync(join(realModel, 'greedy.json'), 'utf8'));
      expect(cases.length).toBe(2);
      for (const { prompt, greedy_text: wanted } of cases) {
        const ids = checkpoint.tokenizer!.encode(prompt);
        for (const { id } of generate(model, { prompt: [...ids], maxTokens: 1000, maxPositions: positions }))
          ids.push(id);
        const text = checkpoint.tokenizer!.decode(ids, { skipSpecialTokens: true });
        // One token a position and the last one, without BOS and the space in front.
        expect(ids.length).toBe(positions + 1);
        expect(text).toBe(wanted.slice(0, positions - 1));
      }
    },
  );
});
