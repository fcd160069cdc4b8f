/**
 * `hamburger import`: checkpoints of other tools.
 *
 * @module
 */

import type { Command } from 'commander';
import { importHuggingFace, importLlama2c, importStateDict } from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { addOutOptions, makeCheckpointFolder, type OutOptions, tellImported } from '../make-folder.ts';
import { examples, option } from '../options.ts';

export function addImport(program: Command, context: Context): void {
  const parent = program
    .command('import')
    .summary('make a checkpoint of what another tool has written')
    .description('Makes a checkpoint folder of what another tool has written.')
    .addHelpText(
      'after',
      examples(
        'hamburger import llama2c model.bin --tokenizer tokenizer.bin --out stories',
        'hamburger import hf llama --out base',
        'hamburger import hamburger hamburger.safetensors --config config.json --out published',
      ),
    );
  addOutOptions(
    parent
      .command('llama2c')
      .summary('a model of llama2.c')
      .description(
        'Makes a plain base of a model of llama2.c in its legacy format. "hamburger init --from-base" gives it modules.',
      )
      .argument('<model>', "the model's file, such as model.bin")
      .addOption(option('--tokenizer <file>', "the tokenizer's file, such as tokenizer.bin")),
  )
    .addHelpText(
      'after',
      examples('hamburger import llama2c model.bin --tokenizer tokenizer.bin --out stories'),
    )
    .action((model: string, { tokenizer, ...options }: OutOptions & { readonly tokenizer?: string }) => {
      const report = makeCheckpointFolder(context, options, (write) =>
        importLlama2c({ model, tokenizer, ...write }),
      );
      tellImported(context, options.out, report);
      if (report.ties.length > 0) {
        context.output.say(
          `note: ${report.ties.length} groups of tokens have one score and may be merged in another order than by llama2.c`,
        );
      }
    });
  addOutOptions(
    parent
      .command('hf')
      .summary('a Llama in the layout of Hugging Face')
      .description('Makes a plain base of a Llama in the layout of Hugging Face, in one file or several.')
      .argument('<folder>', 'the folder with config.json and model.safetensors'),
  )
    .addHelpText('after', examples('hamburger import hf llama --out base'))
    .action((model: string, options: OutOptions) => {
      const report = makeCheckpointFolder(context, options, (write) =>
        importHuggingFace({ model, ...write }),
      );
      tellImported(context, options.out, report);
    });
  addOutOptions(
    parent
      .command('hamburger')
      .summary('a published HAMburger')
      .description(
        'Makes a checkpoint of a published HAMburger: its state_dict, saved as safetensors, and the config.json of its ' +
          'base with an object "hamburger" added.',
      )
      .argument('<state>', 'the safetensors file')
      .requiredOption('--config <file>', 'its config.json')
      .addOption(option('--tokenizer-from <folder>', "folder with the base's tokenizer")),
  )
    .addHelpText(
      'after',
      examples(
        'hamburger import hamburger hamburger.safetensors --config config.json --tokenizer-from llama --out published',
      ),
    )
    .action(
      (
        model: string,
        {
          config,
          tokenizerFrom: tokenizer,
          ...options
        }: OutOptions & { readonly config: string; readonly tokenizerFrom?: string },
      ) => {
        const report = makeCheckpointFolder(context, options, (write) =>
          importStateDict({ model, config, tokenizer, ...write }),
        );
        tellImported(context, options.out, report);
      },
    );
}
