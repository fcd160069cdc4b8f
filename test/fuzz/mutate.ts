/** Mutations that know what they mutate. */

import { type Input, looseText, utf16Bytes, utf16Text } from './input.ts';
import type { Random } from './random.ts';

const encoder = new TextEncoder();

/** Inputs do not grow beyond this: reading them takes time, and what is wrong with a long one is wrong with a short one. */
const LARGEST = 1 << 16;

/** One to a few mutations of one or several of the files. */
export function mutate(input: Input, random: Random, others: readonly Input[]): Input {
  const names = Object.keys(input);
  const result: Record<string, Uint8Array> = { ...input };
  for (let rounds = 1 + random.small(6); rounds > 0; rounds--) {
    const name = random.pick(names);
    const other = random.pick(others)[name] ?? result[name]!;
    const mutated = mutateFile(name, result[name]!, other, random);
    if (mutated.length <= LARGEST) result[name] = mutated;
  }
  // A file that is missing.
  if (names.length > 1 && random.oneIn(60)) delete result[random.pick(names)];
  return result;
}

function mutateFile(name: string, bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (random.oneIn(12)) return mutateBytes(bytes, other, random);
  if (name.endsWith('.utf16')) return utf16Bytes(mutateText(utf16Text(bytes), utf16Text(other), random));
  if (name.endsWith('.jinja'))
    return encoder.encode(mutateTemplate(looseText(bytes), looseText(other), random));
  if (name.endsWith('.safetensors')) return mutateSafetensors(bytes, other, random);
  if (name.endsWith('.jsonl')) return mutateLines(bytes, other, random);
  if (name.endsWith('.args')) return mutateWords(bytes, other, random);
  if (name.endsWith('.json')) return encoder.encode(mutateJson(looseText(bytes), looseText(other), random));
  return mutateBytes(bytes, other, random);
}

// Bytes

const BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x7f, 0x80, 0xff] as const;
const INTEGERS = [
  0,
  1,
  -1,
  2,
  127,
  128,
  255,
  256,
  0x7fff,
  0x8000,
  0xffff,
  0x7fffffff,
  -0x80000000,
  1 << 20,
] as const;

export function mutateBytes(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = Math.min(bytes.length - at, 1 + random.small(64));
  const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + length)];
  switch (random.below(9)) {
    case 0: {
      const result = bytes.slice();
      if (result.length > 0) result[Math.min(at, result.length - 1)]! ^= 1 << random.below(8);
      return result;
    }
    case 1: {
      const result = bytes.slice();
      if (result.length > 0) result[Math.min(at, result.length - 1)] = random.pick(BYTES);
      return result;
    }
    case 2: {
      if (bytes.length < 8) return bytes;
      const result = bytes.slice();
      const view = new DataView(result.buffer);
      const place = random.oneIn(2)
        ? 4 * random.below(Math.min(8, result.length >> 2))
        : random.below(result.length - 3);
      view.setInt32(Math.min(place, result.length - 4), random.pick(INTEGERS), true);
      return result;
    }
    case 3: {
      if (bytes.length < 8) return bytes;
      const result = bytes.slice();
      const place = random.below(result.length - 7);
      const value = random.pick([0n, 1n, 1n << 31n, 1n << 32n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n]);
      new DataView(result.buffer).setBigUint64(place, value, true);
      return result;
    }
    case 4:
      return joined(before, after);
    case 5:
      return before;
    case 6:
      return joined(before, bytes.subarray(at, at + length), bytes.subarray(at));
    case 7:
      return joined(
        before,
        Uint8Array.from({ length }, () => random.below(256)),
        bytes.subarray(at),
      );
    default:
      return joined(before, other.subarray(random.below(other.length + 1)));
  }
}

// Text

/** Texts that something may take for something else. */
const TEXTS = [
  '',
  ' ',
  '\n',
  '\0',
  '\u001b[31m',
  '\u001b]0;x\u0007',
  '\u202e',
  '\ufeff',
  '\ufffd',
  '\ud800',
  '\udc00',
  '\u{10ffff}',
  '\u0301'.repeat(20),
  '😀',
  '한',
  'ﷺ',
  'ß',
  'İ',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  '../x',
  '..',
  '/etc/passwd',
  'C:\\x',
  'a\0b',
  '$&',
  '%s',
  'NaN',
  'null',
  'a'.repeat(300),
  '<0x0A>',
  '<s>',
] as const;

export function mutateText(text: string, other: string, random: Random): string {
  const at = random.below(text.length + 1);
  const length = 1 + random.small(40);
  switch (random.below(7)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length);
    case 1:
      return text.slice(0, at) + random.pick(TEXTS) + text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at, at + length).repeat(1 + random.small(200)) + text.slice(at);
    case 3:
      return text.slice(0, at);
    case 4:
      return text.slice(0, at) + other.slice(random.below(other.length + 1));
    case 5:
      return text.slice(0, at) + String.fromCharCode(random.below(0x10000)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + String.fromCharCode(random.below(128)) + text.slice(at + random.below(2));
  }
}

const WORDS_OF_TEMPLATES = [
  '{{',
  '}}',
  '{%',
  '%}',
  '{#',
  '#}',
  '{%- for i in range(100000) -%}',
  '{% for m in messages %}',
  '{% endfor %}',
  '{% if true %}',
  '{% endif %}',
  '{% set x = x ~ x %}',
  '{% set x = [x, x] %}',
  '{% macro f(a) %}{{ f(a) }}{% endmacro %}{{ f(1) }}',
  '{{ messages | tojson(indent=100000000) }}',
  "{{ 'a' | replace('', 'bbbb') }}",
  '{{ messages.constructor }}',
  '{{ range.constructor("return 1")() }}',
  '{{ messages[0].__proto__ }}',
  '{{ namespace(a=1) }}',
  '{% break %}',
  '{% set ns.x = ns %}',
  '(',
  ')',
  '[',
  ']',
  '|',
  '.',
  "'",
  '"',
  ' and ',
  ' in ',
  ' if ',
  '**',
  '-',
  '999999999999999999999',
  '1e999',
] as const;

function mutateTemplate(text: string, other: string, random: Random): string {
  if (!random.oneIn(2)) return mutateText(text, other, random);
  const at = random.below(text.length + 1);
  return (
    text.slice(0, at) +
    random.pick(WORDS_OF_TEMPLATES) +
    text.slice(random.oneIn(2) ? at : Math.min(text.length, at + random.below(20)))
  );
}

// JSON

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1,
  2,
  3,
  0.5,
  1e-320,
  1e308,
  2 ** 31,
  2 ** 32,
  2 ** 40,
  2 ** 53,
  2 ** 53 - 1,
  -(2 ** 63),
  '',
  'a',
  [],
  [[]],
  {},
  { a: {} },
  [null],
  [0, 1],
  ['a', 'b'],
];

/** Text that JSON.stringify would not write. */
const JSON_TEXTS = [
  '"__proto__":{"polluted":1},',
  '"constructor":{"prototype":{"polluted":1}},',
  '1e999',
  '-0',
  '0x10',
  '01',
  'NaN',
  '"\\ud800"',
  '"\\u0000"',
  '[',
  '{',
  '}',
  ']',
  ',',
  '/**/',
  '\ufeff',
  '1'.repeat(400),
] as const;

export function mutateJson(text: string, other: string, random: Random): string {
  const value = parsed(text);
  if (value === undefined || random.oneIn(8)) return mutateJsonText(text, other, random);
  const places = placesOf(value);
  const place = random.pick(places);
  const elsewhere = parsed(other) ?? null;
  switch (random.below(10)) {
    case 0:
      return written(replaced(value, place, random.pick(VALUES)));
    case 1:
      return written(replaced(value, place, random.pick(TEXTS)));
    case 2:
      return written(replaced(value, place, valueAt(value, random.pick(places))));
    case 3:
      return written(replaced(value, place, valueAt(elsewhere, random.pick(placesOf(elsewhere)))));
    case 4:
      return written(without(value, place));
    case 5:
      return written(renamed(value, place, random));
    case 6:
      return written(replaced(value, place, nudged(valueAt(value, place), random)));
    case 7:
      return written(replaced(value, place, repeated(valueAt(value, place), random)));
    case 8:
      return nested(text, random);
    default:
      return doubledKey(written(value), random);
  }
}

/** The value, unless it is too deep for code that calls itself: then only its text is mutated. */
const parsed = (text: string): Json | undefined => {
  try {
    return depthOf(text) > 500 ? undefined : (JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
};

const written = (value: Json): string => JSON.stringify(value);

function mutateJsonText(text: string, other: string, random: Random): string {
  if (!random.oneIn(2)) return mutateText(text, other, random);
  // Where a value or a key may begin.
  const at = 1 + text.indexOf(random.pick([',', ':', '{', '[', '"']), random.below(text.length + 1));
  return text.slice(0, at) + random.pick(JSON_TEXTS) + text.slice(at);
}

/** How deep brackets are in each other, those in strings counted too. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

type Place = readonly (string | number)[];

function placesOf(value: Json, place: Place = [], into: Place[] = []): Place[] {
  into.push(place);
  if (into.length > 400 || typeof value !== 'object' || value === null) return into;
  for (const [key, child] of Object.entries(value))
    placesOf(child as Json, [...place, Array.isArray(value) ? Number(key) : key], into);
  return into;
}

const valueAt = (value: Json, place: Place): Json =>
  place.reduce<Json>((inner, key) => (inner as { [key: string]: Json })[key]!, value);

/** A copy with another value at a place. */
function replaced(value: Json, [key, ...rest]: Place, by: Json): Json {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = (value as { [key: string]: Json })[key]!;
  Object.defineProperty(copy, key, {
    value: replaced(inner, rest, by),
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return copy as Json;
}

function without(value: Json, place: Place): Json {
  const key = place.at(-1);
  if (key === undefined) return value;
  const parent = valueAt(value, place.slice(0, -1));
  const left = Array.isArray(parent)
    ? parent.filter((_, i) => i !== key)
    : Object.fromEntries(Object.entries(parent as object).filter(([name]) => name !== key));
  return replaced(value, place.slice(0, -1), left as Json);
}

function renamed(value: Json, place: Place, random: Random): Json {
  const key = place.at(-1);
  if (typeof key !== 'string') return value;
  const parent = valueAt(value, place.slice(0, -1)) as { [key: string]: Json };
  const other = random.oneIn(2) ? random.pick(Object.keys(parent)) : random.pick(TEXTS);
  const entries = Object.entries(parent).map(
    ([name, child]) => [name === key ? other : name, child] as const,
  );
  // `fromEntries` defines members, so one named `__proto__` stays one.
  return replaced(value, place.slice(0, -1), Object.fromEntries(entries) as Json);
}

function nudged(value: Json, random: Random): Json {
  if (typeof value === 'number') return value + random.pick([1, -1, 0.5, 1000, -1000, 2 ** 31]);
  if (typeof value === 'string') return mutateText(value, 'x', random);
  if (typeof value === 'boolean') return !value;
  if (Array.isArray(value)) return value.toReversed();
  return [value];
}

function repeated(value: Json, random: Random): Json {
  const times = 2 + random.small(300);
  if (Array.isArray(value)) return Array.from({ length: times }, () => value).flat();
  if (typeof value === 'string') return value.slice(0, 200).repeat(times);
  return Array.from({ length: times }, () => value);
}

/** A value deep inside lists or objects. */
function nested(text: string, random: Random): string {
  const depth = 1 + random.small(5000);
  return random.oneIn(2)
    ? '['.repeat(depth) + text + ']'.repeat(depth)
    : '{"a":'.repeat(depth) + text + '}'.repeat(depth);
}

/** A member that comes twice. */
function doubledKey(text: string, random: Random): string {
  const members = [...text.matchAll(/"[^"\\]{1,40}":/g)];
  if (members.length === 0) return text;
  const { 0: key, index } = random.pick(members);
  return `${text.slice(0, index)}${random.oneIn(2) ? key : '"__proto__":'}${random.pick(['1', '{}', '[]', '"x"'])},${text.slice(index)}`;
}

// Files of several parts

function mutateLines(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const lines = looseText(bytes).split('\n');
  const at = random.below(lines.length);
  const others = looseText(other).split('\n');
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, random.pick(others));
      break;
    case 2:
      lines.splice(at, 0, random.pick(['', ' ', '\r', 'null', '[]', '{}', '"x"']));
      break;
    default:
      lines[at] = mutateJson(lines[at]!, random.pick(others), random);
  }
  return encoder.encode(lines.join('\n'));
}

function mutateSafetensors(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (bytes.length < 8 || random.oneIn(4)) return mutateBytes(bytes, other, random);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > bytes.length - 8) return mutateBytes(bytes, other, random);
  const header = looseText(bytes.subarray(8, 8 + length));
  let text = mutateJson(header, header, random);
  // Another header often says that the data have another length; then they get it, so that what comes behind is reached.
  if (random.oneIn(3)) text = text.padEnd(header.length + random.below(8));
  const encoded = encoder.encode(text);
  const result = Buffer.concat([new Uint8Array(8), encoded, bytes.subarray(8 + length)]);
  const said = random.oneIn(15)
    ? BigInt(encoded.length) + random.pick([1n, -1n, 8n, 1n << 40n])
    : BigInt(encoded.length);
  result.writeBigUInt64LE(BigInt.asUintN(64, said), 0);
  return new Uint8Array(result);
}

function mutateWords(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  const words = (parsed(looseText(bytes)) ?? []) as string[];
  const others = (parsed(looseText(other)) ?? []) as string[];
  const list = Array.isArray(words) ? words.map(String) : [];
  const at = random.below(list.length + 1);
  switch (random.below(6)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(at, 0, ...others.slice(random.below(others.length + 1)));
      break;
    case 2:
      list.splice(
        at,
        0,
        random.pick([
          '--',
          '-',
          '--json',
          '--help',
          '-x',
          '--=',
          '1',
          '0',
          '-1',
          '1e3',
          'none',
          '1,2,3',
          '1,2|3',
          '',
        ]),
      );
      break;
    case 3:
      list[Math.min(at, Math.max(0, list.length - 1))] = random.pick(TEXTS);
      break;
    case 4:
      if (at + 1 < list.length) [list[at], list[at + 1]] = [list[at + 1]!, list[at]!];
      break;
    default:
      if (list.length > 0) {
        const place = Math.min(at, list.length - 1);
        list[place] = mutateText(list[place]!, random.pick(others.length === 0 ? ['x'] : others), random);
      }
  }
  return encoder.encode(JSON.stringify(list));
}
