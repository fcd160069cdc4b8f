/** Command lines: their words, and what the parsers of options make of them. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../../../cli/main.ts';
import * as options from '../../../cli/options.ts';
import { inputOf, utf16Text } from '../input.ts';
import { must, type Target } from '../target.ts';

const root = dirname(fileURLToPath(new URL('../../../package.json', import.meta.url)));
const toy = join(root, 'fixtures', 'checkpoints', 'toy');

/** Keeps what is written, up to a limit. */
class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.text.length < 1 << 20) this.text += chunk.toString('utf8');
    done();
  }
}

/** Commands that neither last nor start programs of others. */
const LINES: readonly (readonly string[])[] = [
  ['inspect', '--json'],
  ['inspect', toy],
  ['generate', 'a', '--max-tokens', '1', '--json', '--kernels', 'reference'],
  [
    'generate',
    '--prompt-ids',
    '1,2',
    '--max-tokens',
    '1',
    '--temperature',
    '0.5',
    '--top-k',
    '3',
    '--seed',
    'x',
    '--kernels',
    'reference',
  ],
  ['segment', 'ab', '--kernels', 'reference', '--strategy', 'decreasing'],
  ['trace', 'a', '--max-tokens', '1', '--out', 'x.safetensors', '--kernels', 'reference'],
  ['init', '--out', 'made', '--preset', 'tiny', '--seed', '1'],
  ['conform', 'trace', 'x.safetensors', '--prompt-ids', '1', '--segments', '2|3'],
  ['conform', 'check', 'results'],
  ['conform', 'verify', 'report.json'],
  ['conform', 'make', '--config', 'config.json', '--out', 'kit'],
  ['export', '--out', 'made'],
  ['import', 'llama2c', 'model.bin', '--out', 'made'],
  ['train', 'recipe.json', '--out', 'run'],
  ['distill', 'data.jsonl', '--out', 'x.jsonl'],
  ['help', 'generate'],
  ['--version'],
  [],
];

const COMMANDS = new Set(LINES.map(([command]) => command));

export const argumentTargets: readonly Target[] = [
  {
    name: 'arguments',
    share: 0.5,
    seeds: () => LINES.map((words) => inputOf({ 'words.args': [...words] })),
    async run(input, scratch) {
      let words: string[];
      try {
        words = (JSON.parse(Buffer.from(input['words.args']!).toString('utf8')) as unknown[]).map(String);
      } catch {
        return;
      }
      // What a program gets from the system has no zero bytes; and what lasts or writes where it is told to is left out.
      const [command] = words;
      const away = (word: string): boolean => word !== toy && /[/\\]/.test(word);
      if (words.some((word) => word.includes('\0') || away(word)) || !COMMANDS.has(command)) return;
      if (
        words.includes('bench') ||
        words.includes('eval') ||
        words.includes('run') ||
        words.includes('doctor')
      )
        return;
      const [stdout, stderr] = [new Sink(), new Sink()];
      const before = process.cwd();
      process.chdir(scratch.out);
      let code: number;
      try {
        code = await run(words, { stdout, stderr });
      } finally {
        process.chdir(before);
      }
      must(
        [0, 1, 2].includes(code),
        `exit code ${code} of ${JSON.stringify(words)}: ${stderr.text.slice(0, 500)}`,
      );
      if (code === 2) must(/\S/.test(stderr.text), 'a refusal without a word');
      must(!/(?!\n)\p{Cc}/u.test(stderr.text), 'a character that steers a terminal in what is said');
      must(existsSync(toy), 'the toy checkpoint is gone');
    },
  },
  {
    name: 'option-values',
    share: 36,
    seeds: () =>
      [
        '1,2,3|4',
        '0.5',
        'none',
        '32,1,4,8192',
        'x.safetensors',
        '12',
        '0,0.5,1',
        '1e3',
        'simd,reference',
      ].map((text) => inputOf({ 'value.utf16': text })),
    run(input) {
      const text = utf16Text(input['value.utf16'] ?? new Uint8Array(0));
      const parsers: readonly ((text: string) => unknown)[] = [
        options.integer(1),
        options.number('a number', (value) => value > 0),
        options.confidence,
        options.confidenceList,
        options.nonEmpty('a text'),
        options.integerList,
        options.segmentList,
        options.ropeScaling,
        options.fileNamed('.safetensors'),
        options.choiceList(['simd', 'reference']),
      ];
      for (const parse of parsers) {
        try {
          const value = parse(text);
          must(
            !/NaN|Infinity/.test(
              JSON.stringify(value, (_, each) => (typeof each === 'number' ? String(each) : each)).replace(
                JSON.stringify(text),
                '',
              ),
            ),
            'a number that is none',
          );
        } catch (error) {
          if ((error as { code?: string }).code !== 'commander.invalidArgument') throw error;
          must((error as Error).message.length < 2000, 'a message without end');
        }
      }
    },
  },
];
