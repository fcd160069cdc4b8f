/**
 * Whether two checkpoints read and write the same texts.
 *
 * @module
 */

import { type Checkpoint, DataError, differingToken, show, type TextTokenizer } from '../lib/index.ts';
import { promptIds } from './prompt-ids.ts';
import { tokenizerOf } from './run.ts';

/** A prompt as the first of two checkpoints reads it. */
export interface ReadPrompt {
  /** What messages call it. */
  readonly name: string;
  readonly text: string;
  readonly ids: readonly number[];
}

/**
 * Checks that two checkpoints have the same vocabulary, the same ids of every prompt, and, if it is used, the same chat template.
 *
 * @param reason the rule that asks for it, and what to do
 * @throws DataError naming the first difference
 */
export function checkSameText(
  own: Checkpoint,
  other: Checkpoint,
  prompts: readonly ReadPrompt[],
  chat: boolean,
  { rule, hint }: { readonly rule: string; readonly hint: string },
): void {
  const differs = (what: string, expected: string, found: string): never => {
    throw new DataError({
      rule,
      subject: `${what} of ${other.folder}`,
      expected: `${expected}, as in ${own.folder}`,
      found,
      hint,
    });
  };
  const [a, b] = [own, other].map((one) => tokenizerOf(one, 'Prompts are texts')) as [
    TextTokenizer,
    TextTokenizer,
  ];
  if (a.vocabularySize !== b.vocabularySize) {
    differs('tokenizer', `${a.vocabularySize} tokens`, `${b.vocabularySize}`);
  }
  const difference = differingToken(a, b);
  if (difference !== null) {
    differs('tokenizer', `token ${difference.id} to be ${difference.first}`, difference.second);
  }
  if (chat && own.chatTemplate !== other.chatTemplate) {
    differs('chat template', 'the same', other.chatTemplate === null ? 'none' : 'another one');
  }
  for (const { name, text, ids } of prompts) {
    const found = promptIds(other, text, chat);
    if (show(ids) !== show(found) || ids.some((id, i) => id !== found[i])) {
      differs('tokenizer', `the prompt of ${name} to be ${show(ids)}`, show(found));
    }
  }
}
