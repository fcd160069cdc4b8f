/**
 * The command `npm run web`.
 *
 * @module
 */

import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { preview } from 'vite';
import { buildFolder, buildStandalone } from './build.mjs';

const web = fileURLToPath(new URL('.', import.meta.url));
const here = (path) => relative(process.cwd(), path);

const { values } = parseArgs({
  options: { serve: { type: 'boolean', default: false }, port: { type: 'string', default: '4173' } },
});
const folder = join(web, 'dist');
const file = join(web, 'standalone', 'playground.html');

await buildFolder(folder);
const bytes = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
const size = (count) => `${(count / 1e6).toFixed(1)} MB`;
console.log(`${here(folder)}/  ${size(bytes)}, for any web server: npm run web -- --serve`);
console.log(`${here(file)}  ${size(await buildStandalone(file))}, opens without one`);

if (values.serve) {
  const server = await preview({
    root: web,
    configFile: false,
    build: { outDir: folder },
    preview: { port: Number(values.port), host: 'localhost' },
  });
  server.printUrls();
}
