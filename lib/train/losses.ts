/**
 * SPEC #losses — what training makes small. Each loss returns its sum over the tokens, in binary64 (losses/C4), and puts on the tape the
 * gradient of that sum times a factor.
 *
 * @module
 */

import { CallerError } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { exp } from '../math/exp.ts';
import { log } from '../math/log.ts';
import { sigmoid } from '../math/sigmoid.ts';
import { shapeCheck } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const checkLogits = shapeCheck('losses/C1', ['logits', 'N', 'V']);
const checkStopLogits = shapeCheck('losses/C1', ['stopLogits', 'N', 'one']);
const checkBothLogits = shapeCheck('losses/C1', ['logits', 'N', 'V'], ['teacher', 'N', 'V']);

/**
 * Cross-entropy of tokens: `Σ_n log Σ_v exp(logits[n,v]) - logits[n, targets[n]]`, in nats.
 *
 * @param logits `[N, V]`
 * @param targets N token ids
 * @param factor what the sum is multiplied by in the loss that is differentiated
 * @throws CallerError losses/C1 (a number of targets other than N, or one outside the vocabulary)
 */
export function tokenCrossEntropy(
  kernels: Kernels,
  logits: Tensor,
  targets: readonly number[],
  factor: number,
): number {
  checkLogits(logits);
  const [N, V] = logits.shape as [number, number];
  checkCount('targets', targets.length, N);
  if (!targets.every((id) => Number.isInteger(id) && 0 <= id && id < V)) {
    throw new CallerError({
      rule: 'losses/C1',
      subject: 'targets',
      expected: `token ids from 0 to ${V - 1}`,
      found: `[${targets.join(', ')}]`,
    });
  }
  const { p, logSumExp } = distributions(kernels, logits);
  let sum = 0;
  targets.forEach((id, n) => {
    sum += logSumExp[n]! - logits.data[n * V + id]!;
  });
  kernels.tape?.record(({ kernels, gradient }) => {
    // Forward: the sum of log Σ_v exp(logits[n,v]) - logits[n, target].
    const { round } = kernels;
    const share = kernels.empty(logits.shape);
    kernels.scale(p, round(factor), share);
    targets.forEach((id, n) => {
      share.data[n * V + id] = share.data[n * V + id]! - round(factor);
    });
    kernels.add(gradient(logits), share, gradient(logits));
  });
  return sum;
}

/**
 * Binary cross-entropy of the stop head, from its logits z: `Σ_n max(z, 0) - z * y + log(1 + exp(-|z|))` with y = 1 where the segment ends.
 *
 * @param stopLogits `[N, 1]`
 * @param ends for each token, whether it is the last of its segment
 * @throws CallerError losses/C1 (a number of targets other than N)
 */
export function stopCrossEntropy(
  kernels: Kernels,
  stopLogits: Tensor,
  ends: readonly boolean[],
  factor: number,
): number {
  checkStopLogits(stopLogits);
  const N = stopLogits.shape[0]!;
  checkCount('stop targets', ends.length, N);
  let sum = 0;
  ends.forEach((end, n) => {
    const z = stopLogits.data[n]!;
    // As stated and not by way of p: log p would be -Infinity where p rounds to 0.
    sum += Math.max(z, 0) - (end ? z : 0) + log(1 + exp(-Math.abs(z)));
  });
  kernels.tape?.record(({ kernels, gradient }) => {
    // Forward: max(z, 0) - z * y + log(1 + exp(-|z|)), whose derivative is sigmoid(z) - y; in binary64, rounded once.
    const { data } = gradient(stopLogits);
    ends.forEach((end, n) => {
      const share = (sigmoid(stopLogits.data[n]!) - (end ? 1 : 0)) * factor;
      data[n] = data[n]! + kernels.round(share);
    });
  });
  return sum;
}

/**
 * The divergence of the student from a teacher: `Σ_n KL(t_n || s_n) = Σ_n Σ_v t_n(v) (log t_n(v) - log s_n(v))`, t_n and s_n the teacher's and the
 * student's distributions of response token n (losses/C5).
 *
 * @param logits `[N, V]` the student's
 * @param teacher `[N, V]` the teacher's at the same tokens; gets no gradient
 * @throws CallerError losses/C1 (shapes)
 */
export function teacherDivergence(kernels: Kernels, logits: Tensor, teacher: Tensor, factor: number): number {
  checkBothLogits(logits, teacher);
  const N = logits.shape[0]!;
  const student = distributions(kernels, logits);
  const target = distributions(kernels, teacher);
  const difference = kernels.empty(logits.shape);
  kernels.scale(logits, -1, difference);
  kernels.add(teacher, difference, difference);
  const inner = kernels.empty([N]);
  kernels.rowDots(target.p, difference, inner);
  let sum = 0;
  for (let n = 0; n < N; n++) {
    // Σ_v t(v) (teacher[v] - logits[v]), and the two normalisers.
    sum += inner.data[n]! - (target.logSumExp[n]! - student.logSumExp[n]!);
  }
  kernels.tape?.record(({ kernels, gradient }) => {
    // Forward: Σ_v t(v) (log t(v) - log s(v)); its derivative along logits[n,v] is s(v) - t(v).
    const share = kernels.empty(logits.shape);
    kernels.scale(target.p, -1, share);
    kernels.add(student.p, share, share);
    kernels.scale(share, kernels.round(factor), share);
    kernels.add(gradient(logits), share, gradient(logits));
  });
  return sum;
}

/** The softmax of each row, and the logarithm of its normaliser: m + log z, in binary64 from the stored m and z of #softmax. */
function distributions(
  kernels: Kernels,
  logits: Tensor,
): { readonly p: Tensor; readonly logSumExp: readonly number[] } {
  const [N, V] = logits.shape as [number, number];
  const all: readonly number[] = Array(N).fill(V);
  const [p, m, z] = [kernels.empty([N, V]), kernels.empty([N]), kernels.empty([N])];
  kernels.rowMaxima(logits, all, m);
  kernels.expDifferences(logits, m, all, p);
  kernels.rowSums(p, all, z);
  kernels.divideColumn(p, z, p);
  const logSumExp = Array.from(m.data, (maximum, n) => maximum + log(z.data[n]!));
  return { p, logSumExp };
}

function checkCount(subject: string, found: number, N: number): void {
  if (found === N) return;
  throw new CallerError({ rule: 'losses/C1', subject, expected: `${N}, one a row`, found: `${found}` });
}
