/**
 * `hamburger export`: the base of a checkpoint for other tools.
 *
 * @module
 */

import type { Command } from 'commander';
import { exportHuggingFace } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { addOutOptions, makeCheckpointFolder, type OutOptions, tellImported } from '../make-folder.ts';
import { examples, option } from '../options.ts';
import { toyCheckpoint } from '../package-root.ts';

export function addExport(program: Command, context: Context): void {
  const command = program
    .command('export')
    .summary('write the base of a checkpoint as a Llama of Hugging Face')
    .description(
      'Writes the base of a checkpoint, without HAMburger modules, as a Llama in the layout of Hugging Face.',
    )
    .addOption(
      option('--checkpoint <folder>', 'checkpoint folder (default: the toy that comes with the package)'),
    );
  addOutOptions(command)
    .addHelpText('after', examples('hamburger export --checkpoint tiny --out llama'))
    .action(({ checkpoint = toyCheckpoint(), ...options }: OutOptions & { readonly checkpoint?: string }) => {
      const report = makeCheckpointFolder(context, options, (write) =>
        exportHuggingFace({ checkpoint, ...write }),
      );
      tellImported(context, options.out, report);
    });
}
