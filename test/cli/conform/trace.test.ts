import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hamburger, init, stdoutOf, workFolder } from '../run.ts';

const cwd = workFolder();
const judge = (...args: string[]) => hamburger(['conform', 'trace', ...args], { cwd });

/** Prompt and segments of the traced runs: several macro-steps, of one token and of more. */
const RUN = ['--prompt-ids', '256,72,105', '--segments', '44,32,7|109|5,6|8'];

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
  const trace = (...args: string[]) => stdoutOfAny(['trace', '--checkpoint', 'tiny', ...RUN, ...args]);
  await trace('--out', 'run.safetensors');
  await trace('--profile', 'hf-generate', '--out', 'shifted.safetensors');
});

const stdoutOfAny = async (args: string[]) => {
  const { code, stdout } = await hamburger(args, { cwd });
  expect(code).toBe(0);
  return stdout;
};

/** A copy of the traced run with one number changed. */
function spoiled(name: string, index: number, value: number): string {
  const bytes = readFileSync(join(cwd, 'run.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  bytes.writeFloatLE(value, 8 + length + header[name].data_offsets[0] + 4 * index);
  writeFileSync(join(cwd, 'spoiled.safetensors'), bytes);
  writeFileSync(join(cwd, 'spoiled.json'), readFileSync(join(cwd, 'run.json')));
  return 'spoiled.safetensors';
}

describe('conform trace', () => {
  it('what this package computes conforms; prompt and segments are those of the file beside it', async () => {
    const { code, stdout, stderr } = await judge('run.safetensors', '--checkpoint', 'tiny');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /^conforms: all [\d,]+ tensors, profile train, numerics f32\nworst margin 0\.\d\d\d, at macro\.\S+\n$/,
    );
    expect((await judge('run.safetensors', '--checkpoint', 'tiny', ...RUN)).stdout).toBe(stdout);
  });

  it('one wrong number is found at its tensor and its element, and what follows from it is not blamed', async () => {
    const name = 'macro.1.model.layers.1.mlp.up_proj';
    const { code, stdout } = await judge(spoiled(name, 3, 1), '--checkpoint', 'tiny');
    expect(code).toBe(1);
    expect(stdout).toContain(`does not conform: ${name} is wrong, the first in the order of execution\n`);
    expect(stdout).toMatch(
      /\nelement {3}\[0, 3\] of \[1, \d+\]\nfound {5}1\nexpected {2}\S+ ± \S+\nmargin {4}\S+, where/,
    );
    expect(stdout).toMatch(
      /\ntensors {3}[\d,]+ right, 2 wrong\nlooks as if only one element is wrong, of \d+; all others are right\n$/,
    );
  });

  it('NaN is no number that anything could be near to', async () => {
    const name = 'macro.0.micro.1.logits';
    const { code, stdout } = await judge(spoiled(name, 0, Number.NaN), '--checkpoint', 'tiny', '--json');
    expect(code).toBe(1);
    const { conforms, first_divergence, tensors } = JSON.parse(stdout);
    expect({ conforms, first_divergence }).toEqual({ conforms: false, first_divergence: name });
    expect(tensors.find((tensor: { name: string }) => tensor.name === name)).toMatchObject({
      outcome: 'wrong',
      margin: 'Infinity',
      worst: { index: 0, got: 'NaN' },
    });
  });

  it('positions of another profile show at the first entry that was merged, and are right in that profile', async () => {
    const { code, stdout } = await judge('shifted.safetensors', '--checkpoint', 'tiny');
    expect(code).toBe(1);
    expect(stdout).toContain('does not conform: macro.1.model.layers.0.self_attn.q_rope is wrong');
    expect(stdout).toMatch(/\nlooks as if the position is one too large: position \d+ instead of \d+\n$/);
    const own = await judge('shifted.safetensors', '--checkpoint', 'tiny', '--profile', 'hf-generate');
    expect(own.code).toBe(0);
    expect(own.stdout).toContain('profile hf-generate');
  });

  it('what f32 rounds is too much for f64, and little for bf16', async () => {
    expect((await judge('run.safetensors', '--checkpoint', 'tiny', '--numerics', 'f64')).code).toBe(1);
    const coarse = await judge('run.safetensors', '--checkpoint', 'tiny', '--numerics', 'bf16');
    expect(coarse.code).toBe(0);
    expect(Number(/worst margin (\S+),/.exec(coarse.stdout)![1])).toBeLessThan(0.01);
  });

  it('other weights, or other tokens, are not what was run', async () => {
    await init(cwd, '--preset', 'tiny', '--seed', '8', '--out', 'other');
    const other = await judge('run.safetensors', '--checkpoint', 'other');
    expect([other.code, other.stdout]).toEqual([
      1,
      expect.stringContaining('macro.0.model.layers.0.input_layernorm'),
    ]);
    const tokens = await judge(
      'run.safetensors',
      '--checkpoint',
      'tiny',
      '--prompt-ids',
      '256,72,106',
      '--segments',
      '44,32,7|109|5,6|8',
    );
    expect(tokens.code).toBe(1);
  });

  it.each([
    ['a file that is not there', ['none.safetensors'], 'none.json'],
    [
      'segments alone',
      ['run.safetensors', '--segments', '1|2'],
      'expected both of --prompt-ids and --segments, or neither, found --segments alone',
    ],
    ['a file that is no safetensors', ['run.json', ...RUN], 'run.json'],
    [
      'an id outside the vocabulary',
      ['run.safetensors', '--prompt-ids', '256,72,258', '--segments', '1'],
      'base/C1: token ids of the run: expected integers from 0 to 257, found 258',
    ],
    [
      'a segment that no macro-step could emit',
      ['run.safetensors', '--prompt-ids', '256', '--segments', '1,2,3,4,5,6,7,8,9'],
      'compositional-embedder/C1: segment 0',
    ],
    ['numerics that are not known', ['run.safetensors', '--numerics', 'f8'], '--numerics'],
    ['a profile that is not known', ['run.safetensors', '--profile', 'vllm'], '--profile'],
  ])('%s is refused', async (_, args, message) => {
    const { code, stdout, stderr } = await judge(...args, '--checkpoint', 'tiny');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('a plain base has no such run', async () => {
    await init(cwd, '--preset', 'tiny', '--no-modules', '--out', 'plain');
    const { code, stderr } = await judge('run.safetensors', '--checkpoint', 'plain');
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('expected a checkpoint with HAMburger modules'),
    ]);
  });

  it('is explained in its help, and in that of the group', async () => {
    expect(await stdoutOf(['conform', '--help'])).toContain('trace');
    expect(await stdoutOf(['conform', 'trace', '--help'])).toContain('--numerics');
  });
});
