/**
 * Shapes with names, checked at run time: `shapeCheck('rms-norm/C1', ['x', 'T', 'd'], ['weight', 'd'])` gives a function of two tensors,
 * `x` and `weight`, that checks that `x` has two axes, `weight` one, and that both agree on `d`.
 *
 * SPEC #notation.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import { showShape, type Tensor } from './tensor.ts';

/** The name of an argument and the name of each of its axes. */
type NamedShape = readonly [argument: string, ...axes: string[]];

/** Two axes that must be of one size: each by the index of its tensor and its place in the shape. */
interface Agreement {
  readonly tensor: number;
  readonly axis: number;
  readonly firstTensor: number;
  readonly firstAxis: number;
}

/**
 * A check of the shapes of several tensors, in the order of `named`. Names are resolved here, once: a check runs in every operation, and
 * only compares numbers.
 *
 * @param rule the SPEC rule that states these shapes; quoted by the error
 * @returns throws CallerError if a rank differs or a name stands for two sizes
 */
export function shapeCheck<const Named extends readonly NamedShape[]>(
  rule: string,
  ...named: Named
): (...tensors: { readonly [I in keyof Named]: Tensor }) => void {
  const ranks = named.map(({ length }) => length - 1);
  const agreements = agreementsOf(named);
  return (...tensors: readonly Tensor[]) => {
    let fits = true;
    for (let i = 0; i < ranks.length; i++) if (tensors[i]!.shape.length !== ranks[i]) fits = false;
    for (let i = 0; i < agreements.length; i++) {
      const { tensor, axis, firstTensor, firstAxis } = agreements[i]!;
      if (tensors[tensor]!.shape[axis] !== tensors[firstTensor]!.shape[firstAxis]) fits = false;
    }
    if (!fits) throw shapeFault(rule, named, tensors);
  };
}

/** Every axis whose name has come before, with the axis that had it first. */
function agreementsOf(named: readonly NamedShape[]): readonly Agreement[] {
  const firsts = new Map<string, { readonly firstTensor: number; readonly firstAxis: number }>();
  return named.flatMap(([, ...axes], tensor) =>
    axes.flatMap((name, axis) => {
      const first = firsts.get(name);
      if (first !== undefined) return [{ tensor, axis, ...first }];
      firsts.set(name, { firstTensor: tensor, firstAxis: axis });
      return [];
    }),
  );
}

/** The error of the first tensor that does not fit those before it. */
function shapeFault(rule: string, named: readonly NamedShape[], tensors: readonly Tensor[]): CallerError {
  const sizes = new Map<string, number>();
  const misfit = named.findIndex(([, ...axes], i) => {
    const { shape } = tensors[i]!;
    if (shape.length !== axes.length) return true;
    return axes.some((name, axis) => {
      const known = sizes.get(name);
      if (known === undefined) sizes.set(name, shape[axis]!);
      return known !== undefined && known !== shape[axis];
    });
  });
  const [argument, ...axes] = named[misfit]!;
  const expected = axes.map((name) => (sizes.has(name) ? `${name} = ${sizes.get(name)}` : name));
  return new CallerError({
    rule,
    subject: `shape of ${argument}`,
    expected: `[${expected.join(', ')}]`,
    found: showShape(tensors[misfit]!.shape),
  });
}
