/** Attacks by a harness: what a program of a stranger prints. */

import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { HarnessFault, type HarnessProcess, keptStderr, talkTo } from '../../cli/conform/harness.ts';

/** A process in this one; ends when it is killed. */
class Printing extends EventEmitter implements HarnessProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  exitCode: number | null = null;
  readonly signalCode = null;
  killed = false;
  kill(): boolean {
    this.killed = true;
    this.exitCode = 1;
    this.emit('close', null, 'SIGKILL');
    return true;
  }
}

const claim = {
  protocol: 1,
  port: { name: 'x', version: '1', language: 'x' },
  numerics: 'f32',
  profiles: [],
  modes: [],
  features: [],
};

/** Prints a piece again and again until the process is killed; at most a gigabyte. */
async function without(end: string, into: Printing): Promise<number> {
  let printed = 0;
  for (; !into.killed && printed < 1 << 30; printed += end.length) {
    into.stdout.write(end);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return printed;
}

const talk = (child: Printing, onStderr = (_: string): void => {}) =>
  talkTo(child, 'x', { root: 'kit', timeLimitMs: 10_000, onStderr });

describe('a harness that prints without end', () => {
  it.each([
    ['a line', 'x'.repeat(1 << 16)],
    ['lines that were not asked for', '{}\n'.repeat(1 << 10)],
    ['empty lines', '\n'.repeat(1 << 12)],
  ])('%s: is ended after little, and told', async (_, piece) => {
    const child = new Printing();
    const talking = talk(child).then(async (harness) => {
      for (;;) await harness.run('cases/x.json', 'out');
    });
    child.stdout.write(`${JSON.stringify(claim)}\n`);
    const [printed, error] = await Promise.all([
      without(piece, child),
      talking.catch((fault: unknown) => fault),
    ]);
    expect(error).toBeInstanceOf(HarnessFault);
    expect(child.killed).toBe(true);
    expect(printed).toBeLessThan(1 << 24);
  });

  it('lines while nothing is asked: is ended after little, and told when it is asked again', async () => {
    const child = new Printing();
    const talking = talk(child);
    child.stdout.write(`${JSON.stringify(claim)}\n`);
    const harness = await talking;
    expect(await without('{}\n'.repeat(1 << 10), child)).toBeLessThan(1 << 24);
    expect(child.killed).toBe(true);
    await expect(harness.run('cases/x.json', 'out')).rejects.toThrow(HarnessFault);
  });

  it('to standard error: only the end is kept', () => {
    const kept = keptStderr();
    for (let i = 0; i < 1000; i++) kept.add('y'.repeat(1 << 16));
    kept.add('the reason');
    expect(kept.text().length).toBeLessThanOrEqual(1 << 16);
    expect(kept.text()).toMatch(/the reason$/);
  });
});

describe('answers that are no plain JSON', () => {
  it.each([
    [
      'nested 10,000 deep',
      `{"seq":1,"status":"ok","value":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
      /nesting of at most 64 levels/,
    ],
    ['with a key twice', '{"seq":1,"seq":1,"status":"ok"}', /a second "seq"/],
    ['with __proto__', '{"seq":1,"status":"ok","__proto__":{"polluted":1}}', /__proto__/],
    ['with a number beyond all bounds', '{"seq":1e999,"status":"ok"}', /binary64/],
    ['for a request that was never made', `{"seq":"${'9'.repeat(100_000)}"}`, /an answer with seq/],
    ['for another request', '{"seq":2,"status":"ok"}', /an answer with seq 2, where 1 was asked/],
    ['for no request', '{"status":"ok"}', /an answer with seq missing, where 1 was asked/],
  ])('%s: a fault with a name, and short', async (_, line, message) => {
    const child = new Printing();
    child.stdout.write(`${JSON.stringify(claim)}\n${line}\n`);
    const harness = await talk(child);
    const error = await harness.run('cases/x.json', 'out').catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(HarnessFault);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message.length).toBeLessThan(1000);
    expect(harness.usable).toBe(false);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});
