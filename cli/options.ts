/**
 * The one place that turns option texts into values. A text that is not one is refused with what was expected and what was
 * found.
 *
 * @module
 */

import { InvalidArgumentError, Option } from 'commander';
import { type ModelConfig, show } from '../lib/index.ts';

function refuse(expected: string, found: string): never {
  throw new InvalidArgumentError(`Expected ${expected}, found ${show(found)}.`);
}

/** A decimal integer; no signs, exponents or separators, which are more often a slip than meant. */
const INTEGER = /^[0-9]+$/;

/** A decimal number as JSON and most people write it. */
const NUMBER = /^-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/;

function integerOf(text: string): number | undefined {
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Parser of an integer of at least `least`. */
export function integer(least: number): (text: string) => number {
  return (text) => {
    const value = integerOf(text);
    return value !== undefined && value >= least ? value : refuse(`an integer of at least ${least}`, text);
  };
}

/** Parser of a number that passes a check; `expected` says in words which do. */
export function number(expected: string, check: (value: number) => boolean): (text: string) => number {
  return (text) => {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    return Number.isFinite(value) && check(value) ? value : refuse(expected, text);
  };
}

/**
 * An option that can be none of what it could be. Not `null`, because Commander makes an empty text of a `null` that a parser
 * returns.
 */
export type OrNone<T> = T | 'none';

/** The value, or `null` for none, as the library has it. */
export function orNull<T>(value: OrNone<T>): T | null {
  return value === 'none' ? null : value;
}

/** A confidence threshold: a number from 0 to 1, or `none`. */
export function confidence(text: string): OrNone<number> {
  if (text === 'none') return text;
  return number("a number from 0 to 1, or 'none'", (value) => 0 <= value && value <= 1)(text);
}

/** `0,0.5,0.8`: confidence thresholds. */
export function confidenceList(text: string): number[] {
  const values = text.split(',').map((item) => (NUMBER.test(item.trim()) ? Number(item) : Number.NaN));
  return values.every((value) => 0 <= value && value <= 1)
    ? values
    : refuse("numbers from 0 to 1 with commas between, such as '0,0.5,0.8'", text);
}

/** A text that is not empty. */
export function nonEmpty(what: string): (text: string) => string {
  return (text) => (text === '' ? refuse(what, text) : text);
}

/** `1,2,3` */
export function integerList(text: string): number[] {
  return listOf(text, "integers of at least 0 with commas between, such as '1,2,3'", text);
}

/** Parser of a list of some of `choices`, with commas between; in the order of `choices`, each once. */
export function choiceList<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) => {
    const items = text.split(',').map((item) => item.trim());
    const known: readonly string[] = choices;
    if (!items.every((item) => known.includes(item))) {
      return refuse(`some of ${choices.join(', ')}, with commas between`, text);
    }
    return choices.filter((choice) => items.includes(choice));
  };
}

/** Parser of an option that can be given several times: a list of all its values. */
export function repeatable<T>(parse: (text: string) => T): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => [...before, parse(text)];
}

const MINUS_INFINITY = /^-inf(inity)?$/i;

/** Parser of `ID=VALUE`, which can be given once for each id: a map of all values; -inf is a value. */
export function logitBias(
  text: string,
  before: ReadonlyMap<number, number> = new Map(),
): Map<number, number> {
  const [id = '', value = '', ...more] = text.split('=');
  const token = integerOf(id.trim());
  const bias = MINUS_INFINITY.test(value)
    ? Number.NEGATIVE_INFINITY
    : NUMBER.test(value)
      ? Number(value)
      : Number.NaN;
  if (token === undefined || more.length > 0 || !(bias < Number.POSITIVE_INFINITY)) {
    return refuse("a token id, '=' and a number or -inf, such as '13=-2.5'", text);
  }
  return before.has(token) ? refuse('each token id once', text) : new Map([...before, [token, bias]]);
}

/** `1,2,3|4|5,6`: segments of ids. */
export function segmentList(text: string): number[][] {
  const expected = "token ids with commas between, in segments with '|' between, such as '1,2,3|4|5,6'";
  return text.split('|').map((segment) => listOf(segment, expected, text));
}

function listOf(text: string, expected: string, whole: string): number[] {
  return text.split(',').map((item) => integerOf(item.trim()) ?? refuse(expected, whole));
}

/** `factor,low_freq_factor,high_freq_factor,original_max_position_embeddings`, or `none`. */
export function ropeScaling(text: string): OrNone<NonNullable<ModelConfig['ropeScaling']>> {
  if (text === 'none') return text;
  const values = text.split(',').map((item) => (NUMBER.test(item.trim()) ? Number(item) : Number.NaN));
  if (values.length !== 4 || !values.every(Number.isFinite)) {
    return refuse("four numbers with commas between, such as '32,1,4,8192', or 'none'", text);
  }
  const [factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings] = values as [
    number,
    number,
    number,
    number,
  ];
  return { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings };
}

/** Parser of the name of a file that ends with `extension`. */
export function fileNamed(extension: string): (text: string) => string {
  return (text) =>
    text.endsWith(extension) && !/(^|[/\\])$/.test(text.slice(0, -extension.length))
      ? text
      : refuse(`the name of a file that ends with ${extension}`, text);
}

/** An option with a parser; a default is shown in the help as `shownDefault` or as it is. */
export function option<T>(
  flags: string,
  description: string,
  parse?: (text: string, before?: T) => T,
  fallback?: { readonly value: T; readonly shown?: string },
): Option {
  const made = new Option(flags, description);
  if (parse !== undefined) made.argParser(parse);
  if (fallback !== undefined) made.default(fallback.value, fallback.shown);
  return made;
}

/** An option with a few allowed values, the first of which is the default unless `fallback` is `null`. */
export function choice(
  flags: string,
  description: string,
  choices: readonly string[],
  fallback: string | null = choices[0]!,
): Option {
  const made = new Option(flags, description).choices(choices);
  return fallback === null ? made : made.default(fallback);
}

/** The examples of a command, as its help shows them; the tests run every one. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}
