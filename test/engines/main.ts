/** The command `npm run test:engines`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { PINNED_TRACE } from '../helpers/golden-trace.ts';
import { bundleProbe } from './bundle.ts';
import { allFaults, type Outcome, renderTable, tally } from './compare.ts';
import { type Engine, enginesFor } from './engines.ts';
import { createInstaller, type Found, findEngine, type Installer } from './install.ts';
import { type Files, PRINT_REPORT, runEngine, versionOf } from './run-engine.ts';

/** What is known without any engine. */
const PINNED = { 'f32 trace': PINNED_TRACE.f32, 'f64 trace': PINNED_TRACE.f64 };

/** Engines at a time: installing waits for the network, and QuickJS keeps only one core busy. */
const AT_A_TIME = 3;

interface Options {
  readonly install: boolean;
  readonly only?: readonly Engine[];
  readonly require: readonly Engine[];
  readonly json: boolean;
  readonly report?: string;
}

const EXAMPLES = `
Examples:
  $ npm run test:engines                             # whatever is there; says how to get the others
  $ npm run test:engines -- --install                # fetches what is missing first
  $ npm run test:engines -- --only node20,bun        # these two
  $ npm run test:engines -- --require bun,chromium   # fails if one of these two is not there

Exit code: 0 if every required engine ran and all hashes are the same, else 1; 2 for a wrong option.`;

/** Runs the command; returns its exit code. @param root the project's folder, built */
export async function main(args: readonly string[], root: string): Promise<number> {
  const engines = enginesFor(process.platform, process.arch);
  const named = (text: string) =>
    text.split(',').map((id) => {
      const engine = engines.find((candidate) => candidate.id === id);
      if (engine !== undefined) return engine;
      throw new InvalidArgumentError(`Expected some of ${engines.map((one) => one.id).join(',')}.`);
    });
  const program = new Command('test:engines')
    .description('Runs one bundle under every engine, and compares the bits of all that it computes.')
    .option('--install', 'install engines that are missing: from npm, and as root from Debian', false)
    .option('--only <ids>', 'run only these engines', named)
    .option('--require <ids>', 'fail if one of these cannot be run', named, [])
    .option('--json', 'print every hash in full, as JSON, instead of the table', false)
    .option('--report <file>', 'write how many engines agree, differ and are missing, as JSON')
    .addHelpText('after', EXAMPLES)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse(args as string[], { from: 'user' });
  const { install, only = engines, require: required, json, report } = program.opts<Options>();

  const cache = join(root, 'node_modules', '.cache', 'engines');
  const files = await writeBundle(root, cache);
  const outcomes = await runAll(only, cache, install ? createInstaller(cache) : undefined, files);

  const ids = required.map(({ id }) => id);
  const faults = allFaults(outcomes, PINNED, ids);
  console.log(json ? JSON.stringify(outcomes.map(jsonOf), null, 2) : renderTable(outcomes));
  console.error(faults.length === 0 ? '\nAll hashes are the same.' : `\n${faults.join('\n')}`);
  if (report !== undefined) writeFileSync(report, `${JSON.stringify(tally(outcomes, PINNED, ids))}\n`);
  return faults.length === 0 ? 0 : 1;
}

async function writeBundle(root: string, cache: string): Promise<Files> {
  mkdirSync(cache, { recursive: true });
  const files = {
    bundle: join(cache, 'probe.js'),
    printing: join(cache, 'printing-probe.mjs'),
    quickjs: join(root, 'test', 'engines', 'quickjs.mjs'),
  };
  const code = await bundleProbe(root);
  writeFileSync(files.bundle, code);
  writeFileSync(files.printing, code + PRINT_REPORT);
  return files;
}

/** Installs and runs engines, a few at a time, the last first: QuickJS takes as long as several others. */
async function runAll(
  engines: readonly Engine[],
  cache: string,
  install: Installer | undefined,
  files: Files,
): Promise<readonly Outcome[]> {
  const waiting = [...engines];
  const outcomes = new Map<Engine, Outcome>();
  const work = async (): Promise<void> => {
    for (let engine = waiting.pop(); engine !== undefined; engine = waiting.pop()) {
      const found = await locate(engine, cache, install);
      outcomes.set(engine, await runOne(engine, found, files));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
  return engines.map((engine) => outcomes.get(engine)!);
}

/** Where an engine is, installed if that is wanted and needed. */
async function locate(engine: Engine, cache: string, install: Installer | undefined): Promise<Found> {
  const found = findEngine(engine, cache);
  if (install === undefined || 'path' in found) return found;
  console.error(`${engine.name}: installing`);
  try {
    await install(engine);
    return findEngine(engine, cache);
  } catch (error) {
    return { missing: `could not be installed: ${lineOf(error)}` };
  }
}

async function runOne(engine: Engine, found: Found, files: Files): Promise<Outcome> {
  if ('missing' in found) return { kind: 'absent', engine, reason: found.missing };
  let version = '?';
  try {
    version = await versionOf(engine, found.path);
    const start = performance.now();
    const report = await runEngine(engine, found.path, files);
    console.error(`${engine.name} ${version}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    return { kind: 'ran', engine, version, report };
  } catch (error) {
    return { kind: 'failed', engine, version, reason: lineOf(error) };
  }
}

/** What went wrong, in one line. */
function lineOf(error: unknown): string {
  return (error as Error).message.replaceAll(/\s+/g, ' ');
}

/** An outcome for other programs. */
function jsonOf(outcome: Outcome): object {
  const { id, name } = outcome.engine;
  if (outcome.kind === 'absent') return { id, name, absent: outcome.reason };
  if (outcome.kind === 'failed') return { id, name, version: outcome.version, failed: outcome.reason };
  return { id, name, version: outcome.version, ...outcome.report };
}
