/**
 * `npm run stryker -- ops model decode`: changes every operator, constant and statement of a folder of lib, one at a time, and counts how many changes
 * no test of that folder notices. test/mutations/survivors.md says what the figures were, and why each survivor is one.
 *
 * Stryker needs a newer Node.js than the project, and has to share one vitest with the tests. So it works in a copy of the project in
 * node_modules/.cache, with a Node.js of its own.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const STRYKER = ['@stryker-mutator/core@10.1.1', '@stryker-mutator/vitest-runner@10.1.1'];
const NODE = { package: `node-${process.platform}-${process.arch}`, version: '24.21.0' };

/**
 * What is changed, and the tests that have to notice: first the fast ones of the same folder, and SPEC's examples; then, for what these do not
 * notice, tests of whole models, which take ten times as long as all others together.
 */
const AREAS = {
  ops: {
    mutate: ['lib/ops/*.ts'],
    tests: ['test/ops/*.test.ts', 'test/spec/*.test.ts'],
    slowTests: ['test/model/*.test.ts'],
  },
  model: {
    mutate: ['lib/model/*.ts'],
    tests: [
      'test/model/{base,compositional-embedder,config,cost,micro-step-decoder,stop-head,weights}.test.ts',
      'test/spec/*.test.ts',
    ],
    slowTests: ['test/model/goldens.test.ts', 'test/decode/{accounting,generate,generate-batch}.test.ts'],
  },
  decode: {
    mutate: ['lib/decode/*.ts'],
    tests: ['test/decode/*.test.ts', '!test/decode/verified-*.test.ts', 'test/spec/*.test.ts'],
    slowTests: ['test/decode/verified-*.test.ts', 'test/model/goldens.test.ts', 'test/kit/self.test.ts'],
  },
  conformance: {
    mutate: ['lib/conformance/*.ts', '!lib/conformance/mistake-notes.ts'],
    tests: ['test/conformance/*.test.ts', 'test/spec/*.test.ts'],
    slowTests: ['test/kit/*.test.ts'],
  },
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules', '.cache', 'stryker');
const copy = join(cache, 'project');
const npm = (cwd, ...words) =>
  execFileSync('npm', [...words, '--no-audit', '--no-fund', '--ignore-scripts'], {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
  });

/** A Node.js of the version that Stryker asks for. */
function newerNode() {
  const program = join(cache, 'node_modules', NODE.package, 'bin', 'node');
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true }));
  npm(cache, 'install', `${NODE.package}@${NODE.version}`);
  return program;
}

/** The files that are tracked, with what is not committed yet, and their dependencies. */
function copyProject() {
  rmSync(copy, { recursive: true, force: true });
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  for (const file of files.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  npm(copy, 'ci');
  npm(copy, 'install', '--no-save', ...STRYKER);
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });
  // Tests of the command line refuse a program that is older than its sources, which are going to be changed; the changes are in the sources.
  const later = new Date(Date.now() + 86_400_000);
  utimesSync(join(copy, 'dist', 'cli', 'main.js'), later, later);
}

/**
 * Changes what `mutate` says, and runs `tests`.
 *
 * @returns every change, with its file
 */
function stryker(name, mutate, tests) {
  const included = tests.filter((pattern) => !pattern.startsWith('!'));
  const excluded = tests.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  const vitest = `vitest.stryker-${name}.config.mjs`;
  writeFileSync(
    join(copy, vitest),
    `export default { test: { include: ${JSON.stringify(included)}, exclude: ${JSON.stringify(excluded)}, testTimeout: 60000 } };\n`,
  );
  const config = {
    mutate,
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: vitest, related: false },
    coverageAnalysis: 'perTest',
    // What runs when a module is loaded: each such change would need a process of its own.
    ignoreStatic: true,
    // There is no JavaScript interface in this TypeScript for Stryker to rewrite the settings with; nothing asks for that.
    tsconfigFile: 'none.json',
    // Nothing imports the tests' types, and the sources of WebAssembly are no TypeScript.
    disableTypeChecks: false,
    // The copy is there for this.
    inPlace: true,
    concurrency: 2,
    timeoutMS: 20_000,
    reporters: ['progress-append-only', 'json'],
    jsonReporter: { fileName: `${name}.json` },
    tempDirName: `.stryker-${name}`,
  };
  const file = `stryker-${name}.json`;
  writeFileSync(join(copy, file), JSON.stringify(config, null, 2));
  const program = join(copy, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  const { status } = spawnSync(node, [program, 'run', file], { cwd: copy, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
  const { files } = JSON.parse(readFileSync(join(copy, `${name}.json`), 'utf8'));
  return Object.entries(files).flatMap(([path, { mutants }]) =>
    mutants.map((mutant) => ({ ...mutant, path })),
  );
}

const wasMissed = ({ status }) => status === 'Survived' || status === 'NoCoverage';
const wasCaught = ({ status }) => status === 'Killed' || status === 'Timeout';

/** Where a change is, and what it is. */
function described({ path, location: { start, end }, replacement }) {
  return `${path}:${start.line}:${start.column}-${end.line}:${end.column} ${replacement}`;
}

const areas = process.argv.slice(2);
const unknown = areas.filter((area) => !(area in AREAS));
if (areas.length === 0 || unknown.length > 0) {
  console.error(`expected some of ${Object.keys(AREAS).join(', ')}, found ${areas.join(', ') || 'none'}`);
  process.exit(2);
}
const node = newerNode();
copyProject();
for (const area of areas) {
  const { mutate, tests, slowTests } = AREAS[area];
  const all = stryker(area, mutate, tests);
  const missedFirst = all.filter(wasMissed);
  const ranges = missedFirst.map(
    // Reports count columns from 1, settings from 0.
    ({ path, location: { start, end } }) =>
      `${path}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`,
  );
  const caughtLater = new Set(
    missedFirst.length === 0
      ? []
      : stryker(`${area}-slow`, [...new Set(ranges)], slowTests)
          .filter(wasCaught)
          .map(described),
  );
  const missed = missedFirst.filter((mutant) => !caughtLater.has(described(mutant)));
  const caught = all.filter(wasCaught).length + missedFirst.length - missed.length;
  for (const mutant of missed) console.log(`not noticed: ${mutant.mutatorName} ${described(mutant)}`);
  const share = (100 * caught) / (caught + missed.length);
  console.log(`${area}: ${caught} of ${caught + missed.length} caught, ${share.toFixed(1)} %`);
}
