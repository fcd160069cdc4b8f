/**
 * Where the bytes of a file come from and go to, without saying that it is a file: a page in a browser has the
 * bytes in memory, the command line has a file descriptor (`file-source.ts`).
 *
 * @module
 */

import { assertInvariant } from '../errors.ts';

/** Random access to bytes that do not change while the source is open. */
export interface ByteSource {
  /** What messages call it: the path, or a name that the caller chose. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /**
   * The `length` bytes from `offset` on. The result may share memory with the source: read it, do not write to it.
   *
   * @param room at least `length` bytes, where they may be put if they have to be put somewhere; the result is then good until
   *   the room is used again
   * @throws InvariantError when the range leaves the source: whoever reads has checked it against `size`
   * @throws DataError when the bytes cannot be had, e.g. because the file shrank meanwhile
   */
  read(offset: number, length: number, room?: Uint8Array): Uint8Array;
  /** Gives back what the source holds; reading afterwards is a mistake. Closing twice is harmless. */
  close(): void;
}

/** Takes bytes in order. */
export interface ByteSink {
  /** Takes `bytes` before it returns; the writer may use the same memory again for the next ones. */
  write(bytes: Uint8Array): void;
}

/** Checks that `[offset, offset + length)` lies in a source; shared by every {@link ByteSource}. */
export function assertRange(source: { name: string; size: number }, offset: number, length: number): void {
  const inside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= source.size - offset;
  const expected = `a range inside its ${source.size} bytes`;
  assertInvariant(inside, `reading ${source.name}`, expected, `${length} bytes at ${offset}`);
}

/** A source over bytes in memory. They are not copied. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  const size = bytes.length;
  return {
    name,
    size,
    read(offset, length) {
      assertRange({ name, size }, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    close() {},
  };
}
