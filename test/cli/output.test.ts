import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { byteSize, createOutput, type Output, shading, table, thousands } from '../../cli/output.ts';
import { printable } from '../../lib/text/printable.ts';

describe('tables', () => {
  it('numbers are set flush right, texts flush left, and no line ends in spaces', () => {
    expect(
      table([
        ['part', 'parameters', 'share', 'file'],
        ['embedding', '1,024', '9.9 %', 'a'],
        ['all', '10', '100.0 %', ''],
      ]),
    ).toBe(
      'part       parameters    share  file\nembedding       1,024    9.9 %  a\nall                10  100.0 %',
    );
  });

  it('a row may be shorter than the others', () => {
    expect(table([['a', 'b'], ['cc']])).toBe('a   b\ncc');
  });
});

describe('figures', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [5 * 2 ** 30, '5.0 GiB'],
    [2 ** 60, '1048576.0 TiB'],
  ])('%d bytes', (bytes, text) => {
    expect(byteSize(bytes)).toBe(text);
  });

  it('thousands are separated by commas, whatever the language of the machine', () => {
    expect([thousands(999), thousands(1234567)]).toEqual(['999', '1,234,567']);
  });
});

describe('a line of status', () => {
  /** What an output writes to a stderr that is a terminal of 20 columns, or none. */
  function written(isTTY: boolean, tell: (output: Output) => void): string {
    const chunks: string[] = [];
    const stream = (kept: string[]) =>
      Object.assign(
        new Writable({
          write(chunk: Buffer, _, done) {
            kept.push(chunk.toString());
            done();
          },
        }),
        { isTTY, columns: 20 },
      );
    tell(createOutput({ stdout: stream([]), stderr: stream(chunks) }));
    return chunks.join('');
  }

  it('takes the place of the one before, and never wraps; text that steers a terminal is made safe', () => {
    const CLEAR = '\r\u001b[K';
    expect(
      written(true, (output) => {
        output.status('step 1');
        output.status('x'.repeat(30));
        output.status('a\u001b[2J');
        output.status('');
      }),
    ).toBe(`${CLEAR}step 1${CLEAR}${'x'.repeat(19)}${CLEAR}${printable('a\u001b[2J')}${CLEAR}`);
    expect(printable('a\u001b[2J')).not.toContain('\u001b');
  });

  it('is nothing where nobody sees it', () => {
    expect(written(false, (output) => output.status('step 1'))).toBe('');
  });
});

describe('colours', () => {
  const pipe = { dataToTerminal: false } as Output;
  const ESC = String.fromCharCode(27);
  const paint = (macroStep: number, probability: number | null): string =>
    shading(pipe, true)!.token('x', macroStep, probability);

  it('none unless asked for, where stdout is no terminal', () => {
    expect(shading(pipe, undefined)).toBeUndefined();
    expect(shading(pipe, false)).toBeUndefined();
  });

  it('foreground and background are both set, so that no theme can make them one', () => {
    expect(paint(0, 1)).toMatch(new RegExp(`^${ESC}\\[48;5;\\d+m${ESC}\\[38;5;16mx`));
  });

  it('neighbouring macro-steps differ, those of one do not', () => {
    expect(paint(0, 0.5)).not.toBe(paint(1, 0.5));
    expect(paint(0, 0.5)).toBe(paint(2, 0.5));
  });

  it('four shades; a probability on the border belongs to the surer one', () => {
    const shades = [1, 0.9, 0.89, 0.6, 0.59, 0.3, 0.29, 0].map((probability) => paint(0, probability));
    expect(new Set(shades).size).toBe(4);
    for (const i of [0, 2, 4, 6]) expect(shades[i]).toBe(shades[i + 1]);
  });

  it('nothing is painted where there is no text', () => {
    expect(shading(pipe, true)!.token('', 0, 1)).toBe('');
  });
});
