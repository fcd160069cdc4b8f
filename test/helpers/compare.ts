/** Strict comparison of tensors: shape first, NaN equals only NaN, and a failure names the worst element. */

import { expect } from 'vitest';
import { showShape, type Tensor } from '../../lib/tensor/tensor.ts';

/**
 * Expects every element of `actual` to differ from `expected` by at most `relative` times the largest magnitude in `expected`
 * (at least `floor`, for tensors that are all zero).
 */
export function expectClose(
  actual: Tensor,
  expected: Tensor,
  relative: number,
  name = 'tensor',
  floor = 1e-300,
): void {
  expect(showShape(actual.shape), `shape of ${name}`).toBe(showShape(expected.shape));
  let largest = floor;
  for (const value of expected.data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  let worst = -1;
  let worstError = -1;
  expected.data.forEach((want, i) => {
    const got = actual.data[i]!;
    const error = Object.is(got, want) || got === want ? 0 : Math.abs(got - want);
    // NaN on one side only, or opposite infinities, is an infinite error; a comparison with NaN would be false.
    const size = Number.isNaN(error) ? Infinity : error;
    if (size > worstError) {
      worst = i;
      worstError = size;
    }
  });
  const bound = relative * largest;
  if (!(worstError <= bound)) {
    expect.fail(
      `${name}: element ${worst} of ${showShape(expected.shape)}: expected ${expected.data[worst]}, got ${actual.data[worst]}, ` +
        `error ${worstError}, allowed ${bound}`,
    );
  }
}
