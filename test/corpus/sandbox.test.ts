/** The sandbox: what runs in it ends, stays small, and sees nothing of the host. */

import { describe, expect, it } from 'vitest';
import { createSandbox } from '../../fixtures/corpus/sandbox.ts';

const sandbox = await createSandbox();
const call = (source: string, ...args: unknown[]) => sandbox.call(source, 'f', args);
/** What the body of a function of `x` returns for 1. */
const value = (body: string): unknown => {
  const outcome = call(`function f(x) { ${body} }`, 1);
  return 'error' in outcome ? outcome : JSON.parse(outcome.results[0]!);
};

describe('sandbox', () => {
  it('calls a function with each argument, however it is declared', () => {
    for (const source of [
      'function f(x) { return x; }',
      'const f = (x) => x;',
      'f = x => x',
      'var f = (x) => x',
    ]) {
      expect(call(source, 1, 'a', [1, 2])).toEqual({ results: ['1', '"a"', '[1,2]'] });
    }
    expect(call('function f() {}', 0)).toEqual({ results: ['undefined'] });
  });

  it.each([
    ['an endless loop', 'while (true) {}', 'interrupted'],
    ['one that catches', 'for (;;) { try { for (;;) {} } catch {} }', 'interrupted'],
    ['one over a generator', 'const g = function* () { while (true) yield 1; }; [...g()];', 'interrupted'],
    ['endless recursion', 'const g = () => g() + 1; g();', 'stack overflow'],
    ['a growing array', 'const a = []; while (true) a[a.length] = 1;', /memory|interrupted/],
    ['a growing string', 'let s = "x"; while (true) s += s;', 'too long'],
    ['a growing object', 'const o = {}; for (let i = 0; ; i++) o["k" + i] = "x" + i;', /memory|interrupted/],
    ['a huge string', '"x".repeat(1e9)', 'memory'],
    ['a huge array, spread', 'const a = []; a.length = 4e9; [...a];', 'memory'],
    // QuickJS does not ask inside a built-in function: without a budget these run for minutes.
    ['a huge array, searched', 'const a = []; a.length = 4e9; a.indexOf(1);', 'too much work'],
    ['a lying length', '({ get length() { return 4e9; }, f: [].indexOf }).f(1)', 'another type'],
    ['sorting for ever', 'const a = "x".repeat(4000).split(""); while (true) a.toSorted();', 'too much work'],
    ['big integers', '9n ** 9999999n', 'big integers'],
    ['regular expressions', '/(a+)+$/.test("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")', 'RegExp'],
  ])('%s is stopped', (_, source, reason) => {
    const outcome = call(`function f() { ${source} }`, 0) as { error: string };
    expect(outcome.error).toMatch(reason);
    // Also while it is loaded; and the next call is not affected.
    expect(call(source, 0)).toHaveProperty('error');
    expect(call('function f() { return 1; }', 0)).toEqual({ results: ['1'] });
  });

  it('has no host, no clock, no chance, no way to make code of text', () => {
    const names =
      'process require console fetch setTimeout Date WebAssembly Function eval Promise globalThis Object Reflect';
    expect(value(`return [${names.split(' ').map((name) => `typeof ${name}`)}]`)).toEqual(
      names.split(' ').map(() => 'undefined'),
    );
    expect(value('return [typeof Math.random, typeof f.constructor, typeof [].constructor]')).toEqual(
      Array(3).fill('undefined'),
    );
    const functions = ['() => 1', 'function* () {}', 'async () => {}', 'async function* () {}'];
    expect(value(`return [${functions.map((source) => `typeof (${source}).constructor`)}]`)).toEqual(
      Array(4).fill('undefined'),
    );
    expect(call('import fs from "node:fs"; function f() { return 1; }', 0)).toHaveProperty('error');
    expect(value('return import("node:fs")')).toEqual({});
    expect(value('return this === undefined ? 0 : Object.keys(this)')).toHaveProperty('error');
  });

  it('what a call leaves behind is gone in the next', () => {
    call('Math.floor = () => 7; String.prototype.at = 1; leak = 1; function f() {}', 0);
    expect(value('return [Math.floor(1.5), typeof leak, "abc".at(1)]')).toEqual([1, 'undefined', 'b']);
  });

  it('the code cannot replace how results are read', () => {
    expect(call('var JSON = { stringify: () => "1" }; function f() { return 2; }', 0)).toEqual({
      results: ['2'],
    });
  });

  it('says what went wrong, whatever is thrown', () => {
    expect(call('function f() { throw "no"; }', 0)).toEqual({ error: 'no' });
    for (const thrown of ['null', 'undefined', '[[]]', 'f', '({ get message() { while (true) {} } })']) {
      expect(call(`function f() { throw ${thrown}; }`, 0)).toHaveProperty('error');
    }
    expect(call('function f( {', 0)).toHaveProperty('error');
    expect(call('const g = 1;', 0)).toEqual({ error: "'f' is not defined" });
    expect(call('const f = 1;', 0)).toHaveProperty('error');
    expect(call(' '.repeat(1001), 0)).toEqual({ error: 'longer than 1000 characters' });
  });

  it.each([
    '[',
    '(',
    '{',
    '!',
    'x=>',
    'a?',
    '`${',
    'if(1)',
    '- ',
    'function f(){',
    '[...',
    'a=',
    '({a:',
    'new ',
  ])('a source of nothing but %s does not exhaust the stack of the host', (part) => {
    for (const close of ['', '1']) {
      expect(() => call(part.repeat(1000 / part.length - 1) + close, 0)).not.toThrow();
    }
  });

  it('neither does deep recursion through built-in functions, nor a deep result', () => {
    const deep = { error: 'stack overflow' };
    expect(call('const f = (x) => [1].map(() => f(x));', 0)).toEqual(deep);
    expect(call('const f = (x) => [2, 1].sort(() => f(x));', 0)).toEqual(deep);
    expect(
      call('const f = () => { let a = []; for (let i = 0; i < 5000; i++) a = [a]; return a; };', 0),
    ).toEqual(deep);
    expect(call('const o = { toString: () => "" + o }; const f = () => "" + o;', 0)).toEqual(deep);
  });

  it('the budget is for all calls together, and ample for a function of the corpus', () => {
    const loop = 'function f(n) { let t = 0; for (let x = 1; x <= n; x++) t += x; return t; }';
    expect(call(loop, 1000, 1000)).toEqual({ results: ['500500', '500500'] });
    expect(call(loop, 15_000, 15_000, 15_000)).toHaveProperty('error');
  });
});
