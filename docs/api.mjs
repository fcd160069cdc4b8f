/**
 * `npm run api`: the reference of the public interface, from the docstrings of the sources, into docs/api (not in git).
 *
 * TypeDoc reads TypeScript through the compiler's JavaScript interface, which TypeScript 7 has no more, so it comes with an older compiler of
 * its own, kept apart from the project's dependencies as the engines of `npm run test:engines` are.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSIONS = { typedoc: '0.28.20', typescript: '6.0.3' };

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules', '.cache', 'typedoc');
const program = join(cache, 'node_modules', 'typedoc', 'bin', 'typedoc');

if (!existsSync(program)) {
  console.error(`installing TypeDoc ${VERSIONS.typedoc} into node_modules/.cache`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'package.json'), JSON.stringify({ private: true }));
  const packages = Object.entries(VERSIONS).map(([name, version]) => `${name}@${version}`);
  execFileSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--save-exact', ...packages],
    {
      cwd: cache,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
}

const options = {
  entryPoints: join(root, 'lib', 'index.ts'),
  tsconfig: join(root, 'tsconfig.json'),
  out: join(root, 'docs', 'api'),
  name: 'hamburger-oracle',
  readme: 'none',
};
const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
// The project's own compiler has checked the types. Types that are not exported are left out, and a docstring may speak of what is not.
const flags = [
  '--skipErrorChecking',
  '--disableSources',
  '--validation.notExported',
  'false',
  '--logLevel',
  'Error',
];
execFileSync(process.execPath, [program, ...words, ...flags], { stdio: 'inherit' });
console.log('docs/api/index.html');
