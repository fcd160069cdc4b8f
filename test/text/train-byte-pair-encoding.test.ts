/** Training a byte-pair encoding: against a naive second implementation, and by hand. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';
import { trainBytePairEncoding } from '../../lib/text/train-byte-pair-encoding.ts';

interface Trained {
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: [string, string][] };
}

function train(texts: Iterable<string>, vocabularySize: number, specialTokens: string[] = []): Trained {
  return trainBytePairEncoding(texts, { vocabularySize, specialTokens }) as Trained;
}

/** The joins of a training, spelled with a space between: `a b`. */
const mergesOf = (texts: readonly string[], merges: number): string[] =>
  train(texts, 256 + merges).model.merges.map((pair) => pair.join(' '));

/** Everything counted afresh for every join, over a list of all words; only letters a to c, spaces and digits. */
function naiveMerges(texts: readonly string[], merges: number): string[] {
  const words = texts.flatMap((text) => text.match(/ ?[a-c]+|\d| +(?= |$)| +/g) ?? []);
  let spelled = words.map((word) => [...word.replaceAll(' ', 'Ġ')]);
  // In byte order, except that the space (0x20) comes before all others.
  const ids = ['Ġ', ...'0123456789abc'];
  const found: string[] = [];
  const size = ids.length + merges;
  while (ids.length < size) {
    const counts = new Map<string, number>();
    for (const tokens of spelled) {
      tokens.slice(1).forEach((right, i) => {
        const pair = `${tokens[i]} ${right}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      });
    }
    const rank = (pair: string): number[] => pair.split(' ').map((token) => ids.indexOf(token));
    const [best] = [...counts.entries()]
      .filter(([, count]) => count > 1)
      .sort(([a, m], [b, n]) => n - m || rank(a)[0]! - rank(b)[0]! || rank(a)[1]! - rank(b)[1]!);
    if (best === undefined) break;
    const [left, right] = best[0].split(' ') as [string, string];
    if (!ids.includes(left + right)) ids.push(left + right);
    found.push(best[0]);
    spelled = spelled.map((tokens) => {
      const result: string[] = [];
      for (const token of tokens) result.push(token);
      for (let i = 0; i + 1 < result.length; i++) {
        if (result[i] === left && result[i + 1] === right) result.splice(i, 2, left + right);
      }
      return result;
    });
  }
  return found;
}

describe('trainBytePairEncoding', () => {
  it('joins what the naive implementation joins', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', '1'), maxLength: 40 });
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), fc.integer({ min: 0, max: 20 }), (texts, merges) => {
        expect(mergesOf(texts, merges)).toEqual(naiveMerges(texts, merges));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('the most frequent pair is joined first, with every occurrence counted', () => {
    expect(mergesOf(['ab', 'ab', 'cd', 'cd', 'cd'], 1)).toEqual(['c d']);
  });

  it('of pairs as frequent, the left token with the smallest id decides, then the right one', () => {
    expect(mergesOf(['bc', 'bc', 'ad', 'ad'], 1)).toEqual(['a d']);
    expect(mergesOf(['ac', 'ac', 'ab', 'ab'], 1)).toEqual(['a b']);
    // The joined token has a larger id than every byte.
    expect(mergesOf(['zzx', 'zzx', 'zzx', 'zzy', 'zzy', 'pzq', 'pzq'], 3)).toEqual(['z z', 'zz x', 'p z']);
  });

  it('three equal characters are joined from the left', () => {
    expect(mergesOf(['aaa', 'aaa'], 2)).toEqual(['a a', 'aa a']);
  });

  it('two ways to join one text share a token, and both are kept', () => {
    const { model } = train(['abc', 'abc', 'abc', 'ab', 'ab', 'xbc', 'xbc', 'xbc', 'xbc', 'bc', 'bc'], 300);
    const spelled = model.merges.map((pair) => pair.join(''));
    expect(new Set(spelled).size).toBeLessThanOrEqual(spelled.length);
    expect(Object.keys(model.vocab).length).toBe(256 + new Set(spelled).size);
    expect(Object.values(model.vocab).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 256 + new Set(spelled).size }, (_, id) => id),
    );
  });

  it('nothing is joined across words, digits, or a line feed and what follows', () => {
    expect(mergesOf(['a b'.repeat(9)], 9).filter((pair) => /[^Ġ]Ġ/.test(pair.replace(' ', '')))).toEqual([]);
    expect(mergesOf(['1212121212'], 9)).toEqual([]);
    expect(mergesOf(['\na\na\na'], 9)).toEqual([]);
    expect(mergesOf(['if  x', 'if  x'], 9)).toContain('i f');
  });

  it('ends when no pair occurs twice', () => {
    expect(Object.keys(train(['abc'], 999).model.vocab).length).toBe(256);
    expect(Object.keys(train([], 999).model.vocab).length).toBe(256);
  });

  it('does not depend on the order of the texts', () => {
    const texts = ['low lower lowest', 'new newer newest', 'wide wider widest', 'low new wide'];
    expect(train(texts.toReversed(), 300)).toEqual(train(texts, 300));
  });

  it('every byte, and texts of all kinds, come back as they were', () => {
    const tokenizer = loadTokenizer(train(['the cat and the dog '.repeat(3)], 300), {}, 'trained');
    // A space between, because long words take long.
    const all = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).join(' ');
    for (const text of [all, 'the  cat\n\n the 12 dogs\r\n\t😀 ﷽ é', '']) {
      expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: false })).toBe(text);
    }
    expect(new Set(tokenizer.encode(all)).size).toBeGreaterThan(190);
    const random = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(random, (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
      }),
      { seed: 2, numRuns: 50 },
    );
  });

  it('special tokens have the last ids and are recognised in texts', () => {
    const trained = train(['ab', 'ab'], 259, ['<|a|>', '<|b|>']);
    expect(trained.added_tokens.map(({ id, content }) => [id, content])).toEqual([
      [257, '<|a|>'],
      [258, '<|b|>'],
    ]);
    const tokenizer = loadTokenizer(trained, {}, 'trained');
    expect(tokenizer.encode('ab<|b|>ab')).toEqual([256, 258, 256]);
    expect(tokenizer.vocabularySize).toBe(259);
  });

  it('refuses sizes without room, and special tokens that are no tokens of their own', () => {
    expect(() => train([], 255)).toThrow(CallerError);
    expect(() => train([], 256, ['<|a|>'])).toThrow(/from 257/);
    expect(() => train([], 300.5)).toThrow(CallerError);
    expect(() => train([], 300, ['<|a|>', '<|a|>'])).toThrow(/different texts/);
    expect(() => train([], 300, ['x'])).toThrow(/different texts/);
    expect(() => train(['the', 'the', 'the'], 300, ['the'])).toThrow(/spelled out/);
  });
});
