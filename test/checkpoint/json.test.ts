import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  decodeUtf8,
  MAX_JSON_DEPTH,
  parseJson,
  parseJsonMembers,
} from '../../lib/checkpoint/json.ts';
import { DataError, InvariantError } from '../../lib/errors.ts';

/** The message of the DataError that `action` has to throw. */
function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error('was accepted');
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

/** JSON values without `-0`, which JSON.stringify loses. */
const jsonValue = fc.jsonValue({ maxDepth: 5 }).map((value): unknown => JSON.parse(JSON.stringify(value)));

describe('parseJson', () => {
  it('reads what JSON.parse reads, with any white space between the tokens', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
    fc.assert(
      fc.property(jsonValue, space, (value, gap) => {
        const text = JSON.stringify(value, null, gap.includes('\n') ? 2 : 0);
        expect(parseJson(`${gap}${text}${gap}`, 'f')).toEqual(value);
      }),
      { seed: 1 },
    );
  });

  it('accepts no text that JSON.parse refuses, and refuses such only for its own stated reasons', () => {
    // Texts near to JSON: a valid one with one character put in, replaced or left out.
    const character = fc.constantFrom(...'{}[]":,\\0123456789eE+-. \t\ntrufalsn/bx\u0000\u001f\u00a0é');
    const edited = fc
      .tuple(jsonValue, fc.nat(), character, fc.constantFrom(0, 1), fc.boolean())
      .map(([value, at, put, remove, insert]) => {
        const text = JSON.stringify(value);
        const place = at % (text.length + 1);
        return `${text.slice(0, place)}${insert ? put : ''}${text.slice(place + remove)}`;
      });
    let bad = 0;
    fc.assert(
      fc.property(edited, (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          bad++;
          expect(refusal(() => parseJson(text, 'f'))).toMatch(/^f, line \d+, column \d+: expected /);
          return;
        }
        try {
          expect(parseJson(text, 'f')).toEqual(expected);
        } catch (error) {
          expect(String(error)).toMatch(/occur once in an object|range of binary64/);
        }
      }),
      { seed: 2, numRuns: 5000 },
    );
    // Both kinds have to occur for the property to say anything.
    expect(bad).toBeGreaterThan(500);
    expect(bad).toBeLessThan(4500);
  });

  it.each([
    ['', 'line 1, column 1: expected a JSON value, found the end of the text'],
    ['{"a": 1,\n "b" 2}', `line 2, column 6: expected ':' after a member's name, found "2"`],
    ['[1, 2', "line 1, column 6: expected ',' or ']', found the end of the text"],
    ['[1, 2}', `line 1, column 6: expected ',' or ']', found "}"`],
    ['[1,]', 'line 1, column 4: expected a JSON value, found "]"'],
    ['{"a":1,}', `line 1, column 8: expected a member's name in quotation marks, found "}"`],
    ['01', 'line 1, column 2: expected nothing after the value, found "1"'],
    ['[NaN]', 'line 1, column 2: expected a JSON value, found "N"'],
    ['"a\nb"', 'line 1, column 3: expected a closing quotation mark, found "\\n"'],
    ['"abc', 'line 1, column 5: expected a closing quotation mark, found the end of the text'],
    ['"\\x41"', 'line 1, column 2: expected an escape of JSON, found "\\\\x"'],
    ['\ufeff{}', 'line 1, column 1: expected a JSON value, found "\\u{feff}"'],
    ['{} {}', 'line 1, column 4: expected nothing after the value, found "{"'],
  ])('names the place of the fault in %j', (text, message) => {
    expect(refusal(() => parseJson(text, 'f'))).toBe(`f, ${message}`);
  });

  it('refuses a second member of one name, which would silently win', () => {
    expect(refusal(() => parseJson('{"a": 1,\n"a": 2}', 'f'))).toBe(
      'f, line 2, column 1: expected names that occur once in an object, found a second "a"',
    );
  });

  it('refuses a second member whose name is only spelled otherwise', () => {
    expect(refusal(() => parseJson('{"a": 1, "\\u0061": 2}', 'f'))).toMatch(/a second "a"/);
  });

  it('refuses a second member in an object deep inside, but allows one name in two objects', () => {
    expect(refusal(() => parseJson('[{"x": [{"a": 1, "b": {}, "a": 2}]}]', 'f'))).toMatch(/a second "a"/);
    expect(parseJson('[{"a": {"a": 1}}, {"a": 2}]', 'f')).toEqual([{ a: { a: 1 } }, { a: 2 }]);
  });

  it('refuses __proto__ as a name, however it is spelled, and allows it as a text', () => {
    expect(refusal(() => parseJson('{"__proto__": {}}', 'f'))).toMatch(/no member of this name/);
    expect(refusal(() => parseJson('[{"\\u005f_proto__": {}}]', 'f'))).toMatch(/no member of this name/);
    expect(parseJson('["__proto__"]', 'f')).toEqual(['__proto__']);
  });

  it('names that objects inherit are ordinary names', () => {
    expect(Object.keys(parseJson('{"constructor": 1, "toString": 2}', 'f') as object)).toEqual([
      'constructor',
      'toString',
    ]);
  });

  it(`reads ${MAX_JSON_DEPTH} levels and refuses one more`, () => {
    expect(JSON.stringify(parseJson(nested(MAX_JSON_DEPTH), 'f'))).toBe(nested(MAX_JSON_DEPTH));
    expect(refusal(() => parseJson(nested(MAX_JSON_DEPTH + 1), 'f'))).toMatch(/nesting of at most 64 levels/);
  });

  it.each([
    ['closed', nested(100_000)],
    ['left open', '['.repeat(100_000)],
    ['of objects', '{"a":'.repeat(100_000)],
  ])('refuses a nesting of 100000 levels, %s, without running out of stack', (_, text) => {
    expect(refusal(() => parseJson(text, 'f'))).toMatch(/nesting of at most 64 levels/);
  });

  it('reads a string of ten million characters without running out of stack', () => {
    const text = `${'x'.repeat(5_000_000)}${'\\n'.repeat(5_000_000)}`;
    expect((parseJson(`"${text}"`, 'f') as string).length).toBe(10_000_000);
  });

  it('refuses a number that would become infinite', () => {
    expect(parseJson('[1e308, -0]', 'f')).toEqual([1e308, -0]);
    expect(refusal(() => parseJson('[1e309]', 'f'))).toMatch(
      /column 2: expected a number in the range of binary64/,
    );
  });

  it('refuses half a surrogate pair, escaped or not, and reads a whole one', () => {
    expect(refusal(() => parseJson('"\\ud83d"', 'f'))).toMatch(/whole Unicode characters/);
    expect(refusal(() => parseJson('{"\ude00": 1}', 'f'))).toMatch(/whole Unicode characters/);
    expect(parseJson('["\\ud83d\\ude00", "😀"]', 'f')).toEqual(['😀', '😀']);
  });
});

describe('parseJsonMembers', () => {
  it('keeps the order of the text where an object would put numbers first', () => {
    const text = '{"b": 1, "10": {"z": 0}, "a": 2, "2": 3}';
    expect([...parseJsonMembers(text, 'f')]).toEqual([
      ['b', 1],
      ['10', { z: 0 }],
      ['a', 2],
      ['2', 3],
    ]);
  });

  it.each(['[]', 'null', '1', '"{}"'])('refuses %s, which is not an object', (text) => {
    expect(refusal(() => parseJsonMembers(text, 'f'))).toMatch(/^f: expected a JSON object/);
  });
});

describe('decodeUtf8', () => {
  it('refuses bytes that are not UTF-8 instead of putting U+FFFD', () => {
    for (const bytes of [
      [0xff],
      [0xc3],
      [0xe2, 0x82],
      [0xc0, 0x80],
      [0xed, 0xa0, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
    ]) {
      expect(refusal(() => decodeUtf8(Uint8Array.from(bytes), 'f'))).toMatch(/^f: expected UTF-8 text/);
    }
  });

  it('keeps a byte order mark, so that JSON can refuse it', () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b), 'f')).toBe('\ufeff{');
  });
});

describe('canonicalJson', () => {
  it('writes the layout that files have', () => {
    const value = {
      name: 'é "x"',
      shape: [2, 3],
      empty: {},
      none: [],
      list: ['a', [1], { b: null }],
      flag: true,
    };
    expect(canonicalJson(value)).toBe(`{
  "name": "é \\"x\\"",
  "shape": [2, 3],
  "empty": {},
  "none": [],
  "list": [
    "a",
    [1],
    {
      "b": null
    }
  ],
  "flag": true
}
`);
  });

  it('comes back as it was, minus zero and member order included', () => {
    const value = fc.jsonValue({ maxDepth: 5 }).filter((v) => !JSON.stringify(v).includes('__proto__'));
    fc.assert(
      fc.property(value, (before) => {
        const after = parseJson(canonicalJson(before), 'f');
        expect(Object.is(after, before) || typeof before === 'object').toBe(true);
        expect(after).toStrictEqual(before);
        expect(canonicalJson(after)).toBe(canonicalJson(before));
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('writes every finite number so that it comes back to the bit', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const [back] = parseJson(canonicalJson([x]), 'f') as number[];
        expect(Object.is(back, x)).toBe(true);
      }),
      { seed: 4, numRuns: 2000 },
    );
  });

  it.each([
    ['NaN, which JSON.stringify makes null', { a: [1, Number.NaN] }],
    ['an infinity', [Number.POSITIVE_INFINITY]],
    ['undefined as a member, which JSON.stringify leaves out', { a: undefined }],
    ['undefined in a list', [undefined]],
    ['a hole in a list', new Array(2)],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol.iterator],
    ['a typed array, which JSON.stringify makes an object', new Float32Array(2)],
    ['a map, which JSON.stringify makes an empty object', new Map([['a', 1]])],
    ['a date', new Date(0)],
    ['half a surrogate pair', 'a\ud800'],
    ['half a surrogate pair in a name', { '\udc00': 1 }],
    ['__proto__ as a name', JSON.parse('{"__proto__": 1}')],
    ['more levels than are read', JSON.parse(nested(MAX_JSON_DEPTH + 1))],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(InvariantError);
  });

  it('refuses a value that contains itself, without running out of stack', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => canonicalJson(circle)).toThrow(InvariantError);
  });

  it('writes as many levels as are read', () => {
    const text = nested(MAX_JSON_DEPTH);
    expect(parseJson(canonicalJson(JSON.parse(text)), 'f')).toEqual(JSON.parse(text));
  });
});
