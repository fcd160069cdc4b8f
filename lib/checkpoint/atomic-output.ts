/**
 * Files and folders that appear complete or not at all (Node.js only). They are made under a temporary name beside their
 * place and renamed when they are complete, so a reader never sees half of one, and an old one stays until then.
 *
 * Everything here is synchronous. An interrupt (Ctrl-C, SIGTERM) that arrives meanwhile is held back until the running
 * piece of synchronous code is over and takes effect then; so it cannot leave anything half-written. What cannot be
 * caught (SIGKILL, a power cut) leaves at most a temporary name that ends with `.tmp`, beside the intact old state.
 *
 * @module
 */

import type { Stats } from 'node:fs';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { CallerError, InvariantError, show } from '../errors.ts';
import type { ByteSink } from './byte-source.ts';

/** How {@link writeFolderAtomically} treats a folder that is there already. */
export interface FolderOptions {
  /** Whether a folder of that name may be replaced. */
  readonly force: boolean;
  /**
   * Whether a folder with these entries may be replaced by force. Without it: one that has only files. That keeps a
   * mistyped name from costing a folder with a world inside; whoever writes folders in folders states another rule.
   */
  readonly mayReplace?: (entries: readonly { readonly name: string; readonly isFile: boolean }[]) => boolean;
  /**
   * Runs the filling; by default it is just called. Whoever can break off synchronous code gives its way of doing so here: what
   * it throws comes out after the temporary folder has been removed.
   */
  readonly run?: ((fill: () => void) => void) | undefined;
}

/**
 * Writes a file. An old file of that name is replaced.
 *
 * @param path where the file is to be; its folder has to exist
 * @param write writes the contents to the sink before it returns; what it throws comes out unchanged
 * @throws CallerError if the file cannot be written there
 */
export function writeFileAtomically(path: string, write: (sink: ByteSink) => void): void {
  const target = resolveTarget(path);
  holdInterrupts();
  const kind = attemptToWrite(path, () => statusOf(target));
  if (kind !== undefined && !kind.isFile()) {
    throw new CallerError({ subject: path, expected: 'the name of a file', found: nameOf(kind) });
  }
  const [temporary, descriptor] = attemptToWrite(path, () =>
    makeTemporary(target, (name) => openSync(name, 'wx')),
  );
  try {
    writeThrough(path, descriptor, write);
    attemptToWrite(path, () => renameSync(temporary, target));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(dirname(target));
}

/**
 * Writes a file of a folder that {@link writeFolderAtomically} is filling: plainly, because no one sees the folder until it is complete.
 *
 * @throws CallerError if there is a file of that name or it cannot be written
 */
export function writeNewFile(path: string, write: (sink: ByteSink) => void): void {
  writeThrough(
    path,
    attemptToWrite(path, () => openSync(path, 'wx')),
    write,
  );
}

/** Lets `write` write to a file, makes what it wrote safe on the disk, and closes the file. */
function writeThrough(path: string, descriptor: number, write: (sink: ByteSink) => void): void {
  try {
    const sink: ByteSink = {
      write(bytes) {
        for (let done = 0; done < bytes.length; ) {
          done += attemptToWrite(path, () => writeSync(descriptor, bytes, done, bytes.length - done));
        }
      },
    };
    finished(write(sink));
    attemptToWrite(path, () => fsyncSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes a folder.
 *
 * @param path where the folder is to be; the folder that it is to be in has to exist
 * @param fill is given the path of an empty temporary folder and puts the contents there before it returns; what it throws
 *   comes out unchanged, and nothing is left of the folder
 * @throws CallerError if something of that name exists and `force` is false, or is not a folder that may be replaced, or
 *   if the folder cannot be made there
 */
export function writeFolderAtomically(
  path: string,
  options: FolderOptions,
  fill: (temporary: string) => void,
): void {
  const target = resolveTarget(path);
  holdInterrupts();
  checkReplaceable(path, target, options);
  const [temporary] = attemptToWrite(path, () => makeTemporary(target, (name) => mkdirSync(name)));
  const { run = (work) => work() } = options;
  try {
    run(() => finished(fill(temporary)));
    syncFolder(temporary);
    // Again, because someone else may have made it meanwhile: renaming onto an empty folder would succeed silently.
    if (checkReplaceable(path, target, options)) replaceFolder(path, target, temporary);
    else attemptToWrite(path, () => renameSync(temporary, target));
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  syncFolder(dirname(target));
}

/**
 * Checks that {@link writeFolderAtomically} could make a folder now: for who has long work to do before that.
 *
 * @throws CallerError as that does
 */
export function checkFolderPlace(path: string, options: FolderOptions): void {
  const target = resolveTarget(path);
  checkReplaceable(path, target, options);
  const [temporary] = attemptToWrite(path, () => makeTemporary(target, (name) => mkdirSync(name)));
  rmdirSync(temporary);
}

/** Swaps a complete new folder for the old one, which is removed last. */
function replaceFolder(path: string, target: string, temporary: string): void {
  const [aside] = attemptToWrite(path, () => makeTemporary(target, (name) => mkdirSync(name)));
  const old = join(aside, 'old');
  try {
    attemptToWrite(path, () => renameSync(target, old));
    try {
      attemptToWrite(path, () => renameSync(temporary, target));
    } catch (error) {
      renameSync(old, target);
      throw error;
    }
  } catch (error) {
    // Not recursively: if the old folder could not be put back, it is in here.
    rmdirSync(aside);
    throw error;
  }
  attemptToWrite(path, () => rmSync(aside, { recursive: true }));
}

/** Whether there is an old folder that is to be replaced; throws if there is something that must not be. */
function checkReplaceable(path: string, target: string, { force, mayReplace }: FolderOptions): boolean {
  const kind = attemptToWrite(path, () => statusOf(target));
  if (kind === undefined) return false;
  if (!kind.isDirectory()) {
    throw new CallerError({ subject: path, expected: 'the name of a folder', found: nameOf(kind) });
  }
  if (!force) {
    const hint = 'Choose another name, or replace it with --force';
    throw new CallerError({
      subject: path,
      expected: 'a name that is free',
      found: 'a folder of that name',
      hint,
    });
  }
  const entries = attemptToWrite(path, () => readdirSync(target, { withFileTypes: true }));
  const listed = entries.map((entry) => ({ name: entry.name, isFile: entry.isFile() }));
  const replaceable = mayReplace?.(listed) ?? listed.every(({ isFile }) => isFile);
  if (!replaceable) {
    const found = `one with ${listed.length} entries: ${show(listed.map(({ name }) => name))}`;
    const hint = 'It does not look like an earlier output; remove it yourself if it may go';
    throw new CallerError({ subject: path, expected: 'a folder that may be replaced', found, hint });
  }
  return true;
}

/** The absolute path of the output; of a symbolic link, what it leads to, so that the link stays. */
function resolveTarget(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute;
  }
}

function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function nameOf(kind: Stats): string {
  if (kind.isDirectory()) return 'a folder of that name';
  if (kind.isFile()) return 'a file of that name';
  return 'something of that name that is neither a file nor a folder';
}

/**
 * Makes something with a temporary name beside `target`: hidden, and unlike any other. `make` has to fail with EEXIST where
 * the name is taken.
 */
function makeTemporary<T>(target: string, make: (name: string) => T): [name: string, made: T] {
  for (let attempts = 0; ; attempts++) {
    const name = join(dirname(target), `.${basename(target)}.${process.pid}-${attempts}.tmp`);
    try {
      return [name, make(name)];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/**
 * Runs a system call that writes.
 *
 * @throws CallerError if it fails: the place was the caller's choice
 */
export function attemptToWrite<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'no folder there to put it in',
      EEXIST: 'something of that name',
      ENOTDIR: 'a file where its path needs a folder',
      EACCES: 'a folder that may not be written to (permission denied)',
      EPERM: 'a folder that may not be written to (operation not permitted)',
      EROFS: 'a file system that cannot be written to',
      ENOSPC: 'no space left',
      EDQUOT: 'no space left to this user',
    };
    const found = (code === undefined ? undefined : reasons[code]) ?? String(error);
    throw new CallerError(
      { subject: path, expected: 'a place that can be written to', found },
      { cause: error },
    );
  }
}

/** Catches the mistake of an `async` callback, which TypeScript allows where nothing is to be returned. */
function finished(result: unknown): void {
  if (result instanceof Promise) {
    const expected = 'the output to be complete when the callback returns';
    throw new InvariantError({ subject: 'atomic output', expected, found: 'a promise' });
  }
}

/** Makes the names in a folder survive a power cut, where the system can do that to a folder. */
function syncFolder(folder: string): void {
  try {
    const descriptor = openSync(folder, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Not every system opens folders; the rename itself has succeeded.
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Lets a held-back interrupt take effect: others who listen have heard it too; if none do, it ends the process. */
function deliver(signal: NodeJS.Signals): void {
  process.removeListener(signal, deliver);
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}

/**
 * Holds interrupts back until the synchronous code that is running is over. While anyone listens to a signal, it does not
 * end the process but waits for the event loop; and the loop looks for signals once between two turns of `setImmediate`.
 * Removing the listener at the end of the write would lose what came meanwhile.
 */
function holdInterrupts(): void {
  for (const signal of SIGNALS) {
    if (process.listeners(signal).includes(deliver)) continue;
    process.on(signal, deliver);
    setImmediate(() => setImmediate(() => process.removeListener(signal, deliver)));
  }
}
