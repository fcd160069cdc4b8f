/**
 * Stands in for the package `ndarray` in a page: that one makes its classes from text, which a strict content security policy forbids. The
 * same views and the same results; only what `lib/tensor/tensor.ts` uses.
 *
 * @module
 */

type Data = Float64Array | Float32Array;

/** A strided view. */
export interface View {
  readonly data: Data;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
  readonly offset: number;
  get(...index: number[]): number;
  set(...indexAndValue: number[]): void;
  pick(...index: (number | null)[]): View;
  transpose(...axes: number[]): View;
}

/** A view of row-major data, unless strides are given. */
export function ndarray(
  data: Data,
  shape: readonly number[] = [data.length],
  stride: readonly number[] = rowMajor(shape),
  offset = 0,
): View {
  const at = (index: readonly number[]): number =>
    shape.reduce((place, _, axis) => place + index[axis]! * stride[axis]!, offset);
  return {
    data,
    shape,
    stride,
    offset,
    get: (...index) => data[at(index)]!,
    set: (...indexAndValue) => {
      data[at(indexAndValue)] = indexAndValue.at(-1)!;
    },
    pick(...index) {
      const kept = shape
        .map((_, axis) => axis)
        .filter((axis) => index[axis] === null || index[axis] === undefined);
      const start = shape.reduce((place, _, axis) => place + (index[axis] ?? 0) * stride[axis]!, offset);
      return ndarray(
        data,
        kept.map((axis) => shape[axis]!),
        kept.map((axis) => stride[axis]!),
        start,
      );
    },
    transpose: (...axes) =>
      ndarray(
        data,
        axes.map((axis) => shape[axis]!),
        axes.map((axis) => stride[axis]!),
        offset,
      ),
  };
}

function rowMajor(shape: readonly number[]): number[] {
  const stride: number[] = [];
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    stride[axis] = step;
    step *= shape[axis]!;
  }
  return stride;
}

/** Calls `visit` with the place of every element in each of the views, which have one shape. */
function elementwise(views: readonly View[], visit: (...places: number[]) => void): void {
  const { shape } = views[0]!;
  const walk = (axis: number, places: readonly number[]): void => {
    if (axis === shape.length) {
      visit(...places);
      return;
    }
    for (let i = 0; i < shape[axis]!; i++) {
      walk(
        axis + 1,
        places.map((place, v) => place + i * views[v]!.stride[axis]!),
      );
    }
  };
  walk(
    0,
    views.map(({ offset }) => offset),
  );
}

/** What is used of the package `ndarray-ops`. */
export const operations = {
  assign(to: View, from: View): void {
    elementwise([to, from], (t, f) => {
      to.data[t!] = from.data[f!]!;
    });
  },
  add(to: View, a: View, b: View): void {
    elementwise([to, a, b], (t, i, j) => {
      to.data[t!] = a.data[i!]! + b.data[j!]!;
    });
  },
  mul(to: View, a: View, b: View): void {
    elementwise([to, a, b], (t, i, j) => {
      to.data[t!] = a.data[i!]! * b.data[j!]!;
    });
  },
};
