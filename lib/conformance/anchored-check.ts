/**
 * SPEC #conformance — the anchored check of a traced run: each tensor is recomputed in binary64 from the tensors that the run itself shows as its inputs, and compared
 * within the bound on what that one stage may round. No flat tolerance, nothing that adds up along the run.
 *
 * @module
 */

import { InvariantError } from '../errors.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { type Bounded, boundedOperations } from './bounded.ts';
import { type PortNumerics, SMALLEST_NORMAL } from './numerics.ts';
import { type ForcedRun, type Stage, stagesOf } from './stages.ts';

/** What became of a tensor (conformance/C3). */
export type Outcome =
  /** Every element is within its bound. */
  | 'right'
  | 'wrong'
  /** The run shows no tensor of that name. */
  | 'missing'
  /** It has another shape. */
  | 'misshapen'
  /** What it is computed from is missing, misshapen or not finite, so nothing can be said. */
  | 'unjudged'
  /** The run shows it, but it is no tensor of such a run. */
  | 'unknown';

/** The element that is furthest from where it should be. */
export interface WorstElement {
  /** Place in the tensor, row by row. */
  readonly index: number;
  readonly got: number;
  readonly want: number;
  /** The most by which they may differ. */
  readonly bound: number;
}

/** What the check found at one tensor. */
export interface TensorVerdict {
  readonly name: string;
  readonly outcome: Outcome;
  /** The largest |got - want| / bound: at most 1 is right; infinite for what is not finite or had to be equal. 0 where nothing was compared. */
  readonly margin: number;
  /** `null` where nothing was compared, or nothing differed. */
  readonly worst: WorstElement | null;
  /** The shape that it has to have, and the one that it has; `null` if there is none. */
  readonly shape: { readonly expected: readonly number[] | null; readonly found: readonly number[] | null };
}

/**
 * Verdicts on all tensors of a run, in the order of execution; those that it should not show come last.
 *
 * @param tensors what the run shows, by the names of SPEC #trace
 * @throws InvariantError conformance/C2 if a bound is not finite though all inputs are: such a bound would let anything pass
 */
export function anchoredCheck(
  run: ForcedRun,
  tensors: ReadonlyMap<string, Tensor>,
  numerics: PortNumerics,
): TensorVerdict[] {
  const known = new Map<string, Stage>();
  const verdicts: TensorVerdict[] = [];
  const usable = (name: string): boolean => {
    const tensor = tensors.get(name);
    return tensor !== undefined && sameShape(tensor.shape, known.get(name)!.shape) && allFinite(tensor);
  };
  for (const stage of stagesOf(run, boundedOperations(numerics))) {
    known.set(stage.name, stage);
    const found = tensors.get(stage.name);
    const shape = { expected: stage.shape, found: found?.shape ?? null };
    const nothing = { name: stage.name, margin: 0, worst: null, shape };
    if (found === undefined) verdicts.push({ ...nothing, outcome: 'missing' });
    else if (!sameShape(found.shape, stage.shape)) verdicts.push({ ...nothing, outcome: 'misshapen' });
    else if (!stage.inputs.every(usable)) verdicts.push({ ...nothing, outcome: 'unjudged' });
    else {
      const expected = stage.expected((name) => tensors.get(name)!);
      verdicts.push({ ...nothing, ...compared(stage.name, found.data, expected) });
    }
  }
  for (const [name, { shape }] of tensors) {
    if (known.has(name)) continue;
    verdicts.push({
      name,
      outcome: 'unknown',
      margin: 0,
      worst: null,
      shape: { expected: null, found: shape },
    });
  }
  return verdicts;
}

/** The first tensor, in the order of execution, that is not what it should be (conformance/C4); `undefined` if there is none. */
export function firstDivergence(verdicts: readonly TensorVerdict[]): TensorVerdict | undefined {
  return verdicts.find(({ outcome }) => outcome !== 'right' && outcome !== 'unjudged');
}

function allFinite({ data }: Tensor): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}

function compared(
  name: string,
  actual: ArrayLike<number>,
  expected: readonly Bounded[],
): Pick<TensorVerdict, 'outcome' | 'margin' | 'worst'> {
  if (actual.length !== expected.length) {
    throw new InvariantError({
      subject: `what is expected of ${name}`,
      expected: `${actual.length} elements`,
      found: `${expected.length}`,
    });
  }
  let margin = 0;
  let worst: WorstElement | null = null;
  for (const [index, [want, bound]] of expected.entries()) {
    if (!(Number.isFinite(want) && Number.isFinite(bound))) {
      throw new InvariantError({
        rule: 'conformance/C2',
        subject: `bound of ${name}, element ${index}`,
        expected: 'a finite number',
        found: `${want} ± ${bound}`,
      });
    }
    const got = actual[index]!;
    const here = marginOf(got, want, bound);
    if (here <= margin) continue;
    margin = here;
    worst = { index, got, want, bound };
  }
  return { outcome: margin <= 1 ? 'right' : 'wrong', margin, worst };
}

/** |got - want| / bound; a bound of 0 asks for equality, and what is not finite is infinitely far away. */
function marginOf(got: number, want: number, bound: number): number {
  const error = Math.abs(got - want);
  if (error === 0) return 0;
  if (!Number.isFinite(error) || bound === 0) return Number.POSITIVE_INFINITY;
  return error / Math.max(bound, SMALLEST_NORMAL);
}
