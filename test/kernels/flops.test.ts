import { describe, expect, it } from 'vitest';
import { countingKernels } from '../../lib/kernels/flops.ts';
import type { Kernels } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { linear } from '../../lib/ops/linear.ts';
import { zeros } from '../../lib/tensor/tensor.ts';

/** What a computation comes to. */
function flopsOf(compute: (kernels: Kernels) => void): number {
  let total = 0;
  compute(countingKernels(referenceKernels('f64'), { flops: (count) => (total += count), attended() {} }));
  return total;
}

const tensor = (...shape: number[]) => zeros('f64', shape);

describe('FLOPs of primitives', () => {
  it('cost/C1: softmax is what its four steps are, of the entries that are seen', () => {
    const [x, column, visible] = [tensor(3, 7), tensor(3), [2, 7, 4]];
    const steps = flopsOf((kernels) => {
      kernels.rowMaxima(x, visible, column);
      kernels.expDifferences(x, column, visible, x);
      kernels.rowSums(x, visible, column);
      // Only what is seen is divided, though the primitive goes over whole rows.
      kernels.divideColumn(tensor(13, 1), tensor(13), tensor(13, 1));
    });
    expect(flopsOf((kernels) => kernels.softmax(x, visible, x))).toBe(steps);
    expect(steps).toBe(4 * 13);
  });

  it('cost/C1: attention over all entries is scores, scale, softmax and context', () => {
    const [T, H, Hkv, S, size] = [3, 4, 2, 5, 6];
    const [queries, keys, weights] = [tensor(T, H, size), tensor(S, Hkv, size), tensor(H, T, S)];
    const visible = [S, S, S];
    const steps = flopsOf((kernels) => {
      kernels.attentionScores(queries, keys, weights);
      kernels.scale(weights, 1, weights);
      kernels.softmax(weights.reshape([H * T, S]), Array(H * T).fill(S), weights.reshape([H * T, S]));
      kernels.addAttentionContext(weights, keys, visible, queries);
    });
    const operands = { queries, keys, values: keys, visible };
    expect(flopsOf((kernels) => kernels.attention(operands, 1, weights, queries))).toBe(steps);
    expect(steps).toBe(H * T * S * (2 * size + 1 + 4 + 2 * size));
  });

  it('cost/C3: of attention, entries that a row does not see are none, however large the room of the cache', () => {
    const [queries, keys, weights] = [tensor(2, 4, 6), tensor(50, 2, 6), tensor(4, 2, 5)];
    const flops = flopsOf((kernels) =>
      kernels.attention({ queries, keys, values: keys, visible: [3, 5] }, 1, weights, queries),
    );
    expect(flops).toBe(4 * (3 + 5) * (4 * 6 + 5));
  });

  it('cost/C1: RMSNorm is squares and their sum, four of each row, two products; a gate is SiLU and a product', () => {
    expect(
      flopsOf((kernels) => kernels.rmsNorm(tensor(3, 10), tensor(10), 1, tensor(3), tensor(3, 10))),
    ).toBe(3 * (4 * 10 + 4));
    const x = tensor(3, 5);
    const steps = flopsOf((kernels) => {
      kernels.silu(x, x);
      kernels.multiply(x, x, x);
    });
    expect(flopsOf((kernels) => kernels.gatedSilu(x, x, x))).toBe(steps);
    expect(flopsOf((kernels) => kernels.rotateHalves(tensor(2, 3, 4), x, x, x))).toBe(2 * 3 * 2 * 6);
  });

  it('cost/C1: a linear layer and its way back are three products of the same size', () => {
    const [T, m, n] = [3, 5, 7];
    let total = 0;
    const kernels = countingKernels(referenceKernels('f64'), { flops: (f) => (total += f), attended() {} });
    const product = 2 * T * m * n;
    const [a, b] = [tensor(T, m), tensor(n, m)];
    linear(kernels, a, { weight: b });
    expect(total).toBe(product);
    kernels.addMatmulNN(tensor(T, n).matrix(), b.matrix(), a.matrix());
    kernels.addMatmulTN(tensor(T, n).matrix(), a.matrix(), b.matrix());
    expect(total).toBe(3 * product);
    kernels.matmulNN(tensor(T, n).matrix(), b.matrix(), a.matrix());
    kernels.matmulTN(tensor(T, n).matrix(), a.matrix(), b.matrix());
    expect(total).toBe(5 * product);
  });

  it('counts in workspaces too, and those of workspaces, and not twice', () => {
    const flops = flopsOf((kernels) => {
      const space = kernels.workspace().workspace();
      const x = space.empty([2, 3]);
      space.add(x, x, x);
      space.reset();
      space.free();
    });
    expect(flops).toBe(6);
  });
});
