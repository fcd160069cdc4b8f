/** The toy corpus: the same for everyone, split without leaks, right by its own judges. */

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { corpus, createJudge } from '../../fixtures/corpus/corpus.ts';
import { FAMILIES, readSamples, type Sample, SPLITS, sampleLine } from '../../fixtures/corpus/sample.ts';
import { DataError } from '../../lib/errors.ts';

const splits = {
  train: corpus('train', 1000),
  validation: corpus('validation', 100),
  test: corpus('test', 100),
};
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What a prompt combines, read off its right answer, not taken from the generator. */
function combinationsOf({ family, check, response }: Sample): string[] {
  if (family === 'math') {
    return [...response.matchAll(/^(\d+) (\D) (\d+) =/gm)].map(([, left, operator, right]) => {
      const ordered = '+*'.includes(operator!) && Number(right) < Number(left);
      return ordered ? `${right}${operator}${left}` : `${left}${operator}${right}`;
    });
  }
  if (family === 'lookup') return [];
  if (family === 'json') {
    const { city, job, kind, item, color, from, to } = (check as { record: Record<string, string> }).record;
    return [[city, job, kind, item, color, from, to].filter((value) => value !== undefined).join('/')];
  }
  // A function but for its name and numbers. The loop's 1 and 0 are part of its form.
  return family === 'code' ? [response.replace(/function \w+/, '')] : [];
}

describe('corpus', () => {
  it('is the same, to the byte, for everyone', () => {
    const digest = Object.fromEntries(
      SPLITS.map((split) => [split, sha256(corpus(split, 20).map(sampleLine).join(''))]),
    );
    expect(digest).toMatchInlineSnapshot(`
      {
        "test": "8eaa7086e7cdd5509ca96ba9fb6e7e31b881296444ec2e90bc3aa1f25bd49b65",
        "train": "fff1784097ba4b0bffe98b22c37b00adfadaba5d3613049d963e09bd806e80eb",
        "validation": "540559e05ba156a4dd798fc387ee91fe2c15524facc50c3e60926c4f068e0653",
      }
    `);
  });

  it('more samples only add to fewer', () => {
    for (const split of SPLITS) expect(splits[split].slice(0, 50)).toEqual(corpus(split, 10));
  });

  it('no prompt comes twice, within a split or across', () => {
    const prompts = SPLITS.flatMap((split) => splits[split].map(({ prompt }) => prompt));
    expect(new Set(prompts).size).toBe(prompts.length);
  });

  it('half of the test samples of each family combine what training and validation never do', () => {
    for (const split of ['train', 'validation'] as const) {
      expect(splits[split].filter(({ unseen }) => unseen)).toEqual([]);
    }
    const seen = new Set([...splits.train, ...splits.validation].flatMap(combinationsOf));
    for (const family of FAMILIES) {
      const unseen = splits.test.filter((sample) => sample.family === family && sample.unseen);
      expect(unseen.length).toBe(50);
      if (family === 'lookup' || family === 'story') continue;
      const leaks = unseen.filter((sample) => combinationsOf(sample).every((name) => seen.has(name)));
      expect(leaks.map(({ prompt }) => prompt)).toEqual([]);
    }
  });

  it('every response is right by its own judge', async () => {
    const judge = await createJudge();
    const samples = [...splits.test, ...splits.train.slice(0, 1000)];
    const wrong = samples.filter((sample) => !judge(sample, sample.response).correct);
    expect(wrong).toEqual([]);
  });

  it('the same numbers of every family, in turn', () => {
    expect(splits.test.slice(0, 10).map(({ id }) => id)).toEqual([
      ...FAMILIES.map((family) => `test/${family}/0`),
      ...FAMILIES.map((family) => `test/${family}/1`),
    ]);
  });

  it('lines of a file give the samples back', () => {
    const lines = splits.test.map(sampleLine).join('');
    expect(readSamples(lines, 'test.jsonl')).toEqual(splits.test);
  });

  it('refuses a line that is no sample, and says which', () => {
    const good = sampleLine(splits.test[2]!);
    expect(() => readSamples(`${good}{"family":"poem"}\n`, 'x.jsonl')).toThrow(/x\.jsonl, line 2/);
    expect(() => readSamples('[', 'x.jsonl')).toThrow(DataError);
    // The name of a function is run as source.
    const hostile = good.replace(/"name":"\w+"/, '"name":"f()"');
    expect(hostile).not.toBe(good);
    expect(() => readSamples(hostile, 'x.jsonl')).toThrow(DataError);
  });
});
