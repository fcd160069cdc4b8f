import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/checkpoint/checkpoint.ts';
import { configJson } from '../../../lib/checkpoint/config-file.ts';
import {
  checkpointFiles,
  contentsOf,
  plainConfig,
  tensorFile,
  tensorsOf,
  tiedConfig,
  writeFolder,
} from '../../helpers/checkpoint-folders.ts';
import { hamburger, stdoutOf, workFolder } from '../run.ts';

const cwd = workFolder();
const config = configJson(tiedConfig, 'F32');
const table = tensorsOf(tiedConfig)['model.model.embed_tokens.weight']!;
writeFolder(join(cwd, 'llama'), checkpointFiles(plainConfig, 'BF16'));
writeFolder(cwd, {
  'state.safetensors': tensorFile({
    ...tensorsOf(tiedConfig),
    'model.lm_head.weight': table,
    'comp_embedder.embedding.weight': table,
  }),
  'config.json': config,
  'plain.json': configJson(plainConfig, 'F32'),
  'short.bin': Uint8Array.of(1, 2, 3),
});

describe('import', () => {
  it('hf: a Llama keeps its weights to the bit', async () => {
    const { code, stdout, stderr } = await hamburger(['import', 'hf', 'llama', '--out', 'base'], { cwd });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^base: [\d,]+ parameters\n$/);
    expect(contentsOf(join(cwd, 'base'))['model.safetensors']).toBeDefined();
    expect(openCheckpoint(join(cwd, 'base')).config).toEqual(plainConfig);
  });

  it('hamburger: a state_dict becomes a checkpoint that generates; what is left out is told', async () => {
    const { code, stderr } = await hamburger(
      ['import', 'hamburger', 'state.safetensors', '--config', 'config.json', '--out', 'published'],
      { cwd },
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(
        /^published: [\d,]+ parameters\nleft out: comp_embedder\.embedding\.weight, model\.lm_head\.weight \(the same table as .*\)\n$/,
      ),
    });
    expect(openCheckpoint(join(cwd, 'published')).config).toEqual(tiedConfig);
    const args = ['generate', '--checkpoint', 'published', '--prompt-ids', '1,3', '--max-tokens', '4'];
    expect(await stdoutOf(args, { cwd })).toMatch(/^1,3(,\d+){1,4}\n$/);
  });

  it.each<[string, string[], RegExp]>([
    [
      'llama2c: a file that is none',
      ['llama2c', 'short.bin'],
      /^short\.bin: expected a llama2\.c model, .*, found a file of 3 bytes$/,
    ],
    [
      'llama2c: no file',
      ['llama2c', 'nothing.bin'],
      /^nothing\.bin: expected a readable file, found no such file$/,
    ],
    [
      'hf: a HAMburger',
      ['hf', 'published'],
      /^published: expected a plain Llama, found a HAMburger checkpoint/,
    ],
    [
      'hf: no folder',
      ['hf', 'nothing'],
      /^nothing: expected a checkpoint folder, .* found nothing of that name$/,
    ],
    [
      'hamburger: a configuration without the modules',
      ['hamburger', 'state.safetensors', '--config', 'plain.json'],
      /^plain\.json: hamburger: expected max_steps, .* found nothing$/,
    ],
    [
      'hamburger: a tokenizer folder that is not there',
      ['hamburger', 'state.safetensors', '--config', 'config.json', '--tokenizer-from', 'nothing'],
      /^nothing: expected a folder with a tokenizer, found nothing of that name$/,
    ],
  ])('%s: said, and nothing is made', async (_, args, message) => {
    const { code, stdout, stderr } = await hamburger(['import', ...args, '--out', 'new'], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^hamburger: .*\n$/);
    expect(stderr.slice('hamburger: '.length, -1)).toMatch(message);
    expect(existsSync(join(cwd, 'new'))).toBe(false);
    expect(readdirSync(cwd).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
