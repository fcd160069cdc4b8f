/** Checkpoint folders for tests: made file by file, so that any of them can be wrong. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { configJson, type WeightDtype } from '../../lib/checkpoint/config-file.ts';
import { safetensorsBytes, type WritableDtype } from '../../lib/checkpoint/safetensors-writer.ts';
import { DataError, type Fault, type HamburgerError } from '../../lib/errors.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { parameters } from '../../lib/model/weights.ts';
import { sizeOf } from '../../lib/tensor/tensor.ts';

/** A small HAMburger, every dimension distinct, tied. */
export const tiedConfig: ModelConfig = {
  vocabSize: 19,
  hiddenSize: 16,
  intermediateSize: 22,
  numHiddenLayers: 3,
  numAttentionHeads: 2,
  numKeyValueHeads: 1,
  maxPositionEmbeddings: 40,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  tieWordEmbeddings: true,
  bosTokenId: 1,
  eosTokenIds: [2],
  hamburger: { maxSteps: 4, numMergerHeads: 4, featureLayerIndices: [0, 2], numMicroLayers: 1 },
};

/** The same without HAMburger modules, and with a table of its own for the LM head. */
export const plainConfig: ModelConfig = { ...tiedConfig, hamburger: null };
export const untiedConfig: ModelConfig = { ...plainConfig, tieWordEmbeddings: false };

/** An empty folder that goes when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A tensor for a file. */
export interface TestTensor {
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Files of a folder: text, bytes, a table of tensors for safetensors, or any other value for JSON. */
export type TestFiles = Readonly<Record<string, unknown>>;

/**
 * Element `index` of a parameter: multiples of 1/64 below 2, so that every element type holds them exactly; another one in each
 * tensor, and never one that would go unnoticed.
 */
export function elementAt(name: string, index: number): number {
  const hash = [...name].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 65521, 7);
  return (((hash + index * 37) % 253) - 126 || 1) / 64;
}

export const elementsOf = (name: string, shape: readonly number[]): number[] =>
  Array.from({ length: sizeOf(shape) }, (_, i) => elementAt(name, i));

/** The tensors of a configuration, by name. */
export function tensorsOf(config: ModelConfig, dtype: WritableDtype = 'F32'): Record<string, TestTensor> {
  return Object.fromEntries(
    parameters(config).map(({ name, shape }) => [name, { dtype, shape, values: elementsOf(name, shape) }]),
  );
}

/** A file of safetensors. */
export function tensorFile(tensors: Readonly<Record<string, TestTensor>>): Uint8Array {
  return safetensorsBytes(
    Object.entries(tensors).map(([name, { dtype, shape, values }]) => ({
      name,
      dtype,
      shape,
      elements: () => Array.from(values),
    })),
  );
}

/** Writes files into `folder` and returns it. */
export function writeFolder(folder: string, files: TestFiles): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(path, raw ? content : JSON.stringify(content));
  }
  return folder;
}

/** A folder with these files, gone when the test is over. */
export const folderOf = (files: TestFiles): string => writeFolder(temporaryFolder(), files);

/** `config.json` and `model.safetensors` of a configuration. */
export function checkpointFiles(config: ModelConfig, dtype: WeightDtype = 'F32') {
  return {
    'config.json': configJson(config, dtype),
    'model.safetensors': tensorFile(tensorsOf(config, dtype)),
  };
}

/** What a folder holds: file names to bytes, as base64 so that differences can be read. */
export function contentsOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

/** The fault that `call` throws as an error of the given class. */
export function faultOf(call: () => unknown, kind: new (fault: Fault) => HamburgerError = DataError): Fault {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(kind);
    return (error as HamburgerError).fault;
  }
  throw new Error('expected an error');
}
