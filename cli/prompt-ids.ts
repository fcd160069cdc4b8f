/**
 * Prompts of data, as the ids that a model is given: those that training has for them.
 *
 * @module
 */

import { type Checkpoint, encodeConversation, encodePair } from '../lib/index.ts';
import { chatTemplateOf, tokenizerOf } from './run.ts';

/**
 * The ids of a prompt.
 *
 * @param chat whether it is the user's message of the chat template
 * @throws DataError if the checkpoint has no tokenizer, or no template and `chat` asks for one
 */
export function promptIds(checkpoint: Checkpoint, prompt: string, chat: boolean): readonly number[] {
  const tokenizer = tokenizerOf(checkpoint, 'Prompts of data are texts');
  if (!chat) return encodePair(tokenizer, prompt, '').prompt.ids;
  const { bosToken, eosToken } = checkpoint;
  const pair = { prompt, response: '' };
  const subject = `chat template of ${checkpoint.folder}`;
  return encodeConversation(tokenizer, chatTemplateOf(checkpoint), pair, { bosToken, eosToken }, subject)
    .prompt.ids;
}
