import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../lib/errors.ts';
import { parseWith, z } from '../lib/schema.ts';
import { faultOf } from './helpers/checkpoint-folders.ts';

const schema = z.strictObject({
  size: z.int(),
  list: z.array(z.strictObject({ name: z.string() })).optional(),
  ids: z.union([z.int({ error: 'an id' }), z.array(z.int({ error: 'an id' })), z.null()]).optional(),
  kind: z.enum(['a', 'b']).optional(),
  rate: z.number().gt(0).lte(1).optional(),
  names: z.array(z.string()).min(1).optional(),
  map: z.record(z.string(), z.boolean()).optional(),
  word: z.string({ error: 'a word' }).optional(),
});

const fault = (value: unknown) => faultOf(() => parseWith(schema, value, 'x.json'));

describe('what a schema accepts', () => {
  it('is returned, with defaults', () => {
    const withDefault = z.strictObject({ a: z.int(), b: z.int().default(7) });
    expect(parseWith(withDefault, { a: 1 }, 'x.json')).toEqual({ a: 1, b: 7 });
  });
});

describe('what it refuses', () => {
  it.each([
    ['none of its values', { status: 'OK' }, '"OK"'],
    ['nothing', {}, 'nothing'],
  ])('a key that tells branches apart and has %s', (_, value, found) => {
    const branches = z.discriminatedUnion('status', [
      z.object({ status: z.literal('ok') }),
      z.object({ status: z.literal('skipped'), reason: z.string() }),
    ]);
    expect(faultOf(() => parseWith(branches, value, 'x.json'))).toMatchObject({
      subject: 'x.json: status',
      expected: '"ok" or "skipped"',
      found,
    });
  });

  it.each([
    ['the root', 5, 'x.json', 'an object', '5'],
    ['null where an object belongs', null, 'x.json', 'an object', 'null'],
    ['a list where an object belongs', [1], 'x.json', 'an object', '[1]'],
    ['a key that is missing', {}, 'x.json: size', 'an integer', 'nothing'],
    ['a fraction', { size: 1.5 }, 'x.json: size', 'an integer', '1.5'],
    [
      'an integer that is not exact',
      { size: 1e300 },
      'x.json: size',
      'an integer of at most 9007199254740991',
      '1e+300',
    ],
    ['another type', { size: '3' }, 'x.json: size', 'an integer', '"3"'],
    [
      'a place in a list',
      { size: 1, list: [{ name: 'a' }, { name: 2 }] },
      'x.json: list[1].name',
      'a string',
      '2',
    ],
    ['a choice of values', { size: 1, kind: 'c' }, 'x.json: kind', '"a" or "b"', '"c"'],
    ['an open limit', { size: 1, rate: 0 }, 'x.json: rate', 'a number above 0', '0'],
    ['a closed limit', { size: 1, rate: 2 }, 'x.json: rate', 'a number of at most 1', '2'],
    [
      'a list that is too short',
      { size: 1, names: [] },
      'x.json: names',
      'a list with a length of at least 1',
      '[]',
    ],
    ['a value in a map', { size: 1, map: { q: 1 } }, 'x.json: map.q', 'true or false', '1'],
    ['words of the schema itself', { size: 1, word: 1 }, 'x.json: word', 'a word', '1'],
    ['a union, by all of its types', { size: 1, ids: 'x' }, 'x.json: ids', 'an id or a list or null', '"x"'],
    ['a union, by the type that fits best', { size: 1, ids: [1, 'x'] }, 'x.json: ids[1]', 'an id', '"x"'],
  ])('%s', (_, value, subject, expected, found) => {
    expect(fault(value)).toEqual({ subject, expected, found });
  });

  it.each([
    ['at the root', { size: 1, sise: 2 }, 'x.json: sise', '2'],
    ['inside', { size: 1, list: [{ name: 'a', nmae: 'b' }] }, 'x.json: list[0].nmae', '"b"'],
    ['although a prototype has it', { size: 1, toString: 1 }, 'x.json: toString', '1'],
  ])('a key that is not known, %s', (_, value, subject, found) => {
    expect(fault(value)).toMatchObject({ subject, expected: 'no key of this name', found });
  });

  it('reports the first of several issues, so that the cause comes before its consequences', () => {
    expect(fault({ size: 'x', word: 1, unknown: 2 }).subject).toBe('x.json: size');
  });

  it('shows a long or hostile key quoted, shortened and without control characters', () => {
    const { subject } = fault({ size: 1, [`\u001b[31m${'k'.repeat(500)}`]: 2 });
    expect(subject.length).toBeLessThan(120);
    expect(subject).toMatch(/^x\.json: \["\\u001b\[31mkkk/);
  });

  it('property: throws nothing but DataError, whatever the value', () => {
    const keys = ['size', 'list', 'ids', 'kind', 'rate', 'names', 'map', 'word', 'other'];
    const object = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 3 }));
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(object, fc.jsonValue()), (value) => {
        try {
          parseWith(schema, value, 'x.json');
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(DataError);
          expect((error as DataError).fault.expected).not.toBe('');
        }
      }),
      { seed: 20250526, numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(300);
  });
});
