import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { profiles, trainProfile } from '../../lib/decode/profiles.ts';

describe('profiles', () => {
  it('profiles/P1: no file but the table itself knows a profile by name', () => {
    for (const file of ['generate', 'macro-step', 'positions', 'termination', 'token-choice']) {
      const code = readFileSync(new URL(`../../lib/decode/${file}.ts`, import.meta.url), 'utf8');
      expect(code).not.toMatch(
        /['"`](train|hf-generate|gpt-fast)['"`]|profile\.name|hfGenerateProfile|gptFastProfile/,
      );
    }
  });

  it('the names, and the default thresholds, are those of SPEC', () => {
    const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
    const row = spec.match(/^\| default threshold \| (.*) \| (.*) \| (.*) \| `confidence` \|$/m)!;
    expect([...profiles.keys()]).toEqual(['train', 'hf-generate', 'gpt-fast']);
    expect([...profiles.values()].map(({ confidence }) => `${confidence}`)).toEqual(row.slice(1, 4));
    expect(profiles.get('train')).toBe(trainProfile);
  });
});
