/**
 * SPEC #conformance — what a wrong tensor looks like: a port that makes a known mistake, a tensor of the trace under another name, or the right one times a constant.
 *
 * @module
 */

import type { HamburgerModel } from '../model/model.ts';
import { sameShape, type Tensor } from '../tensor/tensor.ts';
import type { StageCheck, TensorVerdict } from './anchored-check.ts';
import { mistakeNotes } from './mistake-notes.ts';
import { alternatives } from './mistakes.ts';
import type { Stage } from './stages.ts';

/** So that nothing is divided by zero. */
const TINY = Number.MIN_VALUE;

/** What a diagnosis rests on. */
export interface DiagnosisInputs {
  readonly first: TensorVerdict;
  readonly stages: readonly Stage[];
  /** What the port shows. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly check: StageCheck;
  /** `null` for a single operation. */
  readonly model: HamburgerModel | null;
}

/** Something that fits. */
export interface Finding {
  /** Id of the mistake among {@link mistakeNotes}; `null` if it is only a likeness. */
  readonly mistake: string | null;
  /** One sentence for people. */
  readonly says: string;
}

/** Everything that the first wrong tensor looks like; nothing if nothing fits. */
export function diagnose(inputs: DiagnosisInputs): Finding[] {
  const { first, stages, tensors } = inputs;
  const stage = stages.find(({ name }) => name === first.name);
  const found = tensors.get(first.name);
  if (stage === undefined) return [];
  if (first.outcome === 'misshapen') return misshapen(stage, first);
  if (first.outcome !== 'wrong' || found === undefined) return [];
  const mistakes = knownMistakes(stage, found, inputs);
  return mistakes.length > 0 ? mistakes : likenesses(stage, found, inputs);
}

function knownMistakes(stage: Stage, found: Tensor, { stages, check, model }: DiagnosisInputs): Finding[] {
  const right = check.carryOut(stage.operation)!;
  // What no operation of SPEC computes has no bound of its own: the largest of the right one stands for it.
  const largestBound = right.bounds.reduce((a, b) => Math.max(a, b), TINY);
  const byName = new Map(stages.map((each) => [each.name, each]));
  const fitting = alternatives({ stage, stages: byName, model }).flatMap((alternative) => {
    const { operation, mistake, detail } = alternative;
    const wrong = check.carryOut(operation);
    if (wrong === undefined || wrong.values.length !== found.data.length) return [];
    const fits = wrong.values.every((value, i) => {
      const bound = operation.kind === 'other' ? largestBound : wrong.bounds[i]!;
      return Math.abs(found.data[i]! - value) <= Math.max(bound, TINY);
    });
    return fits ? [{ mistake, detail }] : [];
  });
  const seen = new Set<string>();
  return fitting.flatMap(({ mistake, detail }) => {
    if (seen.has(mistake)) return [];
    seen.add(mistake);
    const { mistake: says } = mistakeNotes.get(mistake)!;
    return [{ mistake, says: detail === '' ? says : `${says}: ${detail}` }];
  });
}

/** Relative spread of quotients that still count as one constant. */
const SPREAD = 1e-4;

/** Whether most numbers are finite and those that are agree: bytes in the other order make some infinite or NaN, of which reading keeps no bits. */
function agreeWhereFinite(
  numbers: readonly number[],
  agrees: (value: number, i: number) => boolean,
): boolean {
  const finite = [...numbers.entries()].filter(([, value]) => Number.isFinite(value));
  return 2 * finite.length > numbers.length && finite.every(([i, value]) => agrees(value, i));
}

/** What a number in binary32 is with its bytes in the other order. */
function swappedBytes32(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getFloat32(0, true);
}

/** The same in binary64. */
function swappedBytes64(value: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return view.getFloat64(0, true);
}

/** Share of the elements up to which a tensor is rather right than wrong: a damaged number, a row too many or too few, not another formula. */
const FEW = 0.1;

function likenesses(stage: Stage, found: Tensor, { tensors, check }: DiagnosisInputs): Finding[] {
  const likeness = (says: string): Finding => ({ mistake: null, says });
  const { values: want, bounds } = check.carryOut(stage.operation)!;
  const got = found.data;
  const near = (a: number, b: number, size: number) => Math.abs(a - b) <= SPREAD * size;
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), TINY);
  const findings: Finding[] = [];
  const numbers = Array.from(got);
  for (const swapped of [swappedBytes32, swappedBytes64])
    if (agreeWhereFinite(numbers, (value, i) => near(swapped(value), want[i]!, largest)))
      return [
        likeness('its bytes are in the other order: tensors in a dump are little-endian (INTERPRETING 1.4)'),
      ];
  if (numbers.some((value) => !Number.isFinite(value))) {
    const which = numbers.some(Number.isNaN) ? 'NaN' : 'an infinity';
    return [likeness(`it holds ${which}, where all inputs are finite`)];
  }
  if (numbers.every((value) => value === 0)) return [likeness('it is all zeros')];
  const ratios = Array.from(want, (value, i) => [value, got[i]! / value] as const).filter(
    ([value]) => Math.abs(value) > 1e-3 * largest,
  );
  const ratio = ratios[0]?.[1] ?? 0;
  if (ratios.length > 1 && ratios.every(([, each]) => near(each, ratio, Math.abs(ratio)))) {
    findings.push(likeness(`every element is ${ratio.toPrecision(6)} times what it should be`));
  }
  const offset = got[0]! - want[0]!;
  const isOffset = (value: number, i: number) =>
    Math.abs(value - want[i]! - offset) <= SPREAD * Math.abs(offset) + bounds[i]!;
  const wrong = numbers.filter((value, i) => Math.abs(value - want[i]!) > bounds[i]!).length;
  if (wrong <= FEW * want.length) {
    const [subject, others] =
      wrong === 1 ? ['one element is', 'all others'] : [`${wrong} elements are`, 'the others'];
    return [likeness(`only ${subject} wrong, of ${want.length}; ${others} are right`)];
  }
  if (want.length > 1 && numbers.every(isOffset)) {
    findings.push(likeness(`every element is ${offset.toPrecision(6)} more than it should be`));
  }
  const [rows, columns] = [found.shape.at(-2) ?? 1, found.shape.at(-1) ?? 1];
  if (rows > 1 && columns > 1 && found.shape.length === 2) {
    const turned = (i: number) => want[(i % rows) * columns + Math.floor(i / rows)]!;
    if (numbers.every((value, i) => near(value, turned(i), largest)))
      findings.push(likeness('it is transposed'));
  }
  for (const [name, other] of tensors) {
    if (name === stage.name || !sameShape(other.shape, found.shape)) continue;
    if (numbers.every((value, i) => value === other.data[i]!)) {
      findings.push(likeness(`it equals ${name}`));
      if (findings.length > 2) break;
    }
  }
  return findings;
}

function misshapen({ name, shape }: Stage, { shape: { found } }: TensorVerdict): Finding[] {
  const note = (mistake: string): Finding => ({ mistake, says: mistakeNotes.get(mistake)!.mistake });
  if (found === null) return [];
  if (/self_attn\.weights$/.test(name) && found.length === 3) {
    const [more, micro] = [found[2]! - shape[2]!, name.includes('.micro.')];
    if (more > 0) return [note(micro ? 'micro-step-cache-kept' : 'more-entries-than-segments')];
    return [note(micro ? 'micro-step-cache-lost' : 'fewer-entries-than-segments')];
  }
  const size = (dimensions: readonly number[]) => dimensions.reduce((product, n) => product * n, 1);
  if (size(found) === size(shape))
    return [{ mistake: null, says: 'it has the right number of elements, in other axes' }];
  return [];
}
