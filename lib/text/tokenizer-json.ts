/**
 * Checking a `tokenizer.json` before it is used.
 *
 * The tables below say which components are supported and with which settings: those for which the package behind
 * `tokenizer.ts` does what the format's own implementation does. What is not in them is refused, because the package would
 * ignore it, and the ids or the text would silently differ.
 *
 * @module
 */

import { DataError, show } from '../errors.ts';

/** A checked file, and what the check has found in it. */
export interface CheckedTokenizer {
  /** The file, with absent components as null. */
  readonly tokenizer: object;
  /** Every token's id by its spelling, added ones included; and the other way round. */
  readonly ids: ReadonlyMap<string, number>;
  readonly texts: ReadonlyMap<number, string>;
  /** One more than the greatest id. */
  readonly vocabularySize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Tokens that stand for no text. */
  readonly specialIds: readonly number[];
  /** UTF-16 units of a text that one token can stand for at most; `null` if nothing limits them, because parts of a text can be dropped or fused. */
  readonly mostUnits: number | null;
}

/** Ids are below this. A multiple of any published vocabulary; keeps one huge id from making a huge table. */
const MAX_VOCABULARY = 1 << 24;

/** Deepest nesting of component sequences. None that is published nests at all. */
const MAX_NESTING = 8;

/** Longest token, in UTF-16 units. The longest published ones are runs of 512 spaces; looking for it takes time at every place of a text. */
const MAX_TOKEN_LENGTH = 4096;

/**
 * How many times as long as before replacing may make a text. Published tokenizers replace a character by one; without a limit, one replacement after
 * the other would double a text until there is no memory.
 */
const MAX_GROWTH = 256;

type Json = Readonly<Record<string, unknown>>;

/** What a setting may be. */
interface Setting {
  readonly fits: (value: unknown) => boolean;
  readonly expected: string;
  readonly required: boolean;
}

const oneOf = (...values: readonly unknown[]): Setting => ({
  fits: (value) => values.includes(value),
  expected: values.map(show).join(' or '),
  required: true,
});
const optional = (setting: Setting): Setting => ({
  fits: (value) => value === undefined || setting.fits(value),
  expected: setting.expected,
  required: false,
});
const TEXT: Setting = { fits: (value) => typeof value === 'string', expected: 'a string', required: true };
const LETTER: Setting = {
  fits: (value) => typeof value === 'string' && value.length === 1,
  expected: 'one character',
  required: true,
};
const FLAG = oneOf(true, false);
/** Replaced text goes through `String.replaceAll`, where a dollar sign may have a meaning. */
const REPLACEMENT: Setting = {
  fits: (value) => typeof value === 'string' && !value.includes('$'),
  expected: 'a string without dollar signs',
  required: true,
};
const PATTERN: Setting = {
  fits: (value) => {
    if (!isObject(value)) return false;
    const [kind, ...more] = Object.keys(value);
    return more.length === 0 && (kind === 'String' || kind === 'Regex') && typeof value[kind] === 'string';
  },
  expected: '{"String": ...} or {"Regex": ...}',
  required: true,
};
const IGNORED: Setting = { fits: () => true, expected: 'anything', required: false };

/** Settings by component; a component that is a list of others has `list`, the setting with the list. */
type Components = Readonly<
  Record<string, { readonly list?: string; readonly settings: Readonly<Record<string, Setting>> }>
>;

const BYTE_LEVEL = {
  settings: { add_prefix_space: optional(FLAG), trim_offsets: IGNORED, use_regex: optional(FLAG) },
};

const NORMALIZERS: Components = {
  Sequence: { list: 'normalizers', settings: {} },
  Prepend: { settings: { prepend: TEXT } },
  Replace: { settings: { pattern: PATTERN, content: REPLACEMENT } },
  NFC: { settings: {} },
  NFD: { settings: {} },
  NFKC: { settings: {} },
  NFKD: { settings: {} },
};

const PRE_TOKENIZERS: Components = {
  Sequence: { list: 'pretokenizers', settings: {} },
  ByteLevel: BYTE_LEVEL,
  // The package knows only these two of the format's five behaviours, and takes the others for the first.
  Split: { settings: { pattern: PATTERN, behavior: oneOf('Isolated', 'Removed'), invert: oneOf(false) } },
  // The package never splits here, so files that want it are refused.
  Metaspace: {
    settings: { replacement: LETTER, prepend_scheme: oneOf('always', 'first', 'never'), split: oneOf(false) },
  },
};

const POST_PROCESSORS: Components = {
  Sequence: { list: 'processors', settings: {} },
  ByteLevel: BYTE_LEVEL,
  TemplateProcessing: { settings: { single: IGNORED, pair: IGNORED, special_tokens: IGNORED } },
};

const DECODERS: Components = {
  Sequence: { list: 'decoders', settings: {} },
  ByteLevel: BYTE_LEVEL,
  // The package always drops the first space.
  Metaspace: { settings: { replacement: LETTER, prepend_scheme: oneOf('always', 'first'), split: IGNORED } },
  Replace: { settings: { pattern: PATTERN, content: REPLACEMENT } },
  ByteFallback: { settings: {} },
  Fuse: { settings: {} },
  Strip: { settings: { content: LETTER, start: oneOf(0, 1), stop: oneOf(0) } },
};

/**
 * Sequences of decoders that are supported: first what works token by token, then what joins. In any other order, the text
 * of a token would depend on tokens far away, and text could not be shown as it grows.
 */
const DECODER_ORDER = /^(?:Replace )*(?:ByteFallback )?(?:Metaspace )?(?:Fuse (?:Strip )?)?$/;

const MODEL: Readonly<Record<string, Setting>> = {
  dropout: optional(oneOf(null)),
  unk_token: optional({
    fits: (value) => value === null || typeof value === 'string',
    expected: 'a string or null',
    required: false,
  }),
  continuing_subword_prefix: optional(oneOf(null, '')),
  end_of_word_suffix: optional(oneOf(null, '')),
  fuse_unk: optional(FLAG),
  byte_fallback: optional(FLAG),
  ignore_merges: optional(FLAG),
  vocab: { fits: isObject, expected: 'an object', required: true },
  merges: { fits: Array.isArray, expected: 'a list', required: true },
};

const ADDED_TOKEN: Readonly<Record<string, Setting>> = {
  id: { fits: isId, expected: `an integer from 0 to ${MAX_VOCABULARY - 1}`, required: true },
  content: {
    fits: (value) => typeof value === 'string' && value !== '',
    expected: 'a string that is not empty',
    required: true,
  },
  // The package would recognise it inside words too.
  single_word: optional(oneOf(false)),
  lstrip: optional(FLAG),
  rstrip: optional(FLAG),
  normalized: optional(FLAG),
  special: optional(FLAG),
};

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < MAX_VOCABULARY;
}

/** Refuses a value that the file has. */
function refuse(subject: string, expected: string, found: unknown): never {
  return complain(subject, expected, show(found));
}

/** Refuses what our own words say was found. */
function complain(subject: string, expected: string, found: string): never {
  throw new DataError({ subject, expected, found });
}

/**
 * Checks the contents of `tokenizer.json`, and of `tokenizer_config.json` what concerns special tokens.
 *
 * @throws DataError
 */
export function checkTokenizerJson(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  subject: string,
): CheckedTokenizer {
  const at = (place: string): string => `${subject}, ${place}`;
  if (!isObject(tokenizerJson)) refuse(subject, 'tokenizer.json to be an object', tokenizerJson);
  if (!isObject(tokenizerConfig)) refuse(subject, 'tokenizer_config.json to be an object', tokenizerConfig);
  const { model, added_tokens: added = [] } = tokenizerJson;
  const { normalizer = null, pre_tokenizer = null, post_processor = null, decoder = null } = tokenizerJson;

  const vocabulary = new Vocabulary(at('vocabulary'));
  checkModel(model, vocabulary, at('model'));
  const specialIds = checkAddedTokens(added, vocabulary, at('added_tokens'));

  checkComponent(NORMALIZERS, normalizer, at('normalizer'));
  checkComponent(PRE_TOKENIZERS, pre_tokenizer, at('pre_tokenizer'));
  checkComponent(POST_PROCESSORS, post_processor, at('post_processor'));
  for (const template of templatesOf(post_processor)) {
    specialIds.push(...checkTemplate(template, vocabulary.ids, at('post_processor')));
  }
  checkComponent(DECODERS, decoder, at('decoder'));
  checkGrowth(normalizer, at('normalizer'));
  checkGrowth(decoder, at('decoder'));
  checkDecoderOrder(decoder, at('decoder'));

  const named = (key: string): number | null => namedToken(tokenizerConfig, key, vocabulary.ids, subject);
  const bosId = named('bos_token');
  const eosId = named('eos_token');
  for (const id of [bosId, eosId, named('pad_token')]) if (id !== null) specialIds.push(id);

  const tokenizer = { added_tokens: added, normalizer, pre_tokenizer, model, post_processor, decoder };
  const { ids, texts } = vocabulary;
  const mostUnits = keepsAll(tokenizer) ? vocabulary.longest : null;
  return { tokenizer, ids, texts, vocabularySize: vocabulary.size, bosId, eosId, specialIds, mostUnits };
}

/** Whether every part of a text is in a token that is spelled at least as long: nothing is changed first, dropped, or unknown. */
function keepsAll({ normalizer, pre_tokenizer, model, added_tokens }: Json): boolean {
  const parts =
    isObject(pre_tokenizer) && pre_tokenizer.type === 'Sequence'
      ? (pre_tokenizer.pretokenizers as Json[])
      : [pre_tokenizer];
  const drops = parts.some(
    (part) => isObject(part) && (part.behavior === 'Removed' || part.type === 'Sequence'),
  );
  const strips = (added_tokens as Json[]).some(({ lstrip, rstrip }) => lstrip === true || rstrip === true);
  const unknown = (model as Json).unk_token ?? null;
  return normalizer === null && !drops && !strips && unknown === null;
}

/** Tokens by spelling and by id, each once. */
class Vocabulary {
  readonly ids = new Map<string, number>();
  readonly texts = new Map<number, string>();
  size = 0;
  /** UTF-16 units of the longest token's spelling. */
  longest = 0;
  private readonly subject: string;

  constructor(subject: string) {
    this.subject = subject;
  }

  add(text: string, id: unknown): void {
    const token = `${this.subject}, token ${show(text)}`;
    if (text.length > MAX_TOKEN_LENGTH)
      complain(token, `at most ${MAX_TOKEN_LENGTH} characters`, `${text.length}`);
    if (!isId(id)) refuse(token, `an id from 0 to ${MAX_VOCABULARY - 1}`, id);
    const known = this.ids.get(text);
    if (known !== undefined && known !== id) refuse(token, `id ${known}, as elsewhere in the file`, id);
    const other = this.texts.get(id);
    if (other !== undefined && other !== text)
      complain(token, 'an id of its own', `${id}, the id of ${show(other)}`);
    this.ids.set(text, id);
    this.texts.set(id, text);
    this.size = Math.max(this.size, id + 1);
    this.longest = Math.max(this.longest, text.length);
  }
}

/** Checks an object's members against a table: none missing, none unknown, each as it may be. */
function checkSettings(
  settings: Readonly<Record<string, Setting>>,
  value: Json,
  known: readonly (string | undefined)[],
  subject: string,
): void {
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(settings, key) || known.includes(key)) continue;
    refuse(subject, `only the settings ${Object.keys(settings).join(', ')}`, key);
  }
  for (const [key, { fits, expected, required }] of Object.entries(settings)) {
    const present = Object.hasOwn(value, key);
    if (required && !present) complain(subject, `${key} to be ${expected}`, 'nothing');
    if (present && !fits(value[key])) refuse(subject, `${key} to be ${expected}`, value[key]);
  }
}

function checkComponent(components: Components, value: unknown, subject: string, depth = 0): void {
  if (value === null) return;
  if (!isObject(value)) refuse(subject, 'an object or null', value);
  const { type } = value;
  if (typeof type !== 'string' || !Object.hasOwn(components, type)) {
    refuse(subject, `one of ${Object.keys(components).join(', ')}`, type);
  }
  if (depth > MAX_NESTING) complain(subject, `sequences nested at most ${MAX_NESTING} deep`, 'more');
  const { list, settings } = components[type]!;
  checkSettings(settings, value, ['type', list], `${subject}, ${type}`);
  if (list === undefined) return;
  const parts = value[list];
  if (!Array.isArray(parts)) refuse(`${subject}, ${type}`, `${list} to be a list`, parts);
  for (const part of parts) {
    if (part === null) refuse(`${subject}, ${type}`, 'components', part);
    checkComponent(components, part, subject, depth + 1);
  }
}

/** Refuses replacements that together make a text much longer. */
function checkGrowth(component: unknown, subject: string): void {
  const growth = growthOf(component);
  if (growth > MAX_GROWTH)
    complain(subject, `texts to become at most ${MAX_GROWTH} times as long`, `up to ${growth} times`);
}

/** The greatest factor by which a checked component makes a text longer: what is put in for the least that it is put in for. */
function growthOf(component: unknown): number {
  if (!isObject(component)) return 1;
  const { type, pattern, content, normalizers, decoders } = component;
  if (type === 'Replace') {
    const [kind, text] = Object.entries(pattern as Json)[0] as [string, string];
    const added = (content as string).length;
    // A regular expression, and the empty text, match between all characters.
    return kind === 'Regex' || text === '' ? 1 + added : Math.max(1, added / text.length);
  }
  const parts = (normalizers ?? decoders ?? []) as readonly unknown[];
  return parts.reduce<number>((product, part) => product * growthOf(part), 1);
}

function checkDecoderOrder(decoder: unknown, subject: string): void {
  if (!isObject(decoder)) return;
  if (decoder.type === 'Sequence') {
    const types = (decoder.decoders as Json[]).map(({ type }) => type).join(' ');
    const fits = DECODER_ORDER.test(`${types} `.trimStart());
    if (!fits) refuse(subject, 'Replace, ByteFallback, Metaspace, Fuse and Strip in this order', types);
  } else if (decoder.type === 'Strip') {
    complain(subject, 'Strip only behind Fuse', 'it alone');
  }
}

function checkModel(model: unknown, vocabulary: Vocabulary, subject: string): void {
  if (!isObject(model)) refuse(subject, 'an object', model);
  if (model.type !== 'BPE') refuse(subject, 'byte-pair encoding ("BPE")', model.type);
  checkSettings(MODEL, model, ['type'], subject);
  for (const [text, id] of Object.entries(model.vocab as Json)) vocabulary.add(text, id);
  const { ids } = vocabulary;
  const unknown = model.unk_token ?? null;
  if (unknown !== null && !ids.has(unknown as string))
    refuse(subject, 'unk_token to be in the vocabulary', unknown);

  // The package looks at the first merge to know how all of them are written.
  const merges = model.merges as unknown[];
  const asPairs = Array.isArray(merges[0]);
  for (const [rank, merge] of merges.entries()) {
    const parts = asPairs ? merge : typeof merge === 'string' ? merge.split(' ') : null;
    const fits = Array.isArray(parts) && parts.length === 2 && parts.every((part) => ids.has(part));
    if (!fits || !ids.has(`${parts[0]}${parts[1]}`)) {
      const expected = 'two tokens that make a third, written like the first merge';
      refuse(`${subject}, merge ${rank}`, expected, merge);
    }
  }
}

/** Adds the added tokens to the vocabulary; returns those that stand for no text. */
function checkAddedTokens(added: unknown, vocabulary: Vocabulary, subject: string): number[] {
  if (!Array.isArray(added)) refuse(subject, 'a list', added);
  const special: number[] = [];
  for (const [index, token] of (added as unknown[]).entries()) {
    const place = `${subject}, number ${index}`;
    if (!isObject(token)) refuse(place, 'an object', token);
    checkSettings(ADDED_TOKEN, token, [], place);
    vocabulary.add(token.content as string, token.id);
    if (token.special === true) special.push(token.id as number);
  }
  return special;
}

/** The templates in a checked post-processor. */
function templatesOf(processor: unknown): Json[] {
  if (!isObject(processor)) return [];
  if (processor.type === 'TemplateProcessing') return [processor];
  return processor.type === 'Sequence' ? (processor.processors as unknown[]).flatMap(templatesOf) : [];
}

/** Checks a template for one text; returns the special tokens in it. (Nothing here encodes pairs of texts.) */
function checkTemplate(template: Json, ids: ReadonlyMap<string, number>, subject: string): number[] {
  const { single, special_tokens: table } = template;
  if (!Array.isArray(single)) refuse(subject, 'single to be a list', single);
  const special: number[] = [];
  let texts = 0;
  for (const item of single as unknown[]) {
    const [kind, ...more] = isObject(item) ? Object.keys(item) : [];
    const body = kind === undefined ? undefined : (item as Json)[kind];
    const name = isObject(body) ? body.id : undefined;
    if (kind === 'Sequence' && more.length === 0 && name === 'A') {
      texts++;
      continue;
    }
    const id = typeof name === 'string' ? ids.get(name) : undefined;
    if (kind !== 'SpecialToken' || more.length > 0 || id === undefined) {
      refuse(subject, 'a special token of the vocabulary or Sequence A', item);
    }
    // The package puts in the token of that name; the format, the ids of the table.
    const entry = isObject(table) ? table[name as string] : undefined;
    const listed: unknown = isObject(entry) ? entry.ids : undefined;
    if (!Array.isArray(listed) || listed.length !== 1 || listed[0] !== id) {
      refuse(subject, `special_tokens to give ${show(name)} the ids [${id}]`, entry);
    }
    special.push(id);
  }
  if (texts !== 1) complain(subject, 'the text once in the template', `it ${texts} times`);
  return special;
}

/** The id of a token that `tokenizer_config.json` names, as a text or as an object with `content`. */
function namedToken(
  config: Json,
  key: string,
  ids: ReadonlyMap<string, number>,
  subject: string,
): number | null {
  const value = config[key] ?? null;
  if (value === null) return null;
  const text = isObject(value) ? value.content : value;
  const id = typeof text === 'string' ? ids.get(text) : undefined;
  return id ?? refuse(subject, `${key} to be a token of the vocabulary, or null`, value);
}
