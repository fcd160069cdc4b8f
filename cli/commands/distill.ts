/**
 * `hamburger distill`: responses of a base to many prompts, to train HAMburger modules on.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  checkLogitAdjustments,
  DEFAULT_PLACES,
  type DistillOptions,
  decodeUtf8,
  distill,
  openCheckpoint,
  parsePrompts,
  readWhole,
  writeFileAtomically,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { arithmeticOptions, loadModel, type ModelOptions } from '../model.ts';
import { namingOptions } from '../option-names.ts';
import { examples, fileNamed, integer, option } from '../options.ts';
import { thousands } from '../output.ts';
import { promptIds } from '../prompt-ids.ts';
import {
  choiceOf,
  DEFAULT_SEED,
  type SamplingOptions,
  samplingOptionNames,
  samplingOptions,
} from '../sampling-options.ts';
import { tokenText } from '../token-text.ts';

const DEFAULT_MAX_TOKENS = 256;

interface Options extends Omit<ModelOptions, 'checkpoint'>, SamplingOptions {
  readonly prompts: string;
  readonly out: string;
  readonly chat?: true;
  readonly maxTokens: number;
  readonly batch: number;
}

export function addDistill(program: Command, context: Context): void {
  const [numerics, kernels, threads] = arithmeticOptions();
  const command = program
    .command('distill')
    .summary('let a base answer prompts, for training')
    .description(
      'Lets a base answer many prompts, and writes prompts and responses as JSON Lines: data to train HAMburger modules on, in the ' +
        "base's own words. What a limit cut short is left out. Modules that the checkpoint has are not used.",
    )
    .argument('<base>', 'checkpoint folder')
    .optionsGroup('Options of the data:')
    .addOption(
      option(
        '--prompts <file>',
        'JSON Lines: {"prompt": "..."}; responses that are there are passed over',
      ).makeOptionMandatory(),
    )
    .addOption(
      option(
        '--out <file>',
        'file to be made; an old one is replaced',
        fileNamed('.jsonl'),
      ).makeOptionMandatory(),
    )
    .addOption(option('--chat', "make each prompt the user's message of the chat template"))
    .optionsGroup('Options of decoding:')
    .addOption(
      option('--max-tokens <n>', 'most tokens of a response', integer(1), { value: DEFAULT_MAX_TOKENS }),
    );
  for (const each of samplingOptions()) command.addOption(each);
  command
    .addOption(
      option(
        '--batch <n>',
        'most prompts answered at a time; the responses are the same for any number',
        integer(1),
        {
          value: DEFAULT_PLACES,
        },
      ),
    )
    .addOption(numerics)
    .addOption(kernels)
    .addOption(threads)
    .addHelpText(
      'after',
      examples(
        'hamburger distill tiny --prompts prompts.jsonl --out data.jsonl --max-tokens 20',
        'hamburger distill tiny --prompts prompts.jsonl --out data.jsonl --temperature 0.8 --top-p 0.95 --seed 7 --max-tokens 20',
      ),
    )
    .action((base: string, options: Options) => action(context, base, options));
}

async function action(context: Context, folder: string, options: Options): Promise<void> {
  const { output, interruptibly } = context;
  const { prompts, model, checkpoint } = prepare(context, folder, options);
  const tokenizer = checkpoint.tokenizer!;
  const settings = settingsOf(options);
  // In the order of the prompts, whichever response is there first.
  const lines = prompts.map(() => '');
  let tokens = 0;
  let done = 0;
  const progress = output.progress('Answering');
  const responses = distill(
    model,
    prompts.map(({ ids }) => ids),
    settings,
  );
  const places = prompts.map(({ place }, n) => [`prompt of request ${n}`, place]);
  const names = { ...Object.fromEntries(places), 'token id': options.prompts, ...samplingOptionNames };
  for (;;) {
    const next = namingOptions(names, () => interruptibly(() => responses.next()));
    if (next.done) break;
    done += 1;
    progress.update(done, prompts.length);
    await output.turn();
    const response = next.value;
    // A base without a token that ends texts ends none; its responses are no worse for it.
    if (!response.ended && model.config.eosTokenIds.length > 0) continue;
    const { prompt, ids } = prompts[response.prompt]!;
    const decoder = tokenText(tokenizer, ids);
    const text = response.ids.map((id) => decoder.push(id)).join('') + decoder.flush();
    lines[response.prompt] = `${JSON.stringify({ prompt, response: text })}\n`;
    tokens += response.ids.length;
  }
  progress.stop();
  writeFileAtomically(options.out, (sink) => sink.write(new TextEncoder().encode(lines.join(''))));
  const kept = lines.filter((line) => line !== '').length;
  output.say(`${options.out}: ${thousands(kept)} responses, ${thousands(tokens)} tokens`);
  const cut = prompts.length - kept;
  if (cut > 0)
    output.say(`left out: ${thousands(cut)} responses that --max-tokens or the positions cut short`);
}

function settingsOf(options: Options): DistillOptions {
  const { maxTokens, seed = DEFAULT_SEED, batch: places } = options;
  return { maxTokens, seed, places, choice: (uniforms) => choiceOf(options, uniforms) };
}

/** Opens the base, makes ids of all prompts, and loads the model. */
function prepare(context: Context, folder: string, options: Options) {
  const checkpoint = openCheckpoint(folder);
  try {
    const file = options.prompts;
    const prompts = parsePrompts(decodeUtf8(readWhole(file), file), file).map(({ prompt, place }) => ({
      prompt,
      place,
      ids: promptIds(checkpoint, prompt, options.chat === true),
    }));
    namingOptions(samplingOptionNames, () => checkLogitAdjustments(options, checkpoint.config.vocabSize));
    const { model } = loadModel(context, checkpoint, options);
    return { checkpoint, model, prompts };
  } finally {
    checkpoint.close();
  }
}
