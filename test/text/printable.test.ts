import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable } from '../../lib/text/printable.ts';

describe('printable', () => {
  it.each([
    ['the escape sequences of terminals', '\u001b[31mred\u001b[0m', '\\u{1b}[31mred\\u{1b}[0m'],
    ['their one-character form', '\u009b31m', '\\u{9b}31m'],
    ['a carriage return, which would overwrite the line', 'good\rbad', 'good\\u{d}bad'],
    ['backspace, bell, zero and delete', '\b\u0007\0\u007f', '\\u{8}\\u{7}\\u{0}\\u{7f}'],
    [
      'what turns the direction of text',
      'a\u202eb\u2066c\u200fd\u061c',
      'a\\u{202e}b\\u{2066}c\\u{200f}d\\u{61c}',
    ],
    [
      'what cannot be seen',
      'a\u200bb\u00adc\ufeffd\u2060\u{e0041}',
      'a\\u{200b}b\\u{ad}c\\u{feff}d\\u{2060}\\u{e0041}',
    ],
    [
      'other ends of lines',
      'a\u2028b\u2029c\u0085d\u000be\u000cf',
      'a\\u{2028}b\\u{2029}c\\u{85}d\\u{b}e\\u{c}f',
    ],
    ['half a surrogate pair', 'a\ud83d', 'a\\u{d83d}'],
  ])('shows %s', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each([
    ['line feeds and tabs', 'a\n\tb'],
    ['letters of any language', 'Grüße, мир, 世界, שלום, नमस्ते'],
    ['the joiners inside words and emoji', 'می\u200cخواهم 👩\u200d👩\u200d👧 ❤\ufe0f'],
    ['a backslash', '\\u{1b}'],
    ['nothing', ''],
  ])('does not change %s', (_, text) => {
    expect(printable(text)).toBe(text);
  });

  it('leaves no control character of any kind, and the rest as it was', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.nat(0x10ffff).map((code) => String.fromCodePoint(code)),
        fc.constantFrom('\u001b', 'a', '\u0090'),
      ),
    });
    fc.assert(
      fc.property(text, (before) => {
        const after = printable(before);
        for (const character of after) {
          const code = character.codePointAt(0)!;
          const control = (code < 0x20 && code !== 10 && code !== 9) || (code >= 0x7f && code < 0xa0);
          expect(control).toBe(false);
        }
        expect(printable(after)).toBe(after);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
