/**
 * A tensor as a picture: few enough cells to be drawn, few enough levels to be told apart.
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';

/** Cells of a tensor, as levels of colour. */
export interface HeatMap {
  /** Of the tensor that is drawn. */
  readonly shape: readonly number[];
  /** Cells that are drawn. */
  readonly rows: number;
  readonly columns: number;
  /** Neighbours in a row that share a cell, which shows the one of largest magnitude; usually 1. */
  readonly perCell: number;
  /** Row-major, from -{@link LEVELS} to {@link LEVELS}; `null` for what is not finite. */
  readonly levels: readonly (number | null)[];
  /** The magnitude from which on the colour is full. */
  readonly full: number;
  /** The largest magnitude; 0 if nothing is finite. */
  readonly largest: number;
}

/** Steps from colourless to full. */
export const LEVELS = 6;

/** More columns than this are not told apart at the width of a page. */
const MOST_COLUMNS = 128;

/** One element in fifty may be beyond the full colour, so that a few large ones do not leave all others pale. */
const SHARE_BELOW_FULL = 0.98;

/**
 * The picture of a `[..., columns]` tensor; all axes but the last become rows.
 *
 * @param full the magnitude that gets the full colour; by default that of which 98 % of the elements are below
 */
export function heatMap(tensor: Tensor, full?: number): HeatMap {
  const { shape, data } = tensor;
  const width = shape.at(-1)!;
  const rows = data.length / width;
  const perCell = Math.ceil(width / MOST_COLUMNS);
  const columns = Math.ceil(width / perCell);
  const magnitudes = Array.from(data, Math.abs)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const largest = magnitudes.at(-1) ?? 0;
  const chosen = full ?? magnitudes[Math.floor((magnitudes.length - 1) * SHARE_BELOW_FULL)] ?? 0;
  // A tensor of which nearly all is 0 is scaled by what is not.
  const top = chosen > 0 ? chosen : largest;
  const levels: (number | null)[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * width + column * perCell;
      const cell = data.subarray(from, Math.min(from + perCell, (row + 1) * width));
      levels.push(levelOf(cell, top));
    }
  }
  return { shape, rows, columns, perCell, levels, full: top, largest };
}

function levelOf(cell: ArrayLike<number>, full: number): number | null {
  let value = cell[0]!;
  for (let i = 1; i < cell.length; i++) if (Math.abs(cell[i]!) > Math.abs(value)) value = cell[i]!;
  if (!Number.isFinite(value)) return null;
  if (full === 0) return 0;
  const level = Math.round((value / full) * LEVELS);
  // Not -0, which is another text.
  return Math.max(-LEVELS, Math.min(LEVELS, level)) + 0;
}
