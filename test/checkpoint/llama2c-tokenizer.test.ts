import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, parseJson } from '../../lib/checkpoint/json.ts';
import {
  type Llama2cToken,
  llama2cTokenizerJson,
  readLlama2cTokenizer,
} from '../../lib/checkpoint/llama2c-tokenizer.ts';
import { CallerError, DataError } from '../../lib/errors.ts';
import { loadTokenizer, type TextTokenizer } from '../../lib/text/tokenizer.ts';
import { realModel } from '../helpers/real-model.ts';

/** A tokenizer file by hand. */
function tokenizerFile(
  tokens: readonly { bytes: Uint8Array | string; score: number; length?: number }[],
  longest?: number,
): Uint8Array {
  const entries = tokens.map(({ bytes, score, length }) => {
    const text = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    const entry = new Uint8Array(8 + text.length);
    const view = new DataView(entry.buffer);
    view.setFloat32(0, score, true);
    view.setInt32(4, length ?? text.length, true);
    entry.set(text, 8);
    return entry;
  });
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(
    0,
    longest ?? Math.max(0, ...entries.map((entry) => entry.length - 8)),
    true,
  );
  return Uint8Array.from([head, ...entries].flatMap((part) => [...part]));
}

const byteTokens: Llama2cToken[] = Array.from({ length: 256 }, (_, byte) => ({
  text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  score: 0,
}));
const SPECIAL: Llama2cToken[] = [
  { text: '<unk>', score: 0 },
  { text: '\n<s>\n', score: 0 },
  { text: '\n</s>\n', score: 0 },
];

/**
 * What llama2.c does with a text, as plainly as it can be written: the whole list is searched again for every join, and every
 * pair is looked up in the whole vocabulary.
 */
function naiveEncode(tokens: readonly Llama2cToken[], text: string): number[] {
  const find = (spelled: string): number => tokens.findIndex((token) => token.text === spelled);
  let ids = [1];
  if (text !== '') ids.push(find(' '));
  for (const character of text) {
    const id = find(character);
    if (id >= 0) ids.push(id);
    else for (const byte of new TextEncoder().encode(character)) ids.push(byte + 3);
  }
  for (;;) {
    let bestScore = -1e10;
    let bestAt = -1;
    let bestId = -1;
    for (let i = 0; i + 1 < ids.length; i++) {
      const id = find(tokens[ids[i]!]!.text + tokens[ids[i + 1]!]!.text);
      if (id >= 0 && tokens[id]!.score > bestScore) {
        bestScore = tokens[id]!.score;
        bestAt = i;
        bestId = id;
      }
    }
    if (bestAt < 0) return ids;
    ids = [...ids.slice(0, bestAt), bestId, ...ids.slice(bestAt + 2)];
  }
}

/** The tokenizer, by way of the files that would be written. */
function load(tokens: readonly Llama2cToken[]): TextTokenizer {
  const { tokenizer, tokenizerConfig } = llama2cTokenizerJson(tokens, 'vocabulary');
  const reread = (value: unknown): unknown => parseJson(canonicalJson(value), 'file');
  return loadTokenizer(reread(tokenizer), reread(tokenizerConfig), 'folder');
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

describe('readLlama2cTokenizer', () => {
  const three = [
    { bytes: '<unk>', score: 0 },
    { bytes: '\n<s>\n', score: -0.5 },
    { bytes: 'é', score: 1e10 },
  ];

  it('reads texts and scores in order', () => {
    const read = readLlama2cTokenizer(tokenizerFile(three), 3, 'f');
    expect(read).toEqual({
      maxTokenLength: 5,
      tokens: [
        { text: '<unk>', score: 0 },
        { text: '\n<s>\n', score: -0.5 },
        { text: 'é', score: 1e10 },
      ],
    });
  });

  it('reads a file that lies inside a larger buffer', () => {
    const bytes = Uint8Array.from([7, 7, 7, ...tokenizerFile(three), 7]);
    expect(readLlama2cTokenizer(bytes.subarray(3, -1), 3, 'f').tokens.length).toBe(3);
  });

  it('refuses a file that was cut anywhere', () => {
    const whole = tokenizerFile(three);
    for (let length = 0; length < whole.length; length++) {
      const found = refusal(() => readLlama2cTokenizer(whole.subarray(0, length), 3, 'f'));
      expect(found).toMatch(
        /^f: expected .*, found the end of the file, .* The model has 3 tokens; is this its tokenizer\?$/,
      );
    }
  });

  it('refuses a file with more tokens than the model has, or anything behind them', () => {
    expect(refusal(() => readLlama2cTokenizer(tokenizerFile(three), 2, 'f'))).toBe(
      'f: expected the end of the file after 2 tokens, found 10 more bytes. The model has 2 tokens; is this its tokenizer?',
    );
    expect(refusal(() => readLlama2cTokenizer(Uint8Array.of(...tokenizerFile(three), 0), 3, 'f'))).toMatch(
      /found 1 more/,
    );
  });

  it.each([
    [
      'a negative length',
      { bytes: 'a', score: 0, length: -1 },
      /token 3: expected a length of 1 to 5 bytes, found -1$/,
    ],
    [
      'a length of 2^31 - 1',
      { bytes: 'a', score: 0, length: 2 ** 31 - 1 },
      /expected a length of 1 to 5 bytes/,
    ],
    ['an empty token', { bytes: '', score: 0 }, /expected a length of 1 to 5 bytes, found 0/],
    [
      'a token longer than the file says',
      { bytes: 'abcdef', score: 0 },
      /expected a length of 1 to 5 bytes, found 6/,
    ],
    [
      'bytes that are not UTF-8',
      { bytes: Uint8Array.of(0xc3), score: 0 },
      /^f, token 3: expected UTF-8 text/,
    ],
    [
      'a text that occurs twice',
      { bytes: 'é', score: 5 },
      /^f, token 3: expected a text of its own, found "é" like token 2/,
    ],
    [
      'a score that is no number',
      { bytes: 'a', score: Number.NaN },
      /^f, token 3: expected a finite score, found NaN/,
    ],
    [
      'an infinite score',
      { bytes: 'a', score: Number.POSITIVE_INFINITY },
      /expected a finite score, found Infinity/,
    ],
  ])('refuses %s', (_, token, message) => {
    expect(refusal(() => readLlama2cTokenizer(tokenizerFile([...three, token], 5), 4, 'f'))).toMatch(message);
  });

  it('refuses a token that would take for ever to analyse', () => {
    const token = { bytes: 'x'.repeat(1025), score: 0 };
    expect(refusal(() => readLlama2cTokenizer(tokenizerFile([token]), 1, 'f'))).toMatch(
      /a length of 1 to 1024 bytes, found 1025/,
    );
  });

  it('with some bytes changed gives a DataError or is read, and nothing else', () => {
    const whole = tokenizerFile([...three, { bytes: 'ab', score: 1 }, { bytes: ' ', score: 2 }]);
    let read = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const bytes = whole.slice();
          for (const [at, value] of changes) bytes[at] = value;
          try {
            llama2cTokenizerJson(readLlama2cTokenizer(bytes, 5, 'f').tokens, 'f');
            read++;
          } catch (error) {
            expect(error).toBeInstanceOf(DataError);
          }
        },
      ),
      { seed: 1, numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(100);
    expect(read).toBeLessThan(1900);
  });
});

describe('llama2cTokenizerJson', () => {
  /** A vocabulary with a space and some letters, and joined tokens. */
  const vocabulary = (bytes: boolean, joined: readonly Llama2cToken[]): Llama2cToken[] => [
    ...SPECIAL,
    ...(bytes ? byteTokens : []),
    ...joined,
    ...Array.from(' abcé', (text, i) => ({ text, score: -1000 - i })),
  ];
  const ranked = (...texts: string[]): Llama2cToken[] => texts.map((text, i) => ({ text, score: -i }));

  it.each<[string, string[], string, string[]]>([
    ['joins by score, not from the left', ['bc', 'ab'], 'abc', [' ', 'a', 'bc']],
    ['joins the leftmost of equal pairs first', ['aa'], 'aaa', [' ', 'aa', 'a']],
    ['joins the space in front like any other', [' a', 'ab'], 'ab', [' a', 'b']],
    ['makes a token only by joining: one without parts is never found', ['abc'], 'abc', [' ', 'a', 'b', 'c']],
    [
      'makes a token of the parts that are there, however else it could be split',
      ['ab', 'abc', 'bc'],
      'abc',
      [' ', 'abc'],
    ],
    ['joins again and again', ['ab', 'abab', 'abababab'], 'abababab', [' ', 'abababab']],
    [
      'joins a token of higher score that a lower one makes possible',
      ['abc', 'ab', 'ca'],
      'abca',
      [' ', 'abc', 'a'],
    ],
  ])('%s', (_, joined, text, spelled) => {
    const tokens = vocabulary(false, ranked(...joined));
    const tokenizer = load(tokens);
    const ids = tokenizer.encode(text);
    expect(ids.slice(1).map(tokenizer.tokenText)).toEqual(spelled);
    expect(ids).toEqual(naiveEncode(tokens, text));
  });

  it('encodes as llama2.c does, whatever the vocabulary, if joined tokens have scores of their own', () => {
    const joined = fc
      .uniqueArray(fc.string({ unit: fc.constantFrom(...' abcé'), minLength: 2, maxLength: 4 }), {
        maxLength: 40,
        size: 'max',
      })
      .chain((texts) =>
        fc
          .uniqueArray(fc.integer({ min: -500, max: 500 }), {
            minLength: texts.length,
            maxLength: texts.length,
          })
          .map((scores) => texts.map((text, i) => ({ text, score: scores[i]! }))),
      );
    let joins = 0;
    let bytes = 0;
    const text = fc.string({
      unit: fc.constantFrom(...' aabbcé', 'aa', 'ab', '😀', 'ß', '\n', '\ufeff'),
      maxLength: 20,
    });
    fc.assert(
      fc.property(joined, fc.array(text, { maxLength: 5 }), (extra, texts) => {
        const tokens = vocabulary(true, extra);
        expect(llama2cTokenizerJson(tokens, 'v').ties).toEqual([]);
        const tokenizer = load(tokens);
        for (const each of texts) {
          const ids = tokenizer.encode(each);
          expect(ids).toEqual(naiveEncode(tokens, each));
          expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(each);
          if (ids.some((id) => tokens[id]!.score > -1000 && id >= 259)) joins++;
          if (ids.some((id) => id >= 3 && id < 259)) bytes++;
        }
      }),
      { seed: 2, numRuns: 400 },
    );
    expect(joins).toBeGreaterThan(100);
    expect(bytes).toBeGreaterThan(100);
  });

  it('encodes like llama2.c with a vocabulary made by joining the most frequent pairs, as real ones are', () => {
    const corpus = 'the cat sat on the mat and the hat. that cat at the mat ate the oats. ';
    const letters = [...new Set(corpus)];
    const joined: Llama2cToken[] = [];
    for (let parts = [...corpus]; parts.length > 20; ) {
      const counts = new Map<string, number>();
      for (let i = 0; i + 1 < parts.length; i++) {
        const pair = parts[i]! + parts[i + 1]!;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
      const [best] = [...counts].reduce((a, b) => (b[1] > a[1] ? b : a));
      joined.push({ text: best, score: -joined.length });
      const rest: string[] = [];
      for (let i = 0; i < parts.length; i++) {
        const joins = i + 1 < parts.length && parts[i]! + parts[i + 1]! === best;
        rest.push(joins ? best : parts[i]!);
        if (joins) i++;
      }
      parts = rest;
    }
    expect(joined.length).toBeGreaterThan(15);
    const tokens = [
      ...SPECIAL,
      ...byteTokens,
      ...joined,
      ...letters.map((text, i) => ({ text, score: -100 - i })),
    ];
    const tokenizer = load(tokens);
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...corpus.split(' '), ' ', 'x', 'th', 'e '), { maxLength: 15 }),
        (words) => {
          const text = words.join('');
          expect(tokenizer.encode(text)).toEqual(naiveEncode(tokens, text));
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });

  it('needs one join for each token that can be made, and none for the others', () => {
    const tokens = vocabulary(false, ranked('ab', 'abc', 'bc', 'cab', 'xyz', 'bcbc', '  '));
    const { tokenizer } = llama2cTokenizerJson(tokens, 'v') as { tokenizer: { model: { merges: unknown } } };
    expect(tokenizer.model.merges).toEqual([
      ['a', 'b'],
      ['ab', 'c'],
      ['b', 'c'],
      ['c', 'ab'],
      ['bc', 'bc'],
      [' ', ' '],
    ]);
  });

  it('never joins a token whose score is at or below the first best score of the search, -1e10', () => {
    const tokens = vocabulary(false, [
      { text: 'ab', score: -1e10 },
      { text: 'bc', score: -1e10 + 2048 },
    ]);
    for (const text of ['ab', 'bc']) expect(load(tokens).encode(text)).toEqual(naiveEncode(tokens, text));
    expect(load(tokens).encode('ab').length).toBe(4);
  });

  it('reports tokens of one score that can both be made: there the two can differ', () => {
    const tokens = vocabulary(false, [
      { text: 'ab', score: 0 },
      { text: 'bc', score: 0 },
      { text: 'ca', score: -1 },
      // Of the same score, but never made by joining.
      { text: 'xy', score: -1 },
    ]);
    expect(llama2cTokenizerJson(tokens, 'v').ties).toEqual([[3, 4]]);
    // "ab" first, as it comes first: right here ...
    expect(load(tokens).encode('abc')).toEqual(naiveEncode(tokens, 'abc'));
    const swapped = vocabulary(false, [
      { text: 'bc', score: 0 },
      { text: 'ab', score: 0 },
    ]);
    // ... and wrong here, which is why it is reported.
    expect(load(swapped).encode('abc')).not.toEqual(naiveEncode(swapped, 'abc'));
  });

  it('puts only BOS before nothing, and a space before everything else', () => {
    const tokenizer = load(vocabulary(true, []));
    const space = tokenizer.tokenId(' ')!;
    expect(tokenizer.encode('')).toEqual([1]);
    expect(tokenizer.encode(' ')).toEqual([1, space, space]);
    expect(tokenizer.encode('\n')).toEqual([1, space, 10 + 3]);
    expect(tokenizer.encodeWithoutSpecials('\n')).toEqual([space, 10 + 3]);
  });

  it('spells an unknown character by the bytes of its UTF-8', () => {
    const tokenizer = load(vocabulary(true, []));
    expect(tokenizer.encode('😀').slice(2)).toEqual([0xf0 + 3, 0x9f + 3, 0x98 + 3, 0x80 + 3]);
    expect(tokenizer.decode([1, 0xf0 + 3, 0x9f + 3, 0x98 + 3, 0x80 + 3], { skipSpecialTokens: true })).toBe(
      '😀',
    );
  });

  it('makes an unknown character the unknown token where there are no tokens for bytes', () => {
    const tokenizer = load(vocabulary(false, []));
    expect(tokenizer.encode('x😀a').slice(2)).toEqual([0, 0, tokenizer.tokenId('a')!]);
  });

  it('takes <unk>, BOS and EOS in a text for the letters that they are made of', () => {
    const tokens = [...vocabulary(false, []), ...Array.from('<>unks/\n', (text) => ({ text, score: -9 }))];
    const tokenizer = load(tokens);
    for (const text of ['<unk>', '\n<s>\n', 'a\n</s>\nb']) {
      const ids = tokenizer.encode(text);
      expect(ids).toEqual(naiveEncode(tokens, text));
      expect(ids.slice(1).some((id) => id < 3)).toBe(false);
    }
  });

  it('shows the unknown token as text, and leaves BOS and EOS out when special tokens are', () => {
    const tokenizer = load(vocabulary(false, []));
    const a = tokenizer.tokenId('a')!;
    const space = tokenizer.tokenId(' ')!;
    expect(tokenizer.decode([1, space, a, 0, a, 2], { skipSpecialTokens: true })).toBe('a<unk>a');
    expect(tokenizer.decode([1, space, a, 2], { skipSpecialTokens: false })).toBe('\n<s>\n a\n</s>\n');
  });

  it('refuses a vocabulary without the three tokens that llama2.c assumes', () => {
    expect(() => llama2cTokenizerJson(SPECIAL.slice(0, 2), 'v')).toThrow(CallerError);
  });

  it.each<[string, Llama2cToken[], RegExp]>([
    [
      'no token for the space',
      [...SPECIAL, { text: 'a', score: 0 }],
      /^v: expected a token for the space, found none/,
    ],
    [
      'bytes elsewhere',
      [...SPECIAL, { text: ' ', score: 0 }, ...byteTokens],
      /^v: expected token <0x00> at number 3, found it at 4/,
    ],
    [
      'a byte and a token',
      vocabulary(true, ranked('<0x0A>a')),
      /no token that joins a byte's name, or BOS, .* found "<0x0A>a"/,
    ],
    ['a token and a byte', vocabulary(true, ranked('ab', 'ab<0xE2>')), /found "ab<0xE2>"/],
    ['two bytes', vocabulary(true, ranked('<0xE2><0x82>')), /found "<0xE2><0x82>"/],
    ['BOS and a token', vocabulary(false, ranked('\n<s>\n ')), /found "\\n<s>\\n "/],
    [
      'a token that JSON could not name',
      vocabulary(false, ranked('__proto__')),
      /^v: expected a text other than __proto__/,
    ],
  ])('refuses %s', (_, tokens, message) => {
    expect(refusal(() => llama2cTokenizerJson(tokens, 'v'))).toMatch(message);
  });

  it('does not refuse what only looks like it', () => {
    // llama2.c would never join these: the rest is no token, or the byte is none.
    load(vocabulary(true, ranked('<0x0A>zz', 'zz<0x0A>', '\n<s>\nz')));
    load(vocabulary(false, ranked('<0x0A>a')));
  });

  it('takes a vocabulary of the size of real ones in a moment', () => {
    const joined = new Map<string, number>();
    let state = 1;
    while (joined.size < 30_000) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const text = state.toString(4).replace(/./g, (digit) => 'abcé'[Number(digit)]!);
      for (let length = 2; length <= text.length; length++) joined.set(text.slice(0, length), -joined.size);
    }
    const tokens = vocabulary(
      true,
      Array.from(joined, ([text, score]) => ({ text, score })),
    );
    const start = performance.now();
    llama2cTokenizerJson(tokens, 'v');
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

const missing = !existsSync(realModel);

describe('the real character-level vocabulary of 105 tokens', () => {
  const read = (): readonly Llama2cToken[] =>
    readLlama2cTokenizer(readFileSync(resolve(realModel, 'tokenizer.bin')), 105, 'tokenizer.bin').tokens;

  it.skipIf(missing)('is read whole (skipped where the real model is not beside the project)', () => {
    const tokens = read();
    expect(tokens[0]).toEqual({ text: '<unk>', score: 0 });
    expect(tokens[1]!.text).toBe('\n<s>\n');
    expect(tokens[104]).toEqual({ text: '\u200a', score: -101 });
  });

  it.skipIf(missing)(
    'encodes like llama2.c and joins nothing (skipped where the real model is not beside the project)',
    () => {
      const tokens = read();
      const tokenizer = load(tokens);
      expect(llama2cTokenizerJson(tokens, 'v').ties).toEqual([]);
      const known = tokens.slice(3).map(({ text }) => text);
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...known), { maxLength: 40 }), (characters) => {
          const text = characters.join('');
          const ids = tokenizer.encode(text);
          expect(ids).toEqual(naiveEncode(tokens, text));
          expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
        }),
        { seed: 4, numRuns: 300 },
      );
    },
  );

  it.skipIf(missing)(
    'decodes to what llama2.c printed, <unk> included (skipped where the real model is not beside the project)',
    () => {
      const tokenizer = load(read());
      const runs = JSON.parse(readFileSync(resolve(realModel, 'greedy.json'), 'utf8')) as {
        greedy_text: string;
      }[];
      let unknown = 0;
      for (const { greedy_text: text } of runs) {
        const ids = text.split('<unk>').flatMap((part, i) => {
          const encoded = tokenizer.encode(part);
          return i === 0 ? encoded : [0, ...encoded.slice(2)];
        });
        unknown += ids.filter((id) => id === 0).length;
        expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
      }
      expect(unknown).toBeGreaterThan(0);
    },
  );
});
