/**
 * Files of a stranger's folder, which may be links (Node.js only).
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { DataError } from '../errors.ts';

/**
 * The path of a file of a folder (`checkpoint/C7`). It may be a symbolic link, but not one that leads out of the folder: what is read of a folder is shown,
 * and copied into others, which may be published. Hugging Face's cache, whose `snapshots/REVISION` has links to the `blobs` beside
 * `snapshots`, counts as one folder.
 *
 * @param name may have folders in it; must not come from a stranger unchecked
 * @returns the path; whether there is something is up to whoever opens it
 * @throws DataError for a link that leads elsewhere
 */
export function placeIn(folder: string, name: string): string {
  const path = join(folder, name);
  const [home, target] = [realPath(folder), realPath(path)];
  if (home === undefined || target === undefined) return path;
  const places = [home, ...blobsOf(home)];
  if (places.some((place) => target.startsWith(place.endsWith(sep) ? place : place + sep))) return path;
  throw new DataError({
    rule: 'checkpoint/C7',
    subject: path,
    expected: 'a file of its folder',
    found: `a link to ${target}`,
    hint: 'If it is to be read, put a copy into the folder',
  });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Where a snapshot in Hugging Face's cache has its files. */
function blobsOf(home: string): readonly string[] {
  const snapshots = dirname(home);
  return basename(snapshots) === 'snapshots' ? [join(dirname(snapshots), 'blobs')] : [];
}
