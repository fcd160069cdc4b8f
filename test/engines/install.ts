/** Finds engines, and installs them: npm packages into a folder below `node_modules`, Debian's into the system. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { DebianSource, Engine, NpmSource } from './engines.ts';

/** Longest that one package may take, in milliseconds. */
const INSTALL_LIMIT = 120_000;

/** Where an engine is, or why it is not. */
export type Found = { readonly path: string } | { readonly missing: string };

/** The engine's program, or the folder of its package. @param cache where npm packages are kept */
export function findEngine({ id, source }: Engine, cache: string): Found {
  // Whoever runs this is an engine, too.
  if (id === `node${process.versions.node.split('.')[0]}` && process.versions.bun === undefined) {
    return { path: process.execPath };
  }
  return source.kind === 'npm' ? findPackage(source, cache) : findProgram(source);
}

/** Installs an engine; afterwards {@link findEngine} finds it, or says what to do. Returns what went wrong. */
export function installEngine({ source }: Engine, cache: string): string | undefined {
  return source.kind === 'npm' ? installPackage(source, cache) : installDebian(source);
}

const prefixOf = (source: NpmSource, cache: string) =>
  join(cache, `${source.package.replaceAll(/[@/]/g, '_')}-${source.version}`);

function findPackage(source: NpmSource, cache: string): Found {
  const folder = join(prefixOf(source, cache), 'node_modules', source.package);
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === source.version) {
    return { path: join(folder, source.file) };
  }
  return { missing: `npm package ${source.package}@${source.version} is not installed (--install)` };
}

function findProgram(source: DebianSource): Found {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, source.program);
    try {
      accessSync(path, constants.X_OK);
      return { path };
    } catch {
      // Not in this folder.
    }
  }
  return { missing: `Debian package ${source.package} is not installed (--install, as root)` };
}

function installPackage(source: NpmSource, cache: string): string | undefined {
  const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  return run('npm', [
    'install',
    ...options,
    '--prefix',
    prefixOf(source, cache),
    `${source.package}@${source.version}`,
  ]);
}

function installDebian(source: DebianSource): string | undefined {
  if (process.getuid?.() !== 0) return 'Debian packages are installed by root only';
  const install = () => run('apt-get', ['install', '-y', '--no-install-recommends', source.package]);
  // The list of packages may be missing or out of date; fetching it is needed only then.
  return install() === undefined ? undefined : (run('apt-get', ['update']) ?? install());
}

/** Runs a command quietly. Returns what went wrong. */
function run(command: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: INSTALL_LIMIT,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status === 0) return undefined;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit code ${status}`;
  return `${command} ${args[0]}: ${reason}`;
}
