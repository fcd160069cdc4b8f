import { describe, expect, it } from 'vitest';
import { allFaults, type Outcome, renderTable, tally } from './compare.ts';
import { type Engine, enginesFor } from './engines.ts';
import type { Line, Report, Way } from './report.ts';

const engines = enginesFor('linux', 'x64');
const engineOf = (id: string): Engine => engines.find((engine) => engine.id === id)!;

const FULL: readonly Line[] = [
  { claim: 'exp', way: 'functions', sha256: 'aa' },
  { claim: 'f64 add', way: 'f64', sha256: 'bb' },
  { claim: 'f32 add', way: 'f32 reference', sha256: 'cc' },
  { claim: 'f32 add', way: 'f32 simd', sha256: 'cc' },
  { claim: 'f32 add', way: 'f32 simd, 2 threads', sha256: 'cc' },
];

/** An engine that ran, with some hashes changed. */
function ran(
  id: string,
  change: (line: Line) => Line = (line) => line,
  lacks: Report['lacks'] = {},
): Outcome {
  const lines = FULL.filter(({ way }) => lacks[way] === undefined).map(change);
  return { kind: 'ran', engine: engineOf(id), version: '1.0', report: { lines, lacks } };
}

const absent = (id: string): Outcome => ({ kind: 'absent', engine: engineOf(id), reason: 'it is not there' });
const wrongIn = (way: Way) => (line: Line) => (line.way === way ? { ...line, sha256: 'ee' } : line);
const noSimd = { 'f32 simd': 'no WebAssembly', 'f32 simd, 2 threads': 'no WebAssembly' };

describe('comparison of engines', () => {
  it('finds nothing where all agree, without WebAssembly where that is known', () => {
    expect(allFaults([ran('node20'), ran('bun'), ran('quickjs', undefined, noSimd)], {}, ['bun'])).toEqual(
      [],
    );
  });

  it('numerics/N1: names engine, claim, way and both hashes of a difference, and blames no other engine', () => {
    expect(allFaults([ran('bun', wrongIn('functions')), ran('node20'), ran('node22')], {}, [])).toEqual([
      'Bun (JavaScriptCore) 1.0: exp (functions): expected aa, found ee',
    ]);
  });

  it('holds the kernel sets against each other, in a single engine too', () => {
    expect(allFaults([ran('node20', wrongIn('f32 simd'))], {}, [])).toEqual([
      'Node.js 20 (V8) 1.0: f32 add (f32 simd): expected cc, found ee',
    ]);
    const both = (line: Line) => wrongIn('f32 simd, 2 threads')(wrongIn('f32 simd')(line));
    expect(allFaults([ran('node20', both)], {}, [])).toHaveLength(2);
  });

  it('does not follow the majority against a pinned hash', () => {
    expect(allFaults([ran('node20'), ran('bun')], { 'f64 add': 'b0' }, [])).toEqual([
      'Node.js 20 (V8) 1.0: f64 add (f64): expected b0, found bb',
      'Bun (JavaScriptCore) 1.0: f64 add (f64): expected b0, found bb',
    ]);
  });

  it('asks for every claim: one that is left out is not one that agrees', () => {
    const short = ran('bun');
    if (short.kind !== 'ran') throw new TypeError('it ran');
    const report = { ...short.report, lines: FULL.slice(1) };
    expect(allFaults([ran('node20'), { ...short, report }], {}, [])).toEqual([
      'Bun (JavaScriptCore) 1.0: exp (functions): expected aa, found nothing',
    ]);
  });

  it('does not excuse an engine from WebAssembly or threads that it is known to have', () => {
    expect(allFaults([ran('node20', undefined, noSimd)], {}, [])).toEqual([
      'Node.js 20 (V8) 1.0: f32 simd: no WebAssembly',
      'Node.js 20 (V8) 1.0: f32 simd, 2 threads: no WebAssembly',
    ]);
  });

  it('fails for a required engine that is missing, and only for that', () => {
    const outcomes = [ran('node20'), absent('bun'), absent('deno')];
    expect(allFaults(outcomes, {}, ['node20'])).toEqual([]);
    expect(allFaults(outcomes, {}, ['node20', 'bun', 'gjs'])).toEqual([
      'Bun (JavaScriptCore) is required, but it is not there',
      'gjs is required, but was not to be run',
    ]);
  });

  it('fails for an engine that is there and does not run, required or not, and if none ran', () => {
    const failed: Outcome = { kind: 'failed', engine: engineOf('deno'), version: '2', reason: 'no report' };
    expect(allFaults([ran('node20'), failed], {}, [])).toEqual(['Deno (V8) 2: no report']);
    expect(allFaults([absent('bun')], {}, [])).toEqual(['no engine ran']);
  });

  it('counts what continuous integration adds up: a required engine that is missing failed, another was skipped', () => {
    const outcomes = [
      ran('node20'),
      ran('node22'),
      ran('bun', wrongIn('f64')),
      absent('deno'),
      absent('gjs'),
    ];
    expect(tally(outcomes, {}, ['gjs'])).toEqual({ passed: 2, failed: 2, skipped: 1 });
    expect(tally([absent('bun')], {}, [])).toEqual({ passed: 0, failed: 1, skipped: 1 });
  });

  it('the table shows one hash for the kernel sets that agree, and a reason for an engine that is missing', () => {
    const table = renderTable([
      ran('node20'),
      ran('bun', wrongIn('f32 simd')),
      ran('quickjs', undefined, noSimd),
      absent('gjs'),
    ]);
    const [head, node, bun, quickjs, gjs] = table.split('\n').map((row) => row.split(/ {2,}/));
    expect(head).toEqual([
      'engine',
      'version',
      'functions',
      'f64',
      'f32 reference',
      'f32 simd',
      'f32 simd, 2 threads',
    ]);
    expect(node!.slice(0, 2)).toEqual(['Node.js 20 (V8)', '1.0']);
    expect(new Set(node!.slice(4)).size).toBe(1);
    expect(new Set(node!.slice(2)).size).toBe(3);
    expect(bun![4]).toBe(node![4]);
    expect(bun![5]).not.toBe(node![5]);
    expect(quickjs!.slice(4)).toEqual([node![4], '-', '-']);
    expect(gjs).toEqual(['gjs (SpiderMonkey)', '-', 'it is not there']);
  });
});

describe('the list of engines', () => {
  it('has each name once, and exact versions, so that two runs mean the same', () => {
    expect(new Set(engines.map(({ id }) => id)).size).toBe(engines.length);
    for (const { source } of engines) {
      if (source.kind === 'npm') expect(source.version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it('names no package that does not exist, on a machine that none of them is for', () => {
    const packages = enginesFor('plan9', 'mips').map(({ source }) => source.package);
    expect(packages).not.toEqual([]);
    expect(packages.filter((name) => name.includes('undefined'))).toEqual([]);
  });
});
