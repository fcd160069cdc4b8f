/**
 * The page as files of a server, any server: it fetches the checkpoints from its own folder.
 *
 * @module
 */

import { sections } from 'virtual:spec';
import type { SpecSection } from '../lib/explain/spec-sections.ts';
import { CHECKPOINT_FILES } from './files.ts';
import { startPlayground } from './playground.ts';

async function fetched(path: string): Promise<readonly [string, Uint8Array]> {
  const response = await fetch(`./checkpoints/${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return [path, new Uint8Array(await response.arrayBuffer())];
}

startPlayground({
  worker: new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }),
  files: Promise.all(CHECKPOINT_FILES.map(fetched)).then((files) => new Map(files)),
  // Text files, so that a browser shows them.
  view: { spec: sections as readonly SpecSection[], linkTo: (path) => `./project/${path}.txt` },
});
