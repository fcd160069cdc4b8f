/**
 * Does the operations that `commands.ts` beside this folder has written down, each as its number and its operands in binary64.
 */

import { rowDots, rowSums, rowSumsOfSquares } from './dot-products';
import * as elementwise from './elementwise';
import { columnSums } from './left-to-right';
import * as operations from './operations';

/** Bytes of a command. */
const BYTES: usize = 128;

/** The operations by number, as in `commands.ts`. */
const ADAM_W = 0;
const ADD = 1;
const ADD_ATTENTION_CONTEXT = 2;
const ADD_ATTENTION_TRANSPOSED = 3;
const ADD_PRODUCT = 4;
const ADD_ROW = 5;
const ATTENTION = 6;
const ATTENTION_SCORES = 7;
const COLUMN_SUMS = 8;
const COPY = 9;
const DIVIDE_COLUMN = 10;
const EXP_DIFFERENCES = 11;
const GATED_SILU = 12;
const MATMUL_LEFT_TO_RIGHT = 13;
const MATMUL_NT = 14;
const MULTIPLY = 15;
const MULTIPLY_COLUMN = 16;
const MULTIPLY_ROW = 17;
const RMS_NORM = 18;
const ROTATE_HALVES = 19;
const ROW_DOTS = 20;
const ROW_MAXIMA = 21;
const ROW_SUMS = 22;
const ROW_SUMS_OF_SQUARES = 23;
const SCALE = 24;
const SIGMOID = 25;
const SILU = 26;
const SILU_GRADIENT = 27;
const SOFTMAX = 28;
const SUBTRACT_COLUMN = 29;

/** Operand i of the command at `c`, an address or a count. */
// @ts-ignore: decorator
@inline
function u(c: usize, i: usize): usize {
  return <usize><i64>load<f64>(c + ((i + 1) << 3));
}

/** Operand i of the command at `c`, a number of the mode. */
// @ts-ignore: decorator
@inline
function x(c: usize, i: usize): f32 {
  return <f32>load<f64>(c + ((i + 1) << 3));
}

function perform(c: usize): void {
  switch (<i32>load<f64>(c)) {
    case ADAM_W:
      return elementwise.adamW(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), x(c, 5), x(c, 6), x(c, 7), x(c, 8), x(c, 9), x(c, 10), x(c, 11),
      );
    case ADD: return elementwise.add(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case ADD_ATTENTION_CONTEXT:
      return operations.addAttentionContext(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6), u(c, 7), u(c, 8),
      );
    case ADD_ATTENTION_TRANSPOSED:
      return operations.addAttentionTransposed(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6), u(c, 7),
      );
    case ADD_PRODUCT: return elementwise.addProduct(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case ADD_ROW: return elementwise.addRow(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case ATTENTION:
      return operations.attention(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), x(c, 4), u(c, 5), u(c, 6), u(c, 7), u(c, 8), u(c, 9), u(c, 10), u(c, 11),
      );
    case ATTENTION_SCORES:
      return operations.attentionScores(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6), u(c, 7));
    case COLUMN_SUMS: return columnSums(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case COPY: return memory.copy(u(c, 1), u(c, 0), u(c, 2) << 2);
    case DIVIDE_COLUMN: return elementwise.divideColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case EXP_DIFFERENCES:
      return operations.expDifferences(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5));
    case GATED_SILU: return operations.gatedSilu(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case MATMUL_LEFT_TO_RIGHT:
      return operations.matmulLeftToRight(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6), u(c, 7), u(c, 8), u(c, 9), u(c, 10) != 0,
      );
    case MATMUL_NT:
      return operations.matmulNT(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6), u(c, 7), u(c, 8),
      );
    case MULTIPLY: return elementwise.multiply(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case MULTIPLY_COLUMN: return elementwise.multiplyColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case MULTIPLY_ROW: return elementwise.multiplyRow(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case RMS_NORM: return elementwise.rmsNorm(u(c, 0), u(c, 1), x(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6));
    case ROTATE_HALVES:
      return elementwise.rotateHalves(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6));
    case ROW_DOTS: return rowDots(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case ROW_MAXIMA: return elementwise.rowMaxima(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case ROW_SUMS: return rowSums(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case ROW_SUMS_OF_SQUARES: return rowSumsOfSquares(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case SCALE: return elementwise.scale(u(c, 0), x(c, 1), u(c, 2), u(c, 3));
    case SIGMOID: return operations.sigmoid(u(c, 0), u(c, 1), u(c, 2));
    case SILU: return operations.silu(u(c, 0), u(c, 1), u(c, 2));
    case SILU_GRADIENT: return operations.siluGradient(u(c, 0), u(c, 1), u(c, 2));
    case SOFTMAX: return operations.softmax(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case SUBTRACT_COLUMN: return elementwise.subtractColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    default: unreachable();
  }
}

/** Does the commands from address `from` up to `to`. */
export function run(from: usize, to: usize): void {
  for (let c = from; c < to; c += BYTES) perform(c);
}
