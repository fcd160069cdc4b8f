/**
 * Folders that a command makes: interrupted at any time, and then nothing is left of them.
 *
 * @module
 */

import { readdirSync, renameSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  CONFIG_FILE,
  type ImportReport,
  type ModelConfig,
  type OnTensor,
  parameters,
  sizeOf,
  WEIGHTS_FILE,
  writeFolderAtomically,
} from '../lib/index.ts';
import type { Context } from './context.ts';
import { nonEmpty, option } from './options.ts';
import { thousands } from './output.ts';

/** Options that {@link addOutOptions} declares. */
export interface OutOptions {
  readonly out: string;
  readonly force?: true;
}

/** Declares where a checkpoint folder goes. */
export function addOutOptions(command: Command): Command {
  return command
    .addOption(
      option('--out <folder>', 'folder to be made', nonEmpty('the name of a folder')).makeOptionMandatory(),
    )
    .addOption(option('--force', 'replace a checkpoint folder of that name'));
}

/**
 * Makes a checkpoint folder, with a progress bar.
 *
 * The library's functions make a folder completely or not at all, but hold Ctrl-C back while they do. Here they make it
 * inside a temporary one, which is removed when they are interrupted, wherever they are.
 *
 * @param make makes a checkpoint folder of the name that it is given
 */
export function makeCheckpointFolder<T>(
  { output, interruptibly }: Context,
  { out, force }: OutOptions,
  make: (folder: string, onTensor: OnTensor) => T,
): T {
  const progress = output.progress('Writing');
  let made: { value: T } | undefined;
  try {
    writeFolderAtomically(out, { force: force === true, mayReplace: isCheckpoint }, (temporary) => {
      const inner = join(temporary, '.new');
      made = { value: interruptibly(() => make(inner, progress.update)) };
      for (const name of readdirSync(inner)) renameSync(join(inner, name), join(temporary, name));
      rmdirSync(inner);
    });
  } finally {
    progress.stop();
  }
  return made!.value;
}

/** Whether the entries of a folder are those of a checkpoint, or none. */
function isCheckpoint(entries: readonly { readonly name: string; readonly isFile: boolean }[]): boolean {
  const names = entries.map(({ name }) => name);
  const complete = names.includes(CONFIG_FILE) && names.includes(WEIGHTS_FILE);
  return entries.every(({ isFile }) => isFile) && (complete || names.length === 0);
}

/** Says what was made. */
export function tellMade({ output }: Context, out: string, config: ModelConfig): void {
  const count = parameters(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  output.say(`${out}: ${thousands(count)} parameters`);
}

/** Says what an import came to. */
export function tellImported(context: Context, out: string, { config, dropped }: ImportReport): void {
  tellMade(context, out, config);
  const byReason = new Map<string, string[]>();
  for (const { name, reason } of dropped) byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  for (const [reason, names] of byReason) {
    const list = names.length <= 2 ? names.join(', ') : `${names.length} tensors`;
    context.output.say(`left out: ${list} (${reason})`);
  }
}
