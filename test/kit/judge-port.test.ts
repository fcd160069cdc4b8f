/** One call that asks a port and reports: any port, one or several. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { judgePort } from '../../lib/kit/judge-port.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { type Port, referencePort } from '../../lib/kit/port.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));
const port = referencePort(kit, referenceKernels('f32'), 'test');
const cases = kit.cases.filter(({ suite, id }) => suite === 'data' || id.startsWith('linear.'));
const ids = cases.map(({ id }) => id);

describe('judgePort', () => {
  it('reports a verdict on each case, in the order of the cases; of fewer than all it is partial', async () => {
    const report = await judgePort(kit, port, { cases, version: '1.2.3' });
    expect(report.cases.map(({ id }) => id)).toEqual(ids);
    expect(report).toMatchObject({
      judge: '1.2.3',
      conclusion: 'partial',
      missing: kit.cases.length - cases.length,
    });
    expect(report.counts).toEqual({
      right: cases.length,
      wrong: 0,
      skipped: 0,
      errored: 0,
      'not-claimed': 0,
    });
  });

  it('several ports side by side, one slower than the other, come to the same report', async () => {
    const slow = {
      claim: port.claim,
      async run(each: (typeof cases)[number]) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        return port.run(each);
      },
    };
    const asked = new Set<string>();
    const quick: Port = {
      claim: port.claim,
      run(each) {
        asked.add(each.id);
        return port.run(each);
      },
    };
    const report = await judgePort(kit, [slow, quick], { cases });
    expect(report).toEqual(await judgePort(kit, port, { cases }));
    expect(asked.size).toBeGreaterThan(0);
    expect(asked.size).toBeLessThan(cases.length);
  });

  it.each([
    [
      'at once',
      () => {
        throw new Error('out of cheese');
      },
    ],
    ['later', () => Promise.reject(new Error('out of cheese'))],
  ])('what a port throws %s makes the case errored, or ends all, as is asked', async (_, run) => {
    const broken = { claim: port.claim, run };
    const { counts, cases: verdicts, conclusion } = await judgePort(kit, broken, { cases });
    expect(counts.errored).toBe(cases.length);
    expect(conclusion).toBe('does not conform');
    expect(verdicts[0]!.message).toBe('Error: out of cheese');
    await expect(judgePort(kit, broken, { cases, onError: 'throw' })).rejects.toThrow('out of cheese');
  });

  it('a port is not asked what it does not claim', async () => {
    const asked: string[] = [];
    const modest: Port = {
      claim: { ...port.claim, modes: ['op'] },
      run(each) {
        asked.push(each.id);
        return port.run(each);
      },
    };
    const { counts } = await judgePort(kit, modest, { cases });
    expect(asked).toEqual(ids.filter((id) => id.startsWith('linear.')));
    expect(counts['not-claimed']).toBe(cases.length - asked.length);
  });

  it('tells each verdict before the next case is asked, and lets the caller do the work', async () => {
    const told: string[] = [];
    let works = 0;
    await judgePort(kit, port, {
      cases: cases.slice(0, 3),
      async onVerdict({ id }, done, total) {
        await Promise.resolve();
        told.push(`${id} ${done} of ${total}`);
      },
      perform: (work) => {
        works += 1;
        return work();
      },
    });
    expect(told).toEqual(ids.slice(0, 3).map((id, i) => `${id} ${i + 1} of 3`));
    expect(works).toBe(6);
  });
});
