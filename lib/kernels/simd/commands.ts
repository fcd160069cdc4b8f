/**
 * Operations that are written down when they are asked for, and done together when someone looks at elements.
 *
 * Decoding a token reads all weights: megabytes in each layer, which take the place of everything else in the processor's caches. An operation that
 * is done at once therefore finds its code and its objects gone, and brings them back from memory while nothing is computed: some 2 µs, several
 * times what it takes with both at hand. Written down, the operations of a whole pass come right after each other, in JavaScript first and then in WebAssembly.
 * Order and operands are the same, hence every bit; who looks at elements by {@link Tensor.data} sees what is done.
 *
 * @module
 */

import type { Pending } from '../../tensor/tensor.ts';
import type { Heap } from './heap.ts';

/** The operations in WebAssembly, by number: as in `assembly/command.ts`. */
const OPERATIONS = [
  'adamW',
  'add',
  'addAttentionContext',
  'addAttentionTransposed',
  'addProduct',
  'addRow',
  'attention',
  'attentionScores',
  'columnSums',
  'copy',
  'divideColumn',
  'expDifferences',
  'gatedSilu',
  'matmulLeftToRight',
  'matmulNT',
  'multiply',
  'multiplyColumn',
  'multiplyRow',
  'rmsNorm',
  'rotateHalves',
  'rowArgmax',
  'rowDots',
  'rowMaxima',
  'rowSums',
  'rowSumsOfSquares',
  'scale',
  'sigmoid',
  'silu',
  'siluGradient',
  'softmax',
  'subtractColumn',
  'widen',
] as const;

/** Asks for an operation: pointers and strides in bytes, counts in elements. */
export type Operations = Record<(typeof OPERATIONS)[number], (...operands: number[]) => void>;

/** Numbers of a command: the operation, then its operands, of which there are at most 13. Every one is exact in binary64. */
const LENGTH = 16;

/** Commands that fit: those of a token in a model of a dozen layers. When there are more, all are done. */
const MOST = 256;

/** What is written down of one kernel set. */
export class Commands implements Pending {
  readonly operations: Operations;
  readonly #run: (from: number, to: number) => void;
  readonly #numbers: Float64Array;
  readonly #start: number;
  /** Where the next command goes in {@link #numbers}. */
  #end = 0;

  /** @param run does the commands at these addresses, as `run` of `assembly/commands.ts` */
  constructor(heap: Heap, run: (from: number, to: number) => void) {
    this.#run = run;
    this.#start = heap.allocate(MOST * LENGTH * Float64Array.BYTES_PER_ELEMENT);
    this.#numbers = new Float64Array(heap.buffer, this.#start, MOST * LENGTH);
    this.operations = Object.fromEntries(
      OPERATIONS.map((name, number) => [name, this.#writer(number)]),
    ) as Operations;
  }

  /** Does what is written down, in order. */
  settle(): void {
    if (this.#end === 0) return;
    const bytes = this.#end * Float64Array.BYTES_PER_ELEMENT;
    // First, so that nothing is done again if this is broken off.
    this.#end = 0;
    this.#run(this.#start, this.#start + bytes);
  }

  /** Writes down operation `number`. With as many parameters as any operation has: that needs no array for them. */
  #writer(number: number): Operations[keyof Operations] {
    return (a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0, j = 0, k = 0, l = 0, m = 0) => {
      if (this.#end === this.#numbers.length) this.settle();
      const numbers = this.#numbers;
      const at = this.#end;
      numbers[at] = number;
      numbers[at + 1] = a;
      numbers[at + 2] = b;
      numbers[at + 3] = c;
      numbers[at + 4] = d;
      numbers[at + 5] = e;
      numbers[at + 6] = f;
      numbers[at + 7] = g;
      numbers[at + 8] = h;
      numbers[at + 9] = i;
      numbers[at + 10] = j;
      numbers[at + 11] = k;
      numbers[at + 12] = l;
      numbers[at + 13] = m;
      this.#end = at + LENGTH;
    };
  }
}
