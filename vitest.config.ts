import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { binaryModule } from './lib/kernels/simd/build.mjs';
import { mutations } from './test/mutations/mutations.ts';

/** Plants one deliberate mistake of `test/mutations/mutations.ts`, by its number in `HAMBURGER_MUTATION`. */
function plantMutation(index: string | undefined): Plugin[] {
  if (index === undefined) return [];
  const mutation = mutations[Number(index)];
  if (mutation === undefined)
    throw new RangeError(`HAMBURGER_MUTATION: expected 0 to ${mutations.length - 1}, found ${index}`);
  const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const file = pathOf(mutation.file);
  const replacements = [[mutation.find, mutation.replace] as const, ...(mutation.also ?? [])];
  const read = (name: string): string => {
    const code = readFileSync(name, 'utf8');
    if (name !== file) return code;
    return replacements.reduce((text, [find, replace]) => text.replace(find, () => replace), code);
  };
  // What is compiled to WebAssembly shows in the generated module.
  const compiled = file.startsWith(pathOf('lib/kernels/simd/assembly/'));
  return [
    {
      name: 'plant-mutation',
      enforce: 'pre',
      load(id) {
        if (compiled && id === pathOf('lib/kernels/simd/binary.ts')) return binaryModule(read);
        return id === file ? read(file) : null;
      },
    },
  ];
}

export default defineConfig({
  plugins: plantMutation(process.env.HAMBURGER_MUTATION),
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    // The default leaves one core idle; on a machine of two that doubles the time.
    maxWorkers: '100%',
    // Continuous integration asks for the report of the same run, to count what passed.
    reporters: process.env.VITEST_JSON_REPORT === undefined ? ['default'] : ['default', 'json'],
    ...(process.env.VITEST_JSON_REPORT === undefined
      ? {}
      : { outputFile: { json: process.env.VITEST_JSON_REPORT } }),
  },
});
