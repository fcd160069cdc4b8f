/**
 * JSON of our files: read strictly, written canonically.
 *
 * Reading is done in two passes. The first, {@link scan}, walks over the text with a stack of its own and checks
 * everything, so that messages have a place in the text and are the same on every engine; the second is `JSON.parse`.
 *
 * @module
 */

import { DataError, InvariantError, show } from '../errors.ts';

/**
 * Deepest nesting of objects and arrays that is read or written. Our files and those of the tools around us need less
 * than 16; the limit keeps code that walks over a value recursively safe from a stranger's file.
 */
export const MAX_JSON_DEPTH = 64;

/** Bytes to text. Refuses what is not UTF-8; a byte order mark stays in the text (and JSON refuses it). */
export function decodeUtf8(bytes: Uint8Array, subject: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new DataError({ subject, expected: 'UTF-8 text', found: 'bytes that are not UTF-8' }, { cause });
  }
}

/**
 * The value of a JSON text (RFC 8259), read strictly. Refused beyond errors of syntax: two members of one name in an
 * object, also when they are spelled differently; a member named `__proto__`, which careless code would take for an
 * object's prototype; nesting deeper than {@link MAX_JSON_DEPTH}; a number that overflows binary64; a string that is
 * not Unicode (half a surrogate pair).
 *
 * @param subject what messages call the text, e.g. the file's path
 * @throws DataError with line and column
 */
export function parseJson(text: string, subject: string): unknown {
  scan(text, subject);
  return JSON.parse(text);
}

/**
 * Like {@link parseJson}, for a text that must be an object: its members in the order of the text. (An object would
 * give those with names like `"0"` first.)
 */
export function parseJsonMembers(text: string, subject: string): Map<string, unknown> {
  const names = scan(text, subject);
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) {
    throw new DataError({ subject, expected: 'a JSON object', found: show(value) });
  }
  return new Map(names.map((name) => [name, value[name]]));
}

/** Whether a value that came from JSON is an object: not an array and not null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks a whole JSON text as {@link parseJson} promises.
 *
 * @returns if the text is an object, the names of its members in order; else nothing of interest
 */
function scan(text: string, subject: string): string[] {
  // Patterns that match at one place; made here, because each has its place as a state.
  const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  const word = /true|false|null/y;
  const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

  // One entry per open container: the names seen so far in an object, null for an array.
  const open: (Set<string> | null)[] = [];
  const rootNames: string[] = [];
  let at = 0;

  const fail = (expected: string, place = at, found = foundAt(text, place)): never => {
    throw new DataError({ subject: `${subject}, ${position(text, place)}`, expected, found });
  };

  const skipSpace = (): void => {
    for (; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
    }
  };

  /** The end of the match of a sticky pattern here, or -1. */
  const matchEnd = (pattern: RegExp): number => {
    pattern.lastIndex = at;
    return pattern.test(text) ? pattern.lastIndex : -1;
  };

  /** Passes over a string. Returns whether it has escapes, that is, whether it is not simply what is written. */
  const string = (): boolean => {
    const start = at;
    let escapes = false;
    let surrogates = false;
    for (at++; ; ) {
      const unit = text.charCodeAt(at);
      if (unit === 0x22) break;
      // At the end of the text `unit` is NaN.
      if (!(unit >= 0x20)) fail('a closing quotation mark');
      if (unit === 0x5c) {
        const end = matchEnd(escaped);
        if (end < 0) fail('an escape of JSON', at, show(text.slice(at, at + 2)));
        escapes = true;
        surrogates ||= end > at + 2;
        at = end;
      } else {
        surrogates ||= unit >= 0xd800 && unit <= 0xdfff;
        at++;
      }
    }
    at++;
    if (surrogates) {
      const value = JSON.parse(text.slice(start, at)) as string;
      if (/\p{Surrogate}/u.test(value)) fail('a string of whole Unicode characters', start, show(value));
    }
    return escapes;
  };

  /** Passes over a member's name and the colon. */
  const name = (names: Set<string>): void => {
    skipSpace();
    const start = at;
    if (text[at] !== '"') fail("a member's name in quotation marks");
    const escapes = string();
    const value = escapes ? (JSON.parse(text.slice(start, at)) as string) : text.slice(start + 1, at - 1);
    if (names.has(value)) fail('names that occur once in an object', start, `a second ${show(value)}`);
    if (value === '__proto__') fail('no member of this name', start, show(value));
    names.add(value);
    if (open.length === 1) rootNames.push(value);
    skipSpace();
    if (text[at] !== ':') fail("':' after a member's name");
    at++;
  };

  value: for (;;) {
    skipSpace();
    const first = text[at];
    if (first === '{' || first === '[') {
      if (open.length === MAX_JSON_DEPTH) fail(`nesting of at most ${MAX_JSON_DEPTH} levels`, at, 'more');
      const names = first === '{' ? new Set<string>() : null;
      open.push(names);
      at++;
      skipSpace();
      if (text[at] !== (names === null ? ']' : '}')) {
        if (names !== null) name(names);
        continue;
      }
      // Empty: its closing bracket is met below, where every container ends.
    } else if (first === '"') {
      string();
    } else {
      const numberEnd = matchEnd(number);
      const end = numberEnd < 0 ? matchEnd(word) : numberEnd;
      if (end < 0) fail('a JSON value');
      const literal = text.slice(at, end);
      const overflows = numberEnd >= 0 && !Number.isFinite(Number(literal));
      if (overflows) fail('a number in the range of binary64', at, show(literal));
      at = end;
    }
    // After a value: close what ends here, until another value follows or the text is over.
    while (open.length > 0) {
      skipSpace();
      const names = open[open.length - 1] ?? null;
      const closing = names === null ? ']' : '}';
      if (text[at] === ',') {
        at++;
        if (names !== null) name(names);
        continue value;
      }
      if (text[at] !== closing) fail(`',' or '${closing}'`);
      open.pop();
      at++;
    }
    break;
  }
  skipSpace();
  if (at < text.length) fail('nothing after the value');
  return rootNames;
}

/** `line 3, column 14`, counted from 1; a column is one UTF-16 code unit. */
function position(text: string, at: number): string {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', start)) {
    line++;
    start = end + 1;
  }
  return `line ${line}, column ${at - start + 1}`;
}

/** The character at a place, for a message. */
function foundAt(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? 'the end of the text' : show(String.fromCodePoint(code));
}

/**
 * The JSON text of a value, the same for equal values: two spaces of indentation, an array of numbers on one line,
 * members in the order that the object has them, a final line feed. `-0` is written as `-0`, so every number comes
 * back as it was.
 *
 * @throws InvariantError for what JSON cannot say or {@link parseJson} would refuse: NaN, an infinity, undefined, half a
 *   surrogate pair, an object that is not a plain one, `__proto__` as a name, nesting deeper than
 *   {@link MAX_JSON_DEPTH}. Who writes has to have checked what it was given.
 */
export function canonicalJson(value: unknown): string {
  return `${render(value, '', 0)}\n`;
}

function render(value: unknown, indent: string, depth: number): string {
  if (typeof value === 'number') return renderNumber(value);
  if (typeof value === 'string') return renderString(value);
  if (typeof value === 'boolean' || value === null) return String(value);
  if (typeof value !== 'object') return refuse('a JSON value', typeof value);
  if (depth === MAX_JSON_DEPTH) return refuse(`nesting of at most ${MAX_JSON_DEPTH} levels`, 'more');
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    // A copy, because the methods of an array skip holes, which are undefined.
    const elements = Array.from(value);
    if (elements.every((element) => typeof element === 'number'))
      return `[${elements.map(renderNumber).join(', ')}]`;
    const lines = elements.map((element) => `${inner}${render(element, inner, depth + 1)}`);
    return `[\n${lines.join(',\n')}\n${indent}]`;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    return refuse('a plain object', prototype.constructor.name);
  const members = Object.entries(value);
  if (members.length === 0) return '{}';
  const lines = members.map(([name, member]) => {
    if (name === '__proto__') return refuse('no member of this name', name);
    return `${inner}${renderString(name)}: ${render(member, inner, depth + 1)}`;
  });
  return `{\n${lines.join(',\n')}\n${indent}}`;
}

function renderNumber(value: number): string {
  if (!Number.isFinite(value)) return refuse('a finite number', String(value));
  return Object.is(value, -0) ? '-0' : String(value);
}

function renderString(value: string): string {
  if (/\p{Surrogate}/u.test(value)) return refuse('a string of whole Unicode characters', show(value));
  return JSON.stringify(value);
}

function refuse(expected: string, found: string): never {
  throw new InvariantError({ subject: 'value to be written as JSON', expected, found });
}
