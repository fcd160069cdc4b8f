/**
 * SPEC #segmentation — a KV cache of which only the last entries can be seen: a sliding attention window (segmentation/C4).
 *
 * A row sees the entries of the cache that come before it, and itself. So a window is a matter of the cache alone: it forgets, and attention
 * is none the wiser. Since the rows of one pass would need windows of their own, a pass has one row.
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { headSize, type ModelConfig } from '../model/config.ts';
import type { KvCache } from '../model/decoder-layer.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * An empty cache for `layers` layers, that shows to each new row the `window - 1` entries before it and the row's own.
 *
 * Room is per layer `4 * window * Hkv * size` numbers of the mode: twice the window, so that entries are moved only once in `window` passes.
 *
 * @param window at least 1
 */
export function createSlidingKvCache(
  kernels: Kernels,
  config: ModelConfig,
  layers: number,
  window: number,
): KvCache {
  const shape = [2 * window, config.numKeyValueHeads, headSize(config)];
  const width = config.numKeyValueHeads * headSize(config);
  const room = Array.from({ length: layers }, () => ({
    keys: kernels.empty(shape),
    values: kernels.empty(shape),
  }));
  // The next row sees the entries start <= i < end: oldest first, as the order of sums wants them.
  let start = 0;
  let end = 0;

  const appendTo = (stored: Tensor, row: Tensor): Tensor => {
    assertInvariant(row.shape[0] === 1, 'pass over a sliding KV cache', 'one row', `${row.shape[0]}`);
    kernels.copyRows(row, 0, 1, stored, end);
    return stored.rows(start, end + 1);
  };

  return {
    get length() {
      return end - start;
    },
    append(layer, keys, values) {
      const { keys: storedKeys, values: storedValues } = room[layer]!;
      return { keys: appendTo(storedKeys, keys), values: appendTo(storedValues, values) };
    },
    complete() {
      end += 1;
      start = Math.max(start, end - (window - 1));
      if (end < 2 * window) return;
      for (const { keys, values } of room) {
        keys.data.copyWithin(0, start * width, end * width);
        values.data.copyWithin(0, start * width, end * width);
      }
      end -= start;
      start = 0;
    },
  };
}
