/**
 * Puts a deliberate mistake where a test meets it: into the sources that it loads (`vitest.config.ts`), and into the built program that
 * it starts.
 */

import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformWithOxc } from 'vite';
import { binaryModule } from '../../lib/kernels/simd/build.mjs';
import type { Mutation } from './mutations.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What is compiled to WebAssembly shows in a generated module. */
const ASSEMBLY = 'lib/kernels/simd/assembly/';
const GENERATED = 'lib/kernels/simd/binary.ts';

/** The one module that a mistake changes, from the project's folder, and its text. */
export async function plantedModule({
  file,
  find,
  replace,
  also = [],
}: Mutation): Promise<{ readonly path: string; readonly code: string }> {
  const read = (name: string): string => {
    const code = readFileSync(name, 'utf8');
    if (resolve(name) !== join(root, file)) return code;
    return [[find, replace] as const, ...also].reduce(
      (text, [from, to]) => text.replace(from, () => to),
      code,
    );
  };
  return file.startsWith(ASSEMBLY)
    ? { path: GENERATED, code: await binaryModule(read) }
    : { path: file, code: read(join(root, file)) };
}

/**
 * Copies the built program with a mistake in it.
 *
 * @param folder becomes what the project's folder is, as far as the program looks
 * @returns what `dist` is
 */
export async function buildPlanted(mutation: Mutation, folder: string): Promise<string> {
  const { path, code } = await plantedModule(mutation);
  const dist = join(folder, 'dist');
  cpSync(join(root, 'dist'), dist, { recursive: true, filter: (name) => !/\.(map|d\.ts)$/.test(name) });
  for (const name of ['node_modules', 'fixtures', 'package.json'])
    symlinkSync(join(root, name), join(folder, name));
  // What `tsc` does with a module of this project: types go, everything else stays.
  const { code: compiled } = await transformWithOxc(code, join(root, path), {
    typescript: { onlyRemoveTypeImports: true, rewriteImportExtensions: 'rewrite' },
  });
  const built = join(dist, path.replace(/\.ts$/, '.js'));
  // Not every module that a mistake is in belongs to what is built.
  if (!existsSync(built)) return dist;
  writeFileSync(built, compiled);
  return dist;
}
