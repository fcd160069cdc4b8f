/** The judges: wrong answers are wrong, other right ones are right. */

import { describe, expect, it } from 'vitest';
import { corpus, createJudge } from '../../fixtures/corpus/corpus.ts';
import type { StoryCheck } from '../../fixtures/corpus/families/story.ts';
import type { FamilyName, Sample } from '../../fixtures/corpus/sample.ts';

const judge = await createJudge();
const samples = corpus('test', 40);
const of = (family: FamilyName): Sample[] => samples.filter((sample) => sample.family === family);

/** Answers to all samples of a family, those that are judged correct. */
function accepted(family: FamilyName, answer: (response: string) => string): string[] {
  return of(family)
    .filter((sample) => judge(sample, answer(sample.response)).correct)
    .map((sample) => answer(sample.response));
}

describe('judges', () => {
  it.each(['json', 'math', 'code', 'story', 'lookup'] as const)(
    '%s: nothing, half an answer, and the answer to another prompt are wrong',
    (family) => {
      expect(accepted(family, () => '')).toEqual([]);
      expect(accepted(family, (response) => response.slice(0, response.length / 2))).toEqual([]);
      const all = of(family);
      const others = all.filter((sample, i) => judge(sample, all[(i + 1) % all.length]!.response).correct);
      expect(others).toEqual([]);
    },
  );

  it('a verdict says what is wrong, and says nothing of a right answer', () => {
    const [sample] = of('math') as [Sample];
    expect(judge(sample, '#### 98').reason).toMatch(/^98, not \d+$/);
    expect(judge(sample, sample.response)).toEqual({ correct: true, reason: '' });
  });

  it('json: order of members and spaces do not matter; values, types and further members do', () => {
    const reversed = (text: string): string =>
      JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as object).toReversed()), null, 2);
    expect(accepted('json', reversed).length).toBe(40);
    expect(accepted('json', (text) => text.replace('}', ',"more":1}'))).toEqual([]);
    const shortened = (text: string): string =>
      JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as object).slice(0, -1)));
    expect(accepted('json', shortened)).toEqual([]);
    expect(accepted('json', (text) => text.replace(/:"(\w)/, ':"$1$1').replace(/:(\d)/, ':1$1'))).toEqual([]);
    expect(accepted('json', (text) => text.replace(/("\w+":)/, '$1null,$1'))).toEqual([]);
    expect(accepted('json', (text) => `${text} ${text}`)).toEqual([]);
    expect(accepted('json', (text) => `[${text}]`)).toEqual([]);
    expect(accepted('json', (text) => text + ' '.repeat(2000))).toEqual([]);
  });

  it('math: the number after #### at the end decides, not the way there', () => {
    expect(accepted('math', (text) => text.replace(/^.*\n/, '')).length).toBe(40);
    expect(accepted('math', (text) => `${text}0`)).toEqual([]);
    expect(accepted('math', (text) => text.replace('####', '###'))).toEqual([]);
    expect(accepted('math', (text) => `${text} or so`)).toEqual([]);
  });

  it('code: what the function returns decides, not how it is written', () => {
    const arrow = (text: string): string =>
      text.replace(/^function (\w+)\((\w+)\) \{/, 'const $1 = ($2) => { // so').replace(/$/, ';');
    expect(accepted('code', arrow).length).toBe(40);
    const changes: readonly (readonly [RegExp, string])[] = [
      [/ > /, ' >= '],
      [/ >= /, ' > '],
      [/ < (?=\d)/, ' <= '],
      [/ === 0/, ' !== 0'],
      [/(?<=[%<>=] )(\d+)/, '1$1'],
      [/(?<=x [*+-] )(\d)/, '1$1'],
      [/\.reverse\(\)/, ''],
      [/a \+ b/, 'a - b'],
      [/every/, 'some'],
      [/\.toUpperCase\(\)/, ''],
      [/return/, ''],
      [/function \w+/, 'function other'],
    ];
    for (const [find, replace] of changes) {
      const touched = of('code').filter(({ response }) => find.test(response));
      expect(touched.length, String(find)).toBeGreaterThan(0);
      const right = touched.filter((sample) => judge(sample, sample.response.replace(find, replace)).correct);
      expect(
        right.map(({ response }) => response.replace(find, replace)),
        String(find),
      ).toEqual([]);
    }
  });

  it('story: words, number of sentences, whole sentences, no broken words, no repetition', () => {
    const first = /^[^.!?]*(?:[!?]"[^.!?]*)*[.!?] /;
    expect(accepted('story', (text) => text.replace(first, ''))).toEqual([]);
    expect(accepted('story', (text) => text.replace(first, '$&$&'))).toEqual([]);
    // As many sentences as there should be, but the last one is the one before it again.
    const repeated = (text: string): string => {
      const sentences = text.match(/[A-Z"].*?[.!?](?= |$)/g)!;
      return [...sentences.slice(0, -1), sentences.at(-2)!].join(' ');
    };
    expect(accepted('story', repeated)).toEqual([]);
    expect(
      of('story').filter((sample) => /comes twice/.test(judge(sample, repeated(sample.response)).reason))
        .length,
    ).toBeGreaterThan(10);
    expect(accepted('story', (text) => `${text} The end.`)).toEqual([]);
    expect(accepted('story', (text) => text.slice(0, -1))).toEqual([]);
    expect(accepted('story', (text) => text.replace(/ the | and | a /, ' thend '))).toEqual([]);
    expect(
      accepted('story', (text) => text.replace(/\. ([A-Z])/g, (_, c: string) => `. ${c.toLowerCase()}`)),
    ).toEqual(
      of('story')
        .map(({ response }) => response)
        .filter((text) => !/\. [A-Z]/.test(text)),
    );
    const missing = of('story').filter((sample) => {
      const [word] = (sample.check as StoryCheck).words;
      return judge(sample, sample.response.replaceAll(word!, 'fox')).correct;
    });
    expect(missing).toEqual([]);
  });

  it('lookup: the sentence, and only that', () => {
    expect(accepted('lookup', (text) => ` ${text}\n`).length).toBe(40);
    expect(accepted('lookup', (text) => text.slice(0, -1))).toEqual([]);
    expect(accepted('lookup', (text) => `${text} ${text}`)).toEqual([]);
  });

  it('any text at all gets a verdict', () => {
    const odd = [
      '\u0000',
      '\ud800',
      '__proto__',
      '{"__proto__":1}',
      '['.repeat(1900),
      '#### ',
      'A.'.repeat(900),
    ];
    for (const sample of samples.slice(0, 5)) {
      for (const answer of odd) expect(judge(sample, answer).correct).toBe(false);
    }
  });
});
