import { describe, expect, it } from 'vitest';
import { parsePairs } from '../../lib/checkpoint/pairs-file.ts';
import { DataError } from '../../lib/errors.ts';

describe('prompts and responses from JSON Lines', () => {
  it('every line is one, in order; the prompt may be absent, empty lines do not count but are counted', () => {
    const text = '{"prompt": "a", "response": "b"}\r\n\n{"response": "c\\nd"}';
    expect(parsePairs(text, 'data.jsonl')).toEqual([
      { prompt: 'a', response: 'b', place: 'data.jsonl, line 1' },
      { prompt: '', response: 'c\nd', place: 'data.jsonl, line 3' },
    ]);
    expect(parsePairs('\n', 'data.jsonl')).toEqual([]);
  });

  it('what judges have in a line is passed over', () => {
    const line =
      '{"id": "train/json/0", "family": "json", "unseen": false, "response": "b", "check": {"a": 1}}';
    expect(parsePairs(line, 'x')).toEqual([{ prompt: '', response: 'b', place: 'x, line 1' }]);
  });

  it.each([
    ['{"response": "a"}\n{"response": ', 'data.jsonl, line 2, column 14: expected'],
    ['["a", "b"]', 'data.jsonl, line 1: expected an object'],
    ['{"prompt": "a"}', 'data.jsonl, line 1: response: expected a string, found nothing'],
    ['{"response": 1}', 'data.jsonl, line 1: response: expected a string, found 1'],
    ['{"response": "a", "promt": 1}', 'data.jsonl, line 1: promt: expected no key of this name, found 1'],
    ['{"response": "a", "response": "b"}', 'data.jsonl, line 1, column 19: expected'],
    ['{"response": "a"} {"response": "b"}', 'data.jsonl, line 1, column 19: expected'],
  ])('%s is refused with its place', (text, message) => {
    expect(() => parsePairs(text, 'data.jsonl')).toThrow(DataError);
    expect(() => parsePairs(text, 'data.jsonl')).toThrow(message);
  });
});
