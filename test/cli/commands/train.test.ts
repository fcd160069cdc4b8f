import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import { quickGraftJson, quickPretrainJson } from '../../helpers/recipes.ts';
import { ended, hamburger, init, start, workFolder } from '../run.ts';

/** How many bytes the commands that run in this process can write. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const writeSync = (descriptor: number, bytes: Uint8Array, offset = 0, length = bytes.length - offset) => {
    if (disk.room === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    const written = fs.writeSync(descriptor, bytes, offset, Math.min(length, disk.room));
    disk.room -= written;
    return written;
  };
  return { ...fs, writeSync };
});

const cwd = workFolder();

const SENTENCES = [
  ['The cat', ' sat on the mat.'],
  ['The dog', ' sat on the log.'],
  ['The hen', ' ran to the pen.'],
  ['The fox', ' hid in the box.'],
];

const pretrain = quickPretrainJson({
  data: { train: ['data/train.jsonl'], held_out: ['data/held-out.jsonl'] },
  steps: 20,
  learning_rate: { base: 2e-2, warm_up_steps: 2 },
  evaluate_every: 10,
  snapshot_every: 100,
});

const graft = quickGraftJson({
  base: '../base/checkpoint',
  data: { train: ['../data/train.jsonl'], held_out: ['../data/held-out.jsonl'] },
  steps: 12,
  evaluate_every: 4,
  snapshot_every: 3,
});

/** Runs a command that has to succeed. */
const succeed = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await hamburger(args, { cwd });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
};

/** SHA-256 of every file of a folder, by name. */
function hashes(folder: string): Record<string, string> {
  const names = readdirSync(join(cwd, folder), { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.flatMap((name) => {
      const path = join(cwd, folder, name);
      if (!statSync(path).isFile()) return [];
      return [[name, createHash('sha256').update(readFileSync(path)).digest('hex')]];
    }),
  );
}

interface Line {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: readonly number[];
  readonly held_out?: {
    readonly loss: number;
    readonly tokens: number;
    readonly accuracy: readonly number[];
  };
}

const logOf = (folder: string): Line[] =>
  readFileSync(join(cwd, folder, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

const recipeFile = (name: string, changes: object = {}): string => {
  writeFolder(cwd, { [`recipes/${name}.json`]: { ...graft, ...changes } });
  return `recipes/${name}.json`;
};

beforeAll(async () => {
  const line = ([prompt, response]: string[]) => `${JSON.stringify({ prompt, response })}\n`;
  writeFolder(cwd, {
    'data/train.jsonl': SENTENCES.map(line).join(''),
    'data/held-out.jsonl': line(['The pig', ' sat in the pen.']),
    'pretrain.json': pretrain,
    'recipes/graft.json': graft,
  });
  await succeed('train', 'pretrain.json', '--out', 'base');
  await succeed('train', 'recipes/graft.json', '--out', 'whole', '--kernels', 'reference');
});

describe('train: from nothing to a HAMburger', () => {
  it('pretrain: the loss of a base falls from that of chance, and the folder has log, curves, snapshot and checkpoint', async () => {
    const log = logOf('base');
    expect(log.map(({ step, held_out }) => [step, held_out !== undefined])).toEqual([
      [0, true],
      ...Array.from({ length: 10 }, (_, i) => [i + 1, false]),
      [10, true],
      ...Array.from({ length: 10 }, (_, i) => [i + 11, false]),
      [20, true],
    ]);
    // ln 258 = 5.55.
    expect(log[0]!.held_out!.loss).toBeGreaterThan(5.4);
    expect(log.at(-1)!.held_out!.loss).toBeLessThan(0.55 * log[0]!.held_out!.loss);
    expect(readdirSync(join(cwd, 'base')).sort()).toEqual([
      'checkpoint',
      'curves.svg',
      'log.jsonl',
      'snapshot.safetensors',
    ]);
    expect(readFileSync(join(cwd, 'base', 'curves.svg'), 'utf8')).toContain('held out');
    await succeed('generate', 'The cat', '--checkpoint', 'base/checkpoint', '--max-tokens', '4');
  });

  it('recipe/R2: a base learns its texts but for their first token, or responses alone', async () => {
    writeFolder(cwd, {
      'response.json': { ...pretrain, learn: 'response', steps: 1, learning_rate: { base: 1 } },
    });
    await succeed('train', 'response.json', '--out', 'response');
    // BOS, 'The pig'; ' sat in the pen.', EOS.
    expect(logOf('base')[0]!.held_out!.tokens).toBe(7 + 17);
    expect(logOf('response')[0]!.held_out!.tokens).toBe(17);
  });

  it('graft: modules on that base, which generate several tokens per macro-step; accuracies by micro index', async () => {
    const log = logOf('whole');
    const held = log.flatMap(({ held_out }) => (held_out === undefined ? [] : [held_out.loss]));
    expect(held).toHaveLength(4);
    expect(held.at(-1)).toBeLessThan(0.8 * held[0]!);
    expect(log[1]!.accuracy.length).toBe(4);
    const args = ['--checkpoint', 'whole/checkpoint', '--max-tokens', '12', '--confidence', '0', '--json'];
    const report = JSON.parse(await succeed('generate', 'The cat', ...args)) as { macro_steps: number };
    expect(report.macro_steps).toBe(3);
    expect(readFileSync(join(cwd, 'whole', 'curves.svg'), 'utf8')).toContain('token, micro index 3');
  });

  it('recipe/R8: another base may cut the responses, of the same vocabulary', async () => {
    const compression = async (segmentation: object, name: string) => {
      const recipe = recipeFile(name, { segmentation, steps: 1, learning_rate: { base: 0, modules: 0 } });
      await succeed('train', recipe, '--out', name);
      // Tokens by micro index: the more macro-steps there are, the more are first.
      return logOf(name)[0]!.held_out!;
    };
    await init(cwd, '--preset', 'tiny', '--seed', '3', '--out', 'other');
    // The one has learnt such texts; random weights are sure of nothing: ln 258 = 5.55 nats.
    const own = await compression({ min_threshold: 4, ratio_threshold: 0 }, 'cut-by-own');
    const by = { min_threshold: 4, ratio_threshold: 0, base: '../other', prompt_tokens: 1 };
    const others = await compression(by, 'cut-by-other');
    expect(own.accuracy.length).toBeGreaterThan(1);
    expect(others.accuracy).toHaveLength(1);
    writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
    const { code, stderr } = await hamburger(
      ['train', recipeFile('cut-by-bare', { segmentation: { base: '../bare' } }), '--out', 'never'],
      { cwd },
    );
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(
        'recipe/R8: segmentation.base: ../bare: expected the vocabulary of the base, 258 tokens',
      ),
    ]);
  });

  it('in f64, into another element type; the data of a teacher, too', async () => {
    const changes = { numerics: 'f64', dtype: 'BF16', steps: 2, loss: { teacher: 1 } };
    await succeed('train', recipeFile('f64', changes), '--out', 'f64');
    expect(await succeed('inspect', 'f64/checkpoint', '--json')).toContain('BF16');
    expect(logOf('f64')[1]).toMatchObject({ step: 1, teacher_divergence: expect.any(Number) });
  });

  it('what is told: samples, steps, evaluations; nothing on stdout', async () => {
    const { code, stdout, stderr } = await hamburger(
      ['train', recipeFile('told', { steps: 2, snapshot_every: 1 }), '--out', 'told'],
      { cwd },
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(
      /^4 samples, 1 held out, step 0 of 2\nheld out after step 0: loss \d\.\d+ {2}accuracy [\d. ]+ stop [\d.]+\nstep 1\/2 {2}loss /,
    );
    expect(stderr).toMatch(/\ntold\/checkpoint: graft of 2 steps\n$/);
  });
});

describe('train --resume', () => {
  /** Kills a run when it has told of a step, as soon as the operating system can. */
  async function killAfter(step: number, signal: NodeJS.Signals, out: string, ...args: string[]) {
    const child = start(['train', 'recipes/graft.json', '--out', out, '--resume', ...args], { cwd });
    let text = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(`step ${step}/`)) child.kill(signal);
    });
    return ended(child);
  }

  it('recipe/R7: killed at several points and gone on with, on any number of threads, every byte is as if nothing had happened', async () => {
    // The readable kernels are slow, so that a busy machine has time to kill them before they are done.
    const ways = [
      ['--threads', '2'],
      ['--kernels', 'reference'],
    ];
    for (const [i, step] of [1, 3, 4, 6].entries()) {
      const { code } = await killAfter(step, 'SIGKILL', 'killed', ...ways[i % 2]!);
      expect(code).toBe(137);
    }
    expect(existsSync(join(cwd, 'killed', 'checkpoint'))).toBe(false);
    await succeed('train', 'recipes/graft.json', '--out', 'killed', '--resume');
    expect(hashes('killed')).toEqual(hashes('whole'));
  }, 30_000);

  it.each([
    ['Ctrl-C', 'SIGINT', 130],
    ['what a shutdown sends', 'SIGTERM', 143],
  ] as const)(
    '%s keeps a snapshot of the last whole step, says so, and ends with its exit code',
    async (_, signal, exitCode) => {
      const out = `stopped-${signal}`;
      const { code, stderr } = await killAfter(2, signal, out, '--kernels', 'reference');
      expect(code).toBe(exitCode);
      expect(stderr).toMatch(new RegExp(`\\n${out}: stopped after step \\d+ of 12; --resume goes on\\n$`));
      const step = Number(/after step (\d+) of 12/.exec(stderr)![1]);
      const { stderr: next } = await hamburger(['train', 'recipes/graft.json', '--out', out, '--resume'], {
        cwd,
      });
      expect(next).toContain(`step ${step} of 12`);
      expect(hashes(out)).toEqual(hashes('whole'));
    },
    30_000,
  );

  it('what was being written when it was killed is taken away, and nothing else', async () => {
    writeFolder(join(cwd, 'stopped-SIGINT'), {
      '.snapshot.safetensors.7-0.tmp': 'half',
      '.checkpoint.7-0.tmp/config.json': 'half',
      'notes.tmp': 'mine',
    });
    await succeed('train', 'recipes/graft.json', '--out', 'stopped-SIGINT', '--resume');
    const { 'notes.tmp': mine, ...rest } = hashes('stopped-SIGINT');
    expect(mine).toBeDefined();
    expect(rest).toEqual(hashes('whole'));
  });

  it('of a run that is over gives the same again', async () => {
    const before = hashes('whole');
    await succeed('train', 'recipes/graft.json', '--out', 'whole', '--resume');
    expect(hashes('whole')).toEqual(before);
  });

  const refusal = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await hamburger(['train', ...args], { cwd });
    expect(code).toBe(2);
    return stderr;
  };

  it('recipe/R7: another recipe, and other data, are refused', async () => {
    const other = recipeFile('other', { steps: 13 });
    expect(await refusal(other, '--out', 'whole', '--resume')).toContain(
      'recipe/R7: whole/snapshot.safetensors: expected the recipe that the run began with, found another one',
    );
    const path = join(cwd, 'data', 'train.jsonl');
    const data = readFileSync(path);
    onTestFinished(() => writeFileSync(path, data));
    writeFileSync(path, data.toString().replace('mat', 'hat'));
    expect(await refusal('recipes/graft.json', '--out', 'whole', '--resume')).toContain(
      'expected the data and the base that the run began with, found another one',
    );
  });

  it('recipe/R6: a damaged snapshot, and a log that was cut short, are refused', async () => {
    const [snapshot, log] = ['snapshot.safetensors', 'log.jsonl'].map((name) => join(cwd, 'whole', name)) as [
      string,
      string,
    ];
    const [good, lines] = [readFileSync(snapshot), readFileSync(log)];
    onTestFinished(() => {
      writeFileSync(snapshot, good);
      writeFileSync(log, lines);
    });
    const bad = Buffer.from(good);
    bad[bad.length - 100]! ^= 4;
    writeFileSync(snapshot, bad);
    expect(await refusal('recipes/graft.json', '--out', 'whole', '--resume')).toContain(
      'recipe/R6: whole/snapshot.safetensors: expected contents with the checksum',
    );
    writeFileSync(snapshot, good);
    writeFileSync(log, lines.subarray(0, 50));
    expect(await refusal('recipes/graft.json', '--out', 'whole', '--resume')).toContain(
      'whole/log.jsonl: expected at least the',
    );
  });

  it('without --resume a folder with something in it is left alone', async () => {
    const before = hashes('whole');
    expect(await refusal('recipes/graft.json', '--out', 'whole')).toContain(
      'whole: expected a name that is free, or an empty folder',
    );
    expect(hashes('whole')).toEqual(before);
  });

  it('a full disk is told, keeps the last snapshot, and --resume goes on from there', async () => {
    const args = ['recipes/graft.json', '--out', 'full'];
    // Enough for the log and for one snapshot, not for a second one.
    disk.room = statSync(join(cwd, 'whole', 'snapshot.safetensors')).size * 1.5;
    onTestFinished(() => {
      disk.room = Number.POSITIVE_INFINITY;
    });
    expect(await refusal(...args)).toMatch(
      /full\/\S+: expected a place that can be written to, found no space left/,
    );
    disk.room = Number.POSITIVE_INFINITY;
    await succeed('train', ...args, '--resume');
    expect(hashes('full')).toEqual(hashes('whole'));
  });
});

describe('train: what is refused', () => {
  it.each([
    [
      'recipe/R1: a key that is not known',
      { step: 3 },
      'recipes/bad.json: step: expected no key of this name, found 3',
    ],
    ['data that are not there', { data: { train: ['none.jsonl'] } }, 'none.jsonl: expected a readable file'],
    ['a base that is none', { base: '../whole/checkpoint' }, 'expected a plain base'],
    [
      'recipe/R4: a sample without room',
      { batch_tokens: 20 },
      'recipe/R4: ../data/train.jsonl, line 1: expected at most 20 tokens',
    ],
    [
      'modules that the base cannot have',
      { modules: { ...graft.modules, num_merger_heads: 3 } },
      'configuration/C9',
    ],
    [
      'a template that is not there',
      { data: { ...graft.data, chat: true } },
      'data.chat: expected a tokenizer with a chat template',
    ],
    [
      'optimiser/C7: a learning rate that blows it up',
      { learning_rate: { base: 1e38, modules: 1e38 } },
      /optimiser\/C7: step 2: loss of \.\.\/data\/train\.jsonl, line \d: expected a finite number, found (NaN|-?Infinity); the first tensor not finite is /,
    ],
  ])('%s', async (_, changes, message) => {
    const { code, stderr } = await hamburger(['train', recipeFile('bad', changes), '--out', 'bad'], { cwd });
    onTestFinished(() => rmSync(join(cwd, 'bad'), { recursive: true, force: true }));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('recipe/R4: what is too long is left out on request, and counted', async () => {
    writeFolder(cwd, {
      'data/short.jsonl':
        '{"prompt": "A", "response": "b"}\n{"response": "A sentence that is far too long for it."}\n',
    });
    const data = { train: ['../data/short.jsonl'], too_long: 'skip' };
    const recipe = recipeFile('skip', { batch_tokens: 24, steps: 1, data });
    const { code, stderr } = await hamburger(['train', recipe, '--out', 'skip'], { cwd });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('1 sample, 0 held out, 1 too long'),
    });
  });
});
