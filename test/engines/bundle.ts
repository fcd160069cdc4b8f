/** Makes the one bundle of the probe: a script without imports, the files of `carried.ts` in it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';
import { CARRIED } from './carried.ts';

const DATA = 'probe-data';

/** The module `probe-data`. */
function dataModule(root: string): Plugin {
  return {
    name: DATA,
    resolveId: (id) => (id === DATA ? DATA : null),
    load(id) {
      if (id !== DATA) return null;
      const files = CARRIED.map((path) => [path, readFileSync(join(root, path), 'base64')]);
      return `export const files = ${JSON.stringify(Object.fromEntries(files))};`;
    },
  };
}

/** The bundle's code. @param root the project's folder; `npm run build` has been run in it */
export async function bundleProbe(root: string): Promise<string> {
  const bundle = await rolldown({
    input: join(root, 'test/engines/probe.ts'),
    platform: 'neutral',
    plugins: [dataModule(root)],
    resolve: { mainFields: ['module', 'main'] },
  });
  try {
    const { output } = await bundle.generate({ format: 'iife', minify: false });
    return output[0].code;
  } finally {
    await bundle.close();
  }
}
