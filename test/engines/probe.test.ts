import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { PINNED_TRACE } from '../helpers/golden-trace.ts';
import { bundleProbe } from './bundle.ts';
import { allFaults, type Outcome } from './compare.ts';
import { enginesFor } from './engines.ts';
import { WAYS } from './report.ts';
import { PRINT_REPORT, runEngine } from './run-engine.ts';
import { decodeBase64, Utf8Decoder } from './web-functions.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'probe-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs code in this Node.js as if it were one of the list. */
async function runCode(id: string, code: string): Promise<Outcome> {
  const engine = enginesFor('linux', 'x64').find((candidate) => candidate.id === id)!;
  const printing = join(scratch, `${id}.mjs`);
  writeFileSync(printing, code + PRINT_REPORT);
  const report = await runEngine(engine, process.execPath, { bundle: '', printing, quickjs: '' });
  return { kind: 'ran', engine, version: process.version, report };
}

/** Milliseconds that two runs of the bundle may take while all other tests run, too: alone they take five seconds. */
const BUSY_MACHINE = 120_000;

/** An engine that takes subnormal binary32 numbers for zero, as some processors do when asked to be fast. */
const FLUSHES_SUBNORMALS = `
const { fround } = Math;
Math.fround = (x) => (Math.abs(fround(x)) < 2 ** -126 ? 0 * x : fround(x));
`;

describe('the probe', () => {
  it(
    'numerics/N1, N9: gives the pinned hashes in every way, and a planted difference is found',
    async () => {
      const code = await bundleProbe(root);
      const [right, wrong] = await Promise.all([
        runCode('node20', code),
        runCode('node22', FLUSHES_SUBNORMALS + code),
      ]);
      const pinned = { 'f32 trace': PINNED_TRACE.f32, 'f64 trace': PINNED_TRACE.f64 };
      expect(allFaults([right], pinned, ['node20'])).toEqual([]);
      if (right.kind !== 'ran') throw new TypeError('it ran');
      const { lines, lacks } = right.report;
      expect(lacks).toEqual({});
      expect([...new Set(lines.map(({ way }) => way))]).toEqual(WAYS);

      const faults = allFaults([right, wrong], pinned, []);
      const claims = faults.map((fault) => /^Node\.js 22 .*?: (.*?): expected/.exec(fault)?.[1]);
      expect(claims).toEqual(
        expect.arrayContaining(['f32 round (f32 reference)', 'f32 matmulNT (f32 reference)']),
      );
      // WebAssembly is not concerned, but for the one primitive that is a function of Math.
      expect(claims.filter((claim) => !/^f32 (?:round|.*\(f32 reference\))/.test(claim ?? ''))).toEqual([]);
    },
    BUSY_MACHINE,
  );

  it('is one script: an engine without modules, files and packages runs it', async () => {
    const code = await bundleProbe(root);
    expect(code).not.toMatch(/^(?:import|export)\b/m);
    expect(code).not.toMatch(/from ["']node:/);
  });
});

describe('what engines without a web platform are given', () => {
  it('decodes base64, with every length of its end', () => {
    for (const size of [0, 1, 2, 3, 4, 255, 3071, 3072, 3073, 7000]) {
      const text = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 37) & 0xff)).toString(
        'base64',
      );
      expect(decodeBase64(text)).toBe(atob(text));
    }
  });

  it('decodes UTF-8, and refuses what is none', () => {
    expect(new Utf8Decoder().decode(new TextEncoder().encode('aé€😀%41'))).toBe('aé€😀%41');
    expect(() => new Utf8Decoder().decode(Uint8Array.of(0xc3, 0x28))).toThrow(/URI/);
  });
});

describe('npm run test:engines', () => {
  const command = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'test/engines/run.mjs'), ...args], { encoding: 'utf8' });

  it('has help with examples, and ends with 2 for an engine that it does not know', () => {
    const help = command('--help');
    expect(help.status).toBe(0);
    expect(help.stdout).toContain('--only node20,bun');
    const wrong = command('--only', 'node20,netscape');
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('Expected some of node20,');
  });
});
