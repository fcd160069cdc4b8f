/** What the fuzzer found once: every input of `fixtures/hostile` is read as it should be now. And a short run of it over all readers. */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { check, fuzz, openScratch, type Violation } from '../fuzz/fuzz.ts';
import { inputIn } from '../fuzz/input.ts';
import { mutate } from '../fuzz/mutate.ts';
import { randomFrom } from '../fuzz/random.ts';
import { must, type Target } from '../fuzz/target.ts';
import { targets } from '../fuzz/targets.ts';

const root = fileURLToPath(new URL('../../fixtures/hostile', import.meta.url));
const folders = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
const seeds = folders(root).flatMap((target) =>
  folders(join(root, target)).map((name) => ({ target, name })),
);

const { scratch, close } = openScratch();
afterAll(close);

/** Inputs of the short run for each reader; those whose work is slow get fewer. */
const RUNS = 6_000;

describe('fixtures/hostile', () => {
  it('has findings of known readers, and a word on each', () => {
    expect(seeds.length).toBeGreaterThan(10);
    expect(folders(root).filter((name) => !targets.some((target) => target.name === name))).toEqual([]);
  });

  it.each(seeds)('$target: $name is read without a violation', async ({ target: name, name: seed }) => {
    const target = targets.find((each) => each.name === name)!;
    target.seeds();
    const { outcome } = await check(target, inputIn(join(root, name, seed)), scratch);
    expect(outcome).toBeTypeOf('boolean');
  });
});

describe('the fuzzer', () => {
  const shares = targets.reduce((sum, { share }) => sum + share, 0);

  it.each(targets)('$name: mutated inputs without a violation', async (target) => {
    const violations: Violation[] = [];
    const watcher = { begin() {}, violation: (violation: Violation) => void violations.push(violation) };
    const runs = Math.ceil((RUNS * target.share) / shares);
    await fuzz(target, { runs, seed: 'suite', scratch, watcher });
    expect(violations.map(({ what }) => what)).toEqual([]);
  });

  it('the same seed makes the same inputs, another one others', () => {
    const { seeds: valid } = targets.find(({ name }) => name === 'config')!;
    const inputs = (seed: string): string[] => {
      const random = randomFrom(seed);
      return Array.from({ length: 50 }, () =>
        JSON.stringify(
          Object.values(mutate(valid()[0]!, random, valid())).map((bytes) =>
            Buffer.from(bytes).toString('hex'),
          ),
        ),
      );
    };
    expect(inputs('1')).toEqual(inputs('1'));
    expect(inputs('1')).not.toEqual(inputs('2'));
    expect(new Set(inputs('1')).size).toBeGreaterThan(40);
  });

  /** A reader that does what none may. */
  const bad: readonly (readonly [does: string, run: Target['run'], what: RegExp])[] = [
    [
      'throws an error of another kind',
      () => Reflect.get(undefined as unknown as object, 'x'),
      /another exception/,
    ],
    ['returns what cannot be right', () => must(1 > 2, 'one is two'), /one is two/],
    [
      'changes a prototype',
      () => void Object.defineProperty(Object.prototype, 'polluted', { value: 1, configurable: true }),
      /the prototype of Object/,
    ],
    ['takes too long', () => void Array.from({ length: 1e7 }), /took \d+/],
    ['takes more memory than it may', () => void new Uint8Array(800 << 20).fill(1), /MiB/],
    [
      'writes outside its folder',
      (_, { out }) => writeFileSync(join(out, '..', 'escaped'), ''),
      /wrote escaped/,
    ],
  ];
  it.each(bad)('sees a reader that %s', async (does, run, what) => {
    const target: Target = { name: 'x', share: 1, seeds: () => [{}], run };
    const { outcome } = await check(target, {}, scratch, does === 'takes too long' ? 10 : 100_000);
    Reflect.deleteProperty(Object.prototype, 'polluted');
    expect(outcome).toMatch(what);
  });
});
