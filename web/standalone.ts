/**
 * The page as one file, which can be opened without a server: worker and checkpoints are in it.
 *
 * @module
 */

import { sections } from 'virtual:spec';
import type { SpecSection } from '../lib/explain/spec-sections.ts';
import { CHECKPOINT_FILES } from './files.ts';
import { startPlayground } from './playground.ts';

const text = (id: string): string => document.getElementById(id)!.textContent!;

/** What is in the page as base64 of gzip. */
async function carried(path: string): Promise<readonly [string, Uint8Array]> {
  const packed = Uint8Array.from(atob(text(`file:${path}`)), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return [path, new Uint8Array(await new Response(stream).arrayBuffer())];
}

const code = new Blob([text('worker')], { type: 'text/javascript' });

startPlayground({
  worker: new Worker(URL.createObjectURL(code)),
  files: Promise.all(CHECKPOINT_FILES.map(carried)).then((files) => new Map(files)),
  view: { spec: sections as readonly SpecSection[] },
});
