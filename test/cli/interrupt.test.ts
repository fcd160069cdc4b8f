/** Ctrl-C, and readers that go away. */

import { once } from 'node:events';
import { openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { listenForInterrupt, oneAfterAnother } from '../../cli/interrupt.ts';
import { contentsOf } from '../helpers/checkpoint-folders.ts';
import { ended, init, start, words, workFolder } from './run.ts';

const cwd = workFolder();

/** Long enough for a slow machine to be in the middle of its work; the work itself takes many times that. */
const SOME_TIME_MS = 700;

/** An interrupted command is to end at once; this long at most, on a busy machine. */
const AT_ONCE_MS = 3000;

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--out', 'tiny');
  // Three million parameters: four thousand tokens of prompt take half a minute.
  await init(
    cwd,
    ...words('--vocab-size 258 --hidden-size 192 --intermediate-size 768 --num-hidden-layers 4'),
    ...words('--num-attention-heads 4 --max-position-embeddings 4096 --no-modules --out slow'),
  );
});

/** Starts a command, sends it a signal when `ready` says so, and returns what it came to. */
async function interrupted(
  args: readonly string[],
  ready: (child: ReturnType<typeof start>) => Promise<unknown>,
  signal: NodeJS.Signals = 'SIGINT',
) {
  const child = start(args, { cwd });
  const outcome = ended(child);
  await ready(child);
  expect(child.exitCode).toBeNull();
  const sent = performance.now();
  child.kill(signal);
  const result = await outcome;
  expect(performance.now() - sent).toBeLessThan(AT_ONCE_MS);
  return result;
}

/** Waits until something temporary has appeared in the folder, and a moment more: then its contents are being written. */
async function temporaryAppears(): Promise<void> {
  while (!readdirSync(cwd).some((name) => name.startsWith('.'))) await sleep(5);
  await sleep(100);
}

describe('Ctrl-C', () => {
  it('while text is streaming: 130, and what was printed stays', async () => {
    const args = ['generate', 'Hi', '--checkpoint', 'tiny', '--numerics', 'f64', '--max-tokens', '500'];
    const { code, stdout, stderr } = await interrupted(args, (child) => once(child.stdout!, 'data'));
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    expect(stdout.startsWith('Hi')).toBe(true);
  });

  it('in the middle of one long pass, which no event loop can interrupt', async () => {
    // The note about --top-k is said before the work begins.
    const args = ['generate', 'x'.repeat(4000), '--checkpoint', 'slow', '--top-k', '1'];
    const { code, stdout } = await interrupted(args, async (child) => {
      await once(child.stderr!, 'data');
      await sleep(SOME_TIME_MS);
    });
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  });

  it('so does SIGTERM, which no command but train listens to', async () => {
    const args = ['generate', 'x'.repeat(4000), '--checkpoint', 'slow', '--top-k', '1'];
    const { code, stdout } = await interrupted(
      args,
      async (child) => {
        await once(child.stderr!, 'data');
        await sleep(SOME_TIME_MS);
      },
      'SIGTERM',
    );
    expect({ code, stdout }).toEqual({ code: 143, stdout: '' });
  });

  it('while a checkpoint is made: nothing is left of it', async () => {
    const before = readdirSync(cwd);
    const { code, stdout, stderr } = await interrupted(
      ['init', '--preset', 'llama-3.2-1b', '--out', 'big'],
      temporaryAppears,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 130, stdout: '', stderr: '' });
    expect(readdirSync(cwd)).toEqual(before);
  });

  it('while a checkpoint is replaced: the old one is as it was', async () => {
    const before = contentsOf(join(cwd, 'tiny'));
    const { code } = await interrupted(
      ['init', '--preset', 'llama-3.2-1b', '--out', 'tiny', '--force'],
      async () => {
        await temporaryAppears();
        await sleep(SOME_TIME_MS);
      },
    );
    expect(code).toBe(130);
    expect(contentsOf(join(cwd, 'tiny'))).toEqual(before);
    expect(readdirSync(cwd).sort()).toEqual(['slow', 'tiny']);
  });

  it('during a trace: no file is written', async () => {
    const args = [
      'trace',
      'x'.repeat(4000),
      '--checkpoint',
      'slow',
      '--top-k',
      '1',
      '--out',
      'run.safetensors',
    ];
    const { code } = await interrupted(args, async (child) => {
      await once(child.stderr!, 'data');
      await sleep(SOME_TIME_MS);
    });
    expect(code).toBe(130);
    expect(readdirSync(cwd).sort()).toEqual(['slow', 'tiny']);
  });
});

describe('a reader that goes away', () => {
  it('ends the run quietly and early: `hamburger generate | head` is no error', async () => {
    const args = ['generate', 'Hi', '--checkpoint', 'slow', '--max-tokens', '4000', '--stats'];
    const child = start(args, { cwd });
    const outcome = ended(child);
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    const { code, stderr } = await outcome;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('before the first byte, for help and JSON', async () => {
    for (const args of [['--help'], ['inspect', 'slow', '--json']]) {
      const child = start(args, { cwd });
      child.stdout!.destroy();
      const { code, stderr } = await ended(child);
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
    }
  });
});

describe('a reader of messages that goes away', () => {
  it('is no reason to end: the work is done, and what it gives is complete', async () => {
    const args = ['generate', 'Hi', '--checkpoint', 'tiny', '--max-tokens', '5', '--stats'];
    const whole = await ended(start(args, { cwd }));
    expect(whole).toMatchObject({ code: 0, stderr: expect.stringContaining('tokens') });
    const child = start(args, { cwd });
    child.stderr!.destroy();
    const { code, stdout } = await ended(child);
    expect({ code, stdout }).toEqual({ code: 0, stdout: whole.stdout });
  });

  it('nor does it turn an error into another one', async () => {
    const child = start(['generate', 'Hi', '--checkpoint', 'missing'], { cwd });
    child.stderr!.destroy();
    expect((await ended(child)).code).toBe(2);
  });
});

describe('signals as a wish', () => {
  it('the first is heard and nothing more; a second one, of either kind, ends the process at once', () => {
    const exits: unknown[] = [];
    const exit = vi.spyOn(process, 'exit').mockImplementation((code) => exits.push(code) as never);
    const others = vi.fn();
    process.on('SIGTERM', others);
    const listener = listenForInterrupt();
    onTestFinished(() => {
      exit.mockRestore();
      process.removeListener('SIGTERM', others);
    });
    expect(listener.heard).toBeNull();
    process.emit('SIGTERM', 'SIGTERM');
    expect({ heard: listener.heard, exits }).toEqual({ heard: 'SIGTERM', exits: [] });
    process.emit('SIGINT', 'SIGINT');
    process.emit('SIGTERM', 'SIGTERM');
    expect({ heard: listener.heard, exits }).toEqual({ heard: 'SIGTERM', exits: [130, 143] });
    expect(others).not.toHaveBeenCalled();
    listener.stop();
    process.emit('SIGTERM', 'SIGTERM');
    expect(others).toHaveBeenCalledOnce();
    expect(exits).toHaveLength(2);
  });
});

/** A device that takes nothing, where there is one. */
function full(): number | undefined {
  try {
    return openSync('/dev/full', 'w');
  } catch {
    return undefined;
  }
}

describe('a full disk', () => {
  it.skipIf(full() === undefined)(
    'is an error, and is not taken for a reader that went (needs /dev/full)',
    async () => {
      for (const args of [
        ['generate', 'Hi', '--checkpoint', 'tiny', '--max-tokens', '5'],
        ['inspect', 'tiny', '--json'],
      ]) {
        const { code, stderr } = await ended(start(args, { cwd, stdio: ['ignore', full()!, 'pipe'] }));
        expect({ args, code, stderr }).toEqual({
          args,
          code: 2,
          stderr: expect.stringMatching(
            /^hamburger: standard output: expected to take what is written, found ENOSPC/,
          ),
        });
      }
    },
  );
});

describe('works of one kind, one after the other', () => {
  it('the first can be ended where it stands, and each after one that took long; the others run as they are', () => {
    let listened = 0;
    const work = oneAfterAnother((run) => {
      listened++;
      return run();
    });
    const lasting = (milliseconds: number) => () => {
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
      return milliseconds;
    };
    const times = [1, 1, 200, 1, 1];
    expect(times.map((time) => [work(lasting(time)), listened])).toEqual([
      [1, 1],
      [1, 1],
      [200, 1],
      [1, 2],
      [1, 2],
    ]);
  });
});
