/** Every deliberate mistake of a port, over the whole kit: it is caught, found where it was made, and named. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createJudge } from '../../lib/kit/judge.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { type Caught, caught, mutants, mutatedModule, portOf } from '../helpers/mutated-port.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));
const found: { id: string; caught: Caught[]; nameable: boolean }[] = [];

describe('mistakes of ports', () => {
  it.each(mutants().map((mutant) => [mutant.id, mutant] as const))('%s', async (id, mutant) => {
    const port = portOf(kit, undefined, await mutatedModule(mutant));
    const judge = createJudge(kit, port.claim);
    const all: Caught[] = [];
    for (const each of kit.cases) {
      const one = caught(mutant, judge.judge(each, port.run(each)));
      if (one !== null) all.push(one);
    }
    found.push({ id, caught: all, nameable: mutant.notes.length > 0 });
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
