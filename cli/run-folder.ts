/**
 * The folder of a training: its log, its curves, its latest snapshot, and in the end its checkpoint.
 *
 * | name | holds |
 * |---|---|
 * | `log.jsonl` | a line for each step and each evaluation |
 * | `curves.svg` | the same as a picture |
 * | `snapshot.safetensors` | what `--resume` goes on from |
 * | `checkpoint` | what has been trained: a checkpoint folder |
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  attemptToWrite,
  CallerError,
  type CheckpointContents,
  checkSameRun,
  DataError,
  decodeUtf8,
  parseJson,
  parseStoredRun,
  placeIn,
  type RunState,
  readSnapshot,
  readWhole,
  type StoredRun,
  storedRunJson,
  writeCheckpoint,
  writeFileAtomically,
  writeSnapshot,
} from '../lib/index.ts';
import { type LogLine, trainingCurves } from './training-log.ts';

/** The recipe and the fingerprint of the inputs: what a snapshot has to agree with. */
export type Identity = Pick<StoredRun, 'recipe' | 'inputs'>;

/** An opened folder. */
export interface RunFolder {
  /** Where to go on; `null` at the beginning. */
  readonly stored: StoredRun | null;
  /** Puts a line at the end of the log. */
  log(line: LogLine): void;
  /** Keeps the state: from now on a run goes on from here. */
  save(state: RunState): void;
  /** Writes the checkpoint, in place of an older one. */
  finish(contents: CheckpointContents): void;
  close(): void;
}

/**
 * Opens the folder of a run, and makes it where there is none.
 *
 * @param resume whether to go on from its snapshot; without one the run begins
 * @throws CallerError if there is something and it is not to be gone on with
 * @throws DataError if the snapshot is damaged, or that of another run, or the log is shorter than the snapshot says
 */
export function openRunFolder(folder: string, resume: boolean, identity: Identity): RunFolder {
  makeFolder(folder, resume);
  const files = {
    log: placeIn(folder, 'log.jsonl'),
    curves: placeIn(folder, 'curves.svg'),
    snapshot: placeIn(folder, 'snapshot.safetensors'),
    checkpoint: placeIn(folder, 'checkpoint'),
  };
  const stored = resume && existsSync(files.snapshot) ? readStored(files.snapshot, identity) : null;
  const kept = stored === null ? new Uint8Array(0) : keptLog(files.log, stored.logBytes);
  // Lines after the snapshot belong to steps that will be taken again.
  writeFileAtomically(files.log, (sink) => sink.write(kept));
  const lines = parseLog(kept, files.log);
  const descriptor = attemptToWrite(files.log, () => openSync(files.log, 'a'));
  let logBytes = kept.length;

  return {
    stored,
    log(line) {
      const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
      for (let done = 0; done < bytes.length; ) {
        done += attemptToWrite(files.log, () => writeSync(descriptor, bytes, done));
      }
      logBytes += bytes.length;
      lines.push(line);
    },
    save(state) {
      // The log first, so that it is never shorter than a snapshot says.
      attemptToWrite(files.log, () => fsyncSync(descriptor));
      const json = storedRunJson({ ...identity, ...state, logBytes });
      writeSnapshot(files.snapshot, { state: json, tensors: state.tensors });
      const curves = new TextEncoder().encode(trainingCurves(lines, 'Training'));
      writeFileAtomically(files.curves, (sink) => sink.write(curves));
    },
    finish: (contents) => writeCheckpoint(files.checkpoint, contents, { force: true }),
    close: () => closeSync(descriptor),
  };
}

function makeFolder(folder: string, resume: boolean): void {
  if (!existsSync(folder)) {
    attemptToWrite(folder, () => mkdirSync(folder));
    return;
  }
  const entries = attemptToWrite(folder, () => readdirSync(folder));
  if (resume) {
    // What was being written when the run was killed.
    const unfinished = entries.filter((name) => /^\.(log|curves|snapshot|checkpoint)\b.*\.tmp$/.test(name));
    for (const name of unfinished)
      attemptToWrite(folder, () => rmSync(join(folder, name), { recursive: true }));
    return;
  }
  if (entries.length === 0) return;
  throw new CallerError({
    subject: folder,
    expected: 'a name that is free, or an empty folder',
    found: `a folder with ${entries.length} entries`,
    hint: 'Go on with the run that is there by --resume, or choose another name',
  });
}

function readStored(path: string, identity: Identity): StoredRun {
  const { state, tensors } = readSnapshot(path);
  const stored = parseStoredRun(state, tensors, path);
  checkSameRun(stored, identity, path);
  return stored;
}

/** The log up to the snapshot. */
function keptLog(path: string, logBytes: number): Uint8Array {
  const found = existsSync(path) ? readWhole(path) : new Uint8Array(0);
  if (found.length >= logBytes) return found.slice(0, logBytes);
  throw new DataError({
    subject: path,
    expected: `at least the ${logBytes} bytes that the snapshot knows of`,
    found: `${found.length}`,
    hint: 'The log has been changed since; go on from copies of both, or begin anew',
  });
}

function parseLog(bytes: Uint8Array, path: string): LogLine[] {
  const lines = decodeUtf8(bytes, path).split('\n');
  return lines.filter((line) => line !== '').map((line) => parseJson(line, path) as LogLine);
}
