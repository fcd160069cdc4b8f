/** Every primitive of a kernel set, each run on operands of several sizes. */

import type { AdamWNumbers, Kernels, Primitive } from '../../lib/kernels/kernels.ts';
import { bf16ToNumber, numberToBf16Bits } from '../../lib/math/float.ts';
import type { Tensor } from '../../lib/tensor/tensor.ts';
import { KINDS, type Operands, operandsFrom, visibleEntries } from './numbers.ts';

/** Sizes of a case: rows M, columns N, length K of what is summed. Whole vectors, and what is left over. */
interface Sizes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

const SIZES: readonly Sizes[] = [
  { M: 1, N: 1, K: 1 },
  { M: 3, N: 7, K: 16 },
  { M: 5, N: 9, K: 67 },
  { M: 2, N: 10, K: 99 },
];

/** Heads of the attention cases: two for each head of the keys. */
const HEADS = 4;

/** Runs one primitive on operands that it asks for; returns its result. */
type Case = (kernels: Kernels, operand: Operands, sizes: Sizes) => Tensor;

type Elementwise = 'silu' | 'siluGradient' | 'sigmoid';
type Pairwise = 'add' | 'gatedSilu' | 'multiply';
type WithRow = 'addRow' | 'multiplyRow';
type WithColumn = 'multiplyColumn' | 'subtractColumn' | 'divideColumn';

const elementwise =
  (name: Elementwise): Case =>
  (kernels, operand, { M, K }) => {
    const out = kernels.empty([M, K]);
    kernels[name](operand(M, K), out);
    return out;
  };

const pairwise =
  (name: Pairwise): Case =>
  (kernels, operand, { M, K }) => {
    const out = kernels.empty([M, K]);
    kernels[name](operand(M, K), operand(M, K), out);
    return out;
  };

const withVector =
  (name: WithRow | WithColumn, perRow: boolean): Case =>
  (kernels, operand, { M, K }) => {
    const out = kernels.empty([M, K]);
    kernels[name](operand(M, K), operand(perRow ? M : K), out);
    return out;
  };

/** The nearest bfloat16 numbers, as weights of a checkpoint lie in the memory of these kernels: as such, or widened. */
function inBf16(kernels: Kernels, { data, shape }: Tensor): Tensor {
  const kept = kernels.emptyBf16?.(shape);
  const tensor = kept ?? kernels.empty(shape);
  const { stored } = tensor;
  data.forEach((value, i) => {
    const bits = numberToBf16Bits(value);
    stored[i] = kept === undefined ? bf16ToNumber(bits) : bits;
  });
  return tensor;
}

/** The type asks for every primitive: a new one without its case does not compile. */
export const CASES: Readonly<Record<Primitive, Case>> = {
  round(kernels, operand, { M, K }) {
    const out = operand(M, K);
    out.data.forEach((value, i) => {
      out.data[i] = kernels.round(value / 3);
    });
    return out;
  },
  copyRows(kernels, operand, { M, N, K }) {
    const out = operand(M + N, K);
    kernels.copyRows(operand(N, K), N >> 1, N, out, M);
    return out;
  },
  matmulNT(kernels, operand, { M, N, K }) {
    const out = kernels.empty([2 * M, N]);
    const [a, b] = [operand(M, K), operand(N, K)];
    kernels.matmulNT(a.matrix(), b.matrix(), out.rows(0, M).matrix());
    kernels.matmulNT(a.matrix(), inBf16(kernels, b).matrix(), out.rows(M, 2 * M).matrix());
    return out;
  },
  matmulNN(kernels, operand, { M, N, K }) {
    const out = kernels.empty([M, N]);
    kernels.matmulNN(operand(M, K).matrix(), operand(K, N).matrix(), out.matrix());
    return out;
  },
  matmulTN(kernels, operand, { M, N, K }) {
    const out = kernels.empty([M, N]);
    kernels.matmulTN(operand(K, M).matrix(), operand(K, N).matrix(), out.matrix());
    return out;
  },
  addMatmulNN(kernels, operand, { M, N, K }) {
    const out = operand(M, N);
    kernels.addMatmulNN(operand(M, K).matrix(), operand(K, N).matrix(), out.matrix());
    return out;
  },
  addMatmulTN(kernels, operand, { M, N, K }) {
    const out = operand(M, N);
    kernels.addMatmulTN(operand(K, M).matrix(), operand(K, N).matrix(), out.matrix());
    return out;
  },
  attentionScores(kernels, operand, { M, N, K }) {
    const out = kernels.empty([HEADS, M, N]);
    kernels.attentionScores(operand(M, HEADS, K), operand(N, HEADS / 2, K), out);
    return out;
  },
  attention(kernels, operand, { M, N, K }) {
    const out = kernels.empty([M, HEADS, K]);
    const weights = kernels.empty([HEADS, M, N]);
    const [queries, keys, values] = [
      operand(M, HEADS, K),
      operand(N, HEADS / 2, K),
      operand(N, HEADS / 2, K),
    ];
    const visible = visibleEntries(M, N);
    kernels.attention({ queries, keys, values, visible }, kernels.round(1 / 3), weights, out);
    return out;
  },
  addAttentionContext(kernels, operand, { M, N, K }) {
    const out = operand(M, HEADS, K);
    const weights = operand(HEADS, M, N);
    kernels.addAttentionContext(weights, operand(N, HEADS / 2, K), visibleEntries(M, N), out);
    return out;
  },
  addAttentionTransposed(kernels, operand, { M, N, K }) {
    const out = operand(N, HEADS / 2, K);
    kernels.addAttentionTransposed(operand(HEADS, M, N), operand(M, HEADS, K), out);
    return out;
  },
  rowSumsOfSquares(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    kernels.rowSumsOfSquares(operand(M, K), out);
    return out;
  },
  rowDots(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    kernels.rowDots(operand(M, K), operand(M, K), out);
    return out;
  },
  rowSums(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    kernels.rowSums(operand(M, K), visibleEntries(M, K), out);
    return out;
  },
  rowMaxima(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    kernels.rowMaxima(operand(M, K), visibleEntries(M, K), out);
    return out;
  },
  rowArgmax(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    // The largest of few values stands at several places.
    const x = operand(M, K);
    for (let i = 0; i < x.size; i++) x.data[i] = Math.round(2 * x.data[i]!);
    kernels.rowArgmax(x, out);
    return out;
  },
  columnSums(kernels, operand, { M, K }) {
    const out = kernels.empty([M]);
    kernels.columnSums(operand(K, M), out);
    return out;
  },
  add: pairwise('add'),
  multiply: pairwise('multiply'),
  addProduct(kernels, operand, { M, K }) {
    const out = operand(M, K);
    kernels.addProduct(operand(M, K), operand(M, K), out);
    return out;
  },
  scale(kernels, operand, { M, K }) {
    const out = kernels.empty([M, K]);
    kernels.scale(operand(M, K), kernels.round(1 / 3), out);
    return out;
  },
  addRow: withVector('addRow', false),
  multiplyRow: withVector('multiplyRow', false),
  multiplyColumn: withVector('multiplyColumn', true),
  subtractColumn: withVector('subtractColumn', true),
  divideColumn: withVector('divideColumn', true),
  expDifferences(kernels, operand, { M, K }) {
    const out = kernels.empty([M, K]);
    kernels.expDifferences(operand(M, K), operand(M), visibleEntries(M, K), out);
    return out;
  },
  softmax(kernels, operand, { M, K }) {
    const out = kernels.empty([M, K]);
    kernels.softmax(operand(M, K), visibleEntries(M, K), out);
    return out;
  },
  rmsNorm(kernels, operand, { M, K }) {
    const out = kernels.empty([M, K]);
    kernels.rmsNorm(operand(M, K), operand(K), kernels.round(1e-5), kernels.empty([M]), out);
    return out;
  },
  gatedSilu: pairwise('gatedSilu'),
  silu: elementwise('silu'),
  siluGradient: elementwise('siluGradient'),
  sigmoid: elementwise('sigmoid'),
  rotateHalves(kernels, operand, { M, N, K }) {
    const out = kernels.empty([M, N, 2 * K]);
    kernels.rotateHalves(operand(M, N, 2 * K), operand(M, K), operand(M, K), out);
    return out;
  },
  adamW(kernels, operand, { M, K }) {
    const [values, gradients, first, second] = [operand(M, K), operand(M, K), operand(M, K), operand(M, K)];
    const numbers = Object.fromEntries(
      Object.entries({
        keep: 0.99,
        towards: 0.1,
        secondDecay: 0.999,
        secondShare: 0.001,
        secondCorrection: 0.1,
        eps: 1e-8,
        size: 0.003,
      } satisfies AdamWNumbers).map(([name, value]) => [name, kernels.round(value)]),
    ) as unknown as AdamWNumbers;
    kernels.adamW(values, gradients, first, second, numbers);
    const out = kernels.empty([3, M * K]);
    [values, first, second].forEach(({ data }, i) => {
      out.data.set(data, i * M * K);
    });
    return out;
  },
};

/** The results of a primitive, of every size and kind of numbers, shown one after the other. */
export function runPrimitive(kernels: Kernels, name: Primitive, show: (result: Tensor) => void): void {
  SIZES.forEach((sizes, i) => {
    for (const kind of KINDS) {
      const space = { ...kernels.workspace(), ...(kernels.emptyBf16 && { emptyBf16: kernels.emptyBf16 }) };
      const operand = operandsFrom((shape) => space.empty(shape), kernels.numerics, 101 * i + 1, kind);
      show(CASES[name](space, operand, sizes));
      space.free();
    }
  });
}
