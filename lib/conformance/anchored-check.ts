/**
 * SPEC #conformance — the anchored check of a traced run: each tensor is recomputed in binary64 from the tensors that the run itself shows as its inputs, and compared
 * within the bound on what that one stage may round. No flat tolerance, nothing that adds up along the run.
 *
 * @module
 */

import { assertInvariant, InvariantError } from '../errors.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import { type Bounded, boundedOperations, exactly, inRowsOf } from './bounded.ts';
import type { PortNumerics } from './numerics.ts';
import { carryOut, inputsOf, type Operation } from './operation.ts';
import { type ForcedRun, type Stage, stagesOf } from './stages.ts';

/** What became of a tensor (conformance/C3). */
export type Outcome =
  /** Every element is within its bound. */
  | 'right'
  | 'wrong'
  /** The run does not show it, nor has to: what follows from it is judged through it (conformance/C5). */
  | 'left-out'
  /** The run shows no tensor of that name, and has to. */
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
): readonly TensorVerdict[] {
  return checkStages(stagesOf(run), tensors, numerics).verdicts;
}

/** What a check needs beside stages and tensors. */
export interface CheckOptions {
  /** Tensors that are no port's own, but exact inputs of the stages. */
  readonly given?: ReadonlyMap<string, Tensor>;
  /** Whether inputs hold NaN or infinities: then what comes of them has to be of the right class (conformance/C2). */
  readonly special?: boolean;
}

/** Verdicts, and what they rest on. */
export interface StageCheck {
  readonly verdicts: readonly TensorVerdict[];
  /** What an operation gives in this run; `undefined` if an input is not there, misshapen or not finite. */
  carryOut(operation: Operation): Bounded | undefined;
}

/** {@link anchoredCheck} of any stages. */
export function checkStages(
  stages: Iterable<Stage>,
  tensors: ReadonlyMap<string, Tensor>,
  numerics: PortNumerics,
  { given = new Map(), special = false }: CheckOptions = {},
): StageCheck {
  const ops = boundedOperations(numerics);
  const verdicts: TensorVerdict[] = [];
  /** What can be read: shown and sound, given, or left out and computed. */
  const known = new Map<string, Bounded>();
  for (const [name, tensor] of given) known.set(name, asRows(tensor));
  const carriedOut = (operation: Operation): Bounded | undefined =>
    inputsOf(operation).every((input) => known.has(input))
      ? carryOut(operation, (input) => known.get(input)!, ops)
      : undefined;
  const expectedNames = new Set<string>();
  for (const { name, shape: expected, operation, optional } of stages) {
    expectedNames.add(name);
    const found = tensors.get(name);
    const nothing = { name, margin: 0, worst: null, shape: { expected, found: found?.shape ?? null } };
    const computed = carriedOut(operation);
    if (found === undefined) {
      if (optional && computed !== undefined) known.set(name, inRowsOf(expected.at(-1)!, computed));
      verdicts.push({ ...nothing, outcome: optional ? 'left-out' : 'missing' });
    } else if (!sameShape(found.shape, expected)) verdicts.push({ ...nothing, outcome: 'misshapen' });
    else {
      if (special || allFinite(found)) known.set(name, asRows(found));
      // What is at fault may have numbers of any size, of which nothing follows.
      const judged = computed !== undefined && (special || allBounded(computed) || !atFault(verdicts));
      verdicts.push(
        judged
          ? {
              ...nothing,
              ...compared(name, found.data, computed, { special, smallest: numerics.smallestNormal }),
            }
          : { ...nothing, outcome: 'unjudged' },
      );
    }
  }
  for (const [name, { shape: found }] of tensors) {
    if (expectedNames.has(name)) continue;
    const shape = { expected: null, found };
    verdicts.push({ name, outcome: 'unknown', margin: 0, worst: null, shape });
  }
  return { verdicts, carryOut: carriedOut };
}

const asRows = ({ data, shape }: Tensor): Bounded => exactly(data, shape.at(-1) ?? 1);

/** The first tensor, in the order of execution, that is not what it should be (conformance/C4); `undefined` if there is none. */
export function firstDivergence(verdicts: readonly TensorVerdict[]): TensorVerdict | undefined {
  return verdicts.find(
    ({ outcome }) => outcome !== 'right' && outcome !== 'left-out' && outcome !== 'unjudged',
  );
}

const atFault = (verdicts: readonly TensorVerdict[]): boolean => firstDivergence(verdicts) !== undefined;

function allBounded({ values, bounds }: Bounded): boolean {
  for (let i = 0; i < values.length; i++) {
    if (!(Number.isFinite(values[i]) && Number.isFinite(bounds[i]))) return false;
  }
  return true;
}

function allFinite({ data }: Tensor): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}

function compared(
  name: string,
  actual: ArrayLike<number>,
  { values, bounds }: Bounded,
  { special, smallest }: { readonly special: boolean; readonly smallest: number },
): Pick<TensorVerdict, 'outcome' | 'margin' | 'worst'> {
  assertInvariant(
    actual.length === values.length,
    `what is expected of ${name}`,
    `${actual.length} elements`,
    `${values.length}`,
  );
  let margin = 0;
  let worst: WorstElement | null = null;
  for (let index = 0; index < values.length; index++) {
    const [got, want, bound] = [actual[index]!, values[index]!, bounds[index]!];
    const definite = Number.isFinite(want) && Number.isFinite(bound);
    if (!definite && !special) {
      throw new InvariantError({
        rule: 'conformance/C2',
        subject: `bound of ${name}, element ${index}`,
        expected: 'a finite number',
        found: `${want} ± ${bound}`,
      });
    }
    const here = definite
      ? marginOf(got, want, bound, smallest)
      : sameClass(got, want)
        ? 0
        : Number.POSITIVE_INFINITY;
    if (here <= margin) continue;
    margin = here;
    worst = { index, got, want, bound };
  }
  return { outcome: margin <= 1 ? 'right' : 'wrong', margin, worst };
}

/** NaN where NaN has to be, an infinity of the same sign, or any number where there is one without a bound. */
const sameClass = (got: number, want: number): boolean =>
  Number.isFinite(want) ? Number.isFinite(got) : Object.is(got, want);

/** |got - want| / bound; a bound of 0 asks for equality, and what is not finite is infinitely far away. */
function marginOf(got: number, want: number, bound: number, smallest: number): number {
  const error = Math.abs(got - want);
  if (error === 0) return 0;
  if (!Number.isFinite(error) || bound === 0) return Number.POSITIVE_INFINITY;
  return error / Math.max(bound, smallest);
}
