/** Every deliberate mistake of a port, over the whole kit: it is caught, found where it was made, and named. In two halves, which run side by side. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { judgePort } from '../../lib/kit/judge-port.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { type Caught, caught, mutants, mutatedModule, portOf } from '../helpers/mutated-port.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));
/** Checks every second mistake, from the first or from the second. */
export function checkPortMutants(half: 0 | 1): void {
  const found: { id: string; caught: Caught[] }[] = [];
  const list = mutants().filter((_, i) => i % 2 === half);

  describe('mistakes of ports', () => {
    it.each(list.map((mutant) => [mutant.id, mutant] as const))('%s', async (id, mutant) => {
      const port = portOf(kit, undefined, await mutatedModule(mutant));
      const { cases } = await judgePort(kit, port);
      const all = cases.flatMap((verdict) => caught(mutant, verdict) ?? []);
      found.push({ id, caught: all });
      expect(all, 'caught by no case').not.toEqual([]);
      expect(
        all.filter(({ named }) => named === 'wrong'),
        'named wrongly',
      ).toEqual([]);
    });

    it('nearly all are found where they were made, and named', () => {
      const located = found.filter(({ caught: all }) => all.every((each) => each.located));
      const named = found.filter(({ caught: all }) => all.some((each) => each.named === 'right'));
      console.log(
        `${found.length} mistakes: ${found.filter(({ caught: all }) => all.length > 0).length} caught, ${located.length} located in every case, ${named.length} named`,
        found.filter((each) => !located.includes(each)).map(({ id }) => `not located: ${id}`),
        found.filter((each) => !named.includes(each)).map(({ id }) => `not named: ${id}`),
      );
      expect(located.length / found.length).toBeGreaterThanOrEqual(0.95);
      expect(named.length / found.length).toBeGreaterThanOrEqual(0.85);
    });
  });
}
