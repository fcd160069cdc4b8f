/**
 * Responses and their prompts, as the options of a command give them.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  CallerError,
  type Checkpoint,
  DataError,
  decodeUtf8,
  encodeConversation,
  encodePair,
  type PromptAndResponse,
  parsePairs,
  readWhole,
} from '../lib/index.ts';
import type { OptionNames } from './option-names.ts';
import { integerList, option } from './options.ts';
import { chatTemplateOf, type Prompt, textOf, tokenizerOf } from './run.ts';

/** Options that {@link addResponseOptions} declares. */
export interface ResponseOptions {
  readonly responseFile?: string;
  readonly responseIds?: readonly number[];
  readonly file?: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly promptIds?: readonly number[];
  readonly chat?: true;
}

/** Declares where responses and their prompts come from. */
export function addResponseOptions(command: Command): Command {
  return command
    .argument('[response]', 'the text')
    .optionsGroup('Options of the text:')
    .addOption(option('--response-file <file>', 'take the text from a UTF-8 file, final line feed included'))
    .addOption(option('--response-ids <ids>', "take it as token ids, such as '1,2,3'", integerList))
    .addOption(
      option(
        '--file <file>',
        'take many from JSON Lines: {"prompt": "...", "response": "..."}, of which "prompt" may be absent',
      ),
    )
    .addOption(option('--prompt <text>', 'what the text follows (default: the token that begins a text)'))
    .addOption(option('--prompt-file <file>', 'take the prompt from a UTF-8 file'))
    .addOption(option('--prompt-ids <ids>', 'take the prompt as token ids', integerList))
    .addOption(
      option(
        '--chat',
        "make the user's message of the prompt and the answer of the text, by the chat template",
      ),
    );
}

/** A response to be looked at, and its prompt. */
export interface GivenResponse {
  readonly prompt: Prompt;
  readonly response: Prompt;
  /** What the library calls something → where it came from. */
  readonly optionNames: OptionNames;
}

/** A response whose text has been read, but not yet made token ids of: with many, that is done when their turn comes. */
export type PendingResponse = () => GivenResponse;

/**
 * Reads the responses.
 *
 * @throws CallerError, DataError if the options do not say which, or a file is not what it should be
 */
export function readResponses(
  checkpoint: Checkpoint,
  argument: string | undefined,
  options: ResponseOptions,
): readonly PendingResponse[] {
  const { responseFile, responseIds, file, prompt, promptFile, promptIds, chat } = options;
  checkSources('text', 'one of a text, --response-file, --response-ids and --file', [1, 1], {
    'a text': argument,
    '--response-file': responseFile,
    '--response-ids': responseIds,
    '--file': file,
  });
  const prompts = { '--prompt': prompt, '--prompt-file': promptFile, '--prompt-ids': promptIds };
  if (file === undefined) checkSources('prompt', 'at most one', [0, 1], prompts);
  else checkSources('prompt', 'none, because the lines of --file have their own', [0, 0], prompts);
  if (responseIds !== undefined || promptIds !== undefined)
    return [() => readIds(checkpoint, argument, options)];
  if (file !== undefined) {
    const pairs = parsePairs(decodeUtf8(readWhole(file), file), file);
    return pairs.map(({ prompt, response, place }) => () => ({
      ...encode(checkpoint, prompt, response, chat),
      optionNames: { 'prompt and response': place, 'token id': place },
    }));
  }
  const text = (given: string | undefined, path: string | undefined): string =>
    given ?? (path === undefined ? '' : decodeUtf8(readWhole(path), path));
  const encoded = encode(checkpoint, text(prompt, promptFile), text(argument, responseFile), chat);
  return [() => ({ ...encoded, optionNames: {} })];
}

/** Refuses unless as many of the given sources are there as there should be. */
function checkSources(
  subject: string,
  expected: string,
  [least, most]: readonly [number, number],
  sources: Readonly<Record<string, unknown>>,
): void {
  const given = Object.keys(sources).filter((name) => sources[name] !== undefined);
  if (least <= given.length && given.length <= most) return;
  throw new CallerError({ subject, expected, found: given.length === 0 ? 'none' : given.join(' and ') });
}

function readIds(
  checkpoint: Checkpoint,
  argument: string | undefined,
  { responseIds, responseFile, prompt, promptFile, promptIds, chat }: ResponseOptions,
): GivenResponse {
  const texts = { 'a text': argument, '--response-file': responseFile, '--prompt': prompt };
  const others = Object.entries({ ...texts, '--prompt-file': promptFile, '--chat': chat });
  const other = others.find(([, value]) => value !== undefined)?.[0];
  if (responseIds === undefined || other !== undefined) {
    throw new CallerError({
      subject: responseIds === undefined ? '--prompt-ids' : '--response-ids',
      expected: 'both text and prompt as token ids',
      found: other ?? 'no --response-ids',
    });
  }
  const bos = checkpoint.config.bosTokenId;
  const ids = promptIds ?? (bos === null ? [] : [bos]);
  if (ids.length === 0) {
    throw new DataError({
      subject: checkpoint.folder,
      expected: 'a token that begins a text, to stand for the prompt',
      found: 'none',
      hint: 'Give a prompt with --prompt-ids',
    });
  }
  return {
    prompt: { ids, text: textOf(checkpoint, ids) },
    response: { ids: responseIds, text: textOf(checkpoint, responseIds) },
    optionNames: {},
  };
}

function encode(
  checkpoint: Checkpoint,
  prompt: string,
  response: string,
  chat: true | undefined,
): PromptAndResponse {
  const tokenizer = tokenizerOf(checkpoint, 'Give --response-ids and --prompt-ids');
  if (!chat) return encodePair(tokenizer, prompt, response);
  const { bosToken, eosToken, folder } = checkpoint;
  const template = chatTemplateOf(checkpoint);
  const subject = `chat template of ${folder}`;
  return encodeConversation(tokenizer, template, { prompt, response }, { bosToken, eosToken }, subject);
}
