/**
 * Shapes with names, checked at run time: `bindShapes('rms-norm/C1', { x: [x, 'T', 'd'], weight: [weight, 'd'] })` checks that
 * `x` has two axes, `weight` one, and that both agree on `d`; and returns `{ T, d }`.
 *
 * SPEC #notation.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { showShape, type Tensor } from './tensor.ts';

/**
 * Binds each named dimension to its size.
 *
 * @param rule the SPEC rule that states these shapes; quoted by the error
 * @param tensors argument name → the tensor and the name of each of its axes
 * @returns dimension name → size
 * @throws CallerError if a rank differs or a name is bound to two sizes
 */
export function bindShapes<const Name extends string>(
  rule: string,
  tensors: Record<string, Bound<Name>>,
): Record<Name, number> {
  const sizes: Partial<Record<Name, number>> = {};
  for (const argument in tensors) {
    const bound = tensors[argument]!;
    if (!binds(sizes, bound)) throw shapeFault(rule, argument, bound, sizes);
  }
  return sizes as Record<Name, number>;
}

/** A tensor and the name of each of its axes. */
type Bound<Name extends string> = readonly [Tensor, ...Name[]];

/** Adds the sizes of one tensor; false if they do not fit. Plain loops: it runs several times in every operation. */
function binds<Name extends string>(sizes: Partial<Record<Name, number>>, bound: Bound<Name>): boolean {
  const { shape } = bound[0];
  if (shape.length !== bound.length - 1) return false;
  for (let axis = 0; axis < shape.length; axis++) {
    const name = bound[axis + 1] as Name;
    const known = sizes[name];
    if (known === undefined) sizes[name] = shape[axis]!;
    else if (known !== shape[axis]) return false;
  }
  return true;
}

function shapeFault<Name extends string>(
  rule: string,
  argument: string,
  [tensor, ...names]: Bound<Name>,
  sizes: Partial<Record<Name, number>>,
): CallerError {
  const known = names.map((name) => (sizes[name] === undefined ? name : `${name} = ${sizes[name]}`));
  return new CallerError({
    rule,
    subject: `shape of ${argument}`,
    expected: `[${known.join(', ')}]`,
    found: showShape(tensor.shape),
  });
}
