/**
 * Training a tokenizer: byte-level byte-pair encoding, written as a Hugging Face `tokenizer.json`.
 *
 * A text is cut into words by {@link WORD_PATTERN}, and a word into its UTF-8 bytes. Then, again and again,
 * the pair of neighbouring tokens that occurs most often in all words is joined into one token. Nothing is
 * joined across words.
 *
 * @module
 */

import { CallerError, InvariantError, show } from '../errors.ts';
import { byteSpellings } from './byte-tokenizer.ts';

/** What is to be made. */
export interface BytePairEncodingOptions {
  /** How many tokens there are to be at most: 256 bytes, joined ones, and the special ones. */
  readonly vocabularySize: number;
  /**
   * How the special tokens are spelled. They have the last ids, in this order, and nothing of a text is ever
   * joined into one.
   */
  readonly specialTokens: readonly string[];
}

/**
 * What is a word: letters, with the space before them; one digit; other characters, with the space before
 * them; spaces and line feeds, less the last one if it belongs to what follows. A digit is a word, so numbers
 * are spelled the same everywhere. Only space and line feed are named, because regular expressions differ in
 * what else they take for a space.
 */
const WORD_PATTERN = ' ?\\p{L}+|\\p{N}| ?[^ \\n\\p{L}\\p{N}]+|[ \\n]+(?![^ \\n])|[ \\n]+';

/** The tokens of single bytes come first. */
const BYTES = 256;

/** A pair that occurs only once is not worth a token. */
const LEAST_COUNT = 2;

/** A pair as one number, `left * MAX_TOKENS + right`: exact, and in the order of ties. */
const MAX_TOKENS = 1 << 24;

/** A different word of the texts: its tokens so far, and how often it occurs. */
interface Word {
  tokens: number[];
  readonly count: number;
}

/**
 * Trains a tokenizer. The result depends on how often each word occurs, not on the order of the texts: of
 * pairs that occur equally often, the one whose left token has the smallest id is joined first, then the one
 * whose right token has.
 *
 * Ids: the bytes 0 to 255, the joined tokens in the order in which they were made, the special tokens. The
 * vocabulary is smaller than asked for if no pair occurs twice any more. Two ways to join the same text share
 * one token. In a word, `aaa` has the pair `aa` twice when pairs are counted, and once when they are joined,
 * from the left.
 *
 * @returns the contents of `tokenizer.json`
 * @throws CallerError for special tokens that are empty or equal, and sizes that leave no room for bytes and
 *   special tokens
 */
export function trainBytePairEncoding(
  texts: Iterable<string>,
  { vocabularySize, specialTokens }: BytePairEncodingOptions,
): unknown {
  checkOptions(vocabularySize, specialTokens);
  const { spellings, merges } = join(wordsOf(texts), vocabularySize - specialTokens.length);
  const clash = specialTokens.find((token) => spellings.includes(token));
  if (clash !== undefined) {
    const expected = 'texts that no special tokens are spelled out in';
    throw new CallerError({ subject: 'texts', expected, found: show(clash) });
  }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, i) => ({
      id: spellings.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(spellings.map((spelling, id) => [spelling, id])),
      merges: merges.map(([left, right]) => [spellings[left]!, spellings[right]!]),
    },
  };
}

function checkOptions(vocabularySize: number, specialTokens: readonly string[]): void {
  const least = BYTES + specialTokens.length;
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < least || vocabularySize > MAX_TOKENS) {
    throw new CallerError({
      subject: 'vocabulary size',
      expected: `an integer from ${least} (bytes and special tokens) to ${MAX_TOKENS}`,
      found: show(vocabularySize),
    });
  }
  const bad = specialTokens.find((token, i) => token.length < 2 || specialTokens.indexOf(token) !== i);
  if (bad !== undefined) {
    const expected = 'different texts of at least two characters';
    throw new CallerError({ subject: 'special tokens', expected, found: show(bad) });
  }
}

/** The different words of the texts, each with its bytes as tokens. */
function wordsOf(texts: Iterable<string>): Word[] {
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const [word] of text.matchAll(new RegExp(WORD_PATTERN, 'gu'))) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({ tokens: [...encoder.encode(word)], count }));
}

/** How often each pair occurs, and in which words (also in some where it no longer does). */
class PairCounts {
  readonly counts = new Map<number, number>();
  readonly places = new Map<number, Set<Word>>();

  /** Counts the pairs of a word in (`sign` 1) or out (-1). */
  add(word: Word, sign: 1 | -1): void {
    for (let i = 0; i + 1 < word.tokens.length; i++) {
      const pair = word.tokens[i]! * MAX_TOKENS + word.tokens[i + 1]!;
      this.counts.set(pair, (this.counts.get(pair) ?? 0) + sign * word.count);
      const places = this.places.get(pair);
      if (places === undefined) this.places.set(pair, new Set([word]));
      else places.add(word);
    }
  }

  /** The pair that occurs most often, of equals the smallest; null if none occurs often enough. */
  best(): number | null {
    let best: number | null = null;
    let most = LEAST_COUNT;
    for (const [pair, count] of this.counts) {
      if (count > most || (count === most && (best === null || pair < best))) [best, most] = [pair, count];
    }
    return best;
  }
}

/** Joins pairs until there are `size` tokens: how the tokens are spelled, and the pairs in order. */
function join(
  words: readonly Word[],
  size: number,
): { readonly spellings: string[]; readonly merges: (readonly [left: number, right: number])[] } {
  const spellings = byteSpellings();
  const ids = new Map(spellings.map((spelling, id) => [spelling, id]));
  const merges: (readonly [number, number])[] = [];
  const pairs = new PairCounts();
  for (const word of words) pairs.add(word, 1);
  while (spellings.length < size) {
    const pair = pairs.best();
    if (pair === null) break;
    const [left, right] = [Math.floor(pair / MAX_TOKENS), pair % MAX_TOKENS];
    const spelling = spellings[left]! + spellings[right]!;
    let joined = ids.get(spelling);
    if (joined === undefined) {
      joined = spellings.length;
      ids.set(spelling, joined);
      spellings.push(spelling);
    }
    merges.push([left, right]);
    for (const word of pairs.places.get(pair)!) {
      pairs.add(word, -1);
      word.tokens = joinedIn(word.tokens, left, right, joined);
      pairs.add(word, 1);
    }
    if (pairs.counts.get(pair) !== 0) {
      throw new InvariantError({ subject: 'pair', expected: 'no occurrence left', found: spelling });
    }
    pairs.counts.delete(pair);
    pairs.places.delete(pair);
  }
  return { spellings, merges };
}

/** Tokens with a pair joined wherever it occurs, from the left. */
function joinedIn(tokens: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const found = tokens[i] === left && tokens[i + 1] === right;
    result.push(found ? joined : tokens[i]!);
    if (found) i++;
  }
  return result;
}
