/** Checkpoints that claim to need more than any memory has, and take no place on the disk. */

import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configJson } from '../../lib/checkpoint/config-file.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';

/** 70 billion parameters: 280 GB, more than a machine that runs tests has. */
const large: ModelConfig = {
  vocabSize: 128256,
  hiddenSize: 8192,
  intermediateSize: 28672,
  numHiddenLayers: 80,
  numAttentionHeads: 64,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 512,
  rmsNormEps: 1e-5,
  ropeTheta: 500000,
  ropeScaling: null,
  tieWordEmbeddings: false,
  bosTokenId: null,
  eosTokenIds: [],
  hamburger: null,
};

/** Small weights, of which each KV entry takes half a megabyte: 64 GiB for all positions. */
export const manyLayers: ModelConfig = {
  ...large,
  vocabSize: 16,
  hiddenSize: 64,
  intermediateSize: 8,
  numHiddenLayers: 1024,
  numAttentionHeads: 1,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 131072,
};

/** A folder with such a model: of its weights nothing but the header is written. The caller removes it. */
export function claimedCheckpoint(config = large): string {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-claimed-'));
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const { name, shape } of parameters(config)) {
    const start = end;
    end += 4 * sizeOf(shape);
    header[name] = { dtype: 'F32', shape, data_offsets: [start, end] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, Buffer.concat([length, json]));
  truncateSync(path, 8 + json.length + end);
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configJson(config, 'F32')));
  return folder;
}
