import { describe, expect, it } from 'vitest';
import { hfGenerateProfile, hfSeparateLastProfile, trainProfile } from '../../lib/decode/profiles.ts';
import { rolledBack } from '../../lib/decode/roll-back.ts';

const segments = [[5, 6, 7], [8, 9], [3]];
const left = (accepted: number, profile = trainProfile) =>
  rolledBack({ tokensBefore: 10, segments, accepted, next: 2 }, profile);

describe('rolling a draft back', () => {
  it.each([
    [0, 0, [{ tokens: [2], position: 10 }], [[2]]],
    [2, 0, [{ tokens: [5, 6, 2], position: 12 }], [[5, 6, 2]]],
    [3, 1, [{ tokens: [2], position: 13 }], [[5, 6, 7], [2]]],
    [
      4,
      1,
      [{ tokens: [8, 2], position: 14 }],
      [
        [5, 6, 7],
        [8, 2],
      ],
    ],
    [5, 2, [{ tokens: [2], position: 15 }], [[5, 6, 7], [8, 9], [2]]],
  ])(
    'verification/C4, C5: of %i accepted tokens %i segments stay entries; the word of the target joins the segment that it breaks',
    (accepted, entriesKept, pending, cut) => {
      expect(left(accepted)).toEqual({ entriesKept, pending, segments: cut });
    },
  );

  it('verification/C5: the last segment, which was never fed back, becomes an entry by itself', () => {
    expect(left(6)).toEqual({
      entriesKept: 2,
      pending: [
        { tokens: [3], position: 15 },
        { tokens: [2], position: 16 },
      ],
      segments: [[5, 6, 7], [8, 9], [3], [2]],
    });
  });

  it('verification/C5: a segment of max_steps tokens never grows by the word of the target', () => {
    const whole = rolledBack({ tokensBefore: 4, segments: [[1, 1, 1]], accepted: 3, next: 2 }, trainProfile);
    expect(whole.pending.map(({ tokens }) => tokens)).toEqual([[1, 1, 1], [2]]);
  });

  it('hf-generate: one entry, at the index of its first token; what the draft ended itself is where it always is', () => {
    expect(left(4, hfGenerateProfile).pending).toEqual([{ tokens: [8, 2], position: 13 }]);
    expect(left(3, hfGenerateProfile).pending).toEqual([{ tokens: [2], position: 13 }]);
    expect(left(6, hfGenerateProfile).pending).toEqual([
      { tokens: [3], position: 16 },
      { tokens: [2], position: 16 },
    ]);
  });

  it('hf-separate-last: the word of the target is an entry of its own, at the position after its forerunner', () => {
    expect(left(4, hfSeparateLastProfile)).toEqual({
      entriesKept: 1,
      pending: [
        { tokens: [8], position: 13 },
        { tokens: [2], position: 14 },
      ],
      segments: [[5, 6, 7], [8], [2]],
    });
    expect(left(2, hfSeparateLastProfile).pending).toEqual([
      { tokens: [5, 6], position: 10 },
      { tokens: [2], position: 11 },
    ]);
    expect(left(0, hfSeparateLastProfile).pending).toEqual([{ tokens: [2], position: 10 }]);
    const whole = rolledBack(
      { tokensBefore: 10, segments: [[5, 6, 7]], accepted: 3, next: 2 },
      hfSeparateLastProfile,
    );
    expect(whole.pending).toEqual([
      { tokens: [5, 6, 7], position: 10 },
      { tokens: [2], position: 11 },
    ]);
  });
});
