/** Checkpoint folders for tests: made file by file, so that any of them can be wrong. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { DataError, type Fault, type HamburgerError } from '../../lib/errors.ts';

export * from './checkpoint-contents.ts';

/** An empty folder that goes when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hamburger-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Files of a folder: text, bytes, a table of tensors for safetensors, or any other value for JSON. */
export type TestFiles = Readonly<Record<string, unknown>>;

/** Writes files into `folder` and returns it. */
export function writeFolder(folder: string, files: TestFiles): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(path, raw ? content : JSON.stringify(content));
  }
  return folder;
}

/** A folder with these files, gone when the test is over. */
export const folderOf = (files: TestFiles): string => writeFolder(temporaryFolder(), files);

/** What a folder holds: file names to bytes, as base64 so that differences can be read. */
export function contentsOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

/** The fault that `call` throws as an error of the given class. */
export function faultOf(call: () => unknown, kind: new (fault: Fault) => HamburgerError = DataError): Fault {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(kind);
    return (error as HamburgerError).fault;
  }
  throw new Error('expected an error');
}
