import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { firstNotFinite, indexOf } from '../../lib/checkpoint/check-tensors.ts';
import type { WritableDtype } from '../../lib/checkpoint/safetensors-writer.ts';
import { openWeightFiles, openWeightFolder } from '../../lib/checkpoint/weight-files.ts';
import {
  faultOf,
  folderOf,
  type TestFiles,
  type TestTensor,
  tensorFile,
} from '../helpers/checkpoint-folders.ts';

const one: TestTensor = { dtype: 'F32', shape: [2], values: [1, 2] };
const file = (...names: string[]) => tensorFile(Object.fromEntries(names.map((name) => [name, one])));
const INDEX = 'model.safetensors.index.json';

/** A folder with `config.json` and these files. */
const folder = (files: TestFiles) => folderOf({ 'config.json': {}, ...files });
const sharded = (weight_map: unknown, files: TestFiles) => folder({ [INDEX]: { weight_map }, ...files });

describe('checkpoint/C5: a folder with several files', () => {
  it('is read by the index, whatever the order of the files', () => {
    const path = folder({
      [INDEX]: {
        metadata: { total_size: 24 },
        weight_map: { b: 'm-2.safetensors', a: 'm-1.safetensors', c: 'm-2.safetensors' },
      },
      'm-1.safetensors': file('a'),
      'm-2.safetensors': tensorFile({ b: one, c: { dtype: 'F64', shape: [1, 1], values: [0.1] } }),
    });
    const weights = openWeightFolder(path);
    const into = new Float64Array(1);
    weights.read('c', into);
    expect([...weights.tensors.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(weights.tensors.get('c')).toEqual({
      name: 'c',
      dtype: 'F64',
      shape: [1, 1],
      file: 'm-2.safetensors',
      bytes: 8,
    });
    expect(into[0]).toBe(0.1);
    weights.close();
  });

  it.each([
    '../m.safetensors',
    'sub/m.safetensors',
    'sub\\m.safetensors',
    '/etc/passwd',
    '..',
    '.',
    '',
    'a..b',
    '.hidden',
    'C:m.safetensors',
    'm.safetensors\0',
    `${'m'.repeat(300)}.safetensors`,
  ])('refuses to follow the name %j, which is no plain one', (name) => {
    const path = sharded({ a: name }, {});
    expect(faultOf(() => openWeightFolder(path))).toMatchObject({
      rule: 'checkpoint/C5',
      subject: `${join(path, INDEX)}: weight_map, tensor "a"`,
      expected: 'the plain name of a file in the same folder',
    });
  });

  it.each<[string, TestFiles, Record<string, string>, string, string, string]>([
    [
      'a file that is not there',
      {},
      { a: 'x.safetensors' },
      'x.safetensors',
      'a readable file',
      'no such file',
    ],
    [
      'a tensor that its file has not',
      { 'x.safetensors': file('a') },
      { a: 'x.safetensors', b: 'x.safetensors' },
      'x.safetensors',
      `tensor "b", which ${INDEX} puts into this file`,
      'none of that name',
    ],
    [
      'a tensor that the index does not name',
      { 'x.safetensors': file('a', 'b') },
      { a: 'x.safetensors' },
      'x.safetensors, tensor "b"',
      `only the tensors that ${INDEX} puts into this file`,
      'one that it does not name',
    ],
    [
      "tensors in each other's file",
      { 'x.safetensors': file('a'), 'y.safetensors': file('b') },
      { a: 'y.safetensors', b: 'x.safetensors' },
      'y.safetensors, tensor "b"',
      `only the tensors that ${INDEX} puts into this file`,
      'one that it puts into x.safetensors',
    ],
    [
      'a tensor that is in two files',
      { 'x.safetensors': file('a'), 'y.safetensors': file('a', 'b') },
      { a: 'x.safetensors', b: 'y.safetensors' },
      'y.safetensors, tensor "a"',
      'each tensor in one file',
      'another one of that name in x.safetensors',
    ],
  ])('refuses %s', (_, files, map, place, expected, found) => {
    const path = sharded(map, files);
    expect(faultOf(() => openWeightFolder(path))).toMatchObject({
      subject: join(path, place),
      expected,
      found,
    });
  });

  it('refuses more files than a process could open', () => {
    const map = Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`t${i}`, `f${i}`]));
    expect(faultOf(() => openWeightFolder(sharded(map, {})))).toMatchObject({
      expected: 'at most 512 files',
      found: '513',
    });
  });

  it('refuses an index that is none', () => {
    const path = folder({ [INDEX]: { weights: {} } });
    expect(faultOf(() => openWeightFolder(path))).toMatchObject({
      subject: `${join(path, INDEX)}: weight_map`,
      expected: 'an object',
      found: 'nothing',
    });
  });
});

describe('a folder with one file or none', () => {
  it('is refused without weights, and with an ambiguity', () => {
    const none = folder({});
    const both = sharded(
      { a: 'x.safetensors' },
      { 'x.safetensors': file('a'), 'model.safetensors': file('a') },
    );
    const expected = 'model.safetensors or model.safetensors.index.json';
    expect(faultOf(() => openWeightFolder(none))).toEqual({ subject: none, expected, found: 'neither' });
    expect(faultOf(() => openWeightFolder(both))).toMatchObject({ subject: both, expected, found: 'both' });
  });

  it.each(['I64', 'I32'] as const)('checkpoint/C2: refuses weights of %s', (dtype) => {
    const path = folder({
      'model.safetensors': tensorFile({ a: one, b: { dtype, shape: [1], values: [1] } }),
    });
    expect(faultOf(() => openWeightFolder(path))).toEqual({
      rule: 'checkpoint/C2',
      subject: `${join(path, 'model.safetensors')}, tensor "b"`,
      expected: 'floating-point elements: F64, F32, F16 or BF16',
      found: dtype,
    });
  });

  it('leaves no file open when it is refused', ({ skip }) => {
    const open = '/proc/self/fd';
    if (!existsSync(open)) skip('this system does not list open files');
    const path = sharded(
      { a: 'x.safetensors', b: 'y.safetensors' },
      {
        'x.safetensors': file('a'),
        'y.safetensors': file('a', 'b'),
      },
    );
    const before = readdirSync(open).length;
    for (let i = 0; i < 20; i++) faultOf(() => openWeightFolder(path));
    expect(readdirSync(open).length).toBeLessThan(before + 10);
  });
});

describe('elements', () => {
  it.each([
    ['NaN', 'F32', [0, 1, 2, Number.NaN], 'NaN', '[1, 1]'],
    ['Infinity', 'F32', [0, Number.POSITIVE_INFINITY, 2, 3], 'Infinity', '[0, 1]'],
    ['-Infinity', 'BF16', [0, 1, Number.NEGATIVE_INFINITY, 3], '-Infinity', '[1, 0]'],
    ['NaN', 'F16', [Number.NaN, 1, 2, 3], 'NaN', '[0, 0]'],
  ] as const)('checkpoint/C3: %s in %s is named with its place', (_, dtype, values, found, place) => {
    const path = folder({ 'model.safetensors': tensorFile({ a: { dtype, shape: [2, 2], values } }) });
    const weights = openWeightFolder(path);
    expect(faultOf(() => weights.read('a', new Float32Array(4)))).toEqual({
      rule: 'checkpoint/C3',
      subject: `${join(path, 'model.safetensors')}, tensor "a", element ${place}`,
      expected: 'a finite number',
      found,
    });
    weights.close();
  });

  it('checkpoint/C3: an F64 beyond the range of f32 is refused in f32 only, with the way out', () => {
    const path = folder({
      'model.safetensors': tensorFile({ a: { dtype: 'F64', shape: [1], values: [1e300] } }),
    });
    const weights = openWeightFolder(path);
    const wide = new Float64Array(1);
    weights.read('a', wide);
    expect(wide[0]).toBe(1e300);
    expect(faultOf(() => weights.read('a', new Float32Array(1)))).toMatchObject({
      found: 'Infinity',
      hint: 'Elements of F64 can be beyond the range of f32',
    });
    weights.close();
  });

  it('are the same only with the same type, shape and bits', () => {
    const path = join(folder({}), 'w.safetensors');
    const tensor = (dtype: WritableDtype, shape: number[], values: number[]): TestTensor => ({
      dtype,
      shape,
      values,
    });
    writeFileSync(
      path,
      tensorFile({
        a: tensor('F32', [2, 1], [0, 1]),
        same: tensor('F32', [2, 1], [0, 1]),
        sign: tensor('F32', [2, 1], [-0, 1]),
        last: tensor('F32', [2, 1], [0, 1 + 2 ** -23]),
        shape: tensor('F32', [1, 2], [0, 1]),
        type: tensor('F64', [2, 1], [0, 1]),
        half: tensor('F16', [2], [0, 0]),
        brain: tensor('BF16', [2], [0, 0]),
      }),
    );
    const weights = openWeightFiles([path]);
    const others = ['same', 'sign', 'last', 'shape', 'type'];
    expect(others.filter((other) => weights.same('a', other))).toEqual(['same']);
    // Both are four bytes of 0.
    expect(weights.same('half', 'brain')).toBe(false);
    weights.close();
  });

  it('indexOf counts the last axis fastest; firstNotFinite finds the first', () => {
    expect(indexOf(0, [2, 3, 4])).toEqual([0, 0, 0]);
    expect(indexOf(17, [2, 3, 4])).toEqual([1, 1, 1]);
    expect(indexOf(23, [2, 3, 4])).toEqual([1, 2, 3]);
    expect(indexOf(3, [5])).toEqual([3]);
    expect(firstNotFinite(new Float64Array([1, -0, 5e-324, 1e308]))).toBe(-1);
    expect(firstNotFinite(new Float32Array([1, Number.NaN, Number.POSITIVE_INFINITY]))).toBe(1);
  });
});
