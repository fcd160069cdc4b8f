/**
 * `npm run fuzz -- TARGET --runs N --seed S`: gives a reader N mutated inputs; `all` shares them among all. Ends with 1 if one of them did what
 * none may do; those inputs are then in the folder `fuzz-findings`.
 *
 * `npm run fuzz -- TARGET --replay FOLDER` gives it one input, a folder of files.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { check, fuzz, openScratch, type Tally, type Violation } from './fuzz.ts';
import { type Input, inputIn } from './input.ts';
import type { Scratch, Target } from './target.ts';
import { targets } from './targets.ts';
import { watchdog } from './watchdog.ts';

const FINDINGS = 'fuzz-findings';

/** The exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const parsed = parsedFrom(args);
  const name = parsed?.positionals[0];
  const chosen = name === 'all' ? targets : targets.filter((target) => target.name === name);
  const runs = Number(parsed?.values.runs);
  if (parsed?.positionals.length !== 1 || chosen.length === 0 || !Number.isSafeInteger(runs)) {
    console.error(
      `npm run fuzz -- TARGET [--runs N] [--seed S] [--replay FOLDER]\nTARGET is all or one of ${targets.map((target) => target.name).join(', ')}`,
    );
    return 2;
  }
  const { values } = parsed;
  const { scratch, close } = openScratch();
  try {
    if (values.replay !== undefined) {
      const target = chosen[0]!;
      const input = inputIn(values.replay);
      target.seeds();
      const { outcome } = await check(target, input, scratch);
      console.log(typeof outcome === 'string' ? outcome : outcome ? 'accepted' : 'refused');
      if (outcome === false) console.log(await refusal(target, input, scratch));
      return typeof outcome === 'string' ? 1 : 0;
    }
    const kept = keeper();
    const dog = watchdog();
    const shares = chosen.reduce((sum, { share }) => sum + share, 0);
    const total: Tally = { inputs: 0, accepted: 0, time: 0, slowest: 0 };
    console.log('target                 inputs  accepted  refused   seconds  slowest ms');
    for (const target of chosen) {
      const tally = await fuzz(target, {
        runs: chosen.length === 1 ? runs : Math.ceil((runs * target.share) / shares),
        seed: values.seed,
        scratch,
        watcher: { begin: dog.begin, violation: kept.add },
      });
      console.log(row(target.name, tally));
      total.inputs += tally.inputs;
      total.accepted += tally.accepted;
      total.time += tally.time;
      total.slowest = Math.max(total.slowest, tally.slowest);
    }
    dog.stop();
    console.log(row('all', total));
    console.log(`${kept.count()} violations, seed ${values.seed}`);
    return kept.count() === 0 ? 0 : 1;
  } finally {
    close();
  }
}

/** `undefined` for an option that there is not. */
function parsedFrom(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        runs: { type: 'string', default: '10000' },
        seed: { type: 'string', default: '1' },
        replay: { type: 'string' },
      },
    });
  } catch {
    return undefined;
  }
}

/** What the reader says. */
async function refusal(target: Target, input: Input, scratch: Scratch): Promise<string> {
  try {
    await target.run(input, scratch);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

const row = (name: string, { inputs, accepted, time, slowest }: Tally): string =>
  `${name.padEnd(20)} ${`${inputs}`.padStart(8)} ${`${accepted}`.padStart(9)} ${`${inputs - accepted}`.padStart(8)} ${(time / 1000).toFixed(1).padStart(9)} ${slowest.toFixed(0).padStart(11)}`;

/** Shows violations and keeps their inputs; of those that look the same, the first. */
function keeper() {
  const seen = new Set<string>();
  let count = 0;
  return {
    count: () => count,
    add({ target, what, input }: Violation): void {
      count++;
      const kind = `${target} ${what.replace(/[0-9]+|"[^"]*"/g, '#').slice(0, 200)}`;
      if (seen.has(kind) || seen.size > 200) return;
      seen.add(kind);
      const folder = join(FINDINGS, target, createHash('sha256').update(kind).digest('hex').slice(0, 8));
      write(folder, input);
      console.log(`VIOLATION in ${target}: ${what}\n  ${folder}`);
    },
  };
}

function write(folder: string, input: Input): void {
  for (const [name, bytes] of Object.entries(input)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
}
