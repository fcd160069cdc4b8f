import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { streamingDecoder } from '../../lib/text/streaming-decoder.ts';
import { loadTokenizer, type TextTokenizer } from '../../lib/text/tokenizer.ts';
import { llama2Like, llama3Like } from './tokenizers.ts';

const llama2 = loadTokenizer(llama2Like().tokenizer, llama2Like().config, 'folder');
const llama3 = loadTokenizer(llama3Like().tokenizer, llama3Like().config, 'folder');
const byte = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'folder');

/** Tokenizers with the other supported decoders: none, and the one that spells spaces ▁ by itself. */
const plain = loadTokenizer({ ...llama2Like().tokenizer, decoder: null }, {}, 'folder');
const metaspace = loadTokenizer(
  { ...llama2Like().tokenizer, decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' } },
  {},
  'folder',
);

/** One that has a token spelled with nothing, which no text gives but a model may. */
const empty = ((): TextTokenizer => {
  const { tokenizer, config } = llama2Like();
  tokenizer.model.vocab[''] = Object.keys(tokenizer.model.vocab).length;
  return loadTokenizer(tokenizer, config, 'folder');
})();

const TOKENIZERS = { empty, llama2, llama3, byte, plain, metaspace };

/** What the decoder returns for each id, and at the end. */
function stream(
  tokenizer: TextTokenizer,
  prompt: readonly number[],
  ids: readonly number[],
  skip = false,
): string[] {
  const decoder = streamingDecoder(tokenizer, prompt, { skipSpecialTokens: skip });
  return [...ids.map((id) => decoder.push(id)), decoder.flush()];
}

/** The certain part of a text: without one U+FFFD at the end. */
const certain = (text: string): string => text.replace(/\ufffd$/, '');

describe.each(Object.entries(TOKENIZERS))('streamingDecoder with the tokenizer %s', (_, tokenizer) => {
  // Bytes of characters of two to four bytes, and others, so that sequences are often broken off, also where they may be.
  const bytes = [
    0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80, 0xff, 0x80, 0xef, 0xbb, 0xbf, 0xbd, 0x20, 0x61,
  ];
  const byteId = (value: number): number => {
    const spelled = byte.tokenText(value);
    return tokenizer.tokenId(`<0x${value.toString(16).toUpperCase()}>`) ?? tokenizer.tokenId(spelled)!;
  };
  const id = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...bytes).map(byteId) },
    { weight: 2, arbitrary: fc.nat(tokenizer.vocabularySize - 1) },
  );
  const lists = fc.tuple(fc.array(id, { maxLength: 60 }), fc.array(id, { maxLength: 100 }), fc.boolean());

  it('returns, put together, the text of all ids without that of the prompt', () => {
    fc.assert(
      fc.property(lists, ([prompt, ids, skipSpecialTokens]) => {
        const before = certain(tokenizer.decode(prompt, { skipSpecialTokens }));
        const all = tokenizer.decode([...prompt, ...ids], { skipSpecialTokens });
        expect(all.startsWith(before)).toBe(true);
        expect(stream(tokenizer, prompt, ids, skipSpecialTokens).join('')).toBe(all.slice(before.length));
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  it('returns with each id all that is certain by then', () => {
    fc.assert(
      fc.property(lists, ([prompt, ids, skipSpecialTokens]) => {
        const decoder = streamingDecoder(tokenizer, prompt, { skipSpecialTokens });
        let text = certain(tokenizer.decode(prompt, { skipSpecialTokens }));
        ids.forEach((next, i) => {
          text += decoder.push(next);
          expect(text).toBe(
            certain(tokenizer.decode([...prompt, ...ids.slice(0, i + 1)], { skipSpecialTokens })),
          );
        });
      }),
      { seed: 2, numRuns: 100 },
    );
  });

  it('decodes at most 32 ids again for each new one, however long the text is', () => {
    let longest = 0;
    let decoded = 0;
    const counting: TextTokenizer = {
      ...tokenizer,
      decode(ids, options) {
        longest = Math.max(longest, ids.length);
        decoded += ids.length;
        return tokenizer.decode(ids, options);
      },
    };
    for (const pattern of [
      [0x61],
      [0xff],
      [0xf0, 0x9f, 0x98, 0x80],
      [0x80],
      [0x20],
      [0xc3],
      [0x20, 0xef, 0xbb, 0xbf],
    ]) {
      const decoder = streamingDecoder(counting, [byteId(0x61)], { skipSpecialTokens: true });
      [longest, decoded] = [0, 0];
      for (let i = 0; i < 300; i++) decoder.push(byteId(pattern[i % pattern.length]!));
      expect(longest).toBeLessThanOrEqual(32);
      expect(decoded / 300).toBeLessThanOrEqual(32);
    }
  });
});

describe('streamingDecoder', () => {
  it('holds the first bytes of a character back until the last is there', () => {
    expect(stream(byte, [], [0x61, 0xf0, 0x9f, 0x98, 0x80, 0x62])).toEqual(['a', '', '', '', '😀', 'b', '']);
    expect(stream(byte, [], [0xc3, 0xa9])).toEqual(['', 'é', '']);
  });

  it('returns what stays broken as soon as it is certain, or at the end', () => {
    expect(stream(byte, [], [0xf0, 0x9f, 0x61])).toEqual(['', '', '\ufffda', '']);
    expect(stream(byte, [], [0xff, 0xff, 0xff])).toEqual(['', '\ufffd', '\ufffd', '\ufffd']);
    expect(stream(byte, [], [0x61, 0xe2, 0x82])).toEqual(['a', '', '', '\ufffd']);
  });

  it('does not take a U+FFFD that the model meant for a broken one: it comes with the next token', () => {
    expect(stream(byte, [], [0xef, 0xbf, 0xbd, 0x61])).toEqual(['', '', '', '\ufffda', '']);
  });

  it('drops the space in front of the whole text, and no other', () => {
    const hello = llama2.tokenId('▁hello')!;
    expect(stream(llama2, [], [hello, hello, hello], true)).toEqual(['hello', ' hello', ' hello', '']);
    expect(stream(llama2, [1], [hello, hello], true)).toEqual(['hello', ' hello', '']);
    expect(stream(llama2, [1, hello], [hello, hello], true)).toEqual([' hello', ' hello', '']);
    // Behind a shown special token, nothing is dropped at all.
    expect(stream(llama2, [1], [hello], false)).toEqual([' hello', '']);
  });

  it('drops none in a long text of spaces, where every cut is before one', () => {
    const space = llama2.tokenId('▁')!;
    const pieces = stream(llama2, [], new Array(200).fill(space), true);
    expect(pieces).toEqual(['', ...new Array(199).fill(' '), '']);
  });

  it('keeps what it needs when the last tokens are spelled with nothing', () => {
    const nothing = empty.tokenId('')!;
    const hello = empty.tokenId('▁hello')!;
    const many = new Array(100).fill(nothing);
    const pieces = stream(empty, [hello], [...many, hello, ...many, hello], true);
    expect(pieces.filter((piece) => piece !== '')).toEqual([' hello', ' hello']);
  });

  it('does not decode special tokens again that are left out, however many there are', () => {
    let longest = 0;
    const counting: TextTokenizer = {
      ...byte,
      decode(ids, options) {
        longest = Math.max(longest, ids.length);
        return byte.decode(ids, options);
      },
    };
    const decoder = streamingDecoder(counting, new Array(100).fill(256), { skipSpecialTokens: true });
    for (let i = 0; i < 100; i++) decoder.push(257);
    expect(longest).toBe(0);
  });

  it('completes a character that the prompt began, and does not repeat the prompt', () => {
    expect(stream(byte, [0x61, 0xf0, 0x9f], [0x98, 0x80, 0x62])).toEqual(['', '😀', 'b', '']);
    expect(stream(byte, [0x61, 0xf0, 0x9f], [])).toEqual(['\ufffd']);
  });

  it('returns nothing for special tokens that are left out, and their spelling for others', () => {
    expect(stream(byte, [256], [0x61, 257, 0x62], true)).toEqual(['a', '', 'b', '']);
    expect(stream(byte, [256], [0x61, 257, 0x62], false)).toEqual(['a', '<|end|>', 'b', '']);
  });

  it.each([true, false])(
    'refuses ids that are not in the vocabulary, without a trace, and ids after the end (%s)',
    (skip) => {
      expect(() => streamingDecoder(byte, [258], { skipSpecialTokens: skip })).toThrow(CallerError);
      const decoder = streamingDecoder(byte, [], { skipSpecialTokens: skip });
      expect(() => decoder.push(258)).toThrow(CallerError);
      expect(decoder.push(0x61)).toBe('a');
      expect(decoder.flush()).toBe('');
      expect(decoder.flush()).toBe('');
      expect(() => decoder.push(0x61)).toThrow(CallerError);
    },
  );

  it('does not look at the list of the prompt again: it may change', () => {
    const prompt = [0x61];
    const decoder = streamingDecoder(byte, prompt, { skipSpecialTokens: false });
    prompt.push(0x62, 0x63);
    expect(decoder.push(0x64)).toBe('d');
    expect(prompt).toEqual([0x61, 0x62, 0x63]);
  });
});
