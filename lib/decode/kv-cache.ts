/**
 * SPEC #kv-cache — the keys and values of a stack of layers, laid out once for the most entries that a run can need.
 * Entries are dense and never change (kv-cache/C2).
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { headSize, type ModelConfig } from '../model/config.ts';
import type { KvCache } from '../model/decoder-layer.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A cache that can say where its entries stand. */
export interface EntryCache extends KvCache {
  /** The RoPE position of each entry. Index and position differ once a segment has more than one token (kv-cache/C3). */
  readonly positions: readonly number[];
  /** Keys and values of a layer's complete entries, `[length, Hkv, size]` each; until the next pass. */
  entries(layer: number): { readonly keys: Tensor; readonly values: Tensor };
  /**
   * Forgets all entries but the first `length` (kv-cache/C4). What a pass appended and did not complete is forgotten as well.
   *
   * @throws InvariantError if there are not so many
   */
  truncate(length: number): void;
}

/**
 * An empty cache for `layers` layers and at most `capacity` KV entries.
 *
 * Room is per layer `2 * capacity * Hkv * size` numbers of the mode.
 */
export function createKvCache(
  kernels: Kernels,
  config: ModelConfig,
  layers: number,
  capacity: number,
): EntryCache {
  const shape = [capacity, config.numKeyValueHeads, headSize(config)];
  const room: { readonly keys: Tensor; readonly values: Tensor }[] = [];
  for (let layer = 0; layer < layers; layer++)
    room.push({ keys: kernels.empty(shape), values: kernels.empty(shape) });
  const positions: number[] = [];

  const appendTo = (stored: Tensor, rows: Tensor): Tensor => {
    const end = positions.length + rows.shape[0]!;
    assertInvariant(end <= capacity, 'KV cache', 'no more entries than it has room for', () => `${end}`);
    kernels.copyRows(rows, 0, rows.shape[0]!, stored, positions.length);
    return stored;
  };

  return {
    get length() {
      return positions.length;
    },
    positions,
    append(layer, keys, values) {
      const { keys: storedKeys, values: storedValues } = room[layer]!;
      return { keys: appendTo(storedKeys, keys), values: appendTo(storedValues, values) };
    },
    complete(newPositions) {
      for (const position of newPositions) positions.push(position);
    },
    entries(layer) {
      const { keys, values } = room[layer]!;
      return { keys: keys.rows(0, positions.length), values: values.rows(0, positions.length) };
    },
    truncate(length) {
      assertInvariant(
        length >= 0 && length <= positions.length,
        'KV cache',
        `at most the ${positions.length} entries that it has`,
        () => `${length} to be kept`,
      );
      // Entries never change and the next ones overwrite those behind, so that forgetting the length is all.
      positions.length = length;
    },
  };
}
