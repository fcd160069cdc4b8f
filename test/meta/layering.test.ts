/** Who may import whom: arrows only go down, and each third-party package has one door. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Folder or file → what it may import besides its own folder: places of ours, and packages. */
const MAY: Record<string, readonly string[]> = {
  'lib/errors.ts': [],
  'lib/schema.ts': ['lib/errors.ts', 'zod'],
  'lib/html.ts': ['lib/text'],
  'lib/math': ['lib/errors.ts'],
  'lib/math/random.ts': ['lib/errors.ts', 'seedrandom'],
  'lib/tensor': ['lib/errors.ts', 'lib/math'],
  'lib/tensor/tensor.ts': ['lib/errors.ts', 'ndarray', 'ndarray-ops'],
  'lib/trace.ts': ['lib/errors.ts', 'lib/tensor'],
  'lib/kernels': ['lib/math', 'lib/tensor'],
  'lib/kernels/simd': ['lib/errors.ts', 'lib/tensor', 'lib/kernels'],
  'lib/ops': ['lib/errors.ts', 'lib/math', 'lib/tensor', 'lib/kernels', 'lib/trace.ts'],
  'lib/model': ['lib/errors.ts', 'lib/math', 'lib/tensor', 'lib/kernels', 'lib/trace.ts', 'lib/ops'],
  'lib/decode': [
    'lib/errors.ts',
    'lib/math',
    'lib/tensor',
    'lib/kernels',
    'lib/trace.ts',
    'lib/ops',
    'lib/model',
  ],
  'lib/train': [
    'lib/errors.ts',
    'lib/math',
    'lib/tensor',
    'lib/kernels',
    'lib/trace.ts',
    'lib/ops',
    'lib/model',
    'lib/decode',
    'lib/text',
    // What a recipe and its data are written in.
    'lib/schema.ts',
    'lib/checkpoint/config-file.ts',
    'lib/checkpoint/pairs-file.ts',
  ],
  'lib/explain': [
    'lib/errors.ts',
    'lib/schema.ts',
    'lib/math',
    'lib/tensor',
    'lib/trace.ts',
    'lib/model',
    'lib/decode',
    'lib/train',
    'lib/text',
    'lib/html.ts',
    // The configuration in the file of a trace.
    'lib/checkpoint/config-file.ts',
  ],
  'lib/explain/spec-sections.ts': ['marked'],
  'lib/explain/view': [
    'lib/explain',
    'lib/html.ts',
    // The words of a run's end.
    'lib/decode/ends.ts',
    'd3-scale',
  ],
  'lib/evaluate': ['lib/errors.ts', 'lib/schema.ts', 'lib/decode'],
  'lib/conformance': [
    'lib/errors.ts',
    'lib/schema.ts',
    'lib/math',
    'lib/tensor',
    'lib/ops',
    'lib/model',
    'lib/decode',
    'lib/trace.ts',
  ],
  'lib/kit': [
    'node:crypto',
    'node:fs',
    'node:path',
    'lib/errors.ts',
    'lib/schema.ts',
    'lib/math',
    'lib/tensor',
    'lib/kernels',
    'lib/trace.ts',
    'lib/ops',
    'lib/model',
    'lib/decode',
    'lib/train',
    'lib/text',
    'lib/checkpoint',
    'lib/conformance',
  ],
  'lib/text': ['lib/errors.ts', 'lib/schema.ts'],
  'lib/text/tokenizer.ts': ['lib/errors.ts', 'lib/schema.ts', '@huggingface/tokenizers'],
  'lib/text/chat-template.ts': ['lib/errors.ts', 'lib/schema.ts', '@huggingface/jinja'],
  'lib/text/bounded-interpreter.ts': ['@huggingface/jinja'],
  'lib/text/pattern.ts': ['lib/errors.ts', '@eslint-community/regexpp'],
  'lib/checkpoint': [
    'lib/errors.ts',
    'lib/schema.ts',
    'lib/math',
    'lib/tensor',
    'lib/kernels',
    'lib/ops',
    'lib/model',
    'lib/text',
    'lib/trace.ts',
    'node:crypto',
    'node:fs',
    'node:os',
    'node:path',
    'node:vm',
  ],
  'lib/index.ts': ['lib'],
  'fixtures/corpus': ['fixtures/corpus', 'lib', 'node:'],
  'fixtures/corpus/sandbox.ts': ['quickjs-emscripten-core'],
  web: ['web', 'lib', 'virtual:spec'],
  // The public interface, and what pages are made of.
  cli: ['cli', 'lib/index.ts', 'lib/html.ts', 'commander', 'ansis', 'cli-progress', 'node:'],
  'cli/chart.ts': ['lib/html.ts', 'd3-scale', 'd3-shape'],
  'cli/conform/make.ts': ['cli', 'lib/index.ts', 'commander', 'nanotar', 'node:'],
  // The judges: what is right is a matter of the corpus, and no part of the method.
  'cli/evaluation': ['cli', 'lib/index.ts', 'lib/html.ts', 'node:', 'fixtures/corpus'],
};

/** Modules that a page in a browser needs; none of them may reach `node:`. */
const PORTABLE = [
  'lib/errors.ts',
  'lib/schema.ts',
  'lib/math',
  'lib/tensor',
  'lib/kernels',
  'lib/ops',
  'lib/model',
  'lib/decode',
  'lib/train',
  'lib/evaluate',
  'lib/explain',
  'lib/text',
  'lib/html.ts',
  'lib/trace.ts',
  ...['byte-source', 'check-tensors', 'checkpoint-bytes', 'config-file', 'json', 'safetensors'].map(
    (name) => `lib/checkpoint/${name}.ts`,
  ),
  'web',
];

const IMPORT = /^(?:import|export)\b(?:[^'";=]*\bfrom)?\s*['"]([^'"]+)['"]/gm;

function sources(folder: string): string[] {
  return (
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      // AssemblyScript has imports of its own kind, and imports nothing from outside its folder.
      .filter((name) => name.endsWith('.ts') && !name.includes('assembly/'))
      .map((name) => join(folder, name))
  );
}

function imports(file: string): string[] {
  return [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map(([, target]) =>
    target!.startsWith('.') ? normalize(join(dirname(file), target!)) : target!,
  );
}

const within = (path: string, place: string) =>
  path === place || path.startsWith(place.endsWith(':') ? place : `${place}/`);

/** Imports that the table does not allow. */
function violations(files: readonly string[], importsOf: (file: string) => readonly string[]): string[] {
  return files.flatMap((file) => {
    const rules = Object.keys(MAY).filter((place) => within(file, place));
    const rule = rules.sort((a, b) => b.length - a.length)[0];
    const own = dirname(file) === 'lib' ? file : dirname(file);
    return importsOf(file)
      .filter(
        (target) =>
          rule === undefined || !(within(target, own) || MAY[rule]!.some((place) => within(target, place))),
      )
      .map((target) => `${file} -> ${target}`);
  });
}

describe('layering', () => {
  const files = [...sources('lib'), ...sources('cli'), ...sources('web'), ...sources('fixtures/corpus')];

  it('every file imports only what its layer may', () => {
    expect(files.length).toBeGreaterThan(30);
    expect(violations(files, imports)).toEqual([]);
  });

  it('the check itself finds an upward import and a second door', () => {
    expect(violations(['lib/ops/x.ts'], () => ['lib/model/model.ts', 'ndarray', 'lib/ops/y.ts'])).toEqual([
      'lib/ops/x.ts -> lib/model/model.ts',
      'lib/ops/x.ts -> ndarray',
    ]);
    expect(violations(['lib/new/x.ts'], () => ['lib/errors.ts'])).toEqual(['lib/new/x.ts -> lib/errors.ts']);
  });

  it('what a browser needs does not reach for Node', () => {
    const reached = files
      .filter((file) => PORTABLE.some((place) => within(file, place)))
      .filter((file) => imports(file).some((target) => target.startsWith('node:')));
    expect(reached).toEqual([]);
  });

  it('every relative import names a file that exists, below the project', () => {
    const known = new Set([...files]);
    const missing = files.flatMap((file) =>
      imports(file)
        .filter((target) => target.endsWith('.ts') || target.startsWith('.'))
        .filter((target) => !known.has(target))
        .map((target) => `${file} -> ${target}`),
    );
    expect(missing).toEqual([]);
  });
});
