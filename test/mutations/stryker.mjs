/**
 * `npm run stryker -- ops model decode`: changes every operator, constant and statement of a folder of lib, one at a time, and counts how many changes
 * no test of that folder notices. test/mutations/survivors.md says what the figures were, and why each survivor is one.
 *
 * Stryker needs a newer Node.js than the project, and has to share one vitest with the tests. So it works in a copy of the project in
 * node_modules/.cache, with a Node.js of its own.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const STRYKER = ['@stryker-mutator/core@10.1.1', '@stryker-mutator/vitest-runner@10.1.1'];
const NODE = { package: `node-${process.platform}-${process.arch}`, version: '24.21.0' };

/** What is changed, and the tests that have to notice: the fast ones of the same folder, and SPEC's examples. */
const AREAS = {
  ops: { mutate: ['lib/ops/*.ts'], tests: ['test/ops/*.test.ts', 'test/spec/*.test.ts'] },
  model: {
    mutate: ['lib/model/*.ts'],
    // Without the goldens of whole models, which take ten times as long as all others together.
    tests: [
      'test/model/{base,compositional-embedder,config,cost,micro-step-decoder,stop-head,weights}.test.ts',
      'test/spec/*.test.ts',
    ],
  },
  decode: { mutate: ['lib/decode/*.ts'], tests: ['test/decode/*.test.ts', 'test/spec/*.test.ts'] },
  conformance: {
    mutate: ['lib/conformance/*.ts', '!lib/conformance/mistake-notes.ts'],
    tests: ['test/conformance/*.test.ts', 'test/kit/*.test.ts', 'test/spec/*.test.ts'],
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
}

function configure(area, { mutate, tests }) {
  const vitest = `vitest.stryker-${area}.config.mjs`;
  writeFileSync(
    join(copy, vitest),
    `export default { test: { include: ${JSON.stringify(tests)}, testTimeout: 60000 } };\n`,
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
    concurrency: 2,
    timeoutMS: 20_000,
    reporters: ['clear-text', 'progress-append-only', 'json'],
    jsonReporter: { fileName: `${area}.json` },
    tempDirName: `.stryker-${area}`,
  };
  const file = `stryker-${area}.json`;
  writeFileSync(join(copy, file), JSON.stringify(config, null, 2));
  return file;
}

const areas = process.argv.slice(2);
const unknown = areas.filter((area) => !(area in AREAS));
if (areas.length === 0 || unknown.length > 0) {
  console.error(`expected some of ${Object.keys(AREAS).join(', ')}, found ${areas.join(', ') || 'none'}`);
  process.exit(2);
}
const node = newerNode();
copyProject();
const program = join(copy, 'node_modules/@stryker-mutator/core/bin/stryker.js');
for (const area of areas) {
  const { status } = spawnSync(node, [program, 'run', configure(area, AREAS[area])], {
    cwd: copy,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
  const mutants = Object.values(JSON.parse(readFileSync(join(copy, `${area}.json`), 'utf8')).files).flatMap(
    ({ mutants }) => mutants,
  );
  const count = (...kinds) => mutants.filter(({ status }) => kinds.includes(status)).length;
  const [caught, missed] = [count('Killed', 'Timeout'), count('Survived', 'NoCoverage')];
  console.log(
    `${area}: ${caught} of ${caught + missed} caught, ${((100 * caught) / (caught + missed)).toFixed(1)} %`,
  );
}
