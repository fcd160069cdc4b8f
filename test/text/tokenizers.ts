/**
 * Small tokenizers in the two shapes of the Llama family, written down by hand.
 *
 * @module
 */

const addedToken = (id: number, content: string, special: boolean) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special,
});

/** Like Llama 3: byte-level, split by a pattern first, merges written with a space between, no unknown token. */
export function llama3Like() {
  const bytes = byteLevelAlphabet();
  const merges = [
    'Ġ t',
    'h e',
    'Ġt he',
    'l l',
    'll o',
    'he llo',
    'e llo',
    'Ġ w',
    '1 2',
    '12 3',
    'Ã ©',
    'ð Ł',
    'ðŁ ĺ',
    'Ċ Ċ',
    'ĊĊ Ċ',
  ];
  const made = [
    'Ġt',
    'he',
    'Ġthe',
    'll',
    'llo',
    'hello',
    'ello',
    'Ġw',
    '12',
    '123',
    'Ã©',
    'ðŁ',
    'ðŁĺ',
    'ĊĊ',
    'ĊĊĊ',
  ];
  const vocab = Object.fromEntries([...bytes, ...made].map((text, id) => [text, id]));
  const next = Object.keys(vocab).length;
  const begin = { SpecialToken: { id: '<|begin_of_text|>', type_id: 0 } };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      addedToken(next, '<|begin_of_text|>', true),
      addedToken(next + 1, '<|eot_id|>', true),
      addedToken(next + 2, '<tool>', false),
    ],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: {
            Regex: "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s+",
          },
          behavior: 'Isolated',
          invert: false,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: 'Sequence',
      processors: [
        { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true },
        {
          type: 'TemplateProcessing',
          single: [begin, { Sequence: { id: 'A', type_id: 0 } }],
          pair: [begin, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
          special_tokens: {
            '<|begin_of_text|>': { id: '<|begin_of_text|>', ids: [next], tokens: ['<|begin_of_text|>'] },
          },
        },
      ],
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null as string | null,
      continuing_subword_prefix: null as string | null,
      end_of_word_suffix: null as string | null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: true,
      vocab: vocab as Record<string, unknown>,
      merges: merges as unknown[],
    },
  };
  const config = {
    bos_token: '<|begin_of_text|>',
    eos_token: '<|eot_id|>',
    clean_up_tokenization_spaces: true,
  };
  return { tokenizer, config };
}

/** Like Llama 2: spaces spelled ▁, one put in front; bytes for unknown characters; merges written as pairs. */
export function llama2Like() {
  const byteTokens = Array.from(
    { length: 256 },
    (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const letters = Array.from('▁abcdehlnotw.,é');
  const made = ['▁t', 'he', '▁the', 'll', 'llo', 'hello', '▁hello', '▁▁', '▁▁▁▁'];
  const texts = ['<unk>', '<s>', '</s>', ...byteTokens, ...made, ...letters];
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [addedToken(0, '<unk>', true), addedToken(1, '<s>', true), addedToken(2, '</s>', true)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [begin, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [begin, { Sequence: { id: 'A', type_id: 0 } }, begin, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(texts.map((text, id) => [text, id])) as Record<string, unknown>,
      merges: [
        ['▁', 't'],
        ['h', 'e'],
        ['▁t', 'he'],
        ['l', 'l'],
        ['ll', 'o'],
        ['he', 'llo'],
        ['▁', 'hello'],
        ['▁', '▁'],
        ['▁▁', '▁▁'],
      ] as unknown[],
    },
  };
  const config = {
    bos_token: { content: '<s>', lstrip: false },
    eos_token: { content: '</s>' },
    unk_token: '<unk>',
    legacy: false,
  };
  return { tokenizer, config };
}

/** The 256 characters that stand for bytes, in the order of the characters. */
function byteLevelAlphabet(): string[] {
  const own: string[] = [];
  for (let code = 0x21; code <= 0x7e; code++) own.push(String.fromCharCode(code));
  for (let code = 0xa1; code <= 0xff; code++) if (code !== 0xad) own.push(String.fromCharCode(code));
  for (let i = 0; i < 256 - 188; i++) own.push(String.fromCharCode(0x100 + i));
  return own;
}
