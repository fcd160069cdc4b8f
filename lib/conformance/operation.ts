/**
 * SPEC #conformance — what a stage computes, as data: an operation and where its operands come from. So a stage can be carried out, asked for its inputs, and
 * changed into what a mistaken port would compute ([diagnosis](./diagnosis.ts)).
 *
 * @module
 */

import {
  type Bounded,
  type BoundedOperations,
  exactly,
  type Frequencies,
  inRowsOf,
  type RopeLayout,
  rowsOf,
  stacked,
} from './bounded.ts';

/** Rows that go into an operation, from top to bottom. */
export type Operand = readonly Piece[];

/** Some rows of an operand. */
export type Piece =
  /** Of a tensor of the trace. */
  | { readonly name: string; readonly rows?: readonly [from: number, to: number] }
  /** Given to the run, and so exact: rows of the embedding table. */
  | { readonly given: readonly ArrayLike<number>[] }
  /** Of something that is no tensor of the trace. */
  | { readonly computed: Operation };

/** A matrix of weights `[out, in]`, row by row, and its bias. */
export interface Affine {
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number> | null;
}

/** How heads of queries read heads of keys and values. */
export interface Heads {
  readonly size: number;
  readonly count: number;
  /** Heads of keys and values. */
  readonly keyCount: number;
  /** The head of keys and values that query head h reads. */
  readonly keyHead: (h: number) => number;
}

/** An operation of SPEC, with its operands. */
export type Operation =
  | { readonly kind: 'copy'; readonly x: Operand }
  | { readonly kind: 'linear'; readonly x: Operand; readonly linear: Affine }
  | {
      readonly kind: 'rms_norm';
      readonly x: Operand;
      readonly weight: ArrayLike<number>;
      readonly eps: number;
    }
  | {
      readonly kind: 'rope';
      readonly x: Operand;
      readonly heads: number;
      readonly positions: readonly number[];
      readonly frequencies: Frequencies;
      readonly layout?: RopeLayout;
      /** Rounding of cosines and sines, if a mistake rounds them. */
      readonly roundTable?: (value: number) => number;
    }
  | { readonly kind: 'softmax'; readonly x: Operand; readonly visible: readonly number[] }
  | {
      readonly kind: 'attention_weights';
      readonly queries: Operand;
      readonly keys: Operand;
      readonly heads: Heads;
      /** Entries that each row sees. */
      readonly visible: readonly number[];
      readonly scale: number;
    }
  | {
      readonly kind: 'attention_context';
      readonly weights: Operand;
      readonly values: Operand;
      readonly heads: Heads;
    }
  | { readonly kind: 'mean'; readonly x: Operand; readonly divisor: number }
  | { readonly kind: 'add'; readonly x: Operand; readonly y: Operand }
  | { readonly kind: 'silu' | 'sigmoid' | 'entropy'; readonly x: Operand }
  | { readonly kind: 'activation'; readonly gate: Operand; readonly up: Operand }
  | { readonly kind: 'cross_entropy' | 'stop_loss'; readonly x: Operand; readonly targets: readonly number[] }
  /** Of a mistake alone: something that no operation of SPEC computes, from one operand, number by number or row by row. */
  | { readonly kind: 'other'; readonly x: Operand; readonly compute: (rows: Bounded) => Float64Array };

/** Operands of an operation. */
export function operandsOf(operation: Operation): readonly Operand[] {
  switch (operation.kind) {
    case 'attention_weights':
      return [operation.queries, operation.keys];
    case 'attention_context':
      return [operation.weights, operation.values];
    case 'add':
      return [operation.x, operation.y];
    case 'activation':
      return [operation.gate, operation.up];
    default:
      return [operation.x];
  }
}

/** Names of the tensors that an operation reads. */
export function inputsOf(operation: Operation): readonly string[] {
  return operandsOf(operation)
    .flat()
    .flatMap((piece) => {
      if ('name' in piece) return [piece.name];
      return 'computed' in piece ? inputsOf(piece.computed) : [];
    });
}

/**
 * Carries an operation out.
 *
 * @param at gives the tensor of a name, in rows of its last axis
 */
export function carryOut(
  operation: Operation,
  at: (name: string) => Bounded,
  ops: BoundedOperations,
): Bounded {
  const read = (operand: Operand): Bounded =>
    stacked(
      operand.map((piece) => {
        if ('given' in piece)
          return exactly(
            piece.given.flatMap((row) => [...Array.from(row)]),
            piece.given[0]!.length,
          );
        if ('computed' in piece) return carryOut(piece.computed, at, ops);
        const whole = at(piece.name);
        return piece.rows === undefined ? whole : rowsOf(whole, ...piece.rows);
      }),
    );
  switch (operation.kind) {
    case 'copy':
      return read(operation.x);
    case 'linear':
      return ops.linear(read(operation.x), operation.linear.weight, operation.linear.bias);
    case 'rms_norm':
      return ops.rmsNorm(read(operation.x), operation.weight, operation.eps);
    case 'rope': {
      const { x, heads, positions, frequencies, layout, roundTable } = operation;
      const columns = heads * 2 * frequencies.scaled.length;
      return ops.rope(inRowsOf(columns, read(x)), positions, frequencies, layout, roundTable);
    }
    case 'softmax':
      return ops.softmax(read(operation.x), operation.visible);
    case 'attention_weights': {
      const { queries, keys, heads, visible, scale } = operation;
      const { size, count, keyCount, keyHead } = heads;
      const q = inRowsOf(count * size, read(queries));
      const k = inRowsOf(keyCount * size, read(keys));
      return ops.attentionWeights(q, k, size, visible, keyHead, scale);
    }
    case 'attention_context': {
      const { weights, values, heads } = operation;
      const { size, count, keyCount, keyHead } = heads;
      const v = inRowsOf(keyCount * size, read(values));
      return ops.attentionContext(read(weights), v, size, count, keyHead);
    }
    case 'mean':
      return ops.mean(read(operation.x), operation.divisor);
    case 'add':
      return ops.add(read(operation.x), read(operation.y));
    case 'silu':
      return ops.silu(read(operation.x));
    case 'sigmoid':
      return ops.sigmoid(read(operation.x));
    case 'entropy':
      return ops.entropy(read(operation.x));
    case 'activation':
      return ops.activation(read(operation.gate), read(operation.up));
    case 'cross_entropy':
      return ops.crossEntropy(read(operation.x), operation.targets);
    case 'stop_loss':
      return ops.stopLoss(read(operation.x), operation.targets);
    case 'other': {
      const x = read(operation.x);
      return { columns: x.columns, values: operation.compute(x), bounds: new Float64Array(x.values.length) };
    }
  }
}
