/** What would let two engines, or two runs, give different bits is not in the code. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Folders in which the rules hold. */
const FOLDERS = ['lib', 'fixtures/corpus'];

/** A pattern that must not occur, and why. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [
    /\bMath\.(?:a?(?:sin|cos|tan)h?|atan2|exp|expm1|log|log1p|log2|log10|pow|cbrt|hypot)\b/,
    'elementary-functions/E1: left to the engine by ECMAScript; use lib/math',
  ],
  [/\*\*(?!\/)/, 'elementary-functions/E1: the power operator is left to the engine'],
  [/\bMath\.random\b/, 'not reproducible; take a UniformSource'],
  [/\b(?:Date\b|performance\.now)/, 'a result must not depend on the time'],
  [/^(?:export )?(?:let|var)\b/m, 'module-level mutable state'],
  [/[=(,:?] *[\w.]+ \|\| ['"\d[{]/, 'a default by || takes 0 and the empty string for missing; use ??'],
  [/\.(?:sup|inf|argmax|random)\(/, 'ndarray-ops skips NaN or draws at random'],
  [/localeCompare|toLocale|Intl\./, 'depends on the machine'],
];

/** Compiled to WebAssembly, whose globals belong to an instance: no other kernel set sees them. */
const GLOBALS_OF_AN_INSTANCE = 'lib/kernels/simd/assembly/instance.ts';

/** Source without comments and without the contents of string literals. */
function code(text: string): string {
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$|\s\/\/ .*$/gm, '')
    .replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, "''");
}

/** Findings in a text, as `pattern: line`. */
function findings(text: string): string[] {
  return FORBIDDEN.flatMap(([pattern, reason]) => {
    const match = code(text).match(pattern);
    return match === null ? [] : [`${match[0].trim()}: ${reason}`];
  });
}

describe('determinism', () => {
  it('numerics/N1, elementary-functions/E1: nothing in lib and the corpus is left to the engine, the clock or chance', () => {
    const found = FOLDERS.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => join(folder, name))
        .filter((name) => name !== GLOBALS_OF_AN_INSTANCE),
    ).flatMap((name) =>
      findings(readFileSync(join(root, name), 'utf8')).map((finding) => `${name}: ${finding}`),
    );
    expect(found).toEqual([]);
  });

  it('the check itself finds each of them', () => {
    const bad = [
      'y = Math.exp(x)',
      'y = 2 ** x',
      'y = Math.random()',
      'const now = Date.now()',
      'let cache = new Map();',
      "const name = options.name || 'x';",
      'ops.sup(x)',
      'a.localeCompare(b)',
    ];
    expect(bad.map((text) => findings(text).length > 0)).toEqual(bad.map(() => true));
    expect(findings('const y = Math.sqrt(x); // Math.exp would not do\n/** Math.pow */')).toEqual([]);
  });
});
