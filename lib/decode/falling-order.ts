/**
 * SPEC #token-distribution, step 3 — the order of the tokens: falling logit, the lower id first in a tie. A comparison sort of a vocabulary of
 * 32,000 takes longer than everything else about the choice of a token; so all of it is sorted by digits, and a few are selected in one pass.
 *
 * @module
 */

import type { Elements } from '../tensor/tensor.ts';

/** Bits of a digit: six digits make a number of 64 bits, and their counters fit into the fastest memory. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const LAST_DIGIT = DIGITS - 1;

/** Where the digits of a word begin. */
const SHIFTS = [0, DIGIT_BITS, 2 * DIGIT_BITS];

/** Up to a vocabulary's share of one in so many, selecting is faster than sorting. */
const SELECT_BELOW_ONE_IN = 8;

/**
 * The ids of the `count` largest logits in falling order, the lower id first in a tie; all when absent.
 *
 * @param logits none of them NaN
 */
export function fallingOrder(logits: Elements, count = logits.length): Uint32Array {
  return count * SELECT_BELOW_ONE_IN < logits.length
    ? selected(logits, count)
    : sorted(logits).subarray(0, count);
}

/** One pass that collects twice as many as are wanted, and cuts them down to those whenever there are so many. */
function selected(logits: Elements, count: number): Uint32Array {
  const ids: number[] = [];
  const cut = (): void => {
    ids.sort((a, b) => logits[b]! - logits[a]! || a - b);
    ids.length = Math.min(ids.length, count);
  };
  // The least logit of those that were left by a cut: whatever comes later has a greater id, so it has to be larger.
  let bound = Number.NEGATIVE_INFINITY;
  let bounded = false;
  for (let id = 0; id < logits.length; id++) {
    if (bounded && logits[id]! <= bound) continue;
    ids.push(id);
    if (ids.length < 2 * count) continue;
    cut();
    bound = logits[ids[count - 1]!]!;
    bounded = true;
  }
  cut();
  return Uint32Array.from(ids);
}

/** A radix sort from the last digit to the first. It is stable, so that equal logits stay in the order of their ids. */
function sorted(logits: Elements): Uint32Array {
  const n = logits.length;
  // The bits of a binary64 number, as two words that grow as the number falls.
  const one = new DataView(new ArrayBuffer(8));
  let low = new Uint32Array(n);
  let high = new Uint32Array(n);
  let ids = new Uint32Array(n);
  for (let id = 0; id < n; id++) {
    // Adding +0 makes -0 the +0 that it equals.
    one.setFloat64(0, logits[id]! + 0);
    const upper = one.getUint32(0);
    const lower = one.getUint32(4);
    // Of negative numbers the bits grow already; of others all but the sign have to be turned over.
    const negative = upper >>> 31 === 1;
    high[id] = negative ? upper : ~upper & 0x7fffffff;
    low[id] = negative ? lower : ~lower;
    ids[id] = id;
  }
  let nextLow = new Uint32Array(n);
  let nextHigh = new Uint32Array(n);
  let nextIds = new Uint32Array(n);
  const places = new Uint32Array(DIGITS);

  /** Moves all into the order of one digit of their words. */
  const pass = (word: Uint32Array, shift: number): void => {
    places.fill(0);
    for (let i = 0; i < n; i++) places[(word[i]! >>> shift) & LAST_DIGIT]! += 1;
    // One digit for all, as the last ones of binary32 numbers: nothing moves.
    if (n === 0 || places[(word[0]! >>> shift) & LAST_DIGIT] === n) return;
    let place = 0;
    for (let d = 0; d < DIGITS; d++) {
      const count = places[d]!;
      places[d] = place;
      place += count;
    }
    for (let i = 0; i < n; i++) {
      const to = places[(word[i]! >>> shift) & LAST_DIGIT]!++;
      nextLow[to] = low[i]!;
      nextHigh[to] = high[i]!;
      nextIds[to] = ids[i]!;
    }
    [low, nextLow] = [nextLow, low];
    [high, nextHigh] = [nextHigh, high];
    [ids, nextIds] = [nextIds, ids];
  };
  for (const shift of SHIFTS) pass(low, shift);
  for (const shift of SHIFTS) pass(high, shift);
  return ids;
}
