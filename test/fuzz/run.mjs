// Starts main.ts: bundled first, because the oldest Node.js that is supported does not read TypeScript.

import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'node_modules', '.cache', 'fuzz');
const bundle = await rolldown({
  input: join(root, 'test', 'fuzz', 'main.ts'),
  platform: 'node',
  external: (id) => !/^[./]/.test(id),
  // Files are looked for beside the modules: the bundle lies as deep below the project's folder as they do.
  transform: {
    define: {
      'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'test', 'fuzz', 'targets', 'x.ts')).href),
    },
  },
});
await bundle.write({ dir: folder, format: 'esm', entryFileNames: 'main.mjs' });
await bundle.close();

const { main } = await import(pathToFileURL(join(folder, 'main.mjs')).href);
process.exitCode = await main(process.argv.slice(2));
