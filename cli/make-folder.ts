/**
 * Folders that a command makes: interrupted at any time, and then nothing is left of them.
 *
 * @module
 */

import type { Command } from 'commander';
import { type ImportReport, type ModelConfig, parameters, sizeOf, type WriteOptions } from '../lib/index.ts';
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
 * Makes a checkpoint folder, with a progress bar; Ctrl-C breaks it off at once, and nothing is left of it.
 *
 * @param make makes the folder, given where and how
 */
export function makeCheckpointFolder<T>(
  { output, interruptibly }: Context,
  { out, force }: OutOptions,
  make: (options: WriteOptions & { readonly out: string }) => T,
): T {
  const progress = output.progress('Writing');
  try {
    return make({ out, force, onTensor: progress.update, run: interruptibly });
  } finally {
    progress.stop();
  }
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
