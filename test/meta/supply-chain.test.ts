/** What the package is made of and what is in it: dependencies, their licences, scripts of installation, published files. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const json = <T>(name: string): T => JSON.parse(readFileSync(join(root, name), 'utf8')) as T;

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: true;
  readonly optional?: true;
  readonly hasInstallScript?: true;
  readonly link?: true;
}

const lock = json<{ readonly lockfileVersion: number; readonly packages: Readonly<Record<string, Locked>> }>(
  'package-lock.json',
);
const packages = Object.entries(lock.packages)
  .filter(([path]) => path !== '')
  .map(([path, locked]) => ({ name: path.split('node_modules/').at(-1)!, ...locked }));
const shipped = packages.filter(({ dev }) => dev !== true);

/** Licences that ask for nothing but to be named. */
const PERMISSIVE = [
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  '0BSD',
  'BlueOak-1.0.0',
  'MIT OR Apache-2.0',
];

/** Of tools for development, which are not part of the package: changes to their own files would have to be published. */
const OF_TOOLS = [...PERMISSIVE, 'MPL-2.0'];

describe('dependencies', () => {
  it('each is locked to its bytes', () => {
    expect(lock.lockfileVersion).toBe(3);
    expect(packages.length).toBeGreaterThan(50);
    const loose = packages.filter(({ integrity }) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
    expect(loose.map(({ name }) => name)).toEqual([]);
  });

  it('none runs a script when it is installed, and we have none', () => {
    expect(packages.filter(({ hasInstallScript }) => hasInstallScript === true)).toEqual([]);
    const { scripts } = json<{ readonly scripts: Readonly<Record<string, string>> }>('package.json');
    expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  });

  it('licences are permissive', () => {
    const other = shipped.filter(({ license }) => !PERMISSIVE.includes(license ?? ''));
    expect(other.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
    const tools = packages.filter(({ license }) => !OF_TOOLS.includes(license ?? ''));
    expect(tools.map(({ name, license }) => `${name}: ${license}`)).toEqual([]);
  });

  it('those that come with the package are listed in THIRD-PARTY.md', async () => {
    const rows = shipped
      .map(({ name, version, license }) => `| ${name} | ${version} | ${license} |`)
      .sort((a, b) => (a < b ? -1 : 1));
    const text = `# Third-party packages

What \`npm install hamburger-oracle\` brings along. Written by \`npx vitest run test/meta/supply-chain.test.ts -u\`, which fails where it no longer fits the lock file.

| package | version | licence |
|---|---|---|
${rows.join('\n')}
`;
    await expect(text).toMatchFileSnapshot(join(root, 'THIRD-PARTY.md'));
  });
});

describe('the published package', () => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const [packed] = JSON.parse(stdout) as readonly {
    readonly files: readonly { readonly path: string; readonly size: number }[];
  }[];
  const files = packed!.files.map(({ path }) => path);

  it('holds what it should and nothing else', () => {
    const allowed = [
      /^(package\.json|README\.md|LICENSE|SPEC\.md|CHANGELOG\.md|SECURITY\.md|THIRD-PARTY\.md)$/,
      /^dist\/(lib|cli|fixtures\/corpus)\/[\w/.-]+\.(js|d\.ts)$/,
      /^fixtures\/checkpoints\/toy(-base)?\/[\w.-]+$/,
      /^fixtures\/kit\/(ERRATA|INTERPRETING|README)\.md$/,
      /^fixtures\/kit\/(kit|mutants)\.json$/,
      /^fixtures\/kit\/(cases|confirmations|invalid|models|schemas)\/[\w/.-]+$/,
      /^fixtures\/kit\/second_source\.(py|requirements\.txt)$/,
    ];
    expect(files.length).toBeGreaterThan(500);
    expect(files.filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
  });

  it('holds what the program needs', () => {
    for (const path of [
      'dist/cli/main.js',
      'dist/lib/index.js',
      'dist/lib/index.d.ts',
      'dist/lib/kernels/simd/binary.js',
      'dist/fixtures/corpus/corpus.js',
      'fixtures/checkpoints/toy/model.safetensors',
      'fixtures/kit/kit.json',
    ]) {
      expect(files).toContain(path);
    }
    const { files: kit } = json<{ readonly files: object }>('fixtures/kit/kit.json');
    expect(Object.keys(kit).filter((name) => !files.includes(`fixtures/kit/${name}`))).toEqual([]);
  });
});
