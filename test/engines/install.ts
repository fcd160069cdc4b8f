/** Finds engines, and installs them: npm packages into a folder below `node_modules`, Debian's into the system. */

import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { DebianSource, Engine, NpmSource } from './engines.ts';
import { start } from './process.ts';

/** Longest that one package may take, in milliseconds. */
const INSTALL_LIMIT = 180_000;

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

/** Installs an engine, so that {@link findEngine} finds it. Rejected with what went wrong. */
export type Installer = (engine: Engine) => Promise<void>;

/** @param cache where npm packages are kept */
export function createInstaller(cache: string): Installer {
  // Only one apt-get can run at a time.
  let debian: Promise<void> = Promise.resolve();
  return ({ source }) => {
    if (source.kind === 'npm') return installPackage(source, cache);
    const turn = debian.then(() => installDebian(source));
    debian = turn.catch(() => {});
    return turn;
  };
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

async function installPackage(source: NpmSource, cache: string): Promise<void> {
  const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
  const name = `${source.package}@${source.version}`;
  await start('npm', ['install', ...options, '--prefix', prefixOf(source, cache), name], INSTALL_LIMIT)
    .output;
}

async function installDebian(source: DebianSource): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('Debian packages are installed by root only');
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const aptGet = (...args: string[]) =>
    start('apt-get', ['-o', 'DPkg::Lock::Timeout=60', ...args], INSTALL_LIMIT, environment).output;
  const install = () => aptGet('install', '-y', '--no-install-recommends', source.package);
  try {
    await install();
  } catch {
    // The list of packages may be missing, or older than what the mirror has.
    await aptGet('update');
    await install();
  }
}
