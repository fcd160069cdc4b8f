/**
 * Programs that are killed, by what no program can catch, at random moments from their start to a little after their end: what is there under its
 * final name is complete, or what was there before, and the same command, given again, comes to the same bytes.
 *
 * `npm run kills` kills each of them a hundred times; the tests of every day do it a few times.
 */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededUniforms } from '../../lib/math/random.ts';
import { binary, built, ended, hamburger, init, start, toy, words, workFolder } from '../cli/run.ts';
import { writeFolder } from '../helpers/checkpoint-folders.ts';
import { quickGraftJson } from '../helpers/recipes.ts';

const given = process.env.KILLS;
const KILLS = given === undefined ? 3 : Number(given);
const TIMEOUT_MS = 60_000 + 10_000 * KILLS;

/** 128 + the number of SIGKILL. */
const KILLED_EXIT_CODE = 137;

const cwd = workFolder();
const harness = join(built, 'fixtures/harnesses/typescript/main.js');

const sentences = [
  { prompt: 'The cat', response: ' sat on the mat.' },
  { prompt: 'The dog', response: ' sat on the log.' },
  { prompt: 'The hen', response: ' ran to the pen.' },
];

/** Snapshots after every step, so that many are killed while one is written. */
const recipe = quickGraftJson({
  data: { train: ['sentences.jsonl'], held_out: ['sentences.jsonl'] },
  steps: 100,
  evaluate_every: 10,
  snapshot_every: 1,
});

const lines = (values: readonly object[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('');

beforeAll(async () => {
  const base =
    '--vocab-size 258 --hidden-size 16 --intermediate-size 32 --num-hidden-layers 2 --num-attention-heads 2';
  await init(cwd, ...words(`${base} --max-position-embeddings 64 --no-modules --out base`));
  // Four million parameters: writing them takes a while.
  const large =
    '--vocab-size 8192 --hidden-size 256 --intermediate-size 768 --num-hidden-layers 2 --num-attention-heads 4';
  await init(
    cwd,
    ...words(`${large} --max-position-embeddings 64 --no-modules --tokenizer none --out large`),
  );
  const { code, stderr } = await hamburger(['export', '--checkpoint', 'large', '--out', 'exported'], { cwd });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  writeFolder(cwd, {
    'recipe.json': recipe,
    'sentences.jsonl': lines(sentences),
    'corpus.jsonl': lines(
      Array.from({ length: 12 }, (_, n) => ({
        ...{ family: 'lookup', id: `test/lookup/${n}`, unseen: false, prompt: `Where is Mila ${n}?` },
        ...{ response: 'x', check: { answer: 'x' } },
      })),
    ),
  });
});

/** SHA-256 of a file, or of the names and bytes of all files of a folder; `undefined` if there is nothing of that name. */
function hash(path: string, without?: RegExp): string | undefined {
  const full = join(cwd, path);
  if (!existsSync(full)) return undefined;
  const sum = createHash('sha256');
  const names = readdirSync(full, { recursive: true, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((name) => without === undefined || !without.test(name))
    .sort();
  for (const name of names) sum.update(name.slice(full.length)).update(readFileSync(name));
  return sum.digest('hex');
}

interface Killed {
  /** The command line, given the name of what it makes. */
  readonly args: (out: string) => readonly string[];
  /** What it makes, as {@link hash} sees it; `undefined` if there is nothing under its final name. */
  readonly made: (out: string) => string | undefined;
}

const commands: Readonly<Record<string, Killed>> = {
  train: {
    args: (out) => ['train', 'recipe.json', '--out', out, '--resume'],
    made: (out) => hash(join(out, 'checkpoint')),
  },
  eval: {
    args: (out) => [
      'eval',
      toy,
      '--data',
      'corpus.jsonl',
      '--baseline',
      toy,
      '--confidences',
      '0.5,1',
      '--out',
      out,
    ],
    // The report has times in it; that it is there is part of the names.
    made: (out) => hash(out, /report\.(json|html)$|\.svg$/),
  },
  import: {
    args: (out) => ['import', 'hf', 'exported', '--out', out],
    made: (out) => hash(out),
  },
  conform: {
    args: (out) => ['conform', 'run', '--suite', 'smoke', '--report', out, '--', process.execPath, harness],
    made: (out) => (existsSync(join(cwd, out)) ? readFileSync(join(cwd, out), 'utf8') : undefined),
  },
};

describe.each(Object.entries(commands))('%s', (name, { args, made }) => {
  it(
    `killed ${KILLS} times at random moments: complete or not there, and the same bytes when it is run again`,
    async () => {
      const started = performance.now();
      // A kit of which only a suite was asked is a verdict of 1.
      const codes = name === 'conform' ? [1] : [0];
      expect(codes).toContain(binary(args(`${name}-whole`), { cwd }).code);
      const duration = performance.now() - started;
      const whole = made(`${name}-whole`);
      expect(whole).toBeDefined();

      const uniforms = seededUniforms(name);
      let [runs, kills] = [0, 0];
      while (kills < KILLS) {
        const out = `${name}-${runs++}`;
        // A training that goes on is killed again, now and then. Some are done before they would be killed.
        do {
          const child = start(args(out), { cwd, stdio: 'ignore' });
          const outcome = ended(child);
          await sleep(1.05 * duration * uniforms.next());
          child.kill('SIGKILL');
          if ((await outcome).code === KILLED_EXIT_CODE) kills += 1;
        } while (name === 'train' && uniforms.next() < 0.3);
        const left = made(out);
        if (left !== undefined) expect(left, `what is left of ${out}`).toBe(whole);
        // Whatever else is there has a temporary name, which is in nobody's way.
        const strange = readdirSync(cwd).filter(
          (entry) => entry.startsWith('.') && !/^\..*\.tmp$/.test(entry),
        );
        expect(strange).toEqual([]);
        if (left === undefined || name === 'train' || name === 'conform') {
          const { code, stderr } = binary(args(out), { cwd });
          expect({ out, code: codes.includes(code!), stderr: code === 70 ? stderr : '' }).toEqual({
            out,
            code: true,
            stderr: '',
          });
        }
        expect(made(out), `${out} in the end`).toBe(whole);
        if (name === 'train') {
          for (const file of ['log.jsonl', 'curves.svg'])
            expect(readFileSync(join(cwd, out, file)), file).toEqual(
              readFileSync(join(cwd, `${name}-whole`, file)),
            );
          expect(readdirSync(join(cwd, out)).sort()).toEqual(readdirSync(join(cwd, `${name}-whole`)).sort());
        }
        for (const entry of readdirSync(cwd))
          if (entry === out || entry.endsWith('.tmp')) rmSync(join(cwd, entry), { recursive: true });
      }
      if (given !== undefined)
        process.stderr.write(
          `${name}: ${kills} kills of ${runs} runs of ${Math.round(duration)} ms; all came to the same bytes\n`,
        );
    },
    TIMEOUT_MS,
  );
});
