import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import { byteTokenizerConfigJson, byteTokenizerJson } from '../../lib/text/byte-tokenizer.ts';
import { stopStringMatcher } from '../../lib/text/stop-strings.ts';
import { streamingDecoder } from '../../lib/text/streaming-decoder.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';

/** What a matcher returned piece by piece, until it found something or the text ended. */
function match(stopStrings: readonly string[], pieces: readonly string[], keep = false) {
  const matcher = stopStringMatcher(stopStrings, { keep });
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, found } = matcher.push(piece);
    shown.push(text);
    if (found !== null) return { shown, found, text: shown.join('') };
  }
  shown.push(matcher.flush());
  return { shown, found: null, text: shown.join('') };
}

/** The definition: the first place of the whole text at which a stop string ends, of several the longest. */
function naive(
  stopStrings: readonly string[],
  text: string,
): { text: string; kept: string; found: string | null } {
  for (let end = 1; end <= text.length; end++) {
    const endings = stopStrings.filter((stop) => text.slice(0, end).endsWith(stop));
    if (endings.length === 0) continue;
    const found = endings.reduce((a, b) => (b.length > a.length ? b : a));
    return { text: text.slice(0, end - found.length), kept: text.slice(0, end), found };
  }
  return { text, kept: text, found: null };
}

// Few letters, so that stop strings begin often and overlap; one character of two units.
const text = (maxLength: number) =>
  fc.array(fc.constantFrom('a', 'b', '😀'), { maxLength }).map((letters) => letters.join(''));
const stops = fc.array(
  text(4).filter((stop) => stop !== ''),
  { maxLength: 3 },
);

describe('stopStringMatcher', () => {
  it('stop-strings/C3: finds what stands in the text, however it is cut into pieces', () => {
    fc.assert(
      fc.property(stops, fc.array(text(5), { maxLength: 8 }), (stopStrings, pieces) => {
        const expected = naive(stopStrings, pieces.join(''));
        expect(match(stopStrings, pieces)).toMatchObject({ text: expected.text, found: expected.found });
        expect(match(stopStrings, pieces, true).text).toBe(expected.kept);
      }),
      { seed: 5, numRuns: 1000 },
    );
  });

  it('stop-strings/C4: shows nothing that a stop string may still turn out to begin with, and all else at once', () => {
    fc.assert(
      fc.property(stops, fc.array(text(5), { maxLength: 8 }), (stopStrings, pieces) => {
        const matcher = stopStringMatcher(stopStrings);
        let whole = '';
        let shown = '';
        for (const piece of pieces) {
          whole += piece;
          const { text: certain, found } = matcher.push(piece);
          shown += certain;
          if (found !== null) return;
          // Held back is exactly the longest end that some stop string goes on from.
          const begins = (end: string): boolean => stopStrings.some((stop) => stop.startsWith(end));
          const ends = Array.from({ length: whole.length + 1 }, (_, i) => whole.slice(i));
          expect(whole.slice(shown.length)).toBe(ends.find((end) => end === '' || begins(end)));
        }
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  it('one that begins in one piece, or one macro-step, and ends in the next; one inside a single token', () => {
    expect(match(['<end>'], ['Hi <', 'en', 'd', '> more'])).toEqual({
      shown: ['Hi ', '', '', ''],
      found: '<end>',
      text: 'Hi ',
    });
    expect(match(['\n\n'], ['one\n', '\ntwo'])).toMatchObject({ text: 'one' });
    expect(match(['.'], ['a. b.'])).toMatchObject({ text: 'a', found: '.' });
  });

  it('a false beginning is shown as soon as it is known to be one, also where the true one begins inside it', () => {
    expect(match(['aab'], ['a', 'a', 'a', 'b'])).toEqual({
      shown: ['', '', 'a', ''],
      found: 'aab',
      text: 'a',
    });
    expect(match(['<end>'], ['<e', 'x', '<'])).toEqual({
      shown: ['', '<ex', '', '<'],
      found: null,
      text: '<ex<',
    });
  });

  it('of two stop strings the one that is complete first ends the text, not the one that begins first', () => {
    expect(match(['abcd', 'bc'], ['abcd'])).toMatchObject({ text: 'a', found: 'bc' });
    expect(match(['abcd', 'bc'], ['a', 'b', 'c', 'd'])).toMatchObject({ text: 'a', found: 'bc' });
    // Complete at the same place: the longer one begins first.
    expect(match(['bc', 'abc'], ['xabc'])).toMatchObject({ text: 'x', found: 'abc' });
  });

  it('without stop strings everything passes at once', () => {
    expect(match([], ['ab', '', 'c'])).toEqual({ shown: ['ab', '', 'c', ''], found: null, text: 'abc' });
  });

  it('bytes of an unfinished character are no character yet, and at the end none at all', () => {
    const byte = loadTokenizer(byteTokenizerJson(), byteTokenizerConfigJson(), 'folder');
    const ids = [...Buffer.from('a😀b')];
    const run = (stop: string, given: readonly number[]) => {
      const decoder = streamingDecoder(byte, [], { skipSpecialTokens: true });
      const matcher = stopStringMatcher([stop]);
      const steps = given.map((id) => matcher.push(decoder.push(id)));
      return { steps: steps.map((step) => step.found ?? step.text), rest: matcher.flush() + decoder.flush() };
    };
    // The stop string is complete with the last of four bytes; nothing of it is shown before.
    expect(run('😀', ids.slice(0, 5))).toEqual({ steps: ['a', '', '', '', '😀'], rest: '' });
    expect(run('😀', ids.slice(0, 4))).toEqual({ steps: ['a', '', '', ''], rest: '\uFFFD' });
    // Held back because of the text, and because of the bytes: both come out at the end, in order.
    expect(run('a!', ids.slice(0, 3))).toEqual({ steps: ['', '', ''], rest: 'a\uFFFD' });
  });

  it('stop-strings/C2: refuses what could not be found or is everywhere, naming it', () => {
    for (const bad of ['', 'a\uFFFD', '\uD83D', 'x\uDE00', 7 as unknown as string]) {
      expect(() => stopStringMatcher(['ok', bad])).toThrow('stop-strings/C2: stop string: expected a text');
    }
    expect(() => stopStringMatcher(['😀', ' ', '\n'])).not.toThrow();
  });

  it('refuses text after the end', () => {
    const matcher = stopStringMatcher(['.']);
    matcher.push('a.');
    expect(matcher.flush()).toBe('');
    expect(() => matcher.push('b')).toThrow(CallerError);
  });
});
