/**
 * A prompt and its response as token ids.
 *
 * @module
 */

import { DataError } from '../errors.ts';
import { type ChatOptions, renderChat } from './chat-template.ts';
import type { TextTokenizer } from './tokenizer.ts';

/** The token ids of a text. */
export interface EncodedText {
  readonly ids: readonly number[];
  readonly text: string;
}

/** A prompt, with the tokens that begin a text, and what follows it. */
export interface PromptAndResponse {
  readonly prompt: EncodedText;
  readonly response: EncodedText;
}

/**
 * Encodes a prompt as it would be encoded to be continued, and a response to it. Without a prompt, that is BOS.
 *
 * @param prompt may be empty
 * @throws DataError if there is no prompt, and the tokenizer has no BOS
 */
export function encodePair(tokenizer: TextTokenizer, prompt: string, response: string): PromptAndResponse {
  if (prompt !== '') return split(tokenizer, tokenizer.encode, prompt, response);
  if (tokenizer.bosToken === null) {
    throw new DataError({
      subject: 'tokenizer',
      expected: 'a token that begins a text, to stand for the prompt',
      found: 'none',
      hint: 'Give a prompt',
    });
  }
  return {
    prompt: { ids: [tokenizer.bosToken.id], text: prompt },
    response: { ids: tokenizer.encodeWithoutSpecials(response), text: response },
  };
}

/**
 * Encodes a user's message and the answer to it by a chat template: the prompt is what the model would be given to answer, the response what
 * the template makes of the answer, the tokens that end it included.
 *
 * @param subject what messages call the template
 * @throws DataError if the template fails, or the conversation does not begin with what the model is given
 */
export function encodeConversation(
  tokenizer: TextTokenizer,
  template: string,
  { prompt, response }: { readonly prompt: string; readonly response: string },
  tokens: Omit<ChatOptions, 'addGenerationPrompt'>,
  subject: string,
): PromptAndResponse {
  const user = { role: 'user', content: prompt };
  const assistant = { role: 'assistant', content: response };
  const given = renderChat(template, [user], { ...tokens, addGenerationPrompt: true }, subject);
  const whole = renderChat(template, [user, assistant], { ...tokens, addGenerationPrompt: false }, subject);
  if (!whole.startsWith(given)) {
    throw new DataError({
      subject,
      expected: 'a conversation to begin with what the model is given to answer',
      found: 'one that does not',
    });
  }
  return split(tokenizer, tokenizer.encodeWithoutSpecials, given, whole.slice(given.length));
}

/**
 * The ids of the response are those that follow the prompt's in the whole text, so that they spell it whatever the tokenizer does to the
 * beginning of a text. Where a token would lie across the boundary the response is encoded by itself: a model that was
 * given the prompt could not have said that token.
 */
function split(
  tokenizer: TextTokenizer,
  encode: (text: string) => number[],
  prompt: string,
  response: string,
): PromptAndResponse {
  const promptIds = encode(prompt);
  const whole = encode(prompt + response);
  const divides = promptIds.every((id, i) => id === whole[i]);
  const ids = divides ? whole.slice(promptIds.length) : tokenizer.encodeWithoutSpecials(response);
  return { prompt: { ids: promptIds, text: prompt }, response: { ids, text: response } };
}
