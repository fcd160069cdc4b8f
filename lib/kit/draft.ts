/**
 * Cases before they have outcomes, and how a kit is made of them: the reference computes what each comes to, in binary64.
 *
 * @module
 */

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeNewFile } from '../checkpoint/atomic-output.ts';
import { canonicalJson } from '../checkpoint/json.ts';
import { writeSafetensors } from '../checkpoint/safetensors-writer.ts';
import { writeCheckpoint } from '../checkpoint/write-checkpoint.ts';
import { mistakeNotes } from '../conformance/mistake-notes.ts';
import { type GenerateOptions, generate } from '../decode/generate.ts';
import { type Profile, profiles } from '../decode/profiles.ts';
import { assertInvariant, CallerError, HamburgerError } from '../errors.ts';
import { referenceKernels } from '../kernels/reference.ts';
import { roundToBf16 } from '../math/float.ts';
import type { ModelConfig } from '../model/config.ts';
import { createModel, type HamburgerModel } from '../model/model.ts';
import { Tensor } from '../tensor/tensor.ts';
import {
  type Answer,
  type Attempt,
  type Decisions,
  exactNumber,
  INTERPRETATION,
  KIT_VERSION,
  PROTOCOL,
  parseCase,
  stopReasonOf,
} from './case.ts';
import { casePath, KIT_FILE, type KitDescription, sha256, tensorsPath } from './kit.ts';
import { kitWeight, numbersOf } from './numbers.ts';
import { attemptOutput } from './port.ts';
import { decidedFrom, type VerifiedTask } from './verified-run.ts';

/** A case without what it comes to. */
export interface Draft {
  readonly id: string;
  readonly suite: string;
  /** Rules of SPEC that it is about. */
  readonly spec: readonly string[];
  /** Mistakes that it was made for: ids of the notes. */
  readonly flags: readonly string[];
  /** Features that a port must claim. */
  readonly requires?: readonly string[];
  readonly task: Attempt;
  /** Tensors of a single operation. */
  readonly inputs?: ReadonlyMap<string, Tensor>;
  /** Makes it a case of mode `invalid`, refused with this code. */
  readonly code?: string;
  /** Of a function on data: the values that mistakes lead to, by their ids. */
  readonly mistaken?: Readonly<Record<string, unknown>>;
  /** Whether all tensors of its run are kept; by default those that leave layers and heads. */
  readonly whole?: boolean;
  /** The version of the kit that brought it; by default the first one. */
  readonly since?: string;
  /** Of a free run: one of its decisions is so near that binary32 cannot tell, and either outcome is right. */
  readonly nearTie?: true;
}

/** What the cases are of that do not say since when they are there. */
const FIRST_VERSION = '1.0.0';

/** A model of a kit. */
export interface KitModel {
  readonly config: ModelConfig;
  readonly seed: string;
  /** Of every weight so much, from 0 to 1, is that of another model of the same shapes, by its seed: a target that often agrees with its draft model. */
  readonly like?: { readonly seed: string; readonly share: number };
}

/** Everything that a kit is made of. */
export interface KitContents {
  readonly suites: Readonly<Record<string, string>>;
  readonly drafts: readonly Draft[];
  /** Models by folder, below `models`, and the seed of their weights. */
  readonly models: Readonly<Record<string, KitModel>>;
  /** Folders and files that are broken on purpose, by their paths below the kit. */
  readonly files?: ReadonlyMap<string, Uint8Array>;
  /** Leaves out free runs whose decisions are too near, instead of refusing them; default false. */
  readonly leaveOutNear?: boolean;
  /** Sources that agree with a case, by its id. */
  readonly confirmedBy?: ReadonlyMap<string, readonly string[]>;
}

/** Tensors of a run that are kept in a kit. */
const KEPT = /(comp_embedder\.output|model\.layers\.\d+\.output|features|hidden|logits|stop_probability)$/;

/** The same of a verified run, whose macro-steps are rolled back and made again. */
const KEPT_OF_VERIFIED = /(features|logits|stop_probability)$/;

/** Two logits are nearly equal if they differ by less than this share of the largest; a confidence and its threshold, by less than this. */
const NEAR = 1e-3;

/** The same of a near tie: less than what rounds in binary32 where numbers are stored, and more than all that rounds in binary64. */
const NEAR_TIE = 1e-8;

/**
 * Fills a folder with a kit.
 *
 * @param folder empty
 * @param onCase told after each case
 * @throws CallerError if an id comes twice, a flag has no note, an invalid case is not refused as it says, or a free run has decisions that are too near
 */
export function fillKit(
  folder: string,
  contents: KitContents,
  onCase: (done: number, total: number) => void = () => {},
): KitDescription {
  const {
    drafts,
    models,
    suites,
    files = new Map(),
    confirmedBy = new Map(),
    leaveOutNear = false,
  } = contents;
  const written = new Map<string, Uint8Array>();
  const write = (path: string, bytes: Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeNewFile(join(folder, path), (sink) => sink.write(bytes));
    written.set(path, bytes);
  };
  const writeJson = (path: string, value: unknown): void =>
    write(path, new TextEncoder().encode(canonicalJson(value)));
  const writeTensors = (path: string, tensors: ReadonlyMap<string, Tensor>, dtype: 'F32' | 'F64'): void => {
    const chunks: Uint8Array[] = [];
    const list = [...tensors].map(([name, { data, shape }]) => ({
      name,
      dtype,
      shape,
      elements: () => data,
    }));
    writeSafetensors({ write: (bytes) => void chunks.push(bytes.slice()) }, list);
    write(path, Buffer.concat(chunks));
  };

  const kernels = referenceKernels('f64');
  const built = new Map<string, HamburgerModel>();
  mkdirSync(join(folder, 'models'));
  for (const [name, model] of Object.entries(models)) {
    const path = `models/${name}`;
    const { config } = model;
    const tensor = (parameter: string, shape: readonly number[]) => weightOf(model, parameter, shape);
    writeCheckpoint(join(folder, path), {
      config,
      dtype: 'F32',
      tensor: (parameter, shape) => tensor(parameter, shape).data,
    });
    for (const file of ['config.json', 'model.safetensors'])
      written.set(`${path}/${file}`, readFileSync(join(folder, path, file)));
    built.set(path, createModel(config, kernels, tensor) as HamburgerModel);
  }
  for (const [path, bytes] of files) write(path, bytes);
  const modelAt = (path: string): HamburgerModel => {
    const model = built.get(path);
    if (model !== undefined) return model;
    throw new CallerError({
      subject: 'model of a case',
      expected: [...built.keys()].join(', '),
      found: path,
    });
  };

  const ids = new Set<string>();
  for (const [done, draft] of drafts.entries()) {
    const complain = (expected: string, found: string): never => {
      throw new CallerError({ subject: `case ${draft.id}`, expected, found });
    };
    if (ids.has(draft.id)) complain('an id of its own', 'one that comes twice');
    ids.add(draft.id);
    const unknown = draft.flags.find((flag) => !mistakeNotes.has(flag));
    if (unknown !== undefined) complain('flags that have a note', unknown);
    if (!Object.hasOwn(suites, draft.suite))
      complain(`a suite: ${Object.keys(suites).join(', ')}`, draft.suite);
    const about = {
      id: draft.id,
      since: draft.since ?? FIRST_VERSION,
      suite: draft.suite,
      spec: draft.spec,
      requires: draft.requires ?? [],
      flags: draft.flags,
      confirmed_by: confirmedBy.get(draft.id) ?? [],
    };
    const { task, inputs = new Map<string, Tensor>() } = draft;
    const [unrepresentable] =
      [...inputs].find(([, { data }]) => data.some((value) => !Object.is(Math.fround(value), value))) ?? [];
    if (unrepresentable !== undefined) complain('inputs that binary32 represents', unrepresentable);
    if (inputs.size > 0) writeTensors(tensorsPath(draft, 'in'), inputs, 'F32');
    let whole: Record<string, unknown>;
    if (draft.code !== undefined) {
      // Whether it is refused as it says, the finished kit shows: what is broken has to be read from its files.
      whole = { mode: 'invalid', ...about, attempt: taskJson(task), code: draft.code };
    } else {
      const { answer, tensors } = attemptOutput(task, inputs, modelAt, kernels);
      assertInvariant(answer.status === 'ok', `answer to ${draft.id}`, 'ok', answer.status);
      if (task.mode === 'verified' && isNearVerified(task, modelAt, tensors))
        complain('decisions that honest arithmetic cannot change', 'some that are near');
      const near = task.mode === 'free' && draft.nearTie !== true ? nearDecisions(task, tensors, NEAR) : [];
      if (near.length > 0 && leaveOutNear) continue;
      if (near.length > 0) complain('decisions that honest arithmetic cannot change', near[0]!.words);
      const kept =
        draft.whole === true || task.mode === 'op'
          ? tensors
          : new Map(
              [...tensors].filter(([name]) =>
                (task.mode === 'verified' ? KEPT_OF_VERIFIED : KEPT).test(name),
              ),
            );
      if (kept.size > 0) writeTensors(tensorsPath(draft, 'out'), kept, 'F64');
      whole = { ...taskJson(task), ...about, ...outcomeOf(draft, { answer, tensors }, modelAt, complain) };
    }
    const json = JSON.parse(JSON.stringify(whole)) as unknown;
    parseCase(json, `case ${draft.id}`);
    writeJson(casePath(draft), json);
    onCase(done + 1, drafts.length);
  }

  const description: KitDescription = {
    kit: KIT_VERSION,
    interpretation: INTERPRETATION,
    protocol: [PROTOCOL, PROTOCOL],
    suites: Object.fromEntries(
      Object.entries(suites).map(([suite, about]) => [
        suite,
        {
          about,
          cases: drafts
            .filter((draft) => draft.suite === suite && written.has(casePath(draft)))
            .map(({ id }) => id),
        },
      ]),
    ),
    notes: Object.fromEntries(mistakeNotes),
    files: Object.fromEntries(
      [...written]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, bytes]) => [path, { bytes: bytes.length, sha256: sha256(bytes) }]),
    ),
  };
  writeJson(KIT_FILE, description);
  return description;
}

/** A weight of a model, rounded to bfloat16 as all of the kit are. */
function weightOf({ config, seed, like }: KitModel, name: string, shape: readonly number[]): Tensor {
  const own = kitWeight(config, seed, name, shape);
  if (like === undefined) return own;
  const other = kitWeight(config, like.seed, name, shape).data;
  own.data.forEach((value, i) => {
    own.data[i] = roundToBf16(Math.fround(like.share * other[i]! + (1 - like.share) * value));
  });
  return own;
}

/** A task as JSON, numbers that are no integers in their exact form. */
function taskJson(task: Attempt): Record<string, unknown> {
  const exact = (value: unknown): unknown => {
    if (typeof value === 'number')
      return Number.isInteger(value) && !Object.is(value, -0) ? value : exactNumber(value);
    if (Array.isArray(value)) return value.map(exact);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, exact(each)]));
  };
  return exact(task) as Record<string, unknown>;
}

type Complain = (expected: string, found: string) => never;

/** What a case says of its outcome beside tensors. */
function outcomeOf(
  { task, mistaken = {}, nearTie }: Draft,
  { answer, tensors }: { answer: Extract<Answer, { status: 'ok' }>; tensors: ReadonlyMap<string, Tensor> },
  modelAt: (path: string) => HamburgerModel,
  complain: Complain,
): Record<string, unknown> {
  if (task.mode === 'data') {
    const json = (value: unknown) =>
      (taskJson({ mode: 'data', function: '', input: { value } }).input as { value: unknown }).value;
    const wrong = Object.entries(mistaken).map(([id, value]) => {
      if (!mistakeNotes.has(id)) complain('mistakes that have a note', id);
      if (JSON.stringify(value) === JSON.stringify(answer.value))
        complain(`another value for ${id}`, JSON.stringify(value));
      return [id, { value: json(value) }] as const;
    });
    return {
      expected: { value: json(answer.value) },
      ...(wrong.length === 0 ? {} : { mistaken: Object.fromEntries(wrong) }),
    };
  }
  if (task.mode === 'verified') {
    const { macro_steps, stop_reason, rounds } = answer;
    return { expected: taskJson({ macro_steps, stop_reason, rounds } as unknown as Attempt) };
  }
  if (task.mode !== 'free') return {};
  const expected: Decisions = { macro_steps: answer.macro_steps!, stop_reason: answer.stop_reason! };
  const wrong = mistakenRuns(task, modelAt(task.model)).filter(
    ([, run]) => JSON.stringify(run) !== JSON.stringify(expected),
  );
  return {
    expected,
    ...(nearTie === true
      ? { either: [otherDecisions(task, tensors, expected, modelAt(task.model), complain)] }
      : {}),
    ...(wrong.length === 0 ? {} : { mistaken: Object.fromEntries(wrong) }),
  };
}

/** What a run comes to if its one near tie goes the other way. */
function otherDecisions(
  task: FreeTask,
  tensors: ReadonlyMap<string, Tensor>,
  { macro_steps: macroSteps, stop_reason: stopReason }: Decisions,
  model: HamburgerModel,
  complain: Complain,
): Decisions {
  const ties = nearDecisions(task, tensors, NEAR_TIE);
  const near = nearDecisions(task, tensors, NEAR);
  const [tie] = ties;
  if (tie === undefined || near.length > 1)
    return complain('one near tie, and nothing else that is near', near.map(({ words }) => words).join('; '));
  // Another confidence, on the other side of the threshold: as far as it was on this one.
  if ('confidence' in tie)
    return decisionsOf(task, model, { confidence: 2 * tie.confidence - task.confidence! });
  // Another token: the last one, so that nothing comes after it.
  const last = `macro.${macroSteps.length - 1}.micro.${macroSteps.at(-1)!.length - 1}.logits`;
  if (tie.name !== last) complain(`a near tie of tokens at the last one, ${last}`, tie.name);
  const tokens = macroSteps.map((segment) => [...segment]);
  tokens.at(-1)!.splice(-1, 1, tie.second);
  return { macro_steps: tokens, stop_reason: stopReason };
}

/** A decision that is near. */
type NearDecision = { readonly name: string; readonly words: string } & (
  | { readonly second: number }
  | { readonly confidence: number }
);

/** Decisions of a run that lie nearer than `near`: of logits as a share of the largest, of a confidence and its threshold as it is. */
function nearDecisions(
  { confidence }: FreeTask,
  tensors: ReadonlyMap<string, Tensor>,
  near: number,
): NearDecision[] {
  const threshold = confidence ?? 0.5;
  return [...tensors].flatMap(([name, { data }]): NearDecision[] => {
    if (name.endsWith('.logits')) {
      const order = Array.from(data, (_, id) => id).sort((a, b) => data[b]! - data[a]! || a - b);
      const [first, second] = [data[order[0]!]!, data[order[1] ?? 0]!];
      const largest = Math.max(...data.map(Math.abs));
      if (order.length > 1 && first - second < near * largest)
        return [{ name, words: `${first} and ${second}, at ${name}`, second: order[1]! }];
    }
    // At 0 and 1 nothing is near: no probability gets there.
    if (name.endsWith('.stop_probability') && threshold > 0 && threshold < 1) {
      const found = 1 - data[0]!;
      if (Math.abs(found - threshold) < near)
        return [{ name, words: `confidence ${found}, at ${name}`, confidence: found }];
    }
    return [];
  });
}

/** By how much of the largest they are off: more than binary32 rounds on the way. Every place of a draft is a decision, so that few runs have none that is nearer. */
const NEAR_VERIFIED = 1e-4;

/** How often a verified run is decided again from logits and probabilities that are a little off. */
const TRIALS = 16;

/** Whether a verified run comes to something else where its logits and probabilities are off by up to {@link NEAR_VERIFIED}. */
function isNearVerified(
  task: VerifiedTask,
  modelAt: (path: string) => HamburgerModel,
  tensors: ReadonlyMap<string, Tensor>,
): boolean {
  const models = { draft: modelAt(task.model), target: modelAt(task.target), round: (x: number) => x };
  const decisionsFrom = (shown: ReadonlyMap<string, Tensor>): string => {
    try {
      const { rounds, macro_steps } = decidedFrom(task, models, shown);
      return JSON.stringify([macro_steps, rounds.map((each) => ({ ...each, confidences: [] }))]);
    } catch (error) {
      if (error instanceof HamburgerError) return error.message;
      throw error;
    }
  };
  const right = decisionsFrom(tensors);
  return Array.from({ length: TRIALS }, (_, trial) => {
    const noise = numbersOf(`${trial}`);
    const off = [...tensors].map(([name, tensor]): [string, Tensor] => {
      if (!/(logits|stop_probability)$/.test(name)) return [name, tensor];
      const largest = Math.max(...Array.from(tensor.data, Math.abs));
      return [
        name,
        new Tensor(
          Float64Array.from(tensor.data, (x) => x + NEAR_VERIFIED * largest * noise()),
          tensor.shape,
        ),
      ];
    });
    return decisionsFrom(new Map(off));
  }).some((other) => other !== right);
}

type FreeTask = Extract<Attempt, { mode: 'free' }>;

/** What the reference emits for a task, with changes. */
function decisionsOf(
  task: FreeTask,
  model: HamburgerModel,
  changes: Partial<Omit<GenerateOptions, 'profile'>>,
  decisions: Partial<Profile> = {},
): Decisions {
  const generation = generate(model, {
    prompt: task.prompt,
    maxTokens: task.max_tokens,
    maxPositions: task.max_positions,
    confidence: task.confidence,
    eosTokenIds: task.eos_token_ids,
    profile: { ...profiles.get(task.profile)!, ...decisions },
    ...changes,
  });
  const macroSteps: number[][] = [];
  for (;;) {
    const next = generation.next();
    if (next.done === true)
      return { macro_steps: macroSteps, stop_reason: stopReasonOf(next.value.stopReason) };
    if (next.value.macroStep === macroSteps.length) macroSteps.push([]);
    macroSteps.at(-1)!.push(next.value.id);
  }
}

/** What a port would emit that makes one mistake in its decisions, by the ids of the mistakes. */
function mistakenRuns(task: FreeTask, model: HamburgerModel): (readonly [string, Decisions])[] {
  const run = (changes: Partial<Omit<GenerateOptions, 'profile'>>, decisions: Partial<Profile> = {}) =>
    decisionsOf(task, model, changes, decisions);
  const { confidence, max_positions: most, eos_token_ids: eos } = task;
  return [
    ['runs-on-after-eos', run({}, { eosEndsMacroStep: false })],
    ['eos-not-seen-first', run({}, { eosInFirstMacroStep: false })],
    ['overshoots', run({}, { atMaxTokens: 'overshoot' })],
    ...(confidence === null ? [['no-threshold-is-zero', run({ confidence: 0 })] as const] : []),
    ...(confidence !== null
      ? [['threshold-on-stop-probability', run({ confidence: 1 - confidence })] as const]
      : []),
    ...(eos.length > 1 ? [['other-eos-only', run({ eosTokenIds: eos.slice(0, 1) })] as const] : []),
    ...(most < model.config.maxPositionEmbeddings
      ? [['positions-run-out-late', run({ maxPositions: most + 1 })] as const]
      : []),
    ...(most > task.prompt.length
      ? [['positions-run-out-early', run({ maxPositions: most - 1 })] as const]
      : []),
  ];
}
