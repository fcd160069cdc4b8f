/**
 * The few hot primitives that all operations are made of. A kernel set fixes the numeric mode and does the arithmetic;
 * neither the operations nor the model knows which one runs.
 *
 * Each primitive is defined to the bit by SPEC #numerics: which IEEE-754 operations, in which order. Two kernel sets of one
 * mode give the same bits, on any number of threads (`numerics/N9`). No result of a row depends on how many rows are computed with it (`numerics/N6`).
 *
 * Outputs are written into the last argument, which never overlaps an input unless the primitive says so. Shapes are the
 * callers' duty: operations check them, by name, before they call.
 *
 * @module
 */

import type { Matrix, Numerics, Tensor } from '../tensor/tensor.ts';
import type { Tape } from './tape.ts';

/** For each row, how many of its leading entries take part; the others are structural zeros (`attention/C3`). */
export type Visible = readonly number[];

/** The numbers of one step of AdamW, of the mode (`optimiser/C4`). */
export interface AdamWNumbers {
  /** `1 - lr * decay` */
  readonly keep: number;
  /** `1 - b1` */
  readonly towards: number;
  /** `b2` */
  readonly secondDecay: number;
  /** `1 - b2` */
  readonly secondShare: number;
  /** `sqrt(1 - b2^t)` */
  readonly secondCorrection: number;
  readonly eps: number;
  /** `lr / (1 - b1^t)` */
  readonly size: number;
}

/** The most that a row sees; 0 without rows. */
export function mostVisible(visible: Visible): number {
  let most = 0;
  for (let r = 0; r < visible.length; r++) if (visible[r]! > most) most = visible[r]!;
  return most;
}

/** What {@link Kernels.attention} reads. */
export interface AttentionOperands {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
  readonly visible: Visible;
}

/** A kernel set. `[m, n]` and the like name the shapes of the operands. */
export interface Kernels {
  /** Name of the implementation, e.g. `reference`. */
  readonly name: string;
  /** The numeric mode. */
  readonly numerics: Numerics;

  /** A number rounded to the mode: the identity in f64, round-to-nearest-even binary32 in f32 (`numerics/N2`). */
  round(value: number): number;

  /**
   * A tensor in the mode, for a result: its elements are unspecified, so each must be written before it is read. It lives as long as
   * the kernel set; in a {@link Workspace}, until that is reset.
   */
  empty(shape: readonly number[]): Tensor;

  /**
   * A tensor of bfloat16 numbers ({@link Tensor.storage}) for a weight that is stored as such, its elements unspecified. Primitives take it as an
   * input like any other, never for a result. Absent from a kernel set that gains nothing by it.
   */
  emptyBf16?(shape: readonly number[]): Tensor;

  /**
   * What `compute` returns, of the given shape. A {@link Workspace} takes back every other tensor that it has made meanwhile, so that
   * layer after layer works in the same place.
   */
  scoped(shape: readonly number[], compute: () => Tensor): Tensor;

  /** Where operations note how to go back through them; absent unless a model is trained (`training/C1`). */
  readonly tape?: Tape;

  /** The same kernels with tensors of their own, to be given back together. */
  workspace(): Workspace;

  /**
   * Does everything that was asked for. A kernel set may put that off until someone looks at elements ({@link Tensor.data}), so only who
   * measures time has to ask for it.
   */
  settle(): void;

  /** `out[at + r] = x[from + r]` for `from <= from + r < to`: entries of the first axis, copied; both tensors have equal ones. */
  copyRows(x: Tensor, from: number, to: number, out: Tensor, at: number): void;

  /** `out[m,n] = Σ_k a[m,k] * b[n,k]`: one dot product per element (`numerics/N3`). */
  matmulNT(a: Matrix, b: Matrix, out: Matrix): void;

  /** `out[m,n] = Σ_k a[m,k] * b[k,n]`: left to right over k (`numerics/N5`). */
  matmulNN(a: Matrix, b: Matrix, out: Matrix): void;

  /** `out[m,n] = Σ_k a[k,m] * b[k,n]`: left to right over k (`numerics/N5`). */
  matmulTN(a: Matrix, b: Matrix, out: Matrix): void;

  /** `out[m,n] += Σ_k a[m,k] * b[k,n]`: the sum of {@link matmulNN}, continued from what is in `out` (`numerics/N10`). */
  addMatmulNN(a: Matrix, b: Matrix, out: Matrix): void;

  /** `out[m,n] += Σ_k a[k,m] * b[k,n]`: the sum of {@link matmulTN}, continued from what is in `out` (`numerics/N10`). */
  addMatmulTN(a: Matrix, b: Matrix, out: Matrix): void;

  /**
   * `out[h,t,j] = Σ_i queries[t,h,i] * keys[j,g,i]` with `g = floor(h / (H / Hkv))`: one dot product per element (`numerics/N3`).
   * queries `[T, H, size]`, keys `[S, Hkv, size]`, out `[H, T, S]`.
   */
  attentionScores(queries: Tensor, keys: Tensor, out: Tensor): void;

  /**
   * Steps 1 to 3 of SPEC #attention, for all heads: `weights[h,t,:]` is the {@link softmax} of `scale` times the {@link attentionScores}, and
   * `out[t,h,i] = Σ_{j < visible[t]} weights[h,t,j] * values[j,g,i]`, g as above: left to right over j (`numerics/N5`).
   * queries `[T, H, size]`, keys and values `[S, Hkv, size]` or with more entries than these S, weights `[H, T, S]`, out `[T, H, size]`; `scale` is
   * a number of the mode. Weights that nobody reads are `null`.
   */
  attention(inputs: AttentionOperands, scale: number, weights: Tensor | null, out: Tensor): void;

  /**
   * `out[t,h,i] += Σ_{j < visible[t]} weights[h,t,j] * values[j,g,i]`: the last sum of {@link attention}, continued from what is in
   * `out` (`numerics/N10`).
   */
  addAttentionContext(weights: Tensor, values: Tensor, visible: Visible, out: Tensor): void;

  /**
   * `out[j,g,i] += Σ_{h of g} Σ_t weights[h,t,j] * rows[t,h,i]`: the heads of group g in order, for each left to right over t,
   * continued from what is in `out` (`numerics/N10`). weights `[H, T, S]`, rows `[T, H, size]`, out `[S, Hkv, size]`.
   */
  addAttentionTransposed(weights: Tensor, rows: Tensor, out: Tensor): void;

  /** `out[r] = Σ_k x[r,k]^2`: one dot product per row (`numerics/N3`). */
  rowSumsOfSquares(x: Tensor, out: Tensor): void;

  /** `out[r] = Σ_k x[r,k] * y[r,k]`: one dot product per row (`numerics/N3`). */
  rowDots(x: Tensor, y: Tensor, out: Tensor): void;

  /** `out[r] = Σ_{k < visible[r]} x[r,k]` (`numerics/N4`). */
  rowSums(x: Tensor, visible: Visible, out: Tensor): void;

  /** `out[r] = max_{k < visible[r]} x[r,k]`; NaN if an entry is NaN; -Infinity if there are none. */
  rowMaxima(x: Tensor, visible: Visible, out: Tensor): void;

  /**
   * `out[r]` is the lowest k of a largest `x[r,k]`, as greedy choice takes it (`token-choice/C1`); NaN if an entry is NaN. Rows have 1 to 2^24 entries, so that each index is a number of
   * any mode.
   */
  rowArgmax(x: Tensor, out: Tensor): void;

  /** `out[c] = Σ_r x[r,c]`: left to right over r (`numerics/N5`). */
  columnSums(x: Tensor, out: Tensor): void;

  /** `out = x + y`, elementwise. `out` may be `x` or `y`. */
  add(x: Tensor, y: Tensor, out: Tensor): void;

  /** `out = x * y`, elementwise. `out` may be `x` or `y`. */
  multiply(x: Tensor, y: Tensor, out: Tensor): void;

  /** `out = out + x * y`, elementwise, the product rounded first. */
  addProduct(x: Tensor, y: Tensor, out: Tensor): void;

  /** `out = x * factor`, elementwise; `factor` is a number of the mode. `out` may be `x`. */
  scale(x: Tensor, factor: number, out: Tensor): void;

  /** `out[r,c] = x[r,c] + row[c]`. `out` may be `x`. */
  addRow(x: Tensor, row: Tensor, out: Tensor): void;

  /** `out[r,c] = x[r,c] * row[c]`. `out` may be `x`. */
  multiplyRow(x: Tensor, row: Tensor, out: Tensor): void;

  /** `out[r,c] = x[r,c] * column[r]`. `out` may be `x`. */
  multiplyColumn(x: Tensor, column: Tensor, out: Tensor): void;

  /** `out[r,c] = x[r,c] - column[r]`. `out` may be `x`. */
  subtractColumn(x: Tensor, column: Tensor, out: Tensor): void;

  /** `out[r,c] = exp(x[r,c] - column[r])` for `c < visible[r]`, the difference rounded first; other entries 0. `out` may be `x`. */
  expDifferences(x: Tensor, column: Tensor, visible: Visible, out: Tensor): void;

  /** `out[r,c] = x[r,c] / column[r]`. `out` may be `x`. */
  divideColumn(x: Tensor, column: Tensor, out: Tensor): void;

  /**
   * Steps 1 to 4 of SPEC #softmax: {@link rowMaxima}, {@link expDifferences} from them, {@link rowSums}, {@link divideColumn} by those.
   * `out` may be `x`.
   */
  softmax(x: Tensor, visible: Visible, out: Tensor): void;

  /**
   * Steps 1 to 3 of SPEC #rms-norm: `r[t] = 1 / sqrt(Σ_i x[t,i]^2 / d + eps)` and `out[t,i] = (x[t,i] * r[t]) * weight[i]`; the sum is
   * {@link rowSumsOfSquares}. `eps` is a number of the mode.
   */
  rmsNorm(x: Tensor, weight: Tensor, eps: number, r: Tensor, out: Tensor): void;

  /** `out = silu(x)`, elementwise, in binary64 and rounded once (`numerics/N7`). `out` may be `x`. */
  silu(x: Tensor, out: Tensor): void;

  /** `out = silu(gate) * up`, elementwise, {@link silu} rounded before the product. `out` may be `gate` or `up`. */
  gatedSilu(gate: Tensor, up: Tensor, out: Tensor): void;

  /** `out = silu'(x) = p * (1 + x * (1 - p))` with `p = sigmoid(x)`, elementwise, in binary64 and rounded once. `out` may be `x`. */
  siluGradient(x: Tensor, out: Tensor): void;

  /** `out = sigmoid(x)`, elementwise, in binary64 and rounded once. `out` may be `x`. */
  sigmoid(x: Tensor, out: Tensor): void;

  /**
   * Rotates the halves of each head: with `i < h = size / 2`,
   * `out[t,·,i] = x[t,·,i]*cos[t,i] - x[t,·,i+h]*sin[t,i]` and `out[t,·,i+h] = x[t,·,i+h]*cos[t,i] + x[t,·,i]*sin[t,i]`,
   * each product rounded before the sum. `x` and `out` are `[T, heads, size]`, `cos` and `sin` `[T, h]`.
   */
  rotateHalves(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor): void;

  /** Steps 2 to 4 of SPEC #optimiser, elementwise: changes `values` and both running means, `first` and `second`. */
  adamW(values: Tensor, gradients: Tensor, first: Tensor, second: Tensor, numbers: AdamWNumbers): void;
}

/** The members of a kernel set that make tensors. */
export type TensorMaker = 'empty' | 'emptyBf16' | 'scoped' | 'workspace';

/** The members of a kernel set that compute. */
export type Primitive = Exclude<keyof Kernels, 'name' | 'numerics' | 'settle' | 'tape' | TensorMaker>;

/**
 * Kernels whose tensors are given back together, for what is computed and thrown away again and again, such as a macro-step.
 *
 * A kernel set that manages memory puts the i-th tensor after a {@link Workspace.reset} where the i-th was before; if the shape is the same
 * too, it is the very same `Tensor`. So a loop that asks for the same shapes in the same order allocates nothing.
 * In the reference set the engine's collector does all of that, and both methods do nothing.
 */
export interface Workspace extends Kernels {
  /** Gives back all tensors of this workspace: they will be overwritten by those made from now on. */
  reset(): void;
  /** As {@link reset}, and returns the memory, to be used by others. The workspace can be used again. */
  free(): void;
}
