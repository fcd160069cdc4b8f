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
  tensors: Record<string, readonly [Tensor, ...Name[]]>,
): Record<Name, number> {
  const sizes: Partial<Record<Name, number>> = {};
  for (const argument in tensors) {
    const [tensor, ...names] = tensors[argument]!;
    const { shape } = tensor;
    const fits =
      shape.length === names.length &&
      names.every((name, axis) => {
        sizes[name] ??= shape[axis]!;
        return sizes[name] === shape[axis];
      });
    if (!fits) {
      const known = names.map((name) => (sizes[name] === undefined ? name : `${name} = ${sizes[name]}`));
      throw new CallerError({
        rule,
        subject: `shape of ${argument}`,
        expected: `[${known.join(', ')}]`,
        found: showShape(shape),
      });
    }
  }
  return sizes as Record<Name, number>;
}
