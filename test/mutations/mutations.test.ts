import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mutations } from './mutations.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('deliberate mistakes', () => {
  it('there are at least twenty, and each can be planted in exactly one place', () => {
    expect(mutations.length).toBeGreaterThanOrEqual(20);
    const misplaced = mutations.flatMap(({ mistake, file, find, also = [] }) => {
      const code = readFileSync(join(root, file), 'utf8');
      return [find, ...also.map(([first]) => first)]
        .filter((text) => code.split(text).length !== 2)
        .map((text) => `${mistake}: ${text}`);
    });
    expect(misplaced).toEqual([]);
  });

  it('each names a test that there is', () => {
    const files = new Set(mutations.map(({ test }) => test));
    for (const file of files) expect(() => readFileSync(join(root, file)), file).not.toThrow();
  });
});
