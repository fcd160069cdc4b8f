import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError, DataError } from '../../lib/errors.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { loadTokenizer, type TextTokenizer } from '../../lib/text/tokenizer.ts';
import { llama2Like, llama3Like } from './tokenizers.ts';

const load = ({ tokenizer, config }: { tokenizer: unknown; config: unknown }): TextTokenizer =>
  loadTokenizer(tokenizer, config, 'folder');

function refusal(tokenizer: unknown, config: unknown): string {
  try {
    loadTokenizer(tokenizer, config, 'folder');
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

/**
 * Text, ids with special tokens, and what the ids decode to without them: computed with the `tokenizers` package of Python,
 * version 0.21.4, from the same `tokenizer.json`.
 */
const LLAMA_3_GOLDENS: [string, number[], string][] = [
  ['', [271], ''],
  ['hello the the  hello', [271, 261, 258, 258, 220, 220, 261], 'hello the the  hello'],
  [
    'Hello, 12345!\n\n\nthe\tend',
    [271, 39, 262, 11, 220, 265, 19, 20, 0, 270, 83, 257, 197, 68, 77, 67],
    'Hello, 12345!\n\n\nthe\tend',
  ],
  [
    '\u00e9 e\u0301 \ud83d\ude00 \u4e2d',
    [271, 266, 220, 68, 136, 223, 220, 268, 222, 220, 160, 116, 255],
    '\u00e9 e\u0301 \ud83d\ude00 \u4e2d',
  ],
  ["it's IT'S", [271, 72, 83, 6, 82, 220, 40, 51, 6, 50], "it's IT'S"],
  ['a<tool>b<|eot_id|> c', [271, 64, 273, 65, 272, 220, 66], 'a<tool>b c'],
  [
    '<s>hello</s> <unk>\u2581x',
    [271, 27, 82, 29, 261, 27, 14, 82, 29, 220, 27, 84, 77, 74, 29, 158, 244, 223, 87],
    '<s>hello</s> <unk>\u2581x',
  ],
  [
    '  a\u00a0b\ufeff\u0085c',
    [271, 220, 220, 64, 126, 254, 65, 171, 119, 123, 126, 227, 66],
    '  a\u00a0b\ufeff\u0085c',
  ],
  ['\ufeff\ufeffa', [271, 171, 119, 123, 171, 119, 123, 64], '\ufeff\ufeffa'],
];
const LLAMA_2_GOLDENS: [string, number[], string][] = [
  ['', [1], ''],
  ['hello the the  hello', [1, 265, 261, 261, 268, 265], 'hello the the  hello'],
  [
    'Hello, 12345!\n\n\nthe\tend',
    [1, 268, 75, 273, 263, 281, 268, 52, 53, 54, 55, 56, 36, 13, 13, 13, 278, 260, 12, 273, 276, 272],
    'Hello, 12345!\n\n\nthe\tend',
  ],
  [
    '\u00e9 e\u0301 \ud83d\ude00 \u4e2d',
    [1, 268, 282, 268, 273, 207, 132, 268, 243, 162, 155, 131, 268, 231, 187, 176],
    '\u00e9 e\u0301 \ud83d\ude00 \u4e2d',
  ],
  ["it's IT'S", [1, 268, 108, 278, 42, 118, 268, 76, 87, 42, 86], "it's IT'S"],
  [
    'a<tool>b<|eot_id|> c',
    [1, 268, 269, 63, 278, 277, 277, 275, 65, 270, 63, 127, 273, 277, 278, 98, 108, 272, 127, 65, 268, 271],
    'a<tool>b<|eot_id|> c',
  ],
  ['<s>hello</s> <unk>\u2581x', [1, 1, 265, 2, 266, 0, 266, 123], 'hello    x'],
  [
    '  a\u00a0b\ufeff\u0085c',
    [1, 266, 268, 269, 197, 163, 270, 242, 190, 194, 197, 136, 271],
    '  a\u00a0b\ufeff\u0085c',
  ],
  ['\ufeff\ufeffa', [1, 268, 242, 190, 194, 242, 190, 194, 269], '\ufeff\ufeffa'],
];

describe.each([
  ['byte-level with a pattern', llama3Like(), LLAMA_3_GOLDENS, 1],
  ['with byte fallback', llama2Like(), LLAMA_2_GOLDENS, 1],
] as const)('a tokenizer %s', (_, json, goldens, prefix) => {
  const tokenizer = load(json);

  it.each(goldens)('encodes and decodes %j as the original implementation does', (text, ids, decoded) => {
    expect(tokenizer.encode(text)).toEqual(ids);
    expect(tokenizer.encodeWithoutSpecials(text)).toEqual(ids.slice(prefix));
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded);
  });

  it('names its special tokens', () => {
    const { bosToken, eosToken } = tokenizer;
    expect(tokenizer.tokenText(bosToken!.id)).toBe(bosToken!.text);
    expect([bosToken!.text, eosToken!.text]).toEqual(
      json.config.bos_token === '<|begin_of_text|>' ? ['<|begin_of_text|>', '<|eot_id|>'] : ['<s>', '</s>'],
    );
    expect(tokenizer.isSpecial(bosToken!.id)).toBe(true);
    expect(tokenizer.isSpecial(eosToken!.id)).toBe(true);
    expect(tokenizer.isSpecial(tokenizer.tokenId('a')!)).toBe(false);
  });

  it('spells every token of its vocabulary, and no other', () => {
    for (let id = 0; id < tokenizer.vocabularySize; id++)
      expect(tokenizer.tokenId(tokenizer.tokenText(id))).toBe(id);
    expect(tokenizer.tokenId('no such token')).toBeUndefined();
    expect(tokenizer.tokenId('toString')).toBeUndefined();
  });

  it.each([-1, 0.5, Number.NaN, 300, 2 ** 32])('says that the id %d is not one of its ids', (id) => {
    expect(() => tokenizer.decode([5, id], { skipSpecialTokens: true })).toThrow(CallerError);
    expect(() => tokenizer.tokenText(id)).toThrow(/^folder, token .*: expected an id of the vocabulary/);
    expect(() => tokenizer.isSpecial(id)).toThrow(CallerError);
  });

  it('decodes no ids, and only special ones, to nothing', () => {
    expect(tokenizer.decode([], { skipSpecialTokens: false })).toBe('');
    expect(tokenizer.decode([tokenizer.bosToken!.id], { skipSpecialTokens: true })).toBe('');
  });

  it('does not change the ids that it is given to decode', () => {
    const ids = Object.freeze(tokenizer.encode('hello the'));
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toMatch(/hello the$/);
  });

  it('gives back any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
        // In the one, ▁ is how a space is spelled; and special tokens written out are recognised.
        fc.pre(!text.includes('▁') && !text.includes('<'));
        expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  it('does not clean up spaces, whatever the configuration says', () => {
    const text = "a . b ! c ? d , e 's n't";
    expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
  });

  it('keeps U+FEFF wherever it is', () => {
    for (const text of ['\ufeff', '\ufeffa', 'a\ufeff', '\ufeff\ufeff😀\ufeff']) {
      expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: true })).toBe(text);
    }
  });
});

describe('special tokens', () => {
  it('are shown or left out, as asked', () => {
    const tokenizer = load(llama3Like());
    const ids = tokenizer.encode('a<|eot_id|>b<tool>');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('<|begin_of_text|>a<|eot_id|>b<tool>');
    // <tool> is an added token but stands for its text.
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('ab<tool>');
  });

  it('are also those that only the template or the configuration names', () => {
    const { tokenizer: json } = llama2Like();
    json.added_tokens = [];
    const tokenizer = loadTokenizer(json, { eos_token: '</s>', pad_token: '<unk>' }, 'folder');
    const ids = [1, tokenizer.tokenId('▁hello')!, 2, 0];
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('hello');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('<s> hello</s><unk>');
    expect(tokenizer.bosToken).toBeNull();
    // Nothing of them is recognised in a text then.
    expect(tokenizer.encodeWithoutSpecials('</s>').includes(2)).toBe(false);
  });

  it('that stand between the bytes of a character do not keep it apart when they are left out', () => {
    const tokenizer = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'folder');
    const ids = [0xf0, 0x9f, 256, 0x98, 0x80];
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('😀');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('\ufffd<|begin|>\ufffd\ufffd');
  });
});

describe('bytes that are not UTF-8', () => {
  it('become U+FFFD, and what is good among them stays', () => {
    const byteLevel = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'folder');
    expect(byteLevel.decode([0x61, 0xff, 0xc3, 0xa9, 0xe2, 0x82], { skipSpecialTokens: true })).toBe(
      'a\ufffdé\ufffd',
    );
    const fallback = load(llama2Like());
    const ids = [0x61, 0xff, 0xc3, 0xa9, 0xe2, 0x82].map((byte) => byte + 3);
    expect(fallback.decode(ids, { skipSpecialTokens: true })).toBe('a\ufffdé\ufffd');
  });
});

describe('loadTokenizer refuses', () => {
  type Json = ReturnType<typeof llama3Like>['tokenizer'];
  // biome-ignore lint/suspicious/noExplicitAny: the point is to put anything anywhere
  type Any = any;

  /** The refusal of a tokenizer after a change. */
  const changed = (change: (json: Any) => void): string => {
    const { tokenizer } = llama3Like();
    change(tokenizer);
    return refusal(tokenizer, {});
  };

  it.each([null, undefined, [], 'x', 1])('%j instead of an object, as either file', (value) => {
    expect(refusal(value, {})).toMatch(/^folder: expected tokenizer\.json to be an object/);
    expect(refusal(llama3Like().tokenizer, value)).toMatch(
      /^folder: expected tokenizer_config\.json to be an object/,
    );
  });

  it.each<[string, (json: Any) => void, RegExp]>([
    ['a file without a model', (t) => delete t.model, /^folder, model: expected an object, found undefined/],
    [
      'another model',
      (t) => (t.model.type = 'Unigram'),
      /model: expected byte-pair encoding \("BPE"\), found "Unigram"/,
    ],
    ['no vocabulary', (t) => delete t.model.vocab, /model: expected vocab to be an object, found nothing/],
    ['a vocabulary that is a list', (t) => (t.model.vocab = ['a']), /model: expected vocab to be an object/],
    ['no merges', (t) => delete t.model.merges, /model: expected merges to be a list, found nothing/],
    ['an id that is a text', (t) => (t.model.vocab.a = '64'), /vocabulary, token "a": expected an id from 0/],
    ['a negative id', (t) => (t.model.vocab.a = -1), /vocabulary, token "a": expected an id from 0/],
    ['a huge id', (t) => (t.model.vocab.a = 2 ** 24), /vocabulary, token "a": expected an id from 0/],
    [
      'two tokens with one id',
      (t) => (t.model.vocab.a = 65),
      /token ".": expected an id of its own, found 65, the id of "."/,
    ],
    [
      'an unknown token that is unknown',
      (t) => (t.model.unk_token = '<unk>'),
      /unk_token to be in the vocabulary/,
    ],
    [
      'dropout, which makes ids random',
      (t) => (t.model.dropout = 0.1),
      /model: expected dropout to be null, found 0\.1/,
    ],
    [
      'a prefix for parts of words',
      (t) => (t.model.continuing_subword_prefix = '##'),
      /continuing_subword_prefix to be null or ""/,
    ],
    [
      'a suffix for ends of words',
      (t) => (t.model.end_of_word_suffix = '</w>'),
      /end_of_word_suffix to be null or ""/,
    ],
    [
      'a setting that it does not know',
      (t) => (t.model.magic = 1),
      /model: expected only the settings .*, found "magic"/,
    ],
    [
      'a flag that is none',
      (t) => (t.model.byte_fallback = 'yes'),
      /byte_fallback to be true or false, found "yes"/,
    ],
    [
      'a merge of three',
      (t) => t.model.merges.push('a b c'),
      /merge 15: expected two tokens that make a third/,
    ],
    ['a merge of one', (t) => t.model.merges.push('a'), /merge 15: expected two tokens/],
    [
      'a merge of tokens that are unknown',
      (t) => t.model.merges.push('a xyz'),
      /merge 15: expected two tokens/,
    ],
    [
      'a merge into a token that is unknown',
      (t) => t.model.merges.push('a b'),
      /merge 15: expected two tokens that make a/,
    ],
    [
      'a merge written otherwise than the first',
      (t) => t.model.merges.push(['h', 'e']),
      /written like the first merge/,
    ],
    ['merges that are numbers', (t) => (t.model.merges = [1, 2]), /merge 0: expected two tokens/],
    ['pairs and then a text', (t) => (t.model.merges = [['h', 'e'], 'l l']), /merge 1: expected two tokens/],
    ['a pair that is no pair', (t) => (t.model.merges = [['h', 'e', 'l']]), /merge 0: expected two tokens/],
    ['added tokens that are no list', (t) => (t.added_tokens = {}), /added_tokens: expected a list/],
    [
      'an added token that is none',
      (t) => t.added_tokens.push(null),
      /added_tokens, number 3: expected an object/,
    ],
    [
      'an added token without id',
      (t) => delete t.added_tokens[0].id,
      /number 0: expected id to be an integer from 0/,
    ],
    [
      'an added token without a text',
      (t) => (t.added_tokens[0].content = ''),
      /content to be a string that is not empty/,
    ],
    [
      'an added token with the id of another',
      (t) => (t.added_tokens[1].id = 64),
      /token "<\|eot_id\|>": expected an id of its own/,
    ],
    [
      'an added token spelled like another',
      (t) => (t.added_tokens[1].content = 'a'),
      /token "a": expected id 64, as elsewhere/,
    ],
    [
      'added tokens only as whole words',
      (t) => (t.added_tokens[0].single_word = true),
      /single_word to be false, found true/,
    ],
    [
      'a normalizer that it does not know',
      (t) => (t.normalizer = { type: 'Nmt' }),
      /normalizer: expected one of Sequence, Prepend/,
    ],
    [
      'a normalizer whose copy is not exact',
      (t) => (t.normalizer = { type: 'Lowercase' }),
      /normalizer: expected one of/,
    ],
    [
      'a normalizer named like what objects inherit',
      (t) => (t.normalizer = { type: 'toString' }),
      /normalizer: expected one of/,
    ],
    [
      'a normalizer that is a text',
      (t) => (t.normalizer = 'NFC'),
      /normalizer: expected an object or null, found "NFC"/,
    ],
    [
      'a normalizer without its setting',
      (t) => (t.normalizer = { type: 'Prepend' }),
      /Prepend: expected prepend to be a string, found nothing/,
    ],
    [
      'a sequence without its list',
      (t) => (t.normalizer = { type: 'Sequence' }),
      /normalizers to be a list, found undefined/,
    ],
    [
      'a sequence with a gap',
      (t) => (t.normalizer = { type: 'Sequence', normalizers: [null] }),
      /Sequence: expected components/,
    ],
    [
      'a pattern that is none',
      (t) => (t.normalizer = { type: 'Replace', pattern: 'a', content: '' }),
      /pattern to be \{"String"/,
    ],
    [
      'a pattern of an unknown kind',
      (t) => (t.normalizer = { type: 'Replace', pattern: { Glob: 'a' }, content: '' }),
      /pattern to be/,
    ],
    [
      'a replacement that is not literal',
      (t) => (t.normalizer = { type: 'Replace', pattern: { String: 'a' }, content: '$&$&' }),
      /content to be a string without dollar signs/,
    ],
    [
      'a regular expression that is none',
      (t) => (t.pre_tokenizer.pretokenizers[0].pattern.Regex = '(a'),
      /^folder: expected a tokenizer that works, found an error while it was loaded: "SyntaxError: /,
    ],
    [
      'a way of splitting that the package takes for another',
      (t) => (t.pre_tokenizer.pretokenizers[0].behavior = 'MergedWithNext'),
      /Split: expected behavior to be "Isolated" or "Removed", found "MergedWithNext"/,
    ],
    [
      'an inverted split',
      (t) => (t.pre_tokenizer.pretokenizers[0].invert = true),
      /invert to be false, found true/,
    ],
    [
      'a pre-tokenizer that splits where the package would not',
      (t) =>
        (t.pre_tokenizer = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }),
      /split to be false/,
    ],
    [
      'a post-processor that it does not know',
      (t) => (t.post_processor = { type: 'BertProcessing' }),
      /post_processor: expected one of/,
    ],
    [
      'a template with a token that is unknown',
      (t) => (t.post_processor.processors[1].single[0].SpecialToken.id = '[CLS]'),
      /post_processor: expected a special token of the vocabulary or Sequence A/,
    ],
    [
      'a template without the text',
      (t) => t.post_processor.processors[1].single.pop(),
      /the text once in the template, found it 0 times/,
    ],
    [
      'a template that is none',
      (t) => (t.post_processor.processors[1].single = 'A B'),
      /single to be a list/,
    ],
    [
      'a template with a gap',
      (t) => t.post_processor.processors[1].single.push(null),
      /a special token of the vocabulary or Sequence A/,
    ],
    [
      'a template for a second text',
      (t) => (t.post_processor.processors[1].single[1].Sequence.id = 'B'),
      /or Sequence A/,
    ],
    [
      'a template whose table gives other ids',
      (t) => (t.post_processor.processors[1].special_tokens['<|begin_of_text|>'].ids = [272]),
      /special_tokens to give "<\|begin_of_text\|>" the ids \[271\]/,
    ],
    [
      'a template without its table',
      (t) => delete t.post_processor.processors[1].special_tokens,
      /special_tokens to give/,
    ],
    ['a decoder that it does not know', (t) => (t.decoder = { type: 'CTC' }), /decoder: expected one of/],
    [
      'decoders in an order in which text cannot grow',
      (t) => (t.decoder = { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteFallback' }] }),
      /decoder: expected Replace, ByteFallback, Metaspace, Fuse and Strip in this order, found "Fuse ByteFallback"/,
    ],
    [
      'Strip for each token',
      (t) => (t.decoder = { type: 'Strip', content: ' ', start: 1, stop: 0 }),
      /Strip only behind Fuse/,
    ],
    [
      'a decoder that strips the end, which is not known yet',
      (t) =>
        (t.decoder = {
          type: 'Sequence',
          decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 0, stop: 1 }],
        }),
      /Strip: expected stop to be 0, found 1/,
    ],
    [
      'sequences in sequences without end',
      (t) => {
        t.normalizer = { type: 'NFC' };
        for (let i = 0; i < 10_000; i++) t.normalizer = { type: 'Sequence', normalizers: [t.normalizer] };
      },
      /sequences nested at most 8 deep/,
    ],
  ])('%s', (_, change, message) => {
    expect(changed(change)).toMatch(message);
  });

  it.each(['bos_token', 'eos_token', 'pad_token'])(
    'a %s that is not in the vocabulary, or is none',
    (key) => {
      for (const value of ['<none>', 7, {}, { content: null }, []]) {
        expect(refusal(llama3Like().tokenizer, { [key]: value })).toMatch(
          `folder: expected ${key} to be a token of the vocabulary`,
        );
      }
      expect(loadTokenizer(llama3Like().tokenizer, { [key]: null }, 'folder').bosToken).toBeNull();
    },
  );

  it('what is broken anywhere, as a DataError and never another one; what it loads works', () => {
    const junk = fc.constantFrom<unknown>(
      null,
      true,
      -1,
      0,
      1.5,
      2 ** 40,
      '',
      'x',
      ' ',
      [],
      {},
      [null],
      ['a', 'b'],
      { type: 'Sequence' },
    );
    /** Every place in a value, as a path. */
    const places = (value: unknown): (string | number)[][] =>
      typeof value !== 'object' || value === null
        ? [[]]
        : [
            [],
            ...Object.entries(value).flatMap(([key, inner]) => places(inner).map((path) => [key, ...path])),
          ];
    const make = [llama3Like, llama2Like];
    const paths = make.map((make) =>
      places(make().tokenizer).filter((path) => path.length > 0 && path[1] !== 'vocab'),
    );
    const broken = fc.nat(1).chain((which) =>
      fc.record({
        which: fc.constant(which),
        path: fc.constantFrom(...paths[which]!),
        value: junk,
        remove: fc.boolean(),
      }),
    );
    let loaded = 0;
    let refused = 0;
    fc.assert(
      fc.property(broken, ({ which, path, value, remove }) => {
        const { tokenizer: json, config } = make[which]!();
        let parent: Any = json;
        for (const key of path.slice(0, -1)) parent = parent[key];
        if (remove) delete parent[path.at(-1)!];
        else parent[path.at(-1)!] = value;
        try {
          const tokenizer = loadTokenizer(json, config, 'folder');
          const ids = tokenizer.encode('hello\n the <s> é 😀');
          expect(ids.every(Number.isSafeInteger)).toBe(true);
          expect(typeof tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('string');
          loaded++;
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
          refused++;
        }
      }),
      { seed: 2, numRuns: 1000 },
    );
    expect(loaded).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(500);
  });

  it('nothing of this', () => {
    const minimal: Partial<Json> = { model: { ...llama3Like().tokenizer.model, ignore_merges: false } };
    // Absent components are as good as null ones.
    const tokenizer = loadTokenizer(minimal, {}, 'folder');
    expect(tokenizer.encode('hello').map(tokenizer.tokenText)).toEqual(['hello']);
    expect(tokenizer.vocabularySize).toBe(271);
  });
});
