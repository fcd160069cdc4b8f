import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, parseJson } from '../../lib/checkpoint/json.ts';
import {
  BYTE_VOCABULARY_SIZE,
  byteTokenizerConfigJson,
  byteTokenizerJson,
} from '../../lib/text/byte-tokenizer.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';

const reread = (value: unknown): unknown => parseJson(canonicalJson(value), 'file');
const tokenizer = loadTokenizer(reread(byteTokenizerJson()), reread(byteTokenizerConfigJson()), 'folder');

describe('the byte tokenizer', () => {
  it('has a token for each byte and two more', () => {
    expect(tokenizer.vocabularySize).toBe(BYTE_VOCABULARY_SIZE);
    expect(tokenizer.bosToken).toEqual({ id: 256, text: '<|begin|>' });
    expect(tokenizer.eosToken).toEqual({ id: 257, text: '<|end|>' });
  });

  it('gives the bytes of the UTF-8 of any text, behind the token that begins it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 50 }), (text) => {
        fc.pre(!text.includes('<|'));
        const bytes = [...new TextEncoder().encode(text)];
        expect(tokenizer.encode(text)).toEqual([256, ...bytes]);
        expect(tokenizer.encodeWithoutSpecials(text)).toEqual(bytes);
        expect(tokenizer.decode([256, ...bytes, 257], { skipSpecialTokens: true })).toBe(text);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it('takes every byte for itself, also where a text could not have it', () => {
    for (let byte = 0; byte < 128; byte++) {
      expect(tokenizer.encodeWithoutSpecials(String.fromCharCode(byte))).toEqual([byte]);
    }
    for (let byte = 128; byte < 256; byte++) {
      // The second byte of U+0080 to U+00BF, or the first of a longer one.
      const text = byte < 0xc0 ? String.fromCharCode(byte) : null;
      if (text !== null) expect(tokenizer.encodeWithoutSpecials(text)).toEqual([0xc2, byte]);
      expect(tokenizer.decode([byte], { skipSpecialTokens: false })).toBe('\ufffd');
    }
  });

  it('spells bytes as all byte-level tokenizers do', () => {
    const spelled = [0x21, 0x41, 0x7e, 0xa1, 0xff, 0x00, 0x09, 0x0a, 0x20, 0x7f, 0x80, 0xa0, 0xad].map(
      tokenizer.tokenText,
    );
    expect(spelled).toEqual(['!', 'A', '~', '¡', 'ÿ', 'Ā', 'ĉ', 'Ċ', 'Ġ', 'ġ', 'Ģ', 'ł', 'Ń']);
  });

  it('recognises its special tokens in a text', () => {
    expect(tokenizer.encode('a<|end|>b')).toEqual([256, 0x61, 257, 0x62]);
    expect(tokenizer.decode([0x61, 257, 0x62], { skipSpecialTokens: false })).toBe('a<|end|>b');
  });
});
