/** The shipped toy says of given texts what PyTorch says of them with the same weights. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../lib/checkpoint/checkpoint.ts';
import { anchoredCheck, firstDivergence } from '../../lib/conformance/anchored-check.ts';
import { portNumerics } from '../../lib/conformance/numerics.ts';
import { teacherForced } from '../../lib/decode/generate.ts';
import { trainProfile } from '../../lib/decode/profiles.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { HamburgerModel, Model } from '../../lib/model/model.ts';
import type { Numerics, Tensor } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';
import { predictSegments, predictTokens } from '../../lib/train/forward.ts';
import { sampleLoss, tokenLoss } from '../../lib/train/sample-loss.ts';

interface Losses {
  readonly token_cross_entropy: readonly number[];
  readonly stop_cross_entropy?: readonly number[];
}

interface Case {
  readonly prompt: readonly number[];
  readonly segments: readonly (readonly number[])[];
  readonly toy: Required<Losses>;
  readonly 'toy-base': Losses;
}

const golden = new URL('../../fixtures/goldens-training/trained-loss.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { cases: Case[] };

const load = (name: string, numerics: Numerics): Model => {
  const checkpoint = openCheckpoint(
    fileURLToPath(new URL(`../../fixtures/checkpoints/${name}`, import.meta.url)),
  );
  const model = checkpoint.loadModel(referenceKernels(numerics));
  checkpoint.close();
  return model;
};

/** `log Σ exp(logits) - logits[target]` of each row. */
const crossEntropies = (logits: Tensor, targets: readonly number[]): number[] =>
  targets.map((target, n) => {
    const row = [...logits.rows(n, n + 1).data];
    const largest = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0);
    return largest + Math.log(sum) - row[target]!;
  });

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

const expectClose = (ours: readonly number[], theirs: readonly number[]) => {
  expect(ours).toHaveLength(theirs.length);
  ours.forEach((value, n) => {
    expect(Math.abs(value - theirs[n]!), `token ${n}`).toBeLessThan(1e-11 + 1e-9 * theirs[n]!);
  });
};

describe('losses of the trained toy, as PyTorch has them', () => {
  it('the HAMburger, f64: every token and every stop', () => {
    const toy = load('toy', 'f64') as HamburgerModel;
    for (const { prompt, segments, toy: theirs } of cases) {
      const { logits, stopLogits } = predictSegments(toy, { prompt, segments });
      expectClose(crossEntropies(logits, segments.flat()), theirs.token_cross_entropy);
      const stops = segments.flatMap((segment) => segment.map((_, i) => i === segment.length - 1));
      const z = [...stopLogits.data];
      expectClose(
        z.map((logit, n) => Math.log1p(Math.exp(stops[n] ? -logit : logit))),
        theirs.stop_cross_entropy,
      );
      const loss = sampleLoss(toy, { prompt, segments }, { stop: 0.5, teacher: 0 }, 1, null);
      expectClose(
        [loss.tokenCrossEntropy, loss.stopCrossEntropy],
        [total(theirs.token_cross_entropy), total(theirs.stop_cross_entropy)],
      );
    }
  });

  it('the base, f64', () => {
    const base = load('toy-base', 'f64');
    for (const { prompt, segments, 'toy-base': theirs } of cases) {
      const logits = predictTokens(base, { prompt, segments });
      expectClose(crossEntropies(logits, segments.flat()), theirs.token_cross_entropy);
      expectClose(
        [tokenLoss(base, { prompt, segments }, 1).tokenCrossEntropy],
        [total(theirs.token_cross_entropy)],
      );
    }
  });

  it('f32: every tensor on the way lies within its bound, and so the loss hardly moves', () => {
    const [toy, exact] = [load('toy', 'f32'), load('toy', 'f64')] as HamburgerModel[];
    for (const { prompt, segments, toy: theirs } of cases) {
      const { trace, tensors } = recordTrace();
      teacherForced(toy!, { prompt, segments, trace });
      const verdicts = anchoredCheck(
        { model: exact!, prompt, segments, profile: trainProfile },
        tensors,
        portNumerics.get('f32')!,
      );
      expect(firstDivergence(verdicts)).toBeUndefined();
      const loss = sampleLoss(toy!, { prompt, segments }, { stop: 0.5, teacher: 0 }, 1, null);
      expect(loss.tokenCrossEntropy / total(theirs.token_cross_entropy)).toBeCloseTo(1, 4);
    }
  });
});
