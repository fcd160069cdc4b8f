/**
 * Compiles `assembly/` to WebAssembly and writes it, in base64, to `binary.ts`, twice: for a shared memory that grows, and for
 * a memory of fixed size where there is no `SharedArrayBuffer`. The same sources give the same file, byte for byte; then it is not
 * touched, so that it does not look newer than what was built of it.
 *
 * Usage: `node lib/kernels/simd/build.mjs`
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Compiles once. `read` gives the text of a file; `memory` are the options of the imported memory. */
async function compile(read, memory) {
  let binary;
  const files = {
    readFile: (name, base) => {
      try {
        return read(join(base, name));
      } catch {
        return null; // how the compiler learns that a path it tries is not there
      }
    },
    writeFile: (_name, contents) => {
      binary = contents;
    },
    listFiles: () => [],
  };
  const { error, stderr } = await asc.main(
    [
      ...['assembly/index.ts', '--baseDir', folder, '--outFile', 'simd.wasm'],
      ...['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort='],
      ...['--importMemory', '--noExportMemory', '--initialMemory', '1', ...memory],
    ],
    files,
  );
  if (error !== null) throw new Error(`${error.message}\n${stderr.toString()}`);
  checkNoData(binary);
  return Buffer.from(binary);
}

/** The bottom of the memory has another use (`assembly/layout.ts`), so nothing may be compiled into data there. */
function checkNoData(binary) {
  for (let i = 8; i < binary.length; ) {
    if (binary[i] === 11) throw new Error('the sources need static data, such as a reference to a function');
    let size = 0;
    for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
      byte = binary[++i];
      size += (byte & 127) << shift;
    }
    i += 1 + size;
  }
}

/** The text of `binary.ts` for the sources that `read` gives. */
export async function binaryModule(read) {
  const shared = await compile(read, ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536']);
  const fixed = await compile(read, []);
  console.log(`simd kernels: ${shared.length} and ${fixed.length} bytes`);
  return `// Written by build.mjs from assembly/. Not to be edited.

/** Imports a shared memory of at most 65536 pages. */
export const SHARED_BINARY =
  '${shared.toString('base64')}';

/** Imports a memory that is not shared. */
export const FIXED_BINARY =
  '${fixed.toString('base64')}';
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(folder, 'binary.ts');
  const text = await binaryModule((file) => readFileSync(file, 'utf8'));
  if (!(existsSync(path) && readFileSync(path, 'utf8') === text)) writeFileSync(path, text);
}
