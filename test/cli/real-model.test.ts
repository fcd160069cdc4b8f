/**
 * A model that others have trained, against the text that llama2.c prints for it. It is not part of the project: where it is
 * not there, these tests are skipped.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { realModel } from '../helpers/real-model.ts';
import { binary, binaryStdout, init, jsonOf, words, workFolder } from './run.ts';

const folder = realModel;
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

    beforeAll(async () => {
      const args = [
        'import',
        'llama2c',
        join(folder, 'model.bin'),
        '--tokenizer',
        join(folder, 'tokenizer.bin'),
      ];
      const { code, stdout, stderr } = binary([...args, '--out', 'tok105'], { cwd });
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
      expect(stderr).toMatch(/^tok105: 936,448 parameters\n/);
      await init(cwd, '--from-base', 'tok105', '--seed', '7', '--out', 'grafted');
    });

    const greedy = ({ prompt, max_positions }: Greedy, options: string): string[] => [
      ...['generate', prompt],
      ...words(`--temperature 0 --max-positions ${max_positions} ${options}`),
    ];

    describe.each(cases)('$prompt', (given) => {
      it.each(['f32', 'f64'])('%s: the base says what llama2.c says, to the character', (numerics) => {
        const args = greedy(given, `--checkpoint tok105 --mode base --numerics ${numerics}`);
        expect(binaryStdout(args, { cwd })).toBe(`${given.greedy_text}\n`);
      });

      it.each(['f32', 'f64'])(
        '%s: and so it does with untrained modules that are never confident',
        (numerics) => {
          const args = greedy(given, `--checkpoint grafted --confidence 1 --numerics ${numerics}`);
          expect(binaryStdout(args, { cwd })).toBe(`${given.greedy_text}\n`);
        },
      );
    });

    it('at confidence 0 every macro-step emits max_steps tokens', async () => {
      const args = greedy(cases[0]!, '--checkpoint grafted --confidence 0 --max-tokens 80');
      const { segments } = await jsonOf<{ segments: { tokens: unknown[]; end: string }[] }>(args, { cwd });
      expect(segments.map(({ tokens, end }) => [tokens.length, end])).toEqual(
        Array.from({ length: 20 }, (_, m) => [4, m === 19 ? 'limit' : 'max-steps']),
      );
    });
  },
);
