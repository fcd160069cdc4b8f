/**
 * What the runs of a kit have in common, of whichever mode.
 *
 * @module
 */

import { type Profile, profiles } from '../decode/profiles.ts';
import { DataError, show } from '../errors.ts';

/** The profile of that name. @throws DataError if there is none */
export function profileOf(name: string): Profile {
  const profile = profiles.get(name);
  if (profile !== undefined) return profile;
  throw new DataError({ subject: 'profile', expected: [...profiles.keys()].join(', '), found: show(name) });
}

/** Puts the next token of the output into the list of its macro-step, as answers tell them. */
export function addToken(
  macroSteps: number[][],
  { id, macroStep }: { readonly id: number; readonly macroStep: number },
): void {
  if (macroStep === macroSteps.length) macroSteps.push([]);
  macroSteps.at(-1)!.push(id);
}
