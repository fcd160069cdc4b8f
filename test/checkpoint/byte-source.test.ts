import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ByteSource, bytesSource } from '../../lib/checkpoint/byte-source.ts';
import { fileSource } from '../../lib/checkpoint/file-source.ts';
import { DataError, InvariantError } from '../../lib/errors.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'byte-source-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const contents = Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) % 251);

function contentsFile(): string {
  const path = join(folder, 'contents.bin');
  writeFileSync(path, contents);
  return path;
}

describe.each([
  ['bytesSource', () => bytesSource('here', contents)],
  // A view into a larger buffer: offsets count from the view's beginning.
  [
    'bytesSource of a view',
    () => bytesSource('here', Uint8Array.of(9, 9, 9, ...contents, 9).subarray(3, 1003)),
  ],
  ['fileSource', () => fileSource(contentsFile())],
] as const)('%s', (_, open: () => ByteSource) => {
  it('reads any range, the empty ones at both ends included', () => {
    const source = open();
    expect(source.size).toBe(1000);
    for (const [offset, length] of [
      [0, 1000],
      [0, 0],
      [1000, 0],
      [999, 1],
      [123, 456],
    ] as const) {
      expect([...source.read(offset, length)]).toEqual([...contents.subarray(offset, offset + length)]);
    }
    source.close();
  });

  it.each([
    [-1, 1],
    [0, 1001],
    [1000, 1],
    [1001, 0],
    [0.5, 1],
    [0, 0.5],
    [0, -1],
    [Number.NaN, 1],
    [2 ** 53, 1],
    [1, 2 ** 53],
  ])('refuses to read outside: %d, %d', (offset, length) => {
    const source = open();
    expect(() => source.read(offset, length)).toThrow(InvariantError);
    source.close();
  });

  it('may be closed twice', () => {
    const source = open();
    source.close();
    source.close();
  });
});

describe('fileSource', () => {
  const refusal = (path: string): string => {
    try {
      fileSource(path).close();
    } catch (error) {
      expect(error).toBeInstanceOf(DataError);
      return (error as Error).message;
    }
    throw new Error('was opened');
  };

  it('names the path and the reason when the file is missing', () => {
    const path = join(folder, 'none');
    expect(refusal(path)).toBe(`${path}: expected a readable file, found no such file`);
  });

  it('names the path and the reason for a folder, a circle of links and a path through a file', () => {
    const file = contentsFile();
    const link = join(folder, 'link');
    symlinkSync(link, link);
    expect(refusal(folder)).toBe(`${folder}: expected a readable file, found a folder`);
    expect(refusal(link)).toBe(`${link}: expected a readable file, found a circle of symbolic links`);
    expect(refusal(join(file, 'x'))).toMatch(/found a file where its path needs a folder$/);
  });

  it.skipIf(process.getuid?.() === 0)(
    'names the reason when reading is not permitted (skipped as root, who may read all)',
    () => {
      const path = contentsFile();
      chmodSync(path, 0);
      expect(refusal(path)).toMatch(/permission denied/);
    },
  );

  it('reads through a symbolic link', () => {
    const link = join(folder, 'link');
    symlinkSync(contentsFile(), link);
    const source = fileSource(link);
    expect(source.size).toBe(1000);
    source.close();
  });

  it.skipIf(process.platform === 'win32')(
    'refuses a pipe instead of waiting for its other end (skipped on Windows)',
    () => {
      const path = join(folder, 'pipe');
      execFileSync('mkfifo', [path]);
      expect(refusal(path)).toMatch(/neither a file nor a folder/);
    },
  );

  it('says so when the file shrank meanwhile, instead of returning zeros', () => {
    const path = contentsFile();
    const source = fileSource(path);
    truncateSync(path, 500);
    expect([...source.read(0, 500)]).toEqual([...contents.subarray(0, 500)]);
    expect(() => source.read(400, 200)).toThrow(DataError);
    expect(() => source.read(400, 200)).toThrow(
      /the 1000 bytes that it had when it was opened, found its end at 500/,
    );
    source.close();
  });

  it('gives bytes of their own: writing to them changes nothing', () => {
    const path = contentsFile();
    const source = fileSource(path);
    source.read(0, 10).fill(0);
    expect(source.read(0, 1)[0]).toBe(contents[0]);
    source.close();
  });
});

describe('modules that a page in a browser needs', () => {
  it.each(['json', 'byte-source', 'byte-order', 'safetensors', 'safetensors-writer', 'llama2c-tokenizer'])(
    '%s.ts does not import from node:',
    (name) => {
      const text = readFileSync(new URL(`../../lib/checkpoint/${name}.ts`, import.meta.url), 'utf8');
      expect(text).not.toMatch(/['"]node:/);
    },
  );
});
