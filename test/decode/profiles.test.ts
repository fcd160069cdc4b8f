import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  hfGenerateProfile,
  hfSeparateLastProfile,
  profiles,
  trainProfile,
} from '../../lib/decode/profiles.ts';

describe('profiles', () => {
  it('profiles/P1: no file but the table itself knows a profile by name', () => {
    const files = ['generate', 'macro-step', 'positions', 'termination', 'token-choice'];
    for (const file of [...files, 'drafting', 'roll-back', 'run', 'target', 'verdict', 'verified']) {
      const code = readFileSync(new URL(`../../lib/decode/${file}.ts`, import.meta.url), 'utf8');
      expect(code).not.toMatch(
        /['"`](train|hf-generate|hf-separate-last|gpt-fast)['"`]|profile\.name|hfGenerateProfile|hfSeparateLastProfile|gptFastProfile/,
      );
    }
  });

  it('the names, and the default thresholds, are those of SPEC', () => {
    const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
    const row = spec.match(/^\| default threshold \| (.*) \| (.*) \| (.*) \| `confidence` \|$/m)!;
    expect([...profiles.keys()]).toEqual(['train', 'hf-generate', 'hf-separate-last', 'gpt-fast']);
    const columns = ['train', 'hf-generate', 'gpt-fast'].map((name) => `${profiles.get(name)!.confidence}`);
    expect(columns).toEqual(row.slice(1, 4));
    // What SPEC says of it in a sentence.
    const { name, afterVerification, ...rest } = hfSeparateLastProfile;
    expect(spec).toContain(`\`${name}\` is \`hf-generate\`, but`);
    expect({ ...hfGenerateProfile, ...rest, name: 'hf-generate' }).toEqual(hfGenerateProfile);
    expect(afterVerification).toBe('separate-last');
    expect(profiles.get('train')).toBe(trainProfile);
  });
});
