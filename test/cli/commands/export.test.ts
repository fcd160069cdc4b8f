import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { contentsOf } from '../../helpers/checkpoint-folders.ts';
import { hamburger, init, jsonOf, workFolder } from '../run.ts';

const cwd = workFolder();
const run = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await hamburger(args, { cwd });
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  return stderr;
};

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--no-modules', '--seed', '5', '--out', 'base');
  await init(cwd, '--from-base', 'base', '--out', 'grafted');
  expect(await run('export', '--checkpoint', 'grafted', '--out', 'llama')).toMatch(
    /^llama: [\d,]+ parameters\nleft out: \d+ tensors \(a HAMburger module, which a plain Llama does not have\)\n$/,
  );
});

describe('export', () => {
  it('the base that modules were grafted on comes back to the byte', async () => {
    expect(contentsOf(join(cwd, 'llama'))).toEqual(contentsOf(join(cwd, 'base')));
  });

  it('what was exported can be imported, and says the same as the checkpoint with --mode base', async () => {
    await run('import', 'hf', 'llama', '--out', 'imported');
    const ids = async (...args: string[]): Promise<number[]> =>
      (await jsonOf<{ ids: number[] }>(['generate', 'Hi', '--max-tokens', '6', ...args], { cwd })).ids;
    expect(await ids('--checkpoint', 'imported')).toEqual(
      await ids('--checkpoint', 'grafted', '--mode', 'base'),
    );
  });

  it('a folder that is there stays without --force', async () => {
    const { code, stderr } = await hamburger(['export', '--checkpoint', 'grafted', '--out', 'llama'], {
      cwd,
    });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'hamburger: llama: expected a name that is free, found a folder of that name. Choose another name, or replace it with --force\n',
    });
    await run('export', '--checkpoint', 'grafted', '--out', 'llama', '--force');
  });
});
