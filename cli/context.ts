/**
 * What the commands share: where they print, and how their work can be interrupted.
 *
 * @module
 */

import type { Interruptibly } from './interrupt.ts';
import type { Output } from './output.ts';

/** Given to every command by the program. */
export interface Context {
  readonly output: Output;
  readonly interruptibly: Interruptibly;
}
