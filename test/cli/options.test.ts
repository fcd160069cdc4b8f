import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  confidence,
  fileNamed,
  integer,
  integerList,
  nonEmpty,
  number,
  orNull,
  ropeScaling,
  segmentList,
} from '../../cli/options.ts';

/** What a parser says of a text that it refuses. */
function refusal(parse: (text: string) => unknown, text: string): string {
  try {
    parse(text);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return (error as Error).message;
  }
  throw new Error(`${text} was accepted`);
}

describe('option parsers', () => {
  it.each(['', ' 1', '1 ', '-1', '+1', '1.0', '1e3', '0x10', '1_000', '１', '9007199254740993', 'NaN'])(
    'an integer spelled %j is refused, not read as something near it',
    (text) => {
      expect(refusal(integer(0), text)).toBe(
        `Expected an integer of at least 0, found ${JSON.stringify(text)}.`,
      );
    },
  );

  it('an integer below the least one is refused, the least one is not', () => {
    expect(integer(3)('3')).toBe(3);
    expect(refusal(integer(3), '2')).toBe('Expected an integer of at least 3, found "2".');
    expect(integer(0)('007')).toBe(7);
  });

  it.each(['', ' ', '1,5', '0x1', 'Infinity', '1e999', 'NaN', '1.2.3', '.', 'e3', '--1'])(
    'a number spelled %j is refused',
    (text) => {
      const expected = `Expected a number, found ${JSON.stringify(text)}.`;
      expect(
        refusal(
          number('a number', () => true),
          text,
        ),
      ).toBe(expected);
    },
  );

  it.each([
    ['1', 1],
    ['-0.5', -0.5],
    ['.5', 0.5],
    ['5.', 5],
    ['1e-3', 0.001],
    ['2E+2', 200],
  ])('the number %s is %d', (text, value) => {
    expect(number('a number', () => true)(text)).toBe(value);
  });

  it('both ends of a confidence are allowed, beyond them nothing is', () => {
    expect([confidence('0'), confidence('1'), confidence('0.85')]).toEqual([0, 1, 0.85]);
    const expected = "Expected a number from 0 to 1, or 'none', found ";
    expect(refusal(confidence, '1.01')).toBe(`${expected}"1.01".`);
    expect(refusal(confidence, '-0.1')).toBe(`${expected}"-0.1".`);
    expect(refusal(confidence, '90%')).toBe(`${expected}"90%".`);
  });

  it('no confidence is not 0, and no null, of which Commander would make a text', () => {
    expect(confidence('none')).toBe('none');
    expect([orNull('none'), orNull(0)]).toEqual([null, 0]);
    expect(refusal(confidence, 'None')).toContain("'none'");
  });

  it('spaces around ids are allowed, empty places are not taken for 0', () => {
    expect(integerList('1, 2 ,3')).toEqual([1, 2, 3]);
    for (const text of ['', '1,', ',1', '1,,2', '1 2', '1;2', '-1', '1.5']) {
      expect(refusal(integerList, text)).toContain(`found ${JSON.stringify(text)}`);
    }
  });

  it('segments keep their borders; an empty one is refused', () => {
    expect(segmentList('1,2,3|4|5,6')).toEqual([[1, 2, 3], [4], [5, 6]]);
    for (const text of ['', '|', '1||2', '1|', '1,2|x']) {
      expect(refusal(segmentList, text)).toContain(`found ${JSON.stringify(text)}`);
    }
  });

  it('RoPE scaling is four numbers, in the order that the help names, or none', () => {
    expect(ropeScaling('32,1,4,8192')).toEqual({
      factor: 32,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositionEmbeddings: 8192,
    });
    expect(ropeScaling('none')).toBe('none');
    expect(refusal(ropeScaling, '32,1,4')).toContain('four numbers');
    expect(refusal(ropeScaling, '32,1,4,')).toContain('four numbers');
  });

  it('a file of another kind would be overwritten with tensors: its name is refused', () => {
    const parse = fileNamed('.safetensors');
    expect(parse('a/run.safetensors')).toBe('a/run.safetensors');
    for (const text of ['run.json', 'run', '.safetensors', 'a/.safetensors', 'run.safetensors/']) {
      expect(refusal(parse, text)).toContain('ends with .safetensors');
    }
  });

  it('an empty seed is refused, because it would be no seed', () => {
    expect(nonEmpty('a seed')('0')).toBe('0');
    expect(refusal(nonEmpty('a seed'), '')).toBe('Expected a seed, found "".');
  });

  it('what was found is shown without control characters and shortened', () => {
    expect(refusal(integer(0), '\u001b[31m\u009b')).toContain('"\\u001b[31m\\u{9b}"');
    expect(refusal(integer(0), 'x'.repeat(1000)).length).toBeLessThan(200);
  });
});
