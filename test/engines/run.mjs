// Starts main.ts: bundled first, because the oldest Node.js that is supported does not read TypeScript.

import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = join(root, 'node_modules', '.cache', 'engines', 'main.mjs');
const bundle = await rolldown({
  input: join(root, 'test', 'engines', 'main.ts'),
  platform: 'node',
  external: (id) => !/^[./]/.test(id),
});
await bundle.write({ file, format: 'esm' });
await bundle.close();

// An exit, not just the end: then the engines that are running are ended, too.
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const { main } = await import(pathToFileURL(file).href);
process.exitCode = await main(process.argv.slice(2), root);
