/** The engines: what each is, where it comes from, and what it has not. */

import type { Way } from './report.ts';

/** A package of the npm registry that holds the engine's program. Installed by npm itself, without scripts. */
export interface NpmSource {
  readonly kind: 'npm';
  readonly package: string;
  readonly version: string;
  /** The program, in the package's folder; the folder itself if there is none. */
  readonly file: string;
}

/** A package of Debian, and the program in it. */
export interface DebianSource {
  readonly kind: 'debian';
  readonly package: string;
  readonly program: string;
}

/** How the bundle gets in, and the report out. */
export type Host =
  /** A program that runs a file; these arguments come before it. */
  | { readonly kind: 'terminal'; readonly args: readonly string[] }
  /** QuickJS as a library, in a process of Node.js. */
  | { readonly kind: 'quickjs' }
  /** A browser that opens a page; `isolated` pages have `SharedArrayBuffer`. */
  | {
      readonly kind: 'browser';
      readonly isolated: boolean;
      readonly args: (profile: string) => readonly string[];
    };

/** One row of the table. */
export interface Engine {
  /** Its name on the command line. */
  readonly id: string;
  /** Its name in the table. */
  readonly name: string;
  readonly source: NpmSource | DebianSource;
  readonly host: Host;
  /** The ways that it is known not to go; any other that it does not go is a fault. */
  readonly lacks: readonly Way[];
}

/** What packages call the kinds of machine; `undefined` where none of this list has a package. */
interface Platform {
  readonly node: string;
  readonly bun: string;
  readonly deno: string;
}

const PLATFORMS: Readonly<Record<string, Platform>> = {
  'linux-x64': { node: 'linux-x64', bun: 'linux-x64', deno: 'linux-x64-glibc' },
  'linux-arm64': { node: 'linux-arm64', bun: 'linux-aarch64', deno: 'linux-arm64-glibc' },
  'darwin-x64': { node: 'darwin-x64', bun: 'darwin-x64', deno: 'darwin-x64' },
  'darwin-arm64': { node: 'darwin-arm64', bun: 'darwin-aarch64', deno: 'darwin-arm64' },
};

/** Headless, with an empty profile, and without the services that a browser starts for people. */
const CHROMIUM_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const chromium = (id: string, isolated: boolean): Engine => ({
  id,
  name: isolated ? 'Chromium (V8)' : 'Chromium, page not isolated',
  source: { kind: 'debian', package: 'chromium', program: 'chromium' },
  host: {
    kind: 'browser',
    isolated,
    args: (profile) => [...CHROMIUM_ARGS, `--user-data-dir=${profile}`],
  },
  lacks: isolated ? [] : ['f32 simd, 2 threads'],
});

/** Every engine, for a machine. */
export function enginesFor(platform: string, arch: string): readonly Engine[] {
  const names = PLATFORMS[`${platform}-${arch}`];
  const node = (major: number, version: string): Engine => ({
    id: `node${major}`,
    name: `Node.js ${major} (V8)`,
    source: { kind: 'npm', package: `node-${names?.node}`, version, file: 'bin/node' },
    host: { kind: 'terminal', args: [] },
    lacks: [],
  });
  const programs: Engine[] = [
    node(20, '20.20.2'),
    node(22, '22.23.3'),
    node(24, '24.21.0'),
    node(26, '26.10.0'),
    {
      id: 'bun',
      name: 'Bun (JavaScriptCore)',
      source: { kind: 'npm', package: `@oven/bun-${names?.bun}`, version: '1.4.5', file: 'bin/bun' },
      host: { kind: 'terminal', args: [] },
      lacks: [],
    },
    {
      id: 'deno',
      name: 'Deno (V8)',
      source: { kind: 'npm', package: `@deno/${names?.deno}`, version: '2.9.6', file: 'deno' },
      host: { kind: 'terminal', args: ['run', '--allow-all', '--no-config'] },
      lacks: [],
    },
  ];
  return [
    ...(names === undefined ? [] : programs),
    chromium('chromium', true),
    chromium('chromium-plain', false),
    {
      id: 'firefox',
      name: 'Firefox (SpiderMonkey)',
      source: { kind: 'debian', package: 'firefox-esr', program: 'firefox-esr' },
      host: {
        kind: 'browser',
        isolated: true,
        args: (profile) => ['--headless', '--no-remote', '--profile', profile],
      },
      lacks: [],
    },
    {
      id: 'gjs',
      name: 'gjs (SpiderMonkey)',
      source: { kind: 'debian', package: 'gjs', program: 'gjs' },
      host: { kind: 'terminal', args: ['-m'] },
      lacks: ['f32 simd, 2 threads'],
    },
    {
      id: 'quickjs',
      name: 'QuickJS',
      source: { kind: 'npm', package: 'quickjs-emscripten', version: '0.32.0', file: '' },
      host: { kind: 'quickjs' },
      lacks: ['f32 simd', 'f32 simd, 2 threads'],
    },
  ];
}
