import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../lib/errors.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { tensorOf } from '../../lib/tensor/tensor.ts';
import { createSlidingKvCache } from '../../lib/train/sliding-kv-cache.ts';
import { smallConfig } from '../helpers/models.ts';

const kernels = referenceKernels('f64');
const width = smallConfig.numKeyValueHeads * 4;
const row = (value: number) =>
  tensorOf('f64', [1, smallConfig.numKeyValueHeads, 4], Array(width).fill(value));
/** First element of every entry. */
const entries = ({ data }: { data: ArrayLike<number> }) => Array.from(data).filter((_, i) => i % width === 0);

describe('sliding KV cache', () => {
  it.each([1, 2, 3, 5])(
    'segmentation/C4: a window of %i shows the last entries, oldest first, in every layer',
    (window) => {
      const cache = createSlidingKvCache(kernels, smallConfig, 2, window);
      for (let t = 0; t < 17; t++) {
        const seen = Array.from(
          { length: Math.min(window, t + 1) },
          (_, i) => t - Math.min(window, t + 1) + 1 + i,
        );
        expect(cache.length).toBe(seen.length - 1);
        for (const layer of [0, 1]) {
          const { keys, values } = cache.append(layer, row(t + 100 * layer), row(-t - 100 * layer));
          expect(entries(keys)).toEqual(seen.map((j) => j + 100 * layer));
          expect(entries(values)).toEqual(seen.map((j) => -j - 100 * layer));
        }
        cache.complete([t]);
      }
    },
  );

  it('refuses several rows at once, which would need several windows', () => {
    const cache = createSlidingKvCache(kernels, smallConfig, 1, 4);
    const two = kernels.empty([2, smallConfig.numKeyValueHeads, 4]);
    expect(() => cache.append(0, two, two)).toThrow(InvariantError);
  });
});
