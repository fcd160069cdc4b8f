/**
 * SPEC #cost — how many floating-point operations (FLOPs) each primitive is, and kernels that count those that run.
 *
 * @module
 */

import type { Matrix, Tensor } from '../tensor/tensor.ts';
import { type Kernels, mostVisible, type Primitive, type Visible, type Workspace } from './kernels.ts';

/** Rounding is part of what an operation counts, not one by itself. */
type CountedPrimitive = Exclude<Primitive, 'round'>;

/** FLOPs of an element, or of a pair of terms, by what is done with it (cost/C1). */
const PRODUCT_AND_SUM = 2;
const EXPONENTIAL = 1;
/** Mean, eps, root, reciprocal. */
const RMS_OF_A_ROW = 4;
/** The difference from the maximum, its exponential, the sum, the quotient; the maximum is comparisons alone. */
const SOFTMAX = 4;
/** Of two components together: four products, a difference and a sum. */
const ROTATION_OF_A_PAIR = 6;
/** Decay 1; m 3; v 4; root, correction, eps, quotient, size, difference 6. */
const ADAM_W = 14;
/** `p * (1 + x * (1 - p))` and p. */
const SILU_GRADIENT = 5;

/** Each primitive's FLOPs, from the operands of a call (cost/C1, C3). A primitive without an entry does not compile. */
export const primitiveFlops: {
  readonly [P in CountedPrimitive]: (...operands: Parameters<Kernels[P]>) => number;
} = {
  copyRows: () => 0,
  matmulNT: (a, _, out) => product(out, a.columns),
  matmulNN: (a, _, out) => product(out, a.columns),
  matmulTN: (a, _, out) => product(out, a.rows),
  addMatmulNN: (a, _, out) => product(out, a.columns),
  addMatmulTN: (a, _, out) => product(out, a.rows),
  attentionScores: (queries, _, out) => PRODUCT_AND_SUM * out.size * queries.shape[2]!,
  attention({ queries, visible }) {
    const [, H, size] = queries.shape as [number, number, number];
    // For every entry that a row sees, and every head: the score, its scale, the softmax, the context.
    return H * total(visible) * (PRODUCT_AND_SUM * size + 1 + SOFTMAX + PRODUCT_AND_SUM * size);
  },
  addAttentionContext: (weights, values, visible) =>
    PRODUCT_AND_SUM * weights.shape[0]! * total(visible) * values.shape[2]!,
  addAttentionTransposed: (weights, rows) => PRODUCT_AND_SUM * weights.size * rows.shape[2]!,
  rowSumsOfSquares: (x) => PRODUCT_AND_SUM * x.size,
  rowDots: (x) => PRODUCT_AND_SUM * x.size,
  rowSums: (_, visible) => total(visible),
  rowMaxima: () => 0,
  rowArgmax: () => 0,
  columnSums: (x) => x.size,
  add: elementwise(1),
  multiply: elementwise(1),
  addProduct: elementwise(PRODUCT_AND_SUM),
  scale: elementwise(1),
  addRow: elementwise(1),
  multiplyRow: elementwise(1),
  multiplyColumn: elementwise(1),
  divideColumn: elementwise(1),
  subtractColumn: elementwise(1),
  expDifferences: (_, __, visible) => (1 + EXPONENTIAL) * total(visible),
  softmax: (_, visible) => SOFTMAX * total(visible),
  // The sum of squares, then the products with r and with the weight.
  rmsNorm: (x, _, __, r) => PRODUCT_AND_SUM * x.size + RMS_OF_A_ROW * r.size + 2 * x.size,
  silu: elementwise(EXPONENTIAL),
  gatedSilu: elementwise(EXPONENTIAL + 1),
  siluGradient: elementwise(SILU_GRADIENT),
  sigmoid: elementwise(EXPONENTIAL),
  rotateHalves: (x) => (ROTATION_OF_A_PAIR * x.size) / 2,
  adamW: elementwise(ADAM_W),
};

/** Of a product: K products and K sums for each element. */
function product(out: Matrix, K: number): number {
  return PRODUCT_AND_SUM * out.rows * out.columns * K;
}

/** So many for each element of the first operand. */
function elementwise(flops: number): (x: Tensor) => number {
  return (x) => flops * x.size;
}

function total(visible: Visible): number {
  let sum = 0;
  for (const count of visible) sum += count;
  return sum;
}

/** Is told what kernels compute. */
export interface FlopCounter {
  /** A primitive has run. */
  flops(count: number): void;
  /** Attention has run, over so many keys: the KV entries that are held, in a layer with a cache. */
  attended(entries: number): void;
}

/**
 * The same kernels, which tell `counter` of every primitive that is called; so do their workspaces. No bit of a result changes.
 */
export function countingKernels(inner: Kernels, counter: FlopCounter): Kernels {
  const counted = Object.fromEntries(
    Object.keys(primitiveFlops).map((name) => {
      const run = inner[name as CountedPrimitive] as (...operands: unknown[]) => void;
      const flopsOf = primitiveFlops[name as CountedPrimitive] as (...operands: unknown[]) => number;
      const counting = (...operands: unknown[]): void => {
        counter.flops(flopsOf(...operands));
        run(...operands);
      };
      return [name, counting];
    }),
  ) as Pick<Kernels, CountedPrimitive>;
  return {
    ...inner,
    ...counted,
    attention(inputs, scale, weights, out) {
      counter.attended(mostVisible(inputs.visible));
      counted.attention(inputs, scale, weights, out);
    },
    workspace(): Workspace {
      const space = inner.workspace();
      const { reset, free } = space;
      return { ...countingKernels(space, counter), reset, free };
    },
  };
}
