import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { HamburgerModel } from '../../lib/model/model.ts';
import { tensorOf, zeros } from '../../lib/tensor/tensor.ts';
import { recordTrace } from '../../lib/trace.ts';
import { predictTokens } from '../../lib/train/forward.ts';
import { stopCrossEntropy, teacherDivergence, tokenCrossEntropy } from '../../lib/train/losses.ts';
import { type LossWeights, type SampleLoss, sampleLoss, tokenLoss } from '../../lib/train/sample-loss.ts';
import { trainingPass } from '../../lib/train/tape.ts';
import { expectDerivatives, placed, someNumbers } from '../helpers/gradients.ts';
import { baseConfig, sample, trainingConfig, trainingModel } from '../helpers/training.ts';

const kernels = referenceKernels('f64');
const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);
const logSoftmax = (row: readonly number[]) => {
  const total = Math.log(sum(row.map(Math.exp)));
  return row.map((x) => x - total);
};
const rowsOf = (values: readonly number[], width: number) =>
  Array.from({ length: values.length / width }, (_, r) => values.slice(r * width, (r + 1) * width));

/** Checks the gradient of a loss along its logits `[3, 5]` (or another shape), multiplied by a factor. */
function checkLoss(
  name: string,
  shape: readonly number[],
  run: (k: typeof kernels, logits: ReturnType<typeof zeros>, factor: number) => number,
): void {
  const { place, tensors } = placed({ logits: shape });
  const pass = trainingPass(kernels, place);
  run(pass.kernels, tensors.logits, 0.3);
  pass.backward();
  expectDerivatives(
    name,
    tensors.logits,
    pass.gradient(tensors.logits),
    () => 0.3 * run(kernels, tensors.logits, 0.3),
  );
}

describe('losses', () => {
  it('cross-entropy of tokens is the mean of -log p, and its backward', () => {
    const logits = someNumbers(1, 15);
    const want = sum(rowsOf(logits, 5).map((row, n) => -logSoftmax(row)[[4, 0, 2][n]!]!));
    expect(tokenCrossEntropy(kernels, tensorOf('f64', [3, 5], logits), [4, 0, 2], 1)).toBeCloseTo(want, 12);
    checkLoss('token cross-entropy', [3, 5], (k, t, factor) => tokenCrossEntropy(k, t, [4, 0, 2], factor));
  });

  it('losses/C4: a logit of 1000 gives no infinity and no NaN', () => {
    const logits = tensorOf('f32', [1, 2], [1000, 0]);
    const f32 = referenceKernels('f32');
    expect(tokenCrossEntropy(f32, logits, [1], 1)).toBe(1000);
    expect(stopCrossEntropy(f32, tensorOf('f32', [2, 1], [1000, -1000]), [false, true], 1)).toBe(2000);
    expect(teacherDivergence(f32, logits, tensorOf('f32', [1, 2], [0, 1000]), 1)).toBe(1000);
  });

  it('cross-entropy of the stop head is that of sigmoid(z), and its backward', () => {
    const z = someNumbers(2, 4);
    const ends = [true, false, false, true];
    const p = z.map((x) => 1 / (1 + Math.exp(-x)));
    const want = -sum(p.map((q, n) => Math.log(ends[n] ? q : 1 - q)));
    expect(stopCrossEntropy(kernels, tensorOf('f64', [4, 1], z), ends, 1)).toBeCloseTo(want, 12);
    checkLoss('stop cross-entropy', [4, 1], (k, t, factor) => stopCrossEntropy(k, t, ends, factor));
  });

  it('the divergence is KL(teacher || student), not the other way round, and its backward', () => {
    const [student, teacher] = [someNumbers(3, 15), someNumbers(4, 15)];
    const want = sum(
      rowsOf(teacher, 5).map((row, n) => {
        const [t, s] = [logSoftmax(row), logSoftmax(rowsOf(student, 5)[n]!)];
        return sum(t.map((x, v) => Math.exp(x) * (x - s[v]!)));
      }),
    );
    const [a, b] = [tensorOf('f64', [3, 5], student), tensorOf('f64', [3, 5], teacher)];
    expect(teacherDivergence(kernels, a, b, 1)).toBeCloseTo(want, 12);
    expect(teacherDivergence(kernels, a, a, 1)).toBe(0);
    checkLoss('teacher divergence', [3, 5], (k, t, factor) => teacherDivergence(k, t, b, factor));
  });

  it('losses/C1: rows and targets that do not belong together are refused', () => {
    const logits = zeros('f64', [2, 3]);
    expect(() => tokenCrossEntropy(kernels, logits, [1], 1)).toThrow(/losses\/C1: targets: expected 2/);
    expect(() => tokenCrossEntropy(kernels, logits, [1, 3], 1)).toThrow(/losses\/C1: targets/);
    expect(() => stopCrossEntropy(kernels, zeros('f64', [2, 1]), [true], 1)).toThrow(/losses\/C1/);
    expect(() => teacherDivergence(kernels, logits, zeros('f64', [3, 3]), 1)).toThrow(/losses\/C1/);
  });
});

const weights: LossWeights = { stop: 0.5, teacher: 0.7 };
const totalOf = (loss: SampleLoss, tokens: number) =>
  (loss.tokenCrossEntropy + weights.stop * loss.stopCrossEntropy + weights.teacher * loss.teacherDivergence) /
  tokens;

describe('loss of a sample', () => {
  it('losses/C2: is what teacher forcing, token by token, comes to; the stop target is 1 at the last token of a segment', () => {
    const { model } = trainingModel();
    const { trace, tensors } = recordTrace();
    const forced = teacherForced(model, { ...sample, trace });
    const loss = sampleLoss(model, sample, weights, 12, null);
    const crossEntropy = sum(forced.flat().map(({ id, logits }) => -logSoftmax([...logits.data])[id]!));
    const stop = sum(
      forced.flatMap((segment, m) =>
        segment.map((_, i) => {
          const z = tensors.get(`macro.${m}.micro.${i}.stop_head.4`)!.get(0, 0);
          // -log sigmoid(z) where it ends, -log (1 - sigmoid(z)) = -log sigmoid(-z) where it goes on.
          return Math.log1p(Math.exp(i === segment.length - 1 ? -z : z));
        }),
      ),
    );
    expect(loss.tokens).toBe(12);
    expect(loss.tokenCrossEntropy).toBeCloseTo(crossEntropy, 10);
    expect(loss.stopCrossEntropy).toBeCloseTo(stop, 10);
    expect(loss.teacherDivergence).toBe(0);
  });

  it.each([false, true])(
    'training/C3, losses/C3: the gradient of every parameter of the whole model, tied embeddings %s',
    (tieWordEmbeddings) => {
      const { trained, pass, model, recording } = trainingModel(kernels, {
        ...trainingConfig,
        tieWordEmbeddings,
      });
      const teacher = tensorOf('f64', [12, 17], someNumbers(5, 12 * 17));
      sampleLoss(recording, sample, weights, 20, teacher);
      pass.backward();
      const loss = () => totalOf(sampleLoss(model, sample, weights, 20, teacher), 20);
      for (const { name, values, gradients } of trained.parameters) {
        // Tied, the table alone differs: it gets the shares of both its uses.
        if (tieWordEmbeddings && !name.includes('embed_tokens')) continue;
        const elements = mostInteresting(gradients.data);
        expectDerivatives(name, values, gradients, loss, elements);
      }
      expect(trained.parameters.length).toBe(tieWordEmbeddings ? 62 : 63);
    },
  );

  it('the gradient of every parameter of a base alone, which reads the prompt but does not learn to say it', () => {
    const { trained, pass, model, recording } = trainingModel(kernels, baseConfig);
    const { tokens } = tokenLoss(recording, sample, 4);
    expect(tokens).toBe(12);
    pass.backward();
    const loss = () => tokenLoss(model, sample, 4).tokenCrossEntropy / 4;
    for (const { name, values, gradients } of trained.parameters)
      expectDerivatives(name, values, gradients, loss, mostInteresting(gradients.data));
  });
});

/** The elements with the largest gradient, and some others. */
function mostInteresting(gradients: ArrayLike<number>): number[] {
  const all = Array.from(gradients, (_, i) => i);
  const largest = all.sort((a, b) => Math.abs(gradients[b]!) - Math.abs(gradients[a]!)).slice(0, 2);
  return [...new Set([...largest, 0, gradients.length - 1])];
}

describe('a training pass, f32', () => {
  it('numerics/N9, N10: simd and reference give the same bits; training/C4: whatever was in memory before', () => {
    const run = (k: typeof kernels, poison: boolean) => {
      const { trained, pass, recording } = trainingModel(k);
      const teacher = predictTokens(trained.model, sample);
      const once = () => sampleLoss(recording as HamburgerModel, sample, weights, 12, teacher);
      if (poison) {
        const before = once();
        pass.backward();
        const room = pass.kernels.empty([1 << 18]);
        room.data.fill(Number.NaN);
        pass.reset();
        // All of the memory: values and gradients.
        const everything = pass.kernels.empty([1 << 19]);
        everything.data.fill(Number.NaN);
        pass.gradient(everything).data.fill(Number.NaN);
        pass.reset();
        trained.place.gradients.data.fill(0);
        expect(before.tokens).toBe(12);
      }
      const loss = once();
      pass.backward();
      return { loss, gradients: [...trained.place.gradients.data] };
    };
    const want = run(referenceKernels('f32'), false);
    expect(want.gradients.some((value) => value !== 0)).toBe(true);
    for (const [k, poison] of [
      [referenceKernels('f32'), true],
      [simdKernels(), false],
      [simdKernels(), true],
    ] as const) {
      const got = run(k, poison);
      expect(got.loss).toEqual(want.loss);
      got.gradients.forEach((value, i) => {
        if (!Object.is(value, want.gradients[i]))
          expect.fail(`gradient ${i}: ${value}, ${want.gradients[i]}`);
      });
    }
  });
});
