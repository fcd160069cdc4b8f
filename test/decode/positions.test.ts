import { describe, expect, it } from 'vitest';
import { teacherForced } from '../../lib/decode/generate.ts';
import { promptPositions, segmentPosition } from '../../lib/decode/positions.ts';
import { gptFastProfile, hfGenerateProfile, trainProfile } from '../../lib/decode/profiles.ts';
import { recordTrace } from '../../lib/trace.ts';
import { hamburgerOf, smallConfig } from '../helpers/models.ts';

describe('positions', () => {
  it('positions/C1: the prompt starts at 0', () => {
    expect(promptPositions(4)).toEqual([0, 1, 2, 3]);
  });

  it('positions/C2: the index of the last token, not of the first, nor of the one after it', () => {
    // 4 prompt tokens, then a segment of 3: its tokens have the indices 4, 5, 6.
    expect(segmentPosition(7, trainProfile)).toBe(6);
    expect(segmentPosition(7, gptFastProfile)).toBe(6);
    expect(segmentPosition(7, hfGenerateProfile)).toBe(7);
  });

  it('positions/C3: it is the position that RoPE takes, so moving a segment changes its key and not its value', () => {
    const model = hamburgerOf(smallConfig, 'f64');
    const run = (profile: typeof trainProfile) => {
      const { trace, tensors } = recordTrace();
      teacherForced(model, { prompt: [1, 2], segments: [[3, 4, 5], [6]], profile, trace });
      return (name: string) => [...tensors.get(`macro.1.model.layers.0.self_attn.${name}`)!.data];
    };
    const [here, further] = [run(trainProfile), run({ ...trainProfile, entryPositionOffset: 1 })];
    expect(here('v_proj')).toEqual(further('v_proj'));
    expect(here('k_proj')).toEqual(further('k_proj'));
    expect(here('k_rope')).not.toEqual(further('k_rope'));
    expect(here('q_rope')).not.toEqual(further('q_rope'));
  });
});
