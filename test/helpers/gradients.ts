/**
 * Gradients against central differences, in f64.
 *
 * The derivative of f along one element is `(8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12h`: its own error is of the order h^4, so that h can be
 * large enough for rounding not to matter.
 */

import { expect } from 'vitest';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { type Tensor, tensorOf } from '../../lib/tensor/tensor.ts';
import { type Place, roomFor, tensorAt } from '../../lib/train/arena.ts';
import { trainingPass } from '../../lib/train/tape.ts';

/** Step of the differences. */
const H = 1e-3;

/** The largest error allowed, relative to the largest derivative of the tensor. */
const TOLERANCE = 1e-6;

/** Derivatives below this are compared as if they were as large: rounding of the loss leaves no more digits. */
const LEAST = 1e-5;

/** The derivative of `loss` along element `i` of `data`. */
export function centralDifference(data: { [index: number]: number }, i: number, loss: () => number): number {
  const at = data[i]!;
  const value = (x: number) => {
    data[i] = x;
    return loss();
  };
  const inner = value(at + H) - value(at - H);
  const outer = value(at + 2 * H) - value(at - 2 * H);
  data[i] = at;
  return (8 * inner - outer) / (12 * H);
}

/** Expects `got` to be the derivatives of `loss` along the elements of `values`; returns the relative error. */
export function expectDerivatives(
  name: string,
  values: Tensor,
  got: Tensor,
  loss: () => number,
  elements: readonly number[] = Array.from(values.data.keys()),
): number {
  const want = elements.map((i) => centralDifference(values.data, i, loss));
  const largest = Math.max(...want.map(Math.abs), LEAST);
  let worst = { error: 0, at: -1 };
  elements.forEach((i, n) => {
    const error = Math.abs(got.data[i]! - want[n]!) / largest;
    // NaN is an error, too.
    if (!(error <= worst.error)) worst = { error, at: n };
  });
  if (!(worst.error < TOLERANCE)) {
    expect.fail(
      `gradient of ${name}: element ${elements[worst.at]}: expected ${want[worst.at]}, got ${got.data[elements[worst.at]!]}, ` +
        `relative error ${worst.error}`,
    );
  }
  return worst.error;
}

/** Some numbers of both signs, different for every seed. */
export function someNumbers(seed: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(1 + 12.9898 * (i + 1) + 78.233 * seed));
}

/** Tensors of these shapes, side by side in one place, filled with numbers; gradients are NaN until they are set to 0. */
export function placed<Name extends string>(
  shapes: Record<Name, readonly number[]>,
): { place: Place; tensors: Record<Name, Tensor> } {
  const names = Object.keys(shapes) as Name[];
  const size = names.reduce((sum, name) => sum + roomFor(shapes[name]), 0);
  const place = {
    values: tensorOf('f64', [size], Array(size).fill(0)),
    gradients: tensorOf('f64', [size], Array(size).fill(0)),
  };
  let offset = 0;
  const tensors = {} as Record<Name, Tensor>;
  names.forEach((name, n) => {
    tensors[name] = tensorAt(place.values, offset, shapes[name]);
    tensors[name].data.set(someNumbers(n, tensors[name].data.length));
    offset += roomFor(shapes[name]);
  });
  return { place, tensors };
}

/**
 * Checks the backward of an operation, for every one of its operands, with the loss `Σ_i c_i * y_i` of its result y. The operands'
 * gradients start at 1, and 1 must remain besides what was added: a backward that overwrites is seen.
 */
export function checkGradients<Name extends string>(
  operation: string,
  shapes: Record<Name, readonly number[]>,
  run: (kernels: Kernels, tensors: Record<Name, Tensor>) => Tensor,
): number {
  const { place, tensors } = placed(shapes);
  const kernels = referenceKernels('f64');
  const pass = trainingPass(kernels, place);
  place.gradients.data.fill(1);
  const y = run(pass.kernels, tensors);
  const c = someNumbers(99, y.data.length);
  pass.kernels.tape!.record(({ gradient }) => gradient(y).data.set(c));
  pass.backward();
  const loss = () => {
    const { data } = run(kernels, tensors);
    return c.reduce((sum, factor, i) => sum + factor * data[i]!, 0);
  };
  const errors = (Object.keys(shapes) as Name[]).map((name) => {
    const added = pass.gradient(tensors[name]).clone();
    added.data.forEach((value, i) => {
      added.data[i] = value - 1;
    });
    return expectDerivatives(`${operation}, ${name}`, tensors[name], added, loss);
  });
  return Math.max(...errors);
}
