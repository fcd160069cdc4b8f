/**
 * A tokenizer that needs no training: a token for each byte.
 *
 * @module
 */

/** Ids of the two special tokens; 0 to 255 are the bytes. */
const BEGIN = { id: 256, content: '<|begin|>' } as const;
const END = { id: 257, content: '<|end|>' } as const;

/** How many tokens it has. */
export const BYTE_VOCABULARY_SIZE = 258;

/**
 * `tokenizer.json` of the byte tokenizer: the UTF-8 bytes of a text are its ids, after `<|begin|>` (256). Every text comes
 * back as it was. `<|begin|>` and `<|end|>` (257) spelled out in a text are recognised.
 */
export function byteTokenizerJson(): unknown {
  const begin = { SpecialToken: { id: BEGIN.content, type_id: 0 } };
  const single = [begin, { Sequence: { id: 'A', type_id: 0 } }];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [BEGIN, END].map(({ id, content }) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { [BEGIN.content]: { id: BEGIN.content, ids: [BEGIN.id], tokens: [BEGIN.content] } },
    },
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
      vocab: Object.fromEntries(byteSpellings().map((spelling, byte) => [spelling, byte])),
      merges: [],
    },
  };
}

/** `tokenizer_config.json` of the byte tokenizer. */
export function byteTokenizerConfigJson(): unknown {
  return {
    bos_token: BEGIN.content,
    eos_token: END.content,
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
}

/**
 * How byte-level vocabularies spell each byte: a printing character of Latin-1 as itself; the others, in order, as the
 * characters from U+0100 on, so that no spelling has a space or a control character.
 */
export function byteSpellings(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(prints ? byte : next++);
  });
}
