/**
 * Does the operations that `commands.ts` beside this folder has written down, in order: each alone, or as a job that threads share. Commands of which
 * every chunk can be done as soon as the same chunk of those before are one job, because threads wait for each other after every job.
 */

import * as chunks from './chunks';
import * as command from './command';
import { COMMAND_BYTES, operationOf, u, x } from './command';
import { rowDots, rowSums, rowSumsOfSquares } from './dot-products';
import * as elementwise from './elementwise';
import { leastSharedWork, setThreadIndex, threadCount } from './instance';
import { JOB } from './layout';
import { columnSums } from './left-to-right';
import { chunkCount, chunkDone, offer, takeChunk, waitForAll, waitForOffer } from './threads';

/** Chunk `chunk` of `count` of the command at `c`. What threads do not share is asked for as chunk 0 of 1. */
function perform(c: usize, chunk: i32, count: i32): void {
  switch (operationOf(c)) {
    case command.ADAM_W:
      return elementwise.adamW(
        u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), x(c, 5), x(c, 6), x(c, 7), x(c, 8), x(c, 9), x(c, 10), x(c, 11),
      );
    case command.ADD: return elementwise.add(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.ADD_ATTENTION_CONTEXT: return chunks.addAttentionContext(c, chunk, count);
    case command.ADD_ATTENTION_TRANSPOSED: return chunks.addAttentionTransposed(c, chunk, count);
    case command.ADD_PRODUCT: return elementwise.addProduct(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.ADD_ROW: return elementwise.addRow(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.ATTENTION: return chunks.attention(c, chunk, count);
    case command.ATTENTION_SCORES: return chunks.attentionScores(c, chunk, count);
    case command.COLUMN_SUMS: return columnSums(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.COPY: return memory.copy(u(c, 1), u(c, 0), u(c, 2) << 2);
    case command.DIVIDE_COLUMN: return elementwise.divideColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.EXP_DIFFERENCES: return chunks.expDifferences(c, chunk, count);
    case command.GATED_SILU: return chunks.gatedSilu(c, chunk, count);
    case command.MATMUL_LEFT_TO_RIGHT: return chunks.matmulLeftToRight(c, chunk, count);
    case command.MATMUL_NT: return chunks.matmulNT(c, chunk, count);
    case command.MULTIPLY: return elementwise.multiply(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.MULTIPLY_COLUMN: return elementwise.multiplyColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.MULTIPLY_ROW: return elementwise.multiplyRow(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.RMS_NORM: return elementwise.rmsNorm(u(c, 0), u(c, 1), x(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6));
    case command.ROTATE_HALVES:
      return elementwise.rotateHalves(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4), u(c, 5), u(c, 6));
    case command.ROW_ARGMAX: return elementwise.rowArgmax(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.ROW_DOTS: return rowDots(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.ROW_MAXIMA: return elementwise.rowMaxima(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.ROW_SUMS: return rowSums(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.ROW_SUMS_OF_SQUARES: return rowSumsOfSquares(u(c, 0), u(c, 1), u(c, 2), u(c, 3));
    case command.SCALE: return elementwise.scale(u(c, 0), x(c, 1), u(c, 2), u(c, 3));
    case command.SIGMOID:
    case command.SILU:
    case command.SILU_GRADIENT: return chunks.activation(c, chunk, count);
    case command.SOFTMAX: return chunks.softmax(c, chunk, count);
    case command.SUBTRACT_COLUMN: return elementwise.subtractColumn(u(c, 0), u(c, 1), u(c, 2), u(c, 3), u(c, 4));
    case command.WIDEN: return elementwise.widen(u(c, 0), u(c, 1), u(c, 2));
    default: unreachable();
  }
}

/** Whether the command at `c` is a product of one row. */
// @ts-ignore: decorator
@inline
function isRowProduct(c: usize): bool {
  return operationOf(c) == command.MATMUL_NT && u(c, 6) == 1;
}

/** Whether `bytes` bytes from `p` on and `others` from `q` on have one in common. */
// @ts-ignore: decorator
@inline
function overlap(p: usize, bytes: usize, q: usize, others: usize): bool {
  return p < q + others && q < p + bytes;
}

/** Whether `bytes` bytes from `p` on have one in common with what the row product at `c` reads. */
function isReadBy(c: usize, p: usize, bytes: usize): bool {
  const K = u(c, 8);
  return overlap(p, bytes, u(c, 0), K << 2) || overlap(p, bytes, u(c, 2), (u(c, 7) - 1) * u(c, 3) + K * u(c, 9));
}

/** Whether of the row products from `first` up to `d`, and the one at `d`, none reads or writes what another writes. */
function isIndependent(first: usize, d: usize): bool {
  const out = u(d, 4), bytes = u(d, 7) << 2;
  for (let c = first; c < d; c += COMMAND_BYTES) {
    const others = u(c, 7) << 2;
    if (overlap(out, bytes, u(c, 4), others) || isReadBy(c, out, bytes) || isReadBy(d, u(c, 4), others)) return false;
  }
  return true;
}

/**
 * Whether the command at `d` is SwiGLU's activation of what the last two of the row products from `first` on write, element by element, to where
 * none of them reads.
 */
function isGateOf(first: usize, d: usize): bool {
  const gate = d - 2 * COMMAND_BYTES, up = d - COMMAND_BYTES;
  if (gate < first || operationOf(d) != command.GATED_SILU) return false;
  const count = u(d, 3), out = u(d, 2), bytes = count << 2;
  if (count != u(gate, 7) || count != u(up, 7) || u(d, 0) != u(gate, 4) || u(d, 1) != u(up, 4)) return false;
  for (let c = first; c < d; c += COMMAND_BYTES) {
    // The very same elements may be written over.
    if (isReadBy(c, out, bytes) || (out != u(c, 4) && overlap(out, bytes, u(c, 4), u(c, 7) << 2))) return false;
  }
  return true;
}

/** Where the job that begins with the command at `c` ends. */
function endOfJob(c: usize, to: usize): usize {
  let d = c + COMMAND_BYTES;
  if (!isRowProduct(c)) return d;
  while (d < to && isRowProduct(d) && isIndependent(c, d)) d += COMMAND_BYTES;
  return d < to && isGateOf(c, d) ? d + COMMAND_BYTES : d;
}

/** Does the commands from address `from` up to `to`. */
export function run(from: usize, to: usize): void {
  if (threadCount() == 1) {
    for (let c = from; c < to; c += COMMAND_BYTES) perform(c, 0, 1);
    return;
  }
  for (let c = from; c < to; ) {
    const end = endOfJob(c, to);
    let work: u64 = 0;
    for (let d = c; d < end; d += COMMAND_BYTES) work += chunks.workOf(d);
    if (work > 0 && work >= leastSharedWork()) share(c, end);
    else for (let d = c; d < end; d += COMMAND_BYTES) perform(d, 0, 1);
    c = end;
  }
}

/** Writes down the job, the commands from address `from` up to `to`, and does it together with the other threads. */
function share(from: usize, to: usize): void {
  const count = chunkCount();
  store<usize>(JOB, from);
  store<usize>(JOB, to, 4);
  store<i32>(JOB, count, 8);
  offer(count);
  help();
  waitForAll(count);
}

/** Does chunks of the job until there are no more. */
function help(): void {
  for (let chunk = takeChunk(); chunk >= 0; chunk = takeChunk()) {
    const to = load<usize>(JOB, 4), count = load<i32>(JOB, 8);
    for (let c = load<usize>(JOB); c < to; c += COMMAND_BYTES) perform(c, chunk, count);
    chunkDone();
  }
}

/** Makes this instance thread `index` and has it help for ever. */
export function serve(index: usize): void {
  setThreadIndex(index);
  for (;;) {
    waitForOffer();
    help();
  }
}
