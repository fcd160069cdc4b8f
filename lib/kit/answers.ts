/**
 * What a port wrote down for a case (INTERPRETING 3): read as coming from a stranger. Nothing in it can do more than make the case `errored`.
 *
 * @module
 */

import { existsSync, type Stats, statSync } from 'node:fs';
import { normalize } from 'node:path';
import { readJson } from '../checkpoint/folder-files.ts';
import { placeIn } from '../checkpoint/place.ts';
import { HamburgerError, show } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Answer, type Claim, parseAnswer, parseClaim } from './case.ts';
import { readTensors } from './kit.ts';
import type { PortOutput } from './port.ts';

export const RESULT_FILE = 'result.json';
export const CLAIM_FILE = 'port.json';

/** Largest dump: the longest run of the kit takes some 3 MB in binary64. A run of a model of one's own may take more. */
export const MAX_DUMP_BYTES = 1 << 30;

const errored = (message: string): PortOutput => ({
  answer: { status: 'errored', message },
  tensors: new Map(),
});

/** Reads the answer to a case from its folder. */
export function readAnswer(folder: string): PortOutput {
  return caught(() => {
    const path = placeIn(folder, RESULT_FILE);
    if (!existsSync(path)) return errored(`there is no ${RESULT_FILE}`);
    return withDump(parseAnswer(readJson(path), RESULT_FILE), folder);
  });
}

/** An answer together with the tensors of its dump, which lies below `folder`. */
export function withDump(answer: Answer, folder: string): PortOutput {
  if (answer.status !== 'ok' || answer.dump === undefined) return { answer, tensors: new Map() };
  const { dump } = answer;
  const inside = normalize(dump);
  if (/^([/\\]|\.\.([/\\]|$)|[A-Za-z]:)/.test(inside))
    return errored(`the dump ${show(dump)} is not below the case's folder`);
  return caught(() => ({ answer, tensors: readDump(placeIn(folder, inside), dump) }));
}

function readDump(path: string, name: string): Map<string, Tensor> {
  const status = statusOf(path);
  if (status === undefined || !status.isFile()) throw new UnreadableDump(`there is no file ${show(name)}`);
  if (status.size > MAX_DUMP_BYTES)
    throw new UnreadableDump(`${show(name)} has ${status.size} bytes, more than ${MAX_DUMP_BYTES}`);
  return readTensors(path);
}

/** What the system says of a path; `undefined` if there is nothing, as for names that no file can have: too long, or with a NUL. */
function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

class UnreadableDump extends Error {}

/** What cannot be read is the port's fault, and no error of ours. */
export function caught(read: () => PortOutput): PortOutput {
  try {
    return read();
  } catch (error) {
    if (error instanceof HamburgerError || error instanceof UnreadableDump) return errored(error.message);
    throw error;
  }
}

/** Reads the port's claim from a folder of answers. @throws DataError */
export function readClaim(folder: string): Claim {
  const path = placeIn(folder, CLAIM_FILE);
  return parseClaim(readJson(path), path);
}
