/**
 * Builds the playground, twice: as a folder for any web server, and as one file that needs none. `npm run build` has been run before.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { build } from 'vite';
import { sectionPlaces } from '../dist/lib/explain/parts.js';
import { specSections } from '../dist/lib/explain/spec-sections.js';
import { explanationStyle } from '../dist/lib/explain/view/style.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const web = join(root, 'web');
const checkpoints = join(root, 'fixtures', 'checkpoints');

/** Files of the two checkpoints; `files.ts` has the same list. */
const CHECKPOINT_FILES = ['toy-base', 'toy'].flatMap((folder) =>
  ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].map(
    (name) => `${folder}/${name}`,
  ),
);

/** Modules that are made here: the specification, the style sheet, and what stands in for `ndarray` (see `ndarray.ts`). */
function made() {
  const ndarray = JSON.stringify(join(web, 'ndarray.ts'));
  const modules = {
    'virtual:spec': () =>
      `export const sections = ${JSON.stringify(specSections(readFileSync(join(root, 'SPEC.md'), 'utf8')))};`,
    ndarray: () => `export { ndarray as default } from ${ndarray};`,
    'ndarray-ops': () => `export { operations as default } from ${ndarray};`,
  };
  return {
    name: 'made',
    enforce: 'pre',
    resolveId: (id) => (id in modules ? `\0made:${id}` : null),
    load: (id) => (id.startsWith('\0made:') ? modules[id.slice('\0made:'.length)]() : null),
    transform: (code, id) =>
      id.endsWith('playground.css')
        ? code.replace('@import "virtual:explanation.css";', explanationStyle)
        : null,
  };
}

/** The folder for a web server: page, script, worker, checkpoints, and the sources that the page links to as text. */
export async function buildFolder(out) {
  rmSync(out, { recursive: true, force: true });
  await build({
    root: web,
    base: './',
    configFile: false,
    logLevel: 'error',
    plugins: [made()],
    worker: { format: 'es', plugins: () => [made()] },
    build: {
      outDir: out,
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      target: 'es2022',
    },
  });
  for (const path of CHECKPOINT_FILES) copy(join(checkpoints, path), join(out, 'checkpoints', path));
  const sources = new Set(['SPEC.md', ...sectionPlaces.flatMap(({ code }) => code)]);
  for (const path of sources) copy(join(root, path), join(out, 'project', `${path}.txt`));
}

function copy(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** A script without imports. */
async function script(entry) {
  const bundle = await rolldown({ input: join(web, entry), platform: 'browser', plugins: [made()] });
  try {
    const { output } = await bundle.generate({ format: 'iife', minify: true });
    // Nothing in it may end the element that it stands in.
    return output[0].code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  } finally {
    await bundle.close();
  }
}

/** The page as one file. */
export async function buildStandalone(out) {
  const [page, worker] = await Promise.all([script('standalone.ts'), script('worker.ts')]);
  const style = made().transform(readFileSync(join(web, 'playground.css'), 'utf8'), 'playground.css');
  const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const policy = `default-src 'none'; script-src ${hash(page)} 'wasm-unsafe-eval'; style-src ${hash(style)}; worker-src blob:; img-src data:; base-uri 'none'; form-action 'none'`;
  const carried = CHECKPOINT_FILES.map((path) => {
    const packed = gzipSync(readFileSync(join(checkpoints, path)), { level: 9 }).toString('base64');
    return `<script type="text/plain" id="file:${path}">${packed}</script>`;
  });
  const html = readFileSync(join(web, 'index.html'), 'utf8')
    .replace(/(http-equiv="Content-Security-Policy" content=")[^"]*/, (_, before) => before + policy)
    .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${style}</style>`)
    .replace(/<script type="module"[^>]*><\/script>\n/, '')
    .replace('</body>', () =>
      [
        ...carried,
        `<script type="text/plain" id="worker">${worker}</script>`,
        `<script>${page}</script>`,
        '</body>',
      ].join('\n'),
    );
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, html);
  return statSync(out).size;
}
