import { describe, expect, it } from 'vitest';
import { trainProfile } from '../../lib/decode/profiles.ts';
import { type BreakName, breaks } from '../../web/breaks.ts';
import type { FromWorker, Request } from '../../web/messages.ts';
import { openSession } from '../../web/session.ts';
import { files, idsOf, request } from './library.ts';

const session = openSession(files());

/** Runs, and takes what the worker would say apart. */
function run(change: Partial<Request> = {}) {
  const said: FromWorker[] = [];
  session.run(7, { ...request, ...change }, (message) => said.push(message));
  const tokens = (lane: string) =>
    said.flatMap((message) => (message.kind === 'token' && message.lane === lane ? [message.token] : []));
  const [explained] = said.flatMap((message) => (message.kind === 'explained' ? [message.explanation] : []));
  return { said, base: tokens('base'), hamburger: tokens('hamburger'), explanation: explained! };
}
const ids = (tokens: ReturnType<typeof run>['base']) => tokens.map(({ token }) => token.id);

describe('a session of the playground', () => {
  const whole = run();

  it('says the tokens of the library, of both lanes in turns, and carries the number of the request', () => {
    expect(ids(whole.base)).toEqual(idsOf('base', request));
    expect(ids(whole.hamburger)).toEqual(idsOf('hamburger', request));
    const lanes = whole.said.flatMap((message) => (message.kind === 'token' ? [message.lane] : []));
    expect(lanes.slice(0, 4)).toEqual(['base', 'hamburger', 'base', 'hamburger']);
    expect(whole.said.every((message) => 'run' in message && message.run === 7)).toBe(true);
  });

  it('draws as generate --seed does, and each lane by itself', () => {
    const change = { temperature: 2, seed: 'x', confidence: 0.5 };
    const { base, hamburger } = run(change);
    expect(ids(base)).toEqual(idsOf('base', { ...request, ...change }));
    expect(ids(hamburger)).toEqual(idsOf('hamburger', { ...request, ...change }));
    expect(ids(hamburger)).not.toEqual(ids(whole.hamburger));
  });

  it('counts entries and work as the explanation does', () => {
    const { explanation, hamburger, base } = whole;
    expect(hamburger.at(-1)!.entries).toBe(explanation.entryPositions.length);
    expect(base.at(-1)!.entries).toBe(28 + base.length - 1);
    const work = hamburger.reduce((sum, token) => sum + token.work, 0);
    const traffic = explanation.macroSteps.flatMap(({ traffic: { embedder, base: pass, microSteps } }) => [
      embedder,
      pass,
      ...microSteps,
    ]);
    expect(work).toBe(traffic.reduce((a, b) => a + b, 0));
    expect(base.map((token) => token.work)).toEqual(explanation.plainTraffic);
  });

  it.each(Object.keys(breaks) as BreakName[])('break "%s" changes the run', (name) => {
    const { hamburger, explanation } = run({ breaks: [name] });
    const shown = (tokens: typeof hamburger) =>
      tokens.map(({ token }) => [token.id, token.macroStep, token.confidence]);
    expect(shown(hamburger)).not.toEqual(shown(whole.hamburger));
    expect(explanation.settings.profile).toContain(`broken: ${name}`);
  });

  it('the wrong position is that of the profile', () => {
    const profile = { ...trainProfile, entryPositionOffset: 1 as const };
    expect(ids(run({ breaks: ['position'] }).hamburger)).toEqual(idsOf('hamburger', request, { profile }));
  });

  it('blank entries are blank, those of the mean are the mean, and the blind stop head always goes on', () => {
    const mergers = ({ explanation }: ReturnType<typeof run>) =>
      explanation.macroSteps.flatMap(({ detail }) => (detail?.embedder?.merger ? [detail.embedder] : []));
    const blank = mergers(run({ breaks: ['mean'] }));
    expect(blank.length).toBeGreaterThan(2);
    for (const { output, merger } of blank) expect(output.largest).toBeLessThan(1e-5 * merger!.mean.largest);
    for (const { output, merger } of mergers(run({ breaks: ['merger'] })))
      expect(output.levels).toEqual(merger!.mean.levels);
    const { explanation } = run({ breaks: ['stop'] });
    expect(explanation.macroSteps.slice(0, -1).every(({ tokens }) => tokens.length === 8)).toBe(true);
  });

  it('all that was broken is whole again, a tensor that was broken twice, too', () => {
    run({ breaks: ['merger', 'mean', 'order', 'features'] });
    expect(JSON.stringify(run().said)).toBe(JSON.stringify(whole.said));
  });
});
