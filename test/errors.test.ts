import { describe, expect, it } from 'vitest';
import {
  assertInvariant,
  CallerError,
  DataError,
  HamburgerError,
  InvariantError,
  show,
} from '../lib/errors.ts';

const fault = { subject: '--confidence', expected: 'a number from 0 to 1', found: '2' };

describe('errors', () => {
  it('say the thing, what was expected and what was found, then the hint', () => {
    expect(new CallerError(fault).message).toBe('--confidence: expected a number from 0 to 1, found 2');
    expect(new DataError({ ...fault, rule: 'termination/C1', hint: 'Try 0.8' }).message).toBe(
      'termination/C1: --confidence: expected a number from 0 to 1, found 2. Try 0.8',
    );
  });

  it('keep the three kinds of blame apart', () => {
    for (const kind of [CallerError, DataError, InvariantError]) {
      const error = new kind(fault);
      expect(error).toBeInstanceOf(HamburgerError);
      expect(error.name).toBe(kind.name);
      expect([CallerError, DataError, InvariantError].filter((other) => error instanceof other)).toEqual([
        kind,
      ]);
    }
  });

  it('carry the cause and the fault', () => {
    const cause = new RangeError('x');
    expect(new DataError(fault, { cause })).toMatchObject({ cause, fault });
  });

  it('assertInvariant throws only when the condition fails', () => {
    expect(() => assertInvariant(true, 'a', 'b', 'c')).not.toThrow();
    expect(() => assertInvariant(false, 'a', 'b', 'c')).toThrow(InvariantError);
  });
});

describe('show', () => {
  it('quotes strings and leaves numbers, NaN included', () => {
    expect([
      show('x'),
      show(1.5),
      show(Number.NaN),
      show(undefined),
      show([1, 'a']),
      show(null),
      show(10n),
    ]).toEqual(['"x"', '1.5', 'NaN', 'undefined', '[1,"a"]', 'null', '10']);
  });

  it('never passes on a control or format character, which could drive a terminal', () => {
    expect(show('\u001b[31m\u202e\u0085')).not.toMatch(/\p{C}/u);
    expect(show('\u202e')).toBe('"\\u{202e}"');
  });

  it('shortens what a stranger made long', () => {
    expect(show('x'.repeat(1e6)).length).toBeLessThan(100);
  });
});
