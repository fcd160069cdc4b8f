/**
 * Text to token ids and back: the only door to `@huggingface/tokenizers`.
 *
 * That package takes a `tokenizer.json` on trust and, where it does not know a setting, ignores it. Here the file is checked
 * first, and settings with which the package would split or join text otherwise than the tokenizer's own
 * implementation are refused: byte-pair encoding as the Llama family uses it is supported, other models are not.
 *
 * @module
 */

import { Tokenizer } from '@huggingface/tokenizers';
import { CallerError, DataError, HamburgerError, show } from '../errors.ts';
import { checkPattern } from './pattern.ts';
import { noTimeLimit, OutOfTime, type TimeLimit } from './time-limit.ts';
import { checkTokenizerJson } from './tokenizer-json.ts';

/** What is used of the package, whose own declarations do not resolve under Node.js rules. */
interface PackageTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(ids: number[]): string;
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly decoder: PackageDecoder | null;
}

/** A decoder of the package: of byte tokens if it has `text_decoder`, a sequence if it has `decoders`. */
interface PackageDecoder {
  readonly config: { readonly type: string };
  text_decoder?: InstanceType<typeof TextDecoder>;
  readonly decoders?: readonly PackageDecoder[];
}

/** A token by its number and its spelling. */
export interface SpecialToken {
  readonly id: number;
  readonly text: string;
}

/** How {@link TextTokenizer.decode} treats tokens that stand for no text, such as the one that begins every text. */
export interface DecodeOptions {
  /** True leaves them out; false shows how they are spelled. */
  readonly skipSpecialTokens: boolean;
}

/** A tokenizer. It has no state that shows: every call depends on its arguments alone. */
export interface TextTokenizer {
  /** One more than the greatest id. */
  readonly vocabularySize: number;
  /** The token that begins a text (`bos_token`), or null if there is none. */
  readonly bosToken: SpecialToken | null;
  /** The token that ends one (`eos_token`), or null if there is none. */
  readonly eosToken: SpecialToken | null;
  /** The ids of a text, with the special tokens that the tokenizer puts around it. */
  encode(text: string): number[];
  /** The ids of a text alone. A special token that is spelled out in the text is still recognised. */
  encodeWithoutSpecials(text: string): number[];
  /** A number of ids that a text has at least, without encoding it; 0 if nothing can be said. */
  leastTokens(text: string): number;
  /**
   * The text of ids; by default with special tokens as they are spelled. Bytes that are not UTF-8 become U+FFFD; nothing else is changed (no
   * "clean-up" of spaces).
   *
   * @throws CallerError if an id is not in the vocabulary
   */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /**
   * How the vocabulary spells a token: in a byte-level one a space is `Ġ`, for instance.
   *
   * @throws CallerError if the id is not in the vocabulary
   */
  tokenText(id: number): string;
  /** The id of a token that is spelled so, if there is one. */
  tokenId(text: string): number | undefined;
  /**
   * Whether a token stands for no text: marked as special in the file, put around texts by the tokenizer, or one of
   * `bos_token`, `eos_token` and `pad_token`.
   */
  isSpecial(id: number): boolean;
}

/**
 * Makes a tokenizer of the contents of `tokenizer.json` and `tokenizer_config.json`.
 *
 * Patterns in the file are regular expressions that the engine runs. Those that could take exponential time are refused; to one that is accepted and is
 * slow all the same, `timeLimit` puts an end.
 *
 * @param tokenizerConfig only `bos_token`, `eos_token` and `pad_token` are used
 * @param subject what messages call the tokenizer, e.g. the folder's path
 * @param timeLimit breaks off work that takes too long; without it nothing does
 * @throws DataError if the files are not a tokenizer that is supported
 */
export function loadTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  subject: string,
  timeLimit: TimeLimit = noTimeLimit,
): TextTokenizer {
  const checked = checkTokenizerJson(tokenizerJson, tokenizerConfig, subject);
  const { ids, texts } = checked;
  const specials = new Set(checked.specialIds);

  const guard = <T>(action: string, call: () => T): T => {
    try {
      return call();
    } catch (cause) {
      if (cause instanceof HamburgerError) throw cause;
      if (cause instanceof OutOfTime) {
        const expected = 'patterns that take time in proportion to a text';
        throw new DataError(
          { subject, expected, found: `one that was ${cause.message} while ${action}` },
          { cause },
        );
      }
      const found = `an error while ${action}: ${show(String(cause))}`;
      throw new DataError({ subject, expected: 'a tokenizer that works', found }, { cause });
    }
  };
  // The package would clean up spaces by default, which changes texts; of the configuration it needs nothing else.
  const tokenizer: PackageTokenizer = guard('it was loaded', () => {
    return new Tokenizer(checked.tokenizer, { clean_up_tokenization_spaces: false });
  });
  keepByteOrderMarks(tokenizer.decoder);
  const encoderPatterns = [...patternsOf(tokenizer.normalizer), ...patternsOf(tokenizer.pre_tokenizer)];
  const decoderPatterns = patternsOf(tokenizer.decoder);
  for (const pattern of [...encoderPatterns, ...decoderPatterns]) checkPattern(pattern, subject);
  /** Runs what the patterns are used by. */
  const limited = <T>(patterns: readonly RegExp[], size: number, work: () => T): T =>
    patterns.length === 0 ? work() : timeLimit(work, LEAST_MS + Math.ceil(MS_PER_UNIT * size));

  const encode = (text: string, add_special_tokens: boolean): number[] => {
    const found = guard('it encoded a text', () =>
      limited(encoderPatterns, text.length, () => tokenizer.encode(text, { add_special_tokens }).ids),
    );
    for (const id of found) {
      if (texts.has(id)) continue;
      throw new DataError({ subject, expected: 'ids of its own vocabulary', found: show(id) });
    }
    return found;
  };
  const tokenText = (id: number): string => {
    const text = texts.get(id);
    if (text !== undefined) return text;
    throw new CallerError({
      subject: `${subject}, token ${id}`,
      expected: 'an id of the vocabulary',
      found: String(id),
    });
  };
  const special = (id: number | null): SpecialToken | null =>
    id === null ? null : { id, text: tokenText(id) };

  return {
    vocabularySize: checked.vocabularySize,
    bosToken: special(checked.bosId),
    eosToken: special(checked.eosId),
    encode: (text) => encode(text, true),
    encodeWithoutSpecials: (text) => encode(text, false),
    leastTokens: (text) => (checked.mostUnits === null ? 0 : Math.ceil(text.length / checked.mostUnits)),
    decode(given, { skipSpecialTokens } = { skipSpecialTokens: false }) {
      given.forEach(tokenText);
      // Chosen here, because the package knows only the special tokens that are marked in the file.
      const shown = skipSpecialTokens ? given.filter((id) => !specials.has(id)) : [...given];
      // The package refuses to decode nothing.
      if (shown.length === 0) return '';
      return guard('it decoded ids', () =>
        limited(decoderPatterns, shown.length, () => tokenizer.decode(shown)),
      );
    },
    tokenText,
    tokenId: (text) => ids.get(text),
    isSpecial(id) {
      tokenText(id);
      return specials.has(id);
    },
  };
}

/**
 * Time that a text may take, and each UTF-16 unit or id of it: a good ten times what the slowest texts take on a slow machine. For what is
 * refused here an honest tokenizer would have to be broken.
 */
const LEAST_MS = 5000;
const MS_PER_UNIT = 0.05;

/** The regular expressions in a component of the package. */
function patternsOf(component: unknown): RegExp[] {
  if (component instanceof RegExp) return [component];
  if (typeof component === 'string' || component === null || component === undefined) return [];
  return Object.values(component).flatMap(patternsOf);
}

/** Lets U+FEFF survive: the package's decoder for byte tokens drops it at the beginning of a run of bytes. */
function keepByteOrderMarks(decoder: PackageDecoder | null): void {
  if (decoder === null) return;
  if (decoder.config.type === 'ByteFallback')
    decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  decoder.decoders?.forEach(keepByteOrderMarks);
}
