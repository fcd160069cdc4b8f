/**
 * Where the package is installed: its version and its shipped checkpoint.
 *
 * @module
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvariantError } from '../lib/index.ts';

/** The nearest folder upwards that has a `package.json`: this file is read both from `cli/` and from `dist/cli/`. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new InvariantError({
        subject: 'package',
        expected: 'a package.json above the program',
        found: 'none',
      });
    }
    folder = parent;
  }
  return folder;
}

/** The version of the package. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version;
}

/** The folder of the toy checkpoint that comes with the package. */
export function toyCheckpoint(): string {
  return join(packageRoot(), 'fixtures', 'checkpoints', 'toy');
}

/** A file that comes with the package. */
export function packageFile(name: string): string {
  return join(packageRoot(), name);
}

/** The folder of the base that the toy was made of. */
export function toyBaseCheckpoint(): string {
  return join(packageRoot(), 'fixtures', 'checkpoints', 'toy-base');
}

/** A file of the built command line. */
export function builtProgram(name: string): string {
  return join(packageRoot(), 'dist', 'cli', name);
}

/** The folder of the conformance kit that comes with the package. */
export function shippedKit(): string {
  return join(packageRoot(), 'fixtures', 'kit');
}
