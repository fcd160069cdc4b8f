import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';
import { mutations } from './test/mutations/mutations.ts';

/** Plants one deliberate mistake of `test/mutations/mutations.ts`, by its number in `HAMBURGER_MUTATION`. */
async function plantMutation(index: string | undefined): Promise<Plugin[]> {
  if (index === undefined) return [];
  const mutation = mutations[Number(index)];
  if (mutation === undefined)
    throw new RangeError(`HAMBURGER_MUTATION: expected 0 to ${mutations.length - 1}, found ${index}`);
  // Only here, because it loads a compiler.
  const { plantedModule } = await import('./test/mutations/plant.ts');
  const { path, code } = await plantedModule(mutation);
  const planted = fileURLToPath(new URL(path, import.meta.url));
  return [{ name: 'plant-mutation', enforce: 'pre', load: (id) => (id === planted ? code : null) }];
}

export default defineConfig({
  plugins: await plantMutation(process.env.HAMBURGER_MUTATION),
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
