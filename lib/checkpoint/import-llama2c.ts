/**
 * A model of llama2.c, in its legacy format, to a checkpoint folder: a plain base (Node.js only).
 *
 * The file, all little-endian: seven int32 (d, f, L, H, Hkv, V, positions; V negative if the output table is one of its own),
 * then float32, for all layers together where a layer has one: embedding table `[V, d]`; attention norms `[L, d]`;
 * wq `[L, d, d]`, wk and wv `[L, Hkv*d/H, d]`, wo `[L, d, d]`; feed-forward norms `[L, d]`; w1 (gate) `[L, f, d]`,
 * w2 (down) `[L, d, f]`, w3 (up) `[L, f, d]`; final norm `[d]`; two RoPE tables `[positions, d/H/2]` that nothing reads;
 * the output table `[V, d]` if V is negative.
 *
 * @module
 */

import { DataError } from '../errors.ts';
import { configFault, headSize, type ModelConfig } from '../model/config.ts';
import { parameters } from '../model/weights.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { littleEndianToMachine } from './byte-order.ts';
import type { ByteSource } from './byte-source.ts';
import { firstNotFinite } from './check-tensors.ts';
import { fileSource } from './file-source.ts';
import { readWhole } from './folder-files.ts';
import { llama2cTokenizerJson, readLlama2cTokenizer } from './llama2c-tokenizer.ts';
import type { ImportReport } from './stored-weights.ts';
import { type WriteOptions, writeCheckpoint } from './write-checkpoint.ts';

/** What to import, and where to. */
export interface Llama2cImport extends WriteOptions {
  /** The model's file. */
  readonly model: string;
  /** The tokenizer's file. */
  readonly tokenizer?: string | undefined;
  /** The checkpoint folder to be made. */
  readonly out: string;
}

/** What the import did. */
export interface Llama2cReport extends ImportReport {
  /** Groups of tokens that the tokenizer may choose otherwise than llama2.c (`llama2cTokenizerJson`). */
  readonly ties: readonly (readonly number[])[];
}

/** Numbers that the format leaves to the program. */
const RMS_NORM_EPS = 1e-5;
const ROPE_THETA = 10000;

/**
 * The token that begins a text. It also ends one: llama2.c's `run` stops when the model says it, and at nothing else, not even
 * at the token called EOS (2). So it goes into `generation_config.json` as `eos_token_id`.
 */
const BEGIN = 1;

const HEADER = ['dim', 'hidden_dim', 'n_layers', 'n_heads', 'n_kv_heads', 'vocab_size', 'seq_len'] as const;
const HEADER_BYTES = HEADER.length * 4;
const FLOAT_BYTES = 4;

/** First int32 of llama2.c's newer formats, "ak42". */
const NEWER_MAGIC = 0x616b3432;

/**
 * Imports a model, as F32. Its RoPE turns neighbours (components 2i and 2i + 1 of a head), ours turns halves (i and
 * i + size/2): the rows of wq and wk are put into that order, so that attention is the same function.
 *
 * @throws DataError if the file is not in the legacy format, is not exactly as long as its header says, or has an element that is
 *   not finite; if the tokenizer is bad or has another size
 * @throws CallerError as `writeCheckpoint`
 */
export function importLlama2c({ model, tokenizer, out, ...options }: Llama2cImport): Llama2cReport {
  const source = fileSource(model);
  try {
    const config = readHeader(source);
    const places = tensorPlaces(config);
    checkSize(source, config, places.end);
    const text =
      tokenizer === undefined
        ? undefined
        : llama2cTokenizerJson(
            readLlama2cTokenizer(readWhole(tokenizer), config.vocabSize, tokenizer).tokens,
            tokenizer,
          );
    writeCheckpoint(
      out,
      {
        config,
        dtype: 'F32',
        tensor: (name, shape) => readTensor(source, config, name, sizeOf(shape), places.of(name)),
        tokenizer: text,
        generationConfig: { bos_token_id: BEGIN, eos_token_id: BEGIN },
      },
      options,
    );
    const dropped = [{ name: 'RoPE tables', reason: 'they follow from the configuration' }];
    return { config, dropped, ties: text?.ties ?? [] };
  } finally {
    source.close();
  }
}

function readHeader(source: ByteSource): ModelConfig {
  const subject = source.name;
  if (source.size < HEADER_BYTES) {
    const expected = `a llama2.c model, which begins with ${HEADER_BYTES} bytes of header`;
    throw new DataError({ subject, expected, found: `a file of ${source.size} bytes` });
  }
  const bytes = source.read(0, HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [dim, hiddenDim, layers, heads, kvHeads, vocabulary, positions] = HEADER.map((_, i) =>
    view.getInt32(4 * i, true),
  ) as [number, number, number, number, number, number, number];
  if (dim === NEWER_MAGIC) {
    throw new DataError({
      subject,
      expected: "llama2.c's legacy format",
      found: 'one of its newer formats ("ak42")',
      hint: 'llama2.c\'s export.py writes the legacy one with "--version 0"',
    });
  }
  const config: ModelConfig = {
    vocabSize: Math.abs(vocabulary),
    hiddenSize: dim,
    intermediateSize: hiddenDim,
    numHiddenLayers: layers,
    numAttentionHeads: heads,
    numKeyValueHeads: kvHeads,
    maxPositionEmbeddings: positions,
    rmsNormEps: RMS_NORM_EPS,
    ropeTheta: ROPE_THETA,
    ropeScaling: null,
    tieWordEmbeddings: vocabulary > 0,
    bosTokenId: BEGIN,
    eosTokenIds: [BEGIN],
    hamburger: null,
  };
  const fault = configFault(config);
  if (fault !== undefined) {
    throw new DataError({
      ...fault,
      subject: `${subject}, header: ${fault.subject}`,
      hint: `The header says ${HEADER.map((name, i) => `${name} ${view.getInt32(4 * i, true)}`).join(', ')}`,
    });
  }
  return config;
}

/** Where tensors begin, in floats after the header, by name; and how many floats there are in all. */
interface Places {
  of(name: string): number;
  readonly end: number;
}

/** Walks the file's order with {@link parameters}' shapes. */
function tensorPlaces(config: ModelConfig): Places {
  const sizes = new Map(parameters(config).map(({ name, shape }) => [name, sizeOf(shape)]));
  const places = new Map<string, number>();
  let end = 0;
  const place = (name: string): void => {
    places.set(name, end);
    end += sizes.get(name)!;
  };
  const placeLayers = (part: string): void => {
    for (let l = 0; l < config.numHiddenLayers; l++) place(`model.layers.${l}.${part}.weight`);
  };
  place('model.embed_tokens.weight');
  placeLayers('input_layernorm');
  for (const part of ['q_proj', 'k_proj', 'v_proj', 'o_proj']) placeLayers(`self_attn.${part}`);
  placeLayers('post_attention_layernorm');
  for (const part of ['gate_proj', 'down_proj', 'up_proj']) placeLayers(`mlp.${part}`);
  place('model.norm.weight');
  // Two tables: cosines and sines of half a head's components for each position.
  end += config.maxPositionEmbeddings * headSize(config);
  if (!config.tieWordEmbeddings) place('lm_head.weight');
  return { of: (name) => places.get(name)!, end };
}

function checkSize(source: ByteSource, config: ModelConfig, floats: number): void {
  const size = HEADER_BYTES + floats * FLOAT_BYTES;
  if (source.size === size) return;
  throw new DataError({
    subject: source.name,
    expected: `${size} bytes, as its header says (${config.tieWordEmbeddings ? 'tied' : 'untied'} output table)`,
    found: `${source.size}`,
    hint:
      source.size < size
        ? 'The file may have been cut short'
        : 'Is it a llama2.c model of the legacy format?',
  });
}

function readTensor(
  source: ByteSource,
  config: ModelConfig,
  name: string,
  size: number,
  place: number,
): Float32Array {
  const raw = source.read(HEADER_BYTES + place * FLOAT_BYTES, size * FLOAT_BYTES);
  const { buffer, byteOffset } = littleEndianToMachine(raw, FLOAT_BYTES);
  const elements = new Float32Array(buffer, byteOffset, size);
  const bad = firstNotFinite(elements);
  if (bad >= 0) {
    throw new DataError({
      rule: 'checkpoint/C3',
      subject: `${source.name}, tensor ${name}, float ${place + bad} after the header`,
      expected: 'a finite number',
      found: `${elements[bad]}`,
    });
  }
  const rotated = /self_attn\.[qk]_proj/.test(name);
  return rotated ? pairsToHalves(elements, config.hiddenSize, headSize(config)) : elements;
}

/**
 * Reorders the rows of each head so that pairs of neighbours become pairs across the halves: row 2i goes to i, row 2i + 1
 * to i + size/2.
 *
 * @param rows `[heads * size, width]`
 */
export function pairsToHalves(rows: Float32Array, width: number, size: number): Float32Array {
  const reordered = new Float32Array(rows.length);
  const half = size / 2;
  for (let to = 0; to * width < rows.length; to++) {
    const inHead = to % size;
    const from = to - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    reordered.set(rows.subarray(from * width, (from + 1) * width), to * width);
  }
  return reordered;
}
