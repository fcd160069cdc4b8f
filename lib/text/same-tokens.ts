/**
 * Whether two tokenizers mean the same by every id.
 *
 * @module
 */

import { show } from '../errors.ts';
import type { TextTokenizer } from './tokenizer.ts';

/** An id that two tokenizers have different tokens for, and the tokens as messages show them. */
export interface TokenDifference {
  readonly id: number;
  readonly first: string;
  readonly second: string;
}

/** The lowest id for which two tokenizers have different tokens, one of them perhaps none; `null` if there is none. */
export function differingToken(first: TextTokenizer, second: TextTokenizer): TokenDifference | null {
  const most = Math.max(first.vocabularySize, second.vocabularySize);
  for (let id = 0; id < most; id++) {
    const [a, b] = [tokenShown(first, id), tokenShown(second, id)] as const;
    if (a !== b) return { id, first: a, second: b };
  }
  return null;
}

/** A token, and whether it stands for no text. */
function tokenShown(tokenizer: TextTokenizer, id: number): string {
  // A vocabulary may have holes.
  try {
    return `${show(tokenizer.tokenText(id))}${tokenizer.isSpecial(id) ? ' (special)' : ''}`;
  } catch {
    return 'no token';
  }
}
