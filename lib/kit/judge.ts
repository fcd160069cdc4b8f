/**
 * SPEC #conformance — a verdict on what a port gave for a case of the kit (INTERPRETING 5).
 *
 * @module
 */

import { type AccumulationQuality, accumulationQuality } from '../conformance/accumulation.ts';
import { checkStages, firstDivergence, type TensorVerdict } from '../conformance/anchored-check.ts';
import { diagnose, type Finding } from '../conformance/diagnosis.ts';
import { mistakeNotes } from '../conformance/mistake-notes.ts';
import { type PortNumerics, portNumerics } from '../conformance/numerics.ts';
import { inputsOf } from '../conformance/operation.ts';
import { type Stage, stagesOf, verifiedStages } from '../conformance/stages.ts';
import { generationEnd, type Limits, macroStepEnd } from '../decode/ends.ts';
import { profiles } from '../decode/profiles.ts';
import { greedyChoice } from '../decode/token-choice.ts';
import { CallerError, DataError, show } from '../errors.ts';
import { referenceKernels } from '../kernels/reference.ts';
import { f16ToNumber, numberToF16Bits, roundToBf16, ulpDistance } from '../math/float.ts';
import type { HamburgerModel } from '../model/model.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Case, type CaseOf, type Claim, type Decisions, taskOf, withNumbers } from './case.ts';
import type { Kit } from './kit.ts';
import { opStages } from './op-stages.ts';
import { FEATURES, type PortOutput } from './port.ts';
import type { VerifiedAnswer } from './verified-run.ts';
import { roundProblem, sameRun, verifiedProblem } from './verified-verdict.ts';

/** What became of a case (INTERPRETING 5.5). */
export type CaseOutcome = 'right' | 'wrong' | 'skipped' | 'errored' | 'not-claimed';

/** How far the elements of a tensor are from what they should be. */
export interface Divergence extends TensorVerdict {
  /** How many elements are off by up to 0, 1, 4, 16, ... units in the last place of binary32; the last one counts all others. */
  readonly ulps: readonly number[];
  /** For each input: the largest difference from the reference's own run, relative to its largest element; `null` if the kit does not hold it. */
  readonly drift: Readonly<Record<string, number | null>>;
}

/** The verdict on a case. */
export interface CaseVerdict {
  readonly id: string;
  readonly suite: string;
  readonly outcome: CaseOutcome;
  /** Why it is not right; `null` if it is. */
  readonly message: string | null;
  /** Tensors that were compared. */
  readonly tensors: number;
  /** The largest margin, and where; `null` if nothing was compared. */
  readonly worst: { readonly name: string; readonly margin: number } | null;
  readonly divergence: Divergence | null;
  /** Of a case with many dot products: how well they are added up; `null` of every other. */
  readonly accumulation: AccumulationQuality | null;
  /** What it looks like; nothing if nothing fits. */
  readonly diagnosis: readonly Finding[];
}

/** Largest distance that a bucket of {@link Divergence.ulps} counts. */
export const ULP_BUCKETS = [0, 1, 4, 16, 64, 256, 1024, 4096] as const;

/** Judges the outputs of one port. */
export interface Judge {
  /** Whether the port is to be asked. */
  asks(each: Case): boolean;
  /** The verdict on a case that it is not asked. */
  notClaimed(each: Case): CaseVerdict;
  judge(each: Case, output: PortOutput): CaseVerdict;
}

/** What a port claims that no case of any kit is about, in words: names that are misspelt, or of a later version. */
export function unknownClaims(kit: Kit, claim: Claim): string[] {
  const unknown = (what: string, claimed: readonly string[], known: Iterable<string>): string[] => {
    const names = [...known];
    const strange = claimed.filter((name) => !names.includes(name));
    return strange.map((name) => `${what} ${show(name)}, which is none of ${names.join(', ')}`);
  };
  return [
    ...unknown('profile', claim.profiles, profiles.keys()),
    ...unknown(
      'feature',
      claim.features,
      new Set([...FEATURES, ...kit.cases.flatMap(({ requires }) => requires)]),
    ),
  ];
}

/** What keeps a port from being asked a case, in words: what it does not claim. */
export function unclaimed(each: Case, claim: Claim): string[] {
  const { mode, profile } = taskOf(each);
  const lacks = (what: string, names: readonly string[], claimed: readonly string[]): string[] =>
    names.filter((name) => !claimed.includes(name)).map((name) => `${what} ${name}`);
  return [
    ...lacks('mode', [...new Set([each.mode, mode])], claim.modes),
    ...lacks('profile', profile === undefined ? [] : [profile], claim.profiles),
    ...lacks('feature', each.requires, claim.features),
  ];
}

/** @throws DataError if the claimed numerics are not known */
export function createJudge(kit: Kit, claim: Claim): Judge {
  const numerics = portNumerics.get(claim.numerics);
  if (numerics === undefined) {
    throw new DataError({
      subject: 'numerics of the port',
      expected: [...portNumerics.keys()].join(', '),
      found: show(claim.numerics),
    });
  }
  /** Models in binary64; many cases are of the same. */
  const models = new Map<string, HamburgerModel>();
  const modelAt = (path: string): HamburgerModel => {
    const model = models.get(path) ?? kit.model(path, referenceKernels('f64'));
    models.set(path, model);
    return model;
  };
  return {
    asks: (each) => unclaimed(each, claim).length === 0,
    notClaimed: (each) => plainVerdict(each, 'not-claimed'),
    judge: (each, output) => judgeCase(each, output, { kit, numerics, modelAt }),
  };
}

interface Bench {
  readonly kit: Kit;
  readonly numerics: PortNumerics;
  readonly modelAt: (path: string) => HamburgerModel;
}

/** A verdict without tensors. */
const plainVerdict = (
  { id, suite }: Case,
  outcome: CaseOutcome,
  message: string | null = null,
  diagnosis: readonly Finding[] = [],
): CaseVerdict => ({
  id,
  suite,
  outcome,
  message,
  tensors: 0,
  worst: null,
  divergence: null,
  accumulation: null,
  diagnosis,
});

function judgeCase(each: Case, output: PortOutput, bench: Bench): CaseVerdict {
  const { answer, tensors } = output;
  const verdict = (outcome: CaseOutcome, message: string | null = null, diagnosis: readonly Finding[] = []) =>
    plainVerdict(each, outcome, message, diagnosis);
  if (answer.status === 'errored') return verdict('errored', answer.message);
  if (answer.status === 'skipped') return verdict('skipped', answer.reason);
  if (each.mode === 'invalid') {
    if (answer.status === 'ok') {
      return verdict('wrong', `accepted; it has to be refused with ${each.code}`, [noted('not-refused')]);
    }
    return answer.code === each.code
      ? verdict('right')
      : verdict('wrong', `refused with ${answer.code} instead of ${each.code}`);
  }
  if (answer.status === 'rejected') {
    return verdict('wrong', `refused with ${answer.code}, though nothing is wrong with it`);
  }
  if (each.mode !== 'data' && answer.dump === undefined && tensors.size === 0 && !isWithoutRun(each))
    return verdict('wrong', 'the answer has no dump, though tensors are wanted');
  switch (each.mode) {
    case 'data': {
      const problem = valueProblem(each, answer.value);
      return problem === null
        ? verdict('right')
        : verdict('wrong', problem, mistakenValue(each, answer.value));
    }
    case 'free': {
      const { macro_steps, stop_reason } = answer;
      if (macro_steps === undefined || stop_reason === undefined) {
        return verdict('wrong', 'the answer has no macro_steps and stop_reason');
      }
      const given = { macro_steps, stop_reason };
      const model = bench.modelAt(each.model);
      const stages = possibleStages(each, macro_steps, model);
      if (typeof stages === 'string') return verdict('wrong', stages, mistakenDecisions(each, given));
      const judged = judgeTensors(each, stages, tensors, bench);
      if (judged.outcome !== 'right') return judged;
      const problem = decisionProblem(each, given, tensors, model, bench.numerics);
      if (problem === null) return judged;
      return { ...judged, outcome: 'wrong', message: problem, diagnosis: mistakenDecisions(each, given) };
    }
    case 'verified':
      return judgeVerified(each, answer, tensors, bench);
    case 'teacher': {
      const model = bench.modelAt(each.model);
      return judgeTensors(each, [...runStages(each, each.segments, model)], tensors, bench);
    }
    case 'op': {
      const inputs = bench.kit.tensors(each, 'in');
      const judged = judgeTensors(each, opStages(each, inputs), tensors, bench, inputs);
      return { ...judged, accumulation: accumulationOf(each, inputs, judged, tensors, bench.numerics) };
    }
  }
}

/** The verdict on a whole verified run (INTERPRETING 5.7): what is left after each round, the tensors, and the decisions that follow from them. */
function judgeVerified(
  each: CaseOf<'verified'>,
  { macro_steps, stop_reason, rounds }: Extract<PortOutput['answer'], { status: 'ok' }>,
  tensors: ReadonlyMap<string, Tensor>,
  bench: Bench,
): CaseVerdict {
  if (macro_steps === undefined || stop_reason === undefined || rounds === undefined)
    return plainVerdict(each, 'wrong', 'the answer has no macro_steps, stop_reason and rounds');
  const given: VerifiedAnswer = { macro_steps, stop_reason, rounds };
  const models = { draft: bench.modelAt(each.model), target: bench.modelAt(each.target) };
  const left = roundProblem(each, given);
  if (left !== null) return plainVerdict(each, 'wrong', left.message, left.mistakes.map(noted));
  const stages = possible(() => [
    ...verifiedStages({
      ...models,
      prompt: each.prompt,
      rounds: rounds.map(({ drafted, ...round }) => ({ ...round, segments: drafted })),
      profile: profiles.get(each.profile)!,
    }),
  ]);
  if (typeof stages === 'string')
    return plainVerdict(each, 'wrong', `no run comes to these rounds: ${stages}`);
  const judged = judgeTensors(each, stages, tensors, bench);
  if (judged.outcome !== 'right') return judged;
  const { numerics } = bench;
  const problem = verifiedProblem(each, given, tensors, { ...models, round: storeRounding(numerics) });
  if (problem !== null)
    return { ...judged, outcome: 'wrong', message: problem.message, diagnosis: problem.mistakes.map(noted) };
  if (!EXACT_ENOUGH.has(numerics.name) || sameRun(each.expected, given)) return judged;
  const message = `${JSON.stringify(macro_steps)} follows from the tensors, but ${expectation(each.expected)}`;
  return { ...judged, outcome: 'wrong', message };
}

/** How well a case of many dot products without a bias is added up; `null` of any other, and of one that is wrong. */
function accumulationOf(
  { op, parameters }: CaseOf<'op'>,
  inputs: ReadonlyMap<string, Tensor>,
  { outcome }: CaseVerdict,
  tensors: ReadonlyMap<string, Tensor>,
  numerics: PortNumerics,
): AccumulationQuality | null {
  if (op !== 'linear' || parameters.bias === true || outcome !== 'right') return null;
  return accumulationQuality(inputs.get('x')!, inputs.get('weight')!, tensors.get('y')!, numerics);
}

/** Whether nothing is computed: no token is wanted. */
const isWithoutRun = (each: CaseOf<'op' | 'teacher' | 'free' | 'verified'>): boolean =>
  each.mode === 'free' && each.max_tokens === 0;

/** The finding of a mistake. */
const noted = (mistake: string): Finding => ({
  mistake,
  says: mistakeNotes.get(mistake)?.mistake ?? mistake,
});

const mistakenValue = (each: CaseOf<'data'>, value: unknown): Finding[] =>
  Object.entries(each.mistaken ?? {})
    .filter(([, wrong]) => sameValue(each, withNumbers(value), withNumbers(wrong.value)))
    .map(([mistake]) => noted(mistake));

const mistakenDecisions = ({ mistaken = {} }: CaseOf<'free'>, given: Decisions): Finding[] =>
  Object.entries(mistaken)
    .filter(([, wrong]) => sameDecisions(wrong, given))
    .map(([mistake]) => noted(mistake));

const sameDecisions = (a: Decisions, b: Decisions): boolean =>
  a.stop_reason === b.stop_reason && JSON.stringify(a.macro_steps) === JSON.stringify(b.macro_steps);

const runStages = (
  { prompt, profile: name }: { prompt: readonly number[]; profile: string },
  segments: readonly (readonly number[])[],
  model: HamburgerModel,
): Iterable<Stage> => stagesOf({ model, prompt, segments, profile: profiles.get(name)! });

function judgeTensors(
  each: CaseOf<'op' | 'teacher' | 'free' | 'verified'>,
  stages: readonly Stage[],
  tensors: ReadonlyMap<string, Tensor>,
  { kit, numerics, modelAt }: Bench,
  given: ReadonlyMap<string, Tensor> = new Map(),
): CaseVerdict {
  const special = each.suite === 'special';
  const check = checkStages(stages, tensors, numerics, { given, special });
  const { verdicts } = check;
  const compared = verdicts.filter(({ outcome }) => outcome === 'right' || outcome === 'wrong');
  const worst = compared.reduce<TensorVerdict | null>(
    (a, b) => (a === null || b.margin > a.margin ? b : a),
    null,
  );
  const verdict = {
    id: each.id,
    suite: each.suite,
    accumulation: null,
    tensors: compared.length,
    worst: worst === null ? null : { name: worst.name, margin: worst.margin },
  };
  const first = firstDivergence(verdicts);
  if (first === undefined) {
    const unjudged = verdicts.find(({ outcome }) => outcome === 'unjudged');
    const rest = { divergence: null, diagnosis: [] };
    if (unjudged === undefined) return { ...verdict, ...rest, outcome: 'right', message: null };
    return { ...verdict, ...rest, outcome: 'wrong', message: `${unjudged.name} cannot be judged` };
  }
  const stage = stages.find(({ name }) => name === first.name);
  const found = tensors.get(first.name);
  const reference = kit.tensors(each, 'out');
  const wrong = first.outcome === 'wrong' && stage !== undefined && found !== undefined;
  return {
    ...verdict,
    outcome: 'wrong',
    message: `${first.name} is ${first.outcome}${namesText(first, stages, tensors)}`,
    divergence: {
      ...first,
      ulps: wrong ? histogram(found, check.carryOut(stage.operation)!.values) : [],
      drift: stage === undefined ? {} : driftOf(stage, tensors, reference),
    },
    diagnosis: diagnose({
      first,
      stages,
      tensors,
      check,
      model: 'model' in each ? modelAt(each.model) : null,
    }),
  };
}

/** Names of a dump that are told. */
const TOLD_NAMES = 5;

/** Of a name that is missing, or of one that no case has: what may be meant. */
function namesText(
  { outcome }: TensorVerdict,
  stages: readonly Stage[],
  tensors: ReadonlyMap<string, Tensor>,
): string {
  if (outcome === 'unknown') return ': no tensor of this case has that name';
  const names = new Set(stages.map(({ name }) => name));
  const strange = [...tensors.keys()].filter((name) => !names.has(name));
  if (outcome !== 'missing' || strange.length === 0) return '';
  const more = strange.length > TOLD_NAMES ? `, and ${strange.length - TOLD_NAMES} more` : '';
  return `; in the dump, of no name of this case: ${strange.slice(0, TOLD_NAMES).map(show).join(', ')}${more}`;
}

/** See {@link Divergence.ulps}. */
function histogram(found: Tensor, want: Float64Array): number[] {
  const counts = Array<number>(ULP_BUCKETS.length + 1).fill(0);
  want.forEach((value, i) => {
    const [a, b] = [Math.fround(found.data[i]!), Math.fround(value)];
    const distance =
      Number.isFinite(a) && Number.isFinite(b) ? ulpDistance(a, b, 'f32') : Number.POSITIVE_INFINITY;
    const bucket = ULP_BUCKETS.findIndex((most) => distance <= most);
    counts[bucket < 0 ? ULP_BUCKETS.length : bucket]! += 1;
  });
  return counts;
}

/** See {@link Divergence.drift}. */
function driftOf(
  { operation }: Stage,
  tensors: ReadonlyMap<string, Tensor>,
  reference: ReadonlyMap<string, Tensor>,
): Record<string, number | null> {
  return Object.fromEntries(
    [...new Set(inputsOf(operation))].map((name) => {
      const [got, want] = [tensors.get(name)?.data, reference.get(name)?.data];
      if (got === undefined || want === undefined || got.length !== want.length) return [name, null];
      let [largest, off] = [0, 0];
      for (let i = 0; i < want.length; i++) {
        largest = Math.max(largest, Math.abs(want[i]!));
        off = Math.max(off, Math.abs(want[i]! - got[i]!));
      }
      return [name, largest === 0 ? off : off / largest];
    }),
  );
}

/** Why a value is not the one of the kit; `null` if it is. */
function valueProblem(each: CaseOf<'data'>, value: unknown): string | null {
  const got = withNumbers(value);
  const want = withNumbers(each.expected.value);
  return sameValue(each, got, want) ? null : `${show(got)} instead of ${show(want)}`;
}

const sameValue = ({ function: name }: CaseOf<'data'>, got: unknown, want: unknown): boolean =>
  name === 'theta' || name === 'log_probability' ? nearly(got, want) : equal(got, want);

/** Units in the last place by which a computed threshold may be off: a sum of two products of logarithms. A log-probability is one of two that have the same sign. */
const THETA_ULPS = 4;

const nearly = (got: unknown, want: unknown): boolean =>
  typeof got === 'number' &&
  typeof want === 'number' &&
  Number.isFinite(got) &&
  ulpDistance(got, want, 'f64') <= THETA_ULPS;

function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((each, i) => equal(each, b[i]));
  return a === b;
}

const expectation = ({ macro_steps, stop_reason }: Decisions): string =>
  `expected ${JSON.stringify(macro_steps)} and ${stop_reason}`;

/** The stages of a run that came to these macro-steps, or why no run can. */
function possibleStages(
  each: CaseOf<'free'>,
  macroSteps: readonly (readonly number[])[],
  model: HamburgerModel,
): readonly Stage[] | string {
  const stages = possible(() => [...runStages(each, macroSteps, model)]);
  return typeof stages === 'string' ? `no run comes to these macro-steps: ${stages}` : stages;
}

/** Stages, or why there are none. */
function possible(stages: () => readonly Stage[]): readonly Stage[] | string {
  try {
    return stages();
  } catch (error) {
    if (error instanceof CallerError) return error.message;
    throw error;
  }
}

/** Rounding of what a port stores, for a profile whose stop test is done in the arithmetic of the tensors. */
function storeRounding(numerics: PortNumerics): (value: number) => number {
  if (numerics.name === 'f64') return (value) => value;
  if (numerics.name === 'bf16') return (value) => roundToBf16(Math.fround(value));
  if (numerics.name === 'f16') return (value) => f16ToNumber(numberToF16Bits(value));
  return Math.fround;
}

/** Numerics in which nothing but a mistake leads to other tokens: a case whose decisions are nearer says what else is right (`either`). */
const EXACT_ENOUGH = new Set(['f64', 'f32', 'f32-split']);

/** Why the decisions of a free run do not follow from its own tensors, or are not those of the reference; `null` if all is well. */
function decisionProblem(
  each: CaseOf<'free'>,
  given: Decisions,
  tensors: ReadonlyMap<string, Tensor>,
  { config }: HamburgerModel,
  numerics: PortNumerics,
): string | null {
  const profile = profiles.get(each.profile)!;
  const limits: Limits = {
    profile,
    promptTokens: each.prompt.length,
    maxTokens: each.max_tokens,
    maxPositions: each.max_positions,
    maxSteps: config.hamburger.maxSteps,
    confidence: each.confidence,
    round: storeRounding(numerics),
  };
  let outputTokens = 0;
  for (const [macroStep, tokens] of given.macro_steps.entries()) {
    let sawEos = false;
    for (const [i, id] of tokens.entries()) {
      const micro = `macro.${macroStep}.micro.${i}`;
      const best = greedyChoice(tensors.get(`${micro}.logits`)!.data, []);
      if (best !== id)
        return `${micro}: token ${id} was chosen, but ${best} has the largest of the logits that are shown`;
      outputTokens += 1;
      sawEos ||= each.eos_token_ids.includes(id);
      const soFar = { outputTokens, segmentTokens: i + 1, macroStep, sawEos };
      const p = tensors.get(`${micro}.stop_probability`)!.data[0]!;
      const end = macroStepEnd(soFar, p, limits);
      const ended = i === tokens.length - 1;
      // Of the last macro-step a profile may have cut tokens off.
      const cut = profile.atMaxTokens === 'cut' && outputTokens === each.max_tokens;
      if (end !== null && !ended) return `${micro}: the macro-step goes on, though it ends here (${end})`;
      if (end === null && ended && !cut)
        return `${micro}: the macro-step ends, though nothing ends it (stop probability ${p})`;
      if (!ended) continue;
      const reason = generationEnd(soFar, limits);
      const last = macroStep === given.macro_steps.length - 1;
      // What was cut off is not shown: an end of the text may be in it, and ends the generation first.
      const eosInWhatIsCut = cut && end === null && (profile.eosInFirstMacroStep || macroStep > 0);
      if (last && eosInWhatIsCut && each.eos_token_ids.length > 0 && given.stop_reason === 'eos') continue;
      if (reason !== null && !last)
        return `macro-step ${macroStep}: the generation goes on, though it ends here (${reason})`;
      if (last && reason !== given.stop_reason)
        return `the generation ends for ${given.stop_reason}; it would be ${reason ?? 'no reason'}`;
    }
  }
  if (!EXACT_ENOUGH.has(numerics.name)) return null;
  const same = [each.expected, ...(each.either ?? [])].some((one) => sameDecisions(one, given));
  return same
    ? null
    : `${JSON.stringify(given.macro_steps)} follows from the tensors, but ${expectation(each.expected)}`;
}
