/**
 * Shapes of JSON data: the only door to `zod`. What a schema refuses becomes an error of ours, with its place and what was
 * found there.
 *
 * @module
 */

import { z } from 'zod';
import { DataError, type Fault, show } from './errors.ts';

export { z };

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/**
 * Checks a value against a schema and returns it as the schema's type.
 *
 * Where a schema carries a message of its own, that is taken for what was expected there: `z.int({ error: 'a token id' })`.
 *
 * @param subject what messages call the value, e.g. the file's path
 * @throws DataError for the first thing that is wrong: subject `file: key.path`, expected, found
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, subject: string): T {
  const result = schema.safeParse(value, { error: expectedBy });
  if (result.success) return result.data;
  throw new DataError(faultOf(result.error.issues[0]!, [], value, subject));
}

/** What {@link expectedBy} says of issues that {@link faultOf} puts into words: those that are about something inside. */
const SEE_INSIDE = '';

/** What was expected where an issue arose. */
function expectedBy(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.inst instanceof z.ZodNumber && issue.inst.isInt) return NAMES.int!;
      return NAMES[issue.expected] ?? `a value of type ${issue.expected}`;
    case 'invalid_value':
      return issue.values.map(show).join(' or ');
    case 'too_small':
      return `${amount(issue.origin)} ${issue.inclusive === false ? 'above' : 'of at least'} ${issue.minimum}`;
    case 'too_big':
      return `${amount(issue.origin)} ${issue.inclusive === false ? 'below' : 'of at most'} ${issue.maximum}`;
    case 'invalid_union':
      // The key that tells the branches apart has none of their values.
      return 'options' in issue ? (issue.options as unknown[]).map(show).join(' or ') : SEE_INSIDE;
    case 'unrecognized_keys':
      return SEE_INSIDE;
    default:
      return `a value that passes the check ${show(issue.code)}`;
  }
}

const NAMES: Readonly<Record<string, string>> = {
  object: 'an object',
  record: 'an object',
  array: 'a list',
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  null: 'null',
};

function amount(origin: string): string {
  if (origin === 'array') return 'a list with a length';
  return origin === 'string' ? 'a string with a length' : (NAMES[origin] ?? 'a value');
}

/** An issue in our words. `above` is where its path begins. */
function faultOf(issue: Issue, above: Path, value: unknown, subject: string): Fault {
  const path = [...above, ...issue.path];
  const named = (place: Path) => (place.length === 0 ? subject : `${subject}: ${showPath(place)}`);
  if (issue.code === 'unrecognized_keys' && issue.message === SEE_INSIDE) {
    const key = [...path, issue.keys[0]!];
    return {
      subject: named(key),
      expected: 'no key of this name',
      found: found(value, key),
      hint: 'A key that is not known is refused, because ignoring it could change what the data means',
    };
  }
  if (issue.code === 'invalid_union' && issue.message === SEE_INSIDE) {
    if (issue.errors.length === 0) {
      // Its kind is said by one of its members, and that is none of those that are known.
      const { options = [] } = issue as { readonly options?: readonly unknown[] };
      return { subject: named(path), expected: options.map(show).join(' or '), found: found(value, path) };
    }
    const firsts = issue.errors.flatMap((branch) => branch.slice(0, 1));
    // The branch that was followed furthest is the one that was meant.
    const furthest = firsts.toSorted((a, b) => b.path.length - a.path.length)[0];
    if (furthest !== undefined && furthest.path.length > 0) return faultOf(furthest, path, value, subject);
    const expected = firsts.map((first) => first.message).join(' or ');
    return { subject: named(path), expected, found: found(value, path) };
  }
  return { subject: named(path), expected: issue.message, found: found(value, path) };
}

/** `a.b[0]`. Keys are a stranger's: those that are no plain words are quoted, and long ones shortened. */
function showPath(path: Path): string {
  return path
    .map((key, i) => {
      if (typeof key === 'number') return `[${key}]`;
      const name = String(key);
      if (!/^[\w.-]{1,80}$/.test(name)) return `[${show(name)}]`;
      return i === 0 ? name : `.${name}`;
    })
    .join('');
}

/** What is at a place of the value, for a message. */
function found(value: unknown, path: Path): string {
  const there = at(value, path);
  return there === undefined ? 'nothing' : show(there);
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  );
}
