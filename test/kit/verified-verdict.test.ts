/** Answers to whole verified runs: right ones with one thing changed, which has to be found in the round where it is. */

import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import type { CaseOf } from '../../lib/kit/case.ts';
import { createJudge } from '../../lib/kit/judge.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { type PortOutput, referencePort } from '../../lib/kit/port.ts';
import type { VerifiedAnswer } from '../../lib/kit/verified-run.ts';
import { Tensor } from '../../lib/tensor/tensor.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));
const port = referencePort(kit, referenceKernels('f64'), 'test');
const judge = createJudge(kit, port.claim);
const caseOf = (id: string): CaseOf<'verified'> => {
  const found = kit.cases.find((each) => each.id === `verified.${id}`);
  if (found?.mode !== 'verified') throw new Error(id);
  return found;
};

/** The verdict on the right answer after `change`. */
function verdict(
  id: string,
  change: (answer: VerifiedAnswer, tensors: Map<string, Tensor>) => unknown = () => {},
) {
  const { answer, tensors } = port.run(caseOf(id));
  const changed = structuredClone(answer) as PortOutput['answer'];
  const own = new Map([...tensors].map(([name, { data, shape }]) => [name, new Tensor(data.slice(), shape)]));
  change(changed as VerifiedAnswer, own);
  const { outcome, message, divergence, diagnosis } = judge.judge(caseOf(id), {
    answer: changed,
    tensors: own,
  });
  return {
    outcome,
    message,
    tensor: divergence?.name ?? null,
    mistakes: diagnosis.map(({ mistake }) => mistake),
  };
}

const ROUND = /^round (\d+): (\w+)/;
const place = (message: string | null) => ROUND.exec(message ?? '')?.slice(1);

describe('what is left after a round', () => {
  it('as it is, the answer is right', () => {
    expect(verdict('lenient.inside').outcome).toBe('right');
  });

  it.each([
    ['an entry of a rejected segment', 'entry-of-a-broken-segment-kept', 'entries', 'lenient.inside'],
    ['entries of the target', 'target-not-rolled-back', 'target_entries', 'lenient.inside'],
    ['the rejected token', 'rejected-token-merged', 'pending', 'lenient.inside'],
    ['survivors', 'survivors-lost', 'pending', 'lenient.inside'],
    ['two entries in place of one', 'last-separate', 'pending', 'lenient.inside'],
    ['one entry in place of two', 'last-not-separate', 'pending', 'lenient.hf-separate-last'],
    ['the last segment', 'last-segment-lost', 'pending', 'greedy.all-accepted'],
    ['a position', 'position-after-rollback', 'pending', 'lenient.inside'],
  ])('%s: named %s, at %s', (_, mistake, where, id) => {
    const { outcome, message, mistakes } = verdict(id, ({ rounds }) => {
      const round = rounds[0]!;
      const [position, tokens] = round.pending.at(-1)!;
      const rejected = round.drafted.flat()[round.accepted]!;
      const next = tokens.at(-1)!;
      const changes: Record<string, () => unknown> = {
        'entry-of-a-broken-segment-kept': () =>
          round.entries.push(position - 1 + round.drafted[0]!.length - 1),
        'target-not-rolled-back': () =>
          round.target_entries.push(
            ...round.drafted
              .flat()
              .slice(round.accepted)
              .map((_token, i) => round.target_entries.length + i),
          ),
        'rejected-token-merged': () => tokens.splice(-1, 0, rejected),
        'survivors-lost': () => tokens.splice(0, tokens.length - 1),
        'last-separate': () =>
          round.pending.splice(-1, 1, [position - 1, tokens.slice(0, -1)], [position, [next]]),
        'last-not-separate': () =>
          round.pending.splice(0, 2, [round.pending[0]![0], [...round.pending[0]![1], next]]),
        'last-segment-lost': () => round.pending.shift(),
        'position-after-rollback': () => round.pending.splice(-1, 1, [position + 1, tokens]),
      };
      changes[mistake]!();
    });
    expect(outcome).toBe('wrong');
    expect(place(message)).toEqual(['0', where]);
    expect(mistakes).toContain(mistake);
  });

  it('without a token of the target the run cannot go on', () => {
    const { message, mistakes } = verdict('greedy.all-accepted', ({ rounds }) => {
      rounds[0]!.next = null;
    });
    expect(place(message)).toEqual(['0', 'no']);
    expect(mistakes).toEqual(['no-token-behind-an-accepted-draft']);
  });

  it.each([
    ['more accepted than drafted', ({ rounds }: VerifiedAnswer) => (rounds[0]!.accepted = 99)],
    ['an empty segment', ({ rounds }: VerifiedAnswer) => rounds[0]!.drafted.push([])],
    ['a choice too few', ({ rounds }: VerifiedAnswer) => rounds[0]!.choices.pop()],
    ['a confidence too many', ({ rounds }: VerifiedAnswer) => rounds[0]!.confidences.push(0.5)],
    ['a token that no vocabulary has', ({ rounds }: VerifiedAnswer) => (rounds[0]!.drafted[0]![0] = 1e9)],
    ['no round at all', ({ rounds }: VerifiedAnswer) => rounds.splice(0)],
  ])('%s: wrong, and nothing breaks', (_, change) => {
    expect(verdict('lenient.inside', change).outcome).toBe('wrong');
  });
});

describe('tensors and what follows from them', () => {
  it('a tensor of the target is found by its name', () => {
    const name = 'target.2.model.layers.1.self_attn.weights';
    const { tensor } = verdict('lenient.distinct', (_, tensors) => {
      tensors.get(name)!.data[0]! += 1e-3;
    });
    expect(tensor).toBe(name);
  });

  it.each([
    ['choices', ({ rounds }: VerifiedAnswer) => (rounds[1]!.choices[0] = 5)],
    ['confidences', ({ rounds }: VerifiedAnswer) => (rounds[1]!.confidences[1] = 0.5)],
  ])('another of the %s is found in its round', (what, change) => {
    expect(place(verdict('lenient.inside', change).message)).toEqual(['1', what]);
  });

  it('another reason, other segments', () => {
    expect(verdict('lenient.inside', (answer) => Object.assign(answer, { stop_reason: 'eos' })).message).toBe(
      'the generation ends for eos; it would be length',
    );
    expect(verdict('lenient.inside', ({ macro_steps }) => macro_steps[0]!.push(3)).message).toContain(
      'which follows from the rounds',
    );
  });
});
