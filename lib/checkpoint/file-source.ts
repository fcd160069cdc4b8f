/**
 * {@link ByteSource} over a file, by synchronous reads (Node.js only).
 *
 * @module
 */

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DataError } from '../errors.ts';
import { assertRange, type ByteSource } from './byte-source.ts';

/** One `read` call takes at most 2^31 - 1 bytes on every system; larger ranges are read in pieces of this many. */
const LARGEST_READ = 1 << 30;

/** What the system's error codes say, for those a reader meets. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a file where its path needs a folder',
  EACCES: 'a file that may not be read (permission denied)',
  EPERM: 'a file that may not be read (operation not permitted)',
  ELOOP: 'a circle of symbolic links',
  ENAMETOOLONG: 'a name that is too long',
  EMFILE: 'too many open files',
};

/** The reason of a failed system call, in words. */
function reason(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return (typeof code === 'string' ? REASONS[code] : undefined) ?? String(error);
}

/** Runs a system call on the file; its failure becomes a {@link DataError} that names the file and the reason. */
function attempt<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const fault = { subject: path, expected: 'a readable file', found: reason(error) };
    throw new DataError(fault, { cause: error });
  }
}

/**
 * Opens a file for reading.
 *
 * @throws DataError naming the path: missing, unreadable, a folder or another thing that is not a regular file (a pipe
 *   would block for ever); later, from `read`, when the file is shorter than it was when it was opened
 */
export function fileSource(path: string): ByteSource {
  // Asked before opening, because opening a named pipe waits for its other end.
  const kind = attempt(path, () => statSync(path));
  if (!kind.isFile()) {
    const found = kind.isDirectory() ? 'a folder' : 'something that is neither a file nor a folder';
    throw new DataError({ subject: path, expected: 'a readable file', found });
  }
  const descriptor = attempt(path, () => openSync(path, 'r'));
  const { size } = fstatSync(descriptor);
  let open = true;
  return {
    name: path,
    size,
    read(offset, length, room) {
      assertRange({ name: path, size }, offset, length);
      const bytes = room === undefined ? new Uint8Array(length) : room.subarray(0, length);
      let done = 0;
      while (done < length) {
        const wanted = Math.min(length - done, LARGEST_READ);
        const got = attempt(path, () => readSync(descriptor, bytes, done, wanted, offset + done));
        if (got === 0) {
          const expected = `the ${size} bytes that it had when it was opened`;
          const found = `its end at ${offset + done}`;
          throw new DataError({
            subject: path,
            expected,
            found,
            hint: 'It was changed while it was being read',
          });
        }
        done += got;
      }
      return bytes;
    },
    close() {
      if (!open) return;
      open = false;
      closeSync(descriptor);
    },
  };
}
