import { describe, expect, it } from 'vitest';
import { createKvCache } from '../../lib/decode/kv-cache.ts';
import { InvariantError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';
import { smallConfig } from '../helpers/models.ts';

const kernels = referenceKernels('f64');
const width = smallConfig.numKeyValueHeads * 4;
const rows = (n: number, value: number) =>
  tensorOf('f64', [n, smallConfig.numKeyValueHeads, 4], Array(n * width).fill(value));

describe('KV cache', () => {
  it('kv-cache/C1: each layer has its own entries, old ones first', () => {
    const cache = createKvCache(kernels, smallConfig, 2, 5);
    cache.append(0, rows(2, 1), rows(2, 2));
    cache.append(1, rows(2, 3), rows(2, 4));
    cache.complete([0, 1]);
    const { keys, values } = cache.append(0, rows(1, 5), rows(1, 6));
    expect(keys.shape).toEqual([5, smallConfig.numKeyValueHeads, 4]);
    expect([keys.get(1, 0, 0), keys.get(2, 0, 0)]).toEqual([1, 5]);
    expect([values.get(1, 0, 0), values.get(2, 0, 0)]).toEqual([2, 6]);
    expect(cache.append(1, rows(1, 7), rows(1, 8)).keys.get(1, 0, 0)).toBe(3);
  });

  it('kv-cache/C2: an entry stays what it was, however many come after it', () => {
    const cache = createKvCache(kernels, smallConfig, 1, 6);
    for (let entry = 0; entry < 6; entry++) {
      cache.append(0, rows(1, entry), rows(1, -entry));
      cache.complete([entry]);
    }
    const { keys, values } = cache.entries(0);
    const all = Array.from({ length: 6 }, (_, entry) => entry);
    expect(all.map((entry) => keys.get(entry, 0, 0))).toEqual(all);
    expect(all.map((entry) => values.get(entry, 0, 3) + entry)).toEqual(all.map(() => 0));
  });

  it('entries count once the pass is complete, not once per layer', () => {
    const cache = createKvCache(kernels, smallConfig, 2, 5);
    cache.append(0, rows(2, 1), rows(2, 1));
    expect(cache.length).toBe(0);
    cache.append(1, rows(2, 1), rows(2, 1));
    cache.complete([0, 1]);
    expect(cache.length).toBe(2);
  });

  it('kv-cache/C3: an entry knows its position, which is not its index', () => {
    const cache = createKvCache(kernels, smallConfig, 1, 5);
    cache.append(0, rows(1, 1), rows(1, 1));
    cache.complete([0]);
    cache.append(0, rows(1, 1), rows(1, 1));
    cache.complete([4]);
    expect([cache.length, cache.positions]).toEqual([2, [0, 4]]);
  });

  it('kv-cache/C4: what is forgotten leaves no trace, in entries or positions', () => {
    const cache = createKvCache(kernels, smallConfig, 1, 5);
    cache.append(0, rows(3, 1), rows(3, 2));
    cache.complete([0, 1, 4]);
    cache.truncate(1);
    expect([cache.length, cache.positions]).toEqual([1, [0]]);
    const { keys, values } = cache.append(0, rows(1, 5), rows(1, 6));
    cache.complete([2]);
    expect(cache.positions).toEqual([0, 2]);
    expect([keys.get(0, 0, 0), keys.get(1, 0, 0), values.get(1, 0, 0)]).toEqual([1, 5, 6]);
    expect(() => cache.truncate(3)).toThrow(InvariantError);
    expect(() => cache.truncate(-1)).toThrow(InvariantError);
  });

  it('never grows beyond what was laid out', () => {
    const cache = createKvCache(kernels, smallConfig, 1, 1);
    expect(() => cache.append(0, rows(2, 1), rows(2, 1))).toThrow(InvariantError);
  });
});
