import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { binary, hamburger, init, workFolder } from '../run.ts';

const cwd = workFolder();

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
});

/** Explains, and reads the page. */
async function explained(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await hamburger(['explain', ...args, '--out', name], { cwd });
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(new RegExp(`^${name}: [\\d.]+ KiB$`));
  return readFileSync(join(cwd, name), 'utf8');
}

describe('explain', () => {
  it('shows the tokens, figures and entries that generate reports', async () => {
    const args = ['--confidence', '0.95', '--temperature', '0.7', '--seed', '3'];
    const page = await explained('toy.html', ...args);
    const run = await generated(args);
    expect(page).toContain(`<h1>${run.ids.length} tokens in ${run.macro_steps} passes</h1>`);
    expect(page).toContain(`HAMburger: ${run.entry_positions.length} KV entries`);
    const ids = [...page.matchAll(/<tr><td>\d+<\/td><td>\d+<\/td><td>(\d+)<\/td>/g)].map(([, id]) =>
      Number(id),
    );
    expect(ids).toEqual(run.ids);
    expect(page).toContain('temperature 0.7, seed 3');
    expect(page).toContain('entropy of the base before each token');
  });

  it('a run that was traced gives the very page of the run, and the built program gives it too', async () => {
    const args = ['--max-tokens', '24', '--confidence', '0.9'];
    const page = await explained('direct.html', ...args);
    await hamburger(['trace', ...args, '--out', 'run.safetensors'], { cwd });
    expect(await explained('traced.html', '--trace', 'run.safetensors')).toBe(page);
    expect(binary(['explain', ...args, '--out', 'binary.html'], { cwd }).code).toBe(0);
    expect(readFileSync(join(cwd, 'binary.html'), 'utf8')).toBe(page);
  });

  it('a trace of another model is explained with ids, and with its checkpoint in full', async () => {
    const tiny = ['--checkpoint', 'tiny'];
    await hamburger(['trace', 'Hi', ...tiny, '--max-tokens', '6', '--out', 'tiny.safetensors'], { cwd });
    const bare = await explained('bare.html', '--trace', 'tiny.safetensors');
    expect(bare).toContain('only the tensors of this run are at hand');
    const full = await explained('full.html', '--trace', 'tiny.safetensors', ...tiny);
    expect(full).toContain('entropy of the base before each token');
    expect(full).toBe(await explained('direct.html', 'Hi', ...tiny, '--max-tokens', '6'));
  });

  it('of the base alone', async () => {
    const page = await explained('base.html', '--mode', 'base', '--max-tokens', '5');
    expect(page).toContain('<h1>5 tokens in 5 passes</h1>');
    expect(page).toContain('The base alone');
  });

  it.each([
    [['Hi', '--trace', 'x.safetensors', '--out', 'no.html'], 'prompt: expected none with --trace'],
    [['--trace', 'none.safetensors', '--out', 'no.html'], 'none.json'],
    [['--trace', 'tiny.safetensors', '--checkpoint', 'other', '--out', 'no.html'], 'other'],
    [['--trace', 'x.safetensors', '--seed', '1', '--out', 'no.html'], '--seed'],
    [['Hi', '--out', 'page.pdf'], 'ends with .html'],
  ])('%j is refused, and nothing is written', async (args, message) => {
    const { code, stdout, stderr } = await hamburger(['explain', ...args], { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(existsSync(join(cwd, 'no.html'))).toBe(false);
  });
});

/** What generate says of the same run; it tells the prompt on stderr. */
async function generated(args: readonly string[]) {
  const { code, stdout } = await hamburger(['generate', ...args, '--max-tokens', '128', '--json'], { cwd });
  expect(code).toBe(0);
  return JSON.parse(stdout) as Generated;
}

interface Generated {
  readonly ids: number[];
  readonly macro_steps: number;
  readonly entry_positions: number[];
}
