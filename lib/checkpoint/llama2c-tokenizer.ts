/**
 * The tokenizer of llama2.c: its file, and the same tokenizer as a Hugging Face `tokenizer.json`.
 *
 * What llama2.c does with a text. The ids begin with BOS (1); a text that is not empty gets a space in front. Every
 * character (Unicode code point) becomes the token that is spelled like it, or, if there is none, one token per byte of
 * its UTF-8: number byte + 3. Then, again and again, of all neighbours that joined are spelled like a token, the two
 * whose token has the highest score are joined; of equals, the leftmost.
 *
 * @module
 */

import { CallerError, DataError, show } from '../errors.ts';
import { decodeUtf8 } from './json.ts';

/** One entry of the vocabulary; its number is its place in the file. */
export interface Llama2cToken {
  readonly text: string;
  /** The higher, the sooner neighbours are joined into this token. */
  readonly score: number;
}

/** The contents of a tokenizer file. */
export interface Llama2cTokenizer {
  /** What the file says is the length of its longest token, in bytes. */
  readonly maxTokenLength: number;
  readonly tokens: readonly Llama2cToken[];
}

/** The two files of a Hugging Face tokenizer, and how far they can be trusted. */
export interface HuggingFaceTokenizer {
  /** To be written as `tokenizer.json`. */
  readonly tokenizer: unknown;
  /** To be written as `tokenizer_config.json`. */
  readonly tokenizerConfig: unknown;
  /**
   * Groups of tokens (by number) that have one score and are all made by joining. Hugging Face's format gives every join a
   * rank of its own and so cannot say "of equals, the leftmost": where two tokens of a group compete for one text, it may
   * be split otherwise than by llama2.c. Empty for vocabularies made by SentencePiece, whose scores differ: then the
   * ids are the same for every text whose characters can be spelled.
   */
  readonly ties: readonly (readonly number[])[];
}

/** Numbers that llama2.c fixes. */
const UNKNOWN = 0;
const BEGIN = 1;
const END = 2;
/** The token of byte `b` is number `b + FIRST_BYTE`. */
const FIRST_BYTE = 3;

/** Scores up to this one never win: the search for the best pair begins with it. */
const LOWEST_SCORE = -1e10;

/** Bytes of the header, and of what precedes each token's text. */
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;

/**
 * Longest token that is accepted, in bytes. Real vocabularies stay below 130; finding out how a token is joined takes time
 * that grows with the square of its length.
 */
const MAX_TOKEN_BYTES = 1024;

/**
 * Reads a tokenizer file: the length of the longest token (uint32), then for each token its score (float32), its length in
 * bytes (int32), and its text; all little-endian.
 *
 * @param vocabularySize how many tokens the model has: the file does not say
 * @throws DataError unless the file has exactly that many tokens and ends there, all different, of 1 to
 *   {@link MAX_TOKEN_BYTES} bytes and none longer than the file says, in UTF-8, with finite scores
 */
export function readLlama2cTokenizer(
  bytes: Uint8Array,
  vocabularySize: number,
  subject: string,
): Llama2cTokenizer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (at: number, count: number, what: string): void => {
    if (bytes.length - at >= count) return;
    const found = `the end of the file, ${bytes.length - at} bytes after byte ${at}`;
    const hint = `The model has ${vocabularySize} tokens; is this its tokenizer?`;
    throw new DataError({ subject, expected: what, found, hint });
  };
  need(0, HEADER_BYTES, 'the length of the longest token (4 bytes)');
  const maxTokenLength = view.getUint32(0, true);
  const numbers = new Map<string, number>();
  const tokens: Llama2cToken[] = [];
  let at = HEADER_BYTES;
  for (let id = 0; id < vocabularySize; id++) {
    const token = `${subject}, token ${id}`;
    need(at, ENTRY_BYTES, `the score and the length of token ${id} (8 bytes)`);
    const score = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    at += ENTRY_BYTES;
    if (!Number.isFinite(score)) {
      throw new DataError({ subject: token, expected: 'a finite score', found: String(score) });
    }
    const longest = Math.min(maxTokenLength, MAX_TOKEN_BYTES);
    if (length < 1 || length > longest) {
      throw new DataError({
        subject: token,
        expected: `a length of 1 to ${longest} bytes`,
        found: String(length),
      });
    }
    need(at, length, `the ${length} bytes of token ${id}`);
    const text = decodeUtf8(bytes.subarray(at, at + length), token);
    at += length;
    const other = numbers.get(text);
    if (other !== undefined) {
      throw new DataError({
        subject: token,
        expected: 'a text of its own',
        found: `${show(text)} like token ${other}`,
      });
    }
    numbers.set(text, id);
    tokens.push({ text, score });
  }
  if (at !== bytes.length) {
    const expected = `the end of the file after ${vocabularySize} tokens`;
    const hint = `The model has ${vocabularySize} tokens; is this its tokenizer?`;
    throw new DataError({ subject, expected, found: `${bytes.length - at} more bytes`, hint });
  }
  return { maxTokenLength, tokens };
}

/**
 * A Hugging Face tokenizer that splits every text as llama2.c does.
 *
 * A join in that format is a pair of tokens with a rank. Which pair makes a token needs no search: until two neighbours are
 * joined into token T, nothing outside T's own characters can have had a part in them, and the best pair of the whole
 * text, when it lies inside, is the best pair inside. So the last join of T is always the one that llama2.c makes when it
 * is given T's characters alone, and one pair per token, ranked by score, says it all.
 *
 * Where it departs from llama2.c on purpose: a character that has neither a token nor tokens for all of its bytes becomes
 * the unknown token (0). llama2.c would take token number byte + 3 whatever that is, or read behind its table.
 * Like there, the texts of the unknown token, BOS and EOS in a prompt stand for themselves, and decoding shows the
 * unknown token as its text.
 *
 * @throws CallerError for fewer than three tokens: there has to be an unknown token, BOS and EOS
 * @throws DataError where the format cannot say what llama2.c does: no token for the space; tokens that are named
 *   like those for bytes (`<0x0A>`) at other places; tokens spelled like such a token, or BOS, and another token together,
 *   since llama2.c would join them by their names
 */
export function llama2cTokenizerJson(tokens: readonly Llama2cToken[], subject: string): HuggingFaceTokenizer {
  if (tokens.length <= END) {
    throw new CallerError({ subject, expected: 'at least 3 tokens', found: String(tokens.length) });
  }
  const numbers = new Map(tokens.map(({ text }, id) => [text, id]));
  if (!numbers.has(' ')) {
    throw new DataError({ subject, expected: 'a token for the space', found: 'none' });
  }
  if (numbers.has('__proto__')) {
    // As a member of an object it would be refused by whoever reads the file.
    throw new DataError({ subject, expected: 'a text other than __proto__', found: 'a token of that text' });
  }
  const hasBytes = checkByteTokens(tokens, numbers, subject);
  checkNames(tokens, numbers, subject);

  const joins = tokens.flatMap(({ text, score }, id) => {
    const pair = lastJoin(text, tokens, numbers);
    return pair === null ? [] : [{ pair, score, id }];
  });
  joins.sort((a, b) => b.score - a.score || a.id - b.id);

  const begin = tokens[BEGIN]!.text;
  const special = { SpecialToken: { id: begin, type_id: 0 } };
  const single = [special, { Sequence: { id: 'A', type_id: 0 } }];
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: { type: 'Prepend', prepend: ' ' },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { [begin]: { id: begin, ids: [BEGIN], tokens: [begin] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: tokens[UNKNOWN]!.text,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: hasBytes,
      ignore_merges: false,
      vocab: Object.fromEntries(numbers),
      merges: joins.map(({ pair }) => pair),
    },
  };
  const tokenizerConfig = {
    bos_token: begin,
    eos_token: tokens[END]!.text,
    unk_token: tokens[UNKNOWN]!.text,
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  return { tokenizer, tokenizerConfig, ties: tiesOf(joins) };
}

/** Runs of more than one join with one score. */
function tiesOf(joins: readonly { readonly score: number; readonly id: number }[]): number[][] {
  const byScore = new Map<number, number[]>();
  for (const { score, id } of joins) {
    const ids = byScore.get(score) ?? [];
    byScore.set(score, ids);
    ids.push(id);
  }
  return [...byScore.values()].filter((ids) => ids.length > 1);
}

/** The name of the token for a byte. */
function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Whether the vocabulary has tokens for bytes; they have to be at the numbers that llama2.c assumes. */
function checkByteTokens(
  tokens: readonly Llama2cToken[],
  numbers: ReadonlyMap<string, number>,
  subject: string,
): boolean {
  let some = false;
  for (let byte = 0; byte < 256; byte++) {
    const id = numbers.get(byteName(byte));
    if (id === undefined) continue;
    some = true;
    if (id !== byte + FIRST_BYTE) {
      const expected = `token ${byteName(byte)} at number ${byte + FIRST_BYTE}`;
      throw new DataError({ subject, expected, found: `it at ${id} (of ${tokens.length})` });
    }
  }
  return some;
}

/** Refuses vocabularies in which the name of a byte's token or of BOS is a part of another token's join. */
function checkNames(
  tokens: readonly Llama2cToken[],
  numbers: ReadonlyMap<string, number>,
  subject: string,
): void {
  const begin = tokens[BEGIN]!.text;
  const isByte = (text: string): boolean => /^<0x[0-9A-F]{2}>$/.test(text) && numbers.has(text);
  for (const { text } of tokens) {
    const byteFirst = isByte(text.slice(0, 6)) && numbers.has(text.slice(6));
    const byteLast = isByte(text.slice(-6)) && numbers.has(text.slice(0, -6));
    const beginFirst = text.startsWith(begin) && numbers.has(text.slice(begin.length));
    if (byteFirst || byteLast || beginFirst) {
      const expected = "no token that joins a byte's name, or BOS, with another token";
      throw new DataError({ subject, expected, found: show(text) });
    }
  }
}

/**
 * The two tokens that llama2.c joins last when it is given the characters of a token; null if it does not end with
 * that token (or if that is a single character, for which there is nothing to join).
 */
function lastJoin(
  token: string,
  tokens: readonly Llama2cToken[],
  numbers: ReadonlyMap<string, number>,
): readonly [string, string] | null {
  const parts = Array.from(token);
  if (!parts.every((part) => numbers.has(part))) return null;
  const scoreOf = (i: number): number => {
    const id = i + 1 < parts.length ? numbers.get(parts[i]! + parts[i + 1]!) : undefined;
    return id === undefined ? Number.NEGATIVE_INFINITY : tokens[id]!.score;
  };
  // scores[i] is that of the token which parts i and i + 1 would make; a join changes only those around it.
  const scores = parts.map((_, i) => scoreOf(i));
  while (parts.length > 1) {
    let best = -1;
    let bestScore = LOWEST_SCORE;
    for (let i = 0; i < scores.length; i++) {
      if (scores[i]! > bestScore) {
        best = i;
        bestScore = scores[i]!;
      }
    }
    if (best < 0) return null;
    const pair = [parts[best]!, parts[best + 1]!] as const;
    if (parts.length === 2) return pair;
    parts.splice(best, 2, pair[0] + pair[1]);
    scores.splice(best, 1);
    for (let i = Math.max(best - 1, 0); i <= best; i++) scores[i] = scoreOf(i);
  }
  return null;
}
