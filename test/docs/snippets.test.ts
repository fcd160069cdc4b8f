/** The reader of snippets itself: what it takes for a command, and what it takes for the same. */

import { describe, expect, it } from 'vitest';
import { isQuoted, matches, snippetsOf } from './snippets.ts';

const page = (...lines: string[]): string => `${lines.join('\n')}\n`;

describe('snippets of a page', () => {
  it('a transcript is its commands, each with its own output', () => {
    const text = page('Try:', '', '```console', '$ one', 'a', 'b', '$ two \\', '  more', 'c', '```');
    expect(snippetsOf(text, 'page')).toMatchObject([
      { kind: 'command', text: 'one', output: 'a\nb\n', line: 4, notRun: undefined },
      { kind: 'command', text: 'two \\\n  more', output: 'c\n', line: 7 },
    ]);
  });

  it('comments and empty lines of a shell fence are no commands; a continued line is one', () => {
    const text = page('```sh', '# first', 'one   # why', '', 'two \\', '  more', '```');
    expect(snippetsOf(text, 'page').map(({ text: command, line }) => [command, line])).toEqual([
      ['one', 3],
      ['two \\\n  more', 5],
    ]);
  });

  it('a module has the output that follows it, and no other', () => {
    const text = page(
      '```ts',
      'log(1)',
      '```',
      '',
      '```text',
      '1',
      '```',
      '```ts',
      'log(2)',
      '```',
      'Then',
      '```text',
      '3',
      '```',
    );
    expect(snippetsOf(text, 'page')).toMatchObject([
      { kind: 'module', output: '1\n' },
      { kind: 'module', output: undefined },
    ]);
  });

  it('what is not run says why', () => {
    const text = page('<!-- not run: takes an hour -->', '```sh', 'train', '```');
    expect(snippetsOf(text, 'page')).toMatchObject([{ text: 'train', notRun: 'takes an hour' }]);
  });

  it('a fence of a language that nothing is known of is an error, not silently passed over', () => {
    expect(() => snippetsOf(page('```bash', 'ls', '```'), 'page')).toThrow("unknown fence 'bash'");
  });
});

describe('output', () => {
  it.each([
    ['a changed figure', '3 tokens', '4 tokens', false],
    ['a line too many', 'a\nb', 'a', false],
    ['a line too few', 'a', 'a\nb', false],
    ['trailing blanks', 'a  \n\n', 'a', true],
    ['what varies', 'at 12.5 tokens/s', 'at … tokens/s', true],
    ['what varies, elsewhere', 'at 12.5 bytes/s', 'at … tokens/s', false],
    ['lines left out', 'a\nb\nc\nd', 'a\n…\nd', true],
    ['lines left out, another end', 'a\nb\nc\ne', 'a\n…\nd', false],
    ['characters with a meaning in patterns', 'x|y (z) $1', 'x|y (z) $1', true],
    ['a full stop is no joker', 'a1b', 'a.b', false],
  ])('%s', (_, actual, expected, same) => expect(matches(actual, expected)).toBe(same));
});

describe('quotations', () => {
  const read = () => 'function f() {\n  const a = 1;\n  const b = 2;\n  return a + b;\n}\n';
  it.each([
    ['as it stands', '// lib/f.ts\nconst a = 1;\nconst b = 2;\n', true],
    ['another number', '// lib/f.ts\nconst a = 1;\nconst b = 3;\n', false],
    ['lines left out without saying so', '// lib/f.ts\nconst a = 1;\nreturn a + b;\n', false],
    ['lines left out', '// lib/f.ts\nconst a = 1;\n// …\nreturn a + b;\n', true],
    ['in another order', '// lib/f.ts\nreturn a + b;\n// …\nconst a = 1;\n', false],
  ])('%s', (_, quotation, stands) => expect(isQuoted(quotation, read)).toBe(stands));
});
