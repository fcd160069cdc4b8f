/**
 * Verified decoding as the command line asks for it: its options, and the target that they name.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Option } from 'commander';
import {
  baseOf,
  CallerError,
  type Checkpoint,
  checkDraftAndTarget,
  checkVerification,
  differingToken,
  greedyPolicy,
  type Model,
  openCheckpoint,
  samplingPolicy,
  VERIFICATION_POLICIES,
  type VerificationPolicy,
  verificationPolicy,
} from '../lib/index.ts';
import type { Context } from './context.ts';
import { loadInto } from './model.ts';
import { namingOptions, type OptionNames } from './option-names.ts';
import { integer, nonEmpty, number, option } from './options.ts';

/** Macro-steps of a draft where nothing else is asked for. */
const DEFAULT_DRAFT_STEPS = 2;

/** What `--target` calls the base inside the checkpoint. */
const INSIDE = 'inside';

/** Behind the name of a checkpoint's folder, that of the base it was made of. */
const BASE_SUFFIX = '-base';

/** Values of {@link verificationOptions}. */
export interface VerificationOptions {
  readonly target?: string;
  readonly draftSteps?: number;
  readonly draftConfidence?: number;
  readonly policy?: string;
}

/** What the library's errors call the options. */
export const verificationOptionNames: OptionNames = {
  policy: '--policy',
  'k of the policy': '--policy',
  'threshold of the policy': '--policy',
  'entropy factor of the policy': '--policy',
  'vocabulary of the target': '--target',
  'tokens of the target': '--target',
  'positions of the target': '--target',
  'positions of the draft model': '--checkpoint',
};

/** `--target`, `--draft-steps`, `--draft-confidence`, `--policy`. */
export function verificationOptions(): readonly Option[] {
  return [
    option(
      '--target <folder>',
      `with --mode verified: the model that judges drafts, or '${INSIDE}' for the base inside the checkpoint (default: the folder beside it that is named like it with ${BASE_SUFFIX})`,
      nonEmpty('a folder'),
    ),
    option(
      '--draft-steps <n>',
      `with --mode verified: most macro-steps of a draft (default: ${DEFAULT_DRAFT_STEPS})`,
      integer(1),
    ),
    option(
      '--draft-confidence <b>',
      'with --mode verified: end a draft before the product of its continue confidences falls below b (default: 0)',
      number('a number from 0 to 1', (value) => 0 <= value && value <= 1),
    ),
    option(
      '--policy <name>',
      `with --mode verified: what is accepted: ${VERIFICATION_POLICIES} (default: sampling with --temperature, else greedy)`,
    ),
  ];
}

/** Options of verification that were given, by their names. */
export function givenVerificationOptions(options: VerificationOptions): readonly string[] {
  const { target, draftSteps, draftConfidence, policy } = options;
  return Object.entries({
    '--target': target,
    '--draft-steps': draftSteps,
    '--draft-confidence': draftConfidence,
    '--policy': policy,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
}

/** A verification whose models go together, and are not loaded yet. */
export interface Verification {
  readonly policy: VerificationPolicy;
  readonly draftSteps: number;
  readonly draftConfidence: number;
  /** As reports name it; `null` without a target. */
  readonly targetName: string | null;
  /** Positions that both models have. */
  readonly positions: number;
  /** The target, in the kernels of the draft model, with room for a run of so many KV entries; `null` without one. */
  loadTarget(context: Context, draft: Model, cacheEntries: number): Model | null;
}

/**
 * Finds the target and checks everything that can be checked before a weight is read (verification/C3).
 *
 * @throws CallerError naming the option; DataError if the target's folder is broken
 */
export function openVerification(
  checkpoint: Checkpoint,
  options: VerificationOptions,
  sampling: boolean,
  needed: { readonly promptTokens: number; readonly maxPositions?: number | undefined },
): Verification {
  return namingOptions<Verification>(verificationOptionNames, () => {
    const { draftSteps = DEFAULT_DRAFT_STEPS, draftConfidence = 0 } = options;
    const policy =
      options.policy === undefined
        ? sampling
          ? samplingPolicy
          : greedyPolicy
        : verificationPolicy(options.policy);
    const targetName = policy.asksTarget ? (options.target ?? besides(checkpoint)) : (options.target ?? null);
    checkVerification({ policy, target: targetName !== null, sampling, draftSteps, draftConfidence });
    const positions = checkpoint.config.maxPositionEmbeddings;
    const settled = { policy, draftSteps, draftConfidence, targetName, positions };
    if (targetName === null) return { ...settled, loadTarget: () => null };
    if (targetName === INSIDE) return { ...settled, loadTarget: (_, draft) => baseOf(draft) };
    const target = openCheckpoint(targetName);
    try {
      checkDraftAndTarget(checkpoint.config, target.config, needed);
      checkSameTokens(checkpoint, target);
    } finally {
      target.close();
    }
    return {
      ...settled,
      positions: Math.min(positions, target.config.maxPositionEmbeddings),
      loadTarget(context, { kernels }, cacheEntries) {
        const opened = openCheckpoint(targetName);
        try {
          return loadInto(context, opened, kernels, { label: 'Loading the target', cacheEntries });
        } finally {
          opened.close();
        }
      },
    };
  });
}

/** The folder beside the checkpoint that holds its base. */
function besides({ folder }: Checkpoint): string {
  const beside = `${resolve(folder)}${BASE_SUFFIX}`;
  if (existsSync(beside)) return beside;
  throw new CallerError({
    subject: '--target',
    expected: `the folder of the model that judges drafts, such as the base that ${folder} was made of, or '${INSIDE}' for the base inside it`,
    found: `none, and there is no ${beside}`,
  });
}

/** @throws CallerError verification/C3 */
function checkSameTokens(draft: Checkpoint, target: Checkpoint): void {
  if (draft.tokenizer === null || target.tokenizer === null) return;
  const difference = differingToken(draft.tokenizer, target.tokenizer);
  if (difference === null) return;
  throw new CallerError({
    rule: 'verification/C3',
    subject: '--target',
    expected: `the tokens of ${draft.folder}, whose token ${difference.id} is ${difference.first}`,
    found: `${difference.second}, in ${target.folder}`,
  });
}
