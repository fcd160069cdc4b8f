/**
 * A model that others have trained, against the text that llama2.c prints for it. It is not part of the project: where it is
 * not there, these tests are skipped.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { hamburger, init, jsonOf, stdoutOf, workFolder } from './run.ts';

const folder = fileURLToPath(new URL('../../../shared/real/tok105', import.meta.url));
const present = existsSync(folder);

interface Greedy {
  readonly prompt: string;
  readonly max_positions: number;
  readonly greedy_text: string;
}
const cases: readonly Greedy[] = present ? JSON.parse(readFileSync(join(folder, 'greedy.json'), 'utf8')) : [];

describe.skipIf(!present)(
  `a trained model of llama2.c${present ? '' : ' (skipped: ../shared/real/tok105 is not there)'}`,
  () => {
    const cwd = workFolder();

    beforeAll(() => {
      const args = [
        'import',
        'llama2c',
        join(folder, 'model.bin'),
        '--tokenizer',
        join(folder, 'tokenizer.bin'),
      ];
      const { code, stdout, stderr } = hamburger([...args, '--out', 'tok105'], { cwd });
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
      expect(stderr).toMatch(/^tok105: 936,448 parameters\n/);
      init(cwd, '--from-base', 'tok105', '--seed', '7', '--out', 'grafted');
    });

    const greedy = ({ prompt, max_positions }: Greedy, ...args: string[]) => [
      'generate',
      prompt,
      '--max-positions',
      `${max_positions}`,
      '--temperature',
      '0',
      ...args,
    ];

    describe.each(cases)('$prompt', (given) => {
      it.each(['f32', 'f64'])('%s: the base says what llama2.c says, to the character', (numerics) => {
        const args = greedy(given, '--checkpoint', 'tok105', '--mode', 'base', '--numerics', numerics);
        expect(stdoutOf(args, { cwd })).toBe(`${given.greedy_text}\n`);
      });

      it.each(['f32', 'f64'])(
        '%s: and so it does with untrained modules that are never confident',
        (numerics) => {
          const args = greedy(given, '--checkpoint', 'grafted', '--confidence', '1', '--numerics', numerics);
          expect(stdoutOf(args, { cwd })).toBe(`${given.greedy_text}\n`);
        },
      );
    });

    it('at confidence 0 every macro-step emits max_steps tokens', () => {
      const args = greedy(cases[0]!, '--checkpoint', 'grafted', '--confidence', '0', '--max-tokens', '80');
      const { segments } = jsonOf<{ segments: { tokens: unknown[]; end: string }[] }>(args, { cwd });
      expect(segments.map(({ tokens, end }) => [tokens.length, end])).toEqual(
        Array.from({ length: 20 }, (_, m) => [4, m === 19 ? 'limit' : 'max-steps']),
      );
    });
  },
);
