import { describe, expect, it } from 'vitest';
import { errorReport } from '../../cli/error-report.ts';
import { CallerError, DataError, InvariantError } from '../../lib/errors.ts';

const fault = { subject: 'x', expected: 'a', found: 'b', hint: 'Do c' };

describe('what errors mean for the user', () => {
  it.each([CallerError, DataError])('$name: bad input, said in one line', (Kind) => {
    expect(errorReport(new Kind(fault))).toEqual({
      code: 2,
      lines: ['hamburger: x: expected a, found b. Do c'],
    });
  });

  it.each([new InvariantError(fault), new TypeError('undefined is not a function'), 'a thrown string'])(
    'a bug of ours is not blamed on the input: %s',
    (error) => {
      const { code, lines } = errorReport(error);
      expect(code).toBe(70);
      expect(lines.join('\n')).toMatch(/^hamburger: .*\nThis is a bug .*report it/);
    },
  );

  it('a model too large for the machine is no bug', () => {
    const attempt = (): void => void new Float64Array(2 ** 52);
    let thrown: unknown;
    try {
      attempt();
    } catch (error) {
      thrown = error;
    }
    expect(errorReport(thrown)).toEqual({ code: 2, lines: [expect.stringMatching(/not enough memory/)] });
  });

  it('any other RangeError is a bug', () => {
    expect(errorReport(new RangeError('Maximum call stack size exceeded')).code).toBe(70);
  });
});
