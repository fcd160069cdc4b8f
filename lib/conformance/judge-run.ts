/**
 * SPEC #conformance — a whole verdict on a traced run: every tensor, the first that is wrong, and what it looks like.
 *
 * @module
 */

import type { Tensor } from '../tensor/tensor.ts';
import { checkStages, firstDivergence, type TensorVerdict } from './anchored-check.ts';
import { diagnose, type Finding } from './diagnosis.ts';
import type { PortNumerics } from './numerics.ts';
import { type ForcedRun, stagesOf } from './stages.ts';

/** What there is to say about a run. */
export interface RunVerdict {
  /** In the order of execution; tensors that the run should not show come last. */
  readonly tensors: readonly TensorVerdict[];
  /** conformance/C4; `undefined` if the run conforms. */
  readonly divergence: TensorVerdict | undefined;
  /** What the divergence looks like; nothing if nothing fits. */
  readonly diagnosis: readonly Finding[];
}

/**
 * @param tensors what the run shows, by the names of SPEC #trace
 * @throws CallerError if the model cannot be forced to these segments
 */
export function judgeRun(
  run: ForcedRun,
  tensors: ReadonlyMap<string, Tensor>,
  numerics: PortNumerics,
): RunVerdict {
  const stages = [...stagesOf(run)];
  const check = checkStages(stages, tensors, numerics);
  const first = firstDivergence(check.verdicts);
  const diagnosis = first === undefined ? [] : diagnose({ first, stages, tensors, check, model: run.model });
  return { tensors: check.verdicts, divergence: first, diagnosis };
}
