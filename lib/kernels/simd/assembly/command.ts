/**
 * One operation, as `commands.ts` beside this folder has written it down: its number and its operands, each in binary64.
 */

/** Bytes of a command. */
export const COMMAND_BYTES: usize = 128;

/** The operations by number, as in `commands.ts`. */
export const ADAM_W = 0;
export const ADD = 1;
export const ADD_ATTENTION_CONTEXT = 2;
export const ADD_ATTENTION_TRANSPOSED = 3;
export const ADD_PRODUCT = 4;
export const ADD_ROW = 5;
export const ATTENTION = 6;
export const ATTENTION_SCORES = 7;
export const COLUMN_SUMS = 8;
export const COPY = 9;
export const DIVIDE_COLUMN = 10;
export const EXP_DIFFERENCES = 11;
export const GATED_SILU = 12;
export const MATMUL_LEFT_TO_RIGHT = 13;
export const MATMUL_NT = 14;
export const MULTIPLY = 15;
export const MULTIPLY_COLUMN = 16;
export const MULTIPLY_ROW = 17;
export const RMS_NORM = 18;
export const ROTATE_HALVES = 19;
export const ROW_ARGMAX = 20;
export const ROW_DOTS = 21;
export const ROW_MAXIMA = 22;
export const ROW_SUMS = 23;
export const ROW_SUMS_OF_SQUARES = 24;
export const SCALE = 25;
export const SIGMOID = 26;
export const SILU = 27;
export const SILU_GRADIENT = 28;
export const SOFTMAX = 29;
export const SUBTRACT_COLUMN = 30;
export const WIDEN = 31;

/** The operation of the command at `c`. */
// @ts-ignore: decorator
@inline
export function operationOf(c: usize): i32 {
  return <i32>load<f64>(c);
}

/** Operand i of the command at `c`, an address or a count. */
// @ts-ignore: decorator
@inline
export function u(c: usize, i: usize): usize {
  return <usize><i64>load<f64>(c + ((i + 1) << 3));
}

/** Operand i of the command at `c`, a number of the mode. */
// @ts-ignore: decorator
@inline
export function x(c: usize, i: usize): f32 {
  return <f32>load<f64>(c + ((i + 1) << 3));
}
