/** The backward of every operation against central differences, on shapes whose dimensions are all distinct. */

import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { add } from '../../lib/ops/add.ts';
import { attention, attentionOfSequences } from '../../lib/ops/attention.ts';
import { concatColumns } from '../../lib/ops/concat-columns.ts';
import { embedding } from '../../lib/ops/embedding.ts';
import { gatherRows } from '../../lib/ops/gather-rows.ts';
import { linear } from '../../lib/ops/linear.ts';
import { meanRows } from '../../lib/ops/mean-rows.ts';
import { rmsNorm } from '../../lib/ops/rms-norm.ts';
import { rope, ropeFrequencies, ropeTable } from '../../lib/ops/rope.ts';
import { silu } from '../../lib/ops/silu.ts';
import { softmax } from '../../lib/ops/softmax.ts';
import { swiglu } from '../../lib/ops/swiglu.ts';
import { discardTrace } from '../../lib/trace.ts';
import { trainingPass } from '../../lib/train/tape.ts';
import { checkGradients, placed } from '../helpers/gradients.ts';

describe('training/C3: each backward gives the derivatives of its forward, and adds them to what is there', () => {
  it('backward of add', () => {
    checkGradients('add', { x: [3, 5], y: [3, 5] }, (k, { x, y }) => add(k, x, y));
    // An operand that comes twice gets both shares.
    checkGradients('add to itself', { x: [3, 5] }, (k, { x }) => add(k, x, x));
  });

  it('backward of linear: x, weight and bias', () => {
    const shapes = { x: [3, 5], weight: [4, 5], bias: [4] };
    checkGradients('linear', shapes, (k, { x, weight, bias }) => linear(k, x, { weight, bias }));
    checkGradients('linear without bias', { x: [3, 5], weight: [4, 5] }, (k, { x, weight }) =>
      linear(k, x, { weight }),
    );
  });

  it('backward of rms-norm: x and weight, eps large enough to show', () => {
    checkGradients('rms-norm', { x: [3, 5], weight: [5] }, (k, { x, weight }) => rmsNorm(k, x, weight, 0.3));
  });

  it('backward of softmax, with rows that do not see everything', () => {
    checkGradients('softmax', { x: [3, 5] }, (k, { x }) => softmax(k, x, [2, 5, 1]));
  });

  it('backward of rope', () => {
    checkGradients('rope', { x: [3, 5, 4] }, (k, { x }) =>
      rope(k, x, ropeTable(k, ropeFrequencies(4, 100, null), [0, 2, 7], 'mode')),
    );
  });

  it('backward of attention: queries, keys and values, two query heads to a key/value head, causal after earlier entries', () => {
    const shapes = { queries: [3, 4, 6], keys: [5, 2, 6], values: [5, 2, 6] };
    checkGradients('attention', shapes, (k, inputs) =>
      attention(k, { ...inputs, visible: [3, 4, 5] }, discardTrace),
    );
  });

  it('backward of attention: sequences that are packed', () => {
    const shapes = { queries: [4, 6, 2], keys: [7, 3, 2], values: [7, 3, 2] };
    checkGradients('attention', shapes, (k, { queries, keys, values }) => {
      const sequence = (rows: readonly [number, number], from: number, to: number, visible: number[]) => ({
        rows,
        keys: keys.rows(from, to),
        values: values.rows(from, to),
        visible,
      });
      const sequences = [sequence([0, 1], 0, 2, [2]), sequence([1, 4], 2, 7, [3, 1, 5])];
      return attentionOfSequences(k, queries, sequences, discardTrace);
    });
  });

  it('backward of silu', () => {
    checkGradients('silu', { x: [3, 5] }, (k, { x }) => silu(k, x));
  });

  it('backward of swiglu: x and the three matrices', () => {
    const shapes = { x: [2, 3], gate: [5, 3], up: [5, 3], down: [3, 5] };
    checkGradients('swiglu', shapes, (k, { x, gate, up, down }) => {
      const weights = { gate_proj: { weight: gate }, up_proj: { weight: up }, down_proj: { weight: down } };
      return swiglu(k, x, weights, discardTrace);
    });
  });

  it('backward of mean-rows: groups of different sizes', () => {
    checkGradients('mean-rows', { x: [6, 4] }, (k, { x }) => meanRows(k, x, [2, 1, 3]));
  });

  it('backward of concat-columns', () => {
    checkGradients('concat-columns', { a: [3, 4], b: [3, 2] }, (k, { a, b }) => concatColumns(k, a, b));
  });

  it('backward of gather-rows: a row taken twice gets both shares, one not taken none', () => {
    checkGradients('gather-rows', { a: [3, 4], b: [2, 4] }, (k, { a, b }) =>
      gatherRows(k, 4, [
        { tensor: a, row: 2 },
        { tensor: b, row: 0 },
        { tensor: a, row: 2 },
        { tensor: a, row: 0 },
      ]),
    );
  });

  it('backward of embedding: a token that comes twice', () => {
    checkGradients('embedding', { table: [5, 3] }, (k, { table }) => embedding(k, table, [4, 1, 4, 0]));
  });
});

describe('a tape', () => {
  it('training/C1: changes no bit of a forward, and costs nothing where there is none', () => {
    const { place, tensors } = placed({ queries: [40, 2, 4], keys: [40, 1, 4], values: [40, 1, 4] });
    const kernels = referenceKernels('f64');
    const inputs = { ...tensors, visible: Array.from({ length: 40 }, (_, t) => t + 1) };
    const pass = trainingPass(kernels, place);
    expect(attention(pass.kernels, inputs, discardTrace).data).toEqual(
      attention(kernels, inputs, discardTrace).data,
    );
  });

  it('attention/C3: what a row does not see gets no gradient, whatever is in it', () => {
    const { place, tensors } = placed({ queries: [1, 2, 4], keys: [3, 1, 4], values: [3, 1, 4] });
    const pass = trainingPass(referenceKernels('f64'), place);
    const context = attention(pass.kernels, { ...tensors, visible: [2] }, discardTrace);
    pass.kernels.tape!.record(({ gradient }) => gradient(context).data.fill(1));
    pass.backward();
    expect([...pass.gradient(tensors.keys.rows(2, 3)).data].every((value) => value === 0)).toBe(true);
    expect([...pass.gradient(tensors.values.rows(2, 3)).data].every((value) => value === 0)).toBe(true);
    expect([...pass.gradient(tensors.values.rows(1, 2)).data].every((value) => value > 0)).toBe(true);
  });
});
