/** This package judged by its own kit; honest arithmetic of other kinds; deliberate mistakes. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Arithmetic, f32, f64 } from '../../fixtures/harnesses/typescript/arithmetic.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdKernels } from '../../lib/kernels/simd/simd.ts';
import type { Case, CaseOf, Decisions } from '../../lib/kit/case.ts';
import { type CaseVerdict, createJudge } from '../../lib/kit/judge.ts';
import { judgePort } from '../../lib/kit/judge-port.ts';
import { openKit } from '../../lib/kit/kit.ts';
import { type Port, referencePort } from '../../lib/kit/port.ts';
import { exp } from '../../lib/math/exp.ts';
import { bf16ToNumber, f16ToNumber, numberToBf16Bits, numberToF16Bits } from '../../lib/math/float.ts';
import { log } from '../../lib/math/log.ts';
import { cos, sin } from '../../lib/math/trigonometric.ts';
import { caught, mutants, mutatedModule, portOf, portSource } from '../helpers/mutated-port.ts';

const kit = openKit(fileURLToPath(new URL('../../fixtures/kit', import.meta.url)));

const verdicts = async (port: Port, cases: readonly Case[] = kit.cases): Promise<readonly CaseVerdict[]> =>
  (await judgePort(kit, port, { cases })).cases;

const faults = (all: readonly CaseVerdict[]) =>
  all
    .filter(({ outcome }) => outcome !== 'right')
    .map(({ id, outcome, message }) => ({ id, outcome, message }));
const worst = (all: readonly CaseVerdict[]) => Math.max(...all.map((each) => each.worst?.margin ?? 0));

/** Rules that no case can be about, and why. */
const OUT_OF_SCOPE: readonly (readonly [RegExp, string])[] = [
  [/^notation/, 'a port may check shapes when it is compiled'],
  [/^numerics/, 'how this package rounds; a port is judged within bounds'],
  [/^elementary-functions\/E[13]/, 'how this package makes its elementary functions'],
  [
    /^segmentation\/C(1|4|7)$/,
    'about data and a base with a window, which the functions of the kit do not have',
  ],
  [
    /^(training|optimiser|recipe|evaluation|calibration)/,
    'the kit asks for losses, not for training, nor for what is measured of a model',
  ],
  [/^losses\/C(3|5)$/, 'about steps and teachers of a training'],
  [
    /^checkpoint\/C(2|4|5|6|7)$/,
    'the models of the kit are single files of one element type; writing is not asked',
  ],
  [/^safetensors\/C(3|6)$/, 'about types in a header, and about writing'],
  [/^trace\/T(2|3)$/, 'about the files of this package'],
  [/^conformance/, 'about the judge'],
  [/^(batching|cost|calibration)/, 'how this package runs several at a time, counts, and calibrates'],
  [/^token-distribution\/C2$/, 'the kit has no code for logits without a distribution'],
  [/^token-choice\/C6$/, 'which streams of uniforms there are; the kit gives the uniforms'],
  [/^stop-strings\/C(1|2|5)$/, 'about runs with a tokenizer, which models of the kit do not have'],
  [/^log-probabilities\/C3$/, 'the kit has no code for logits without a distribution'],
];

describe('the kit', () => {
  it('every rule of SPEC that a port can break has a case, or a reason why it has none', () => {
    const spec = readFileSync(new URL('../../SPEC.md', import.meta.url), 'utf8');
    const rules = [...spec.matchAll(/^- \*\*`([a-z-]+\/[A-Z]\d+)`/gm)].map(([, rule]) => rule!);
    const covered = new Set(kit.cases.flatMap((each) => each.spec));
    expect(rules.length).toBeGreaterThan(100);
    expect(
      rules.filter((rule) => !covered.has(rule) && !OUT_OF_SCOPE.some(([pattern]) => pattern.test(rule))),
    ).toEqual([]);
    expect([...covered].filter((rule) => !rules.includes(rule))).toEqual([]);
    const flags = new Set(kit.cases.flatMap((each) => each.flags));
    for (const { rule } of mutants()) expect(rules).toContain(rule);
    for (const flag of flags) expect(kit.description.notes).toHaveProperty([flag]);
    for (const { rule } of Object.values(kit.description.notes)) expect(rules).toContain(rule);
  });

  it('has at least 150 cases in every mode, some of each suite, and none comes twice', () => {
    expect(kit.cases.length).toBeGreaterThanOrEqual(150);
    expect(new Set(kit.cases.map(({ mode }) => mode))).toEqual(
      new Set(['op', 'teacher', 'free', 'verified', 'data', 'invalid']),
    );
    expect(new Set(kit.cases.map(({ id }) => id)).size).toBe(kit.cases.length);
  });

  it('is below 20 MB, and suite smoke with its model below 1 MB', () => {
    const { files } = kit.description;
    const size = (keep: (path: string) => boolean) =>
      Object.entries(files)
        .filter(([path]) => keep(path))
        .reduce((sum, [, { bytes }]) => sum + bytes, 0);
    expect(size(() => true)).toBeLessThan(20e6);
    const models = new Set(
      kit.cases.flatMap((each) => (each.suite === 'smoke' && 'model' in each ? [each.model] : [])),
    );
    expect(
      size(
        (path) =>
          path.startsWith('cases/smoke/') || [...models].some((model) => path.startsWith(`${model}/`)),
      ),
    ).toBeLessThan(1e6);
  });

  it('the case that INTERPRETING shows is one of the kit', () => {
    const page = readFileSync(new URL('../../fixtures/kit/INTERPRETING.md', import.meta.url), 'utf8');
    const shown = JSON.parse(/## 2\. Cases\n+```json\n([^`]+)```/.exec(page)![1]!);
    const path = `../../fixtures/kit/cases/${shown.suite}/${shown.id}.json`;
    expect(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))).toEqual(shown);
    // And the table of features has what a case can require.
    const required = new Set(kit.cases.flatMap((each) => each.requires));
    const listed = [
      .../\| feature \|[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)/.exec(page)![1]!.matchAll(/^\| `([^`]+)`/gm),
    ];
    expect(new Set(listed.map(([, name]) => name))).toEqual(required);
  });

  it('every golden and value that a second source can compute is confirmed by it', () => {
    const unconfirmed = kit.cases.filter(
      (each) => each.mode !== 'invalid' && !each.confirmed_by.includes('second_source.py'),
    );
    expect(unconfirmed.map(({ id }) => id)).toEqual([]);
  });

  it('pairs of runs agree with each other where they are the same: cached and not, longer and shorter', () => {
    const out = (id: string) =>
      kit.tensors(kit.cases.find((each) => each.id === `metamorphic.${id}`)!, 'out');
    const near = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!) / (1 + Math.abs(value))));
    // The prompt's last token as a prompt token, and as the last of five fed one by one.
    expect(
      near(
        out('cached.prompt').get('macro.0.micro.0.logits')!.data,
        out('cached.one-by-one').get('macro.5.micro.0.logits')!.data,
      ),
    ).toBeLessThan(1e-12);
    expect(
      near(
        out('later.short').get('macro.0.micro.2.logits')!.data,
        out('later.long').get('macro.0.micro.2.logits')!.data,
      ),
    ).toBe(0);
    // The same four tokens as four entries and as one: not the same.
    expect(
      near(
        out('merged.prompt').get('macro.0.micro.0.logits')!.data,
        out('merged.segment').get('macro.1.micro.0.logits')!.data,
      ),
    ).toBeGreaterThan(1e-3);
  });
});

/** Runs that the honest variants are asked; `npm run mutations` asks them all. */
const RUNS = new Set([
  'teacher.mixed',
  'teacher.long-segments',
  'teacher.odd',
  'free.smoke',
  'free.hf-generate',
  'free.gpt-fast',
  'verified.lenient.hf-generate',
]);

describe('honest arithmetic conforms', () => {
  it.each([
    ['reference kernels, f64', referenceKernels('f64')],
    ['reference kernels, f32', referenceKernels('f32')],
    ['SIMD kernels', simdKernels()],
  ])('this package: %s', async (_, kernels) => {
    const all = await verdicts(referencePort(kit, kernels, 'test'));
    expect(faults(all)).toEqual([]);
    expect(worst(all)).toBeLessThan(1);
  });

  it('this package on three threads', async () => {
    const kernels = simdKernels({ threads: 3 });
    const runs = kit.cases.filter(
      ({ mode, suite }) => (mode === 'teacher' || mode === 'free') && suite !== 'metamorphic',
    );
    const all = await verdicts(referencePort(kit, kernels, 'test'), runs);
    expect(faults(all)).toEqual([]);
  });

  const { fround } = Math;
  const summed = (order: (n: number) => number[]): Partial<Arithmetic> => ({
    dot: (a, b) => order(a.length).reduce((sum, i) => fround(sum + fround(a[i]! * b[i]!)), 0),
    sum: (terms) => order(terms.length).reduce((sum, i) => fround(sum + terms[i]!), 0),
  });
  const indices = (n: number) => Array.from({ length: n }, (_, i) => i);
  const pairwise = (terms: readonly number[]): number => {
    if (terms.length <= 1) return terms[0] ?? 0;
    const half = terms.length >> 1;
    return fround(pairwise(terms.slice(0, half)) + pairwise(terms.slice(half)));
  };
  const stored = (numerics: string, round: (x: number) => number): Arithmetic => ({
    ...f32,
    numerics,
    store: (x) => round(fround(x)),
  });
  const variants: readonly (readonly [string, Arithmetic])[] = [
    ['left to right', f32],
    ['right to left', { ...f32, ...summed((n) => indices(n).reverse()) }],
    [
      'even terms first',
      {
        ...f32,
        ...summed((n) => [
          ...indices(n).filter((i) => i % 2 === 0),
          ...indices(n).filter((i) => i % 2 === 1),
        ]),
      },
    ],
    [
      'shuffled',
      { ...f32, ...summed((n) => indices(n).sort((a, b) => ((a * 7919) % 101) - ((b * 7919) % 101))) },
    ],
    [
      'in pairs',
      {
        ...f32,
        dot: (a, b) => pairwise(Array.from(a, (value, i) => fround(value * b[i]!))),
        sum: (terms) => pairwise(Array.from(terms)),
      },
    ],
    [
      'fused multiply-add',
      // The product of two binary32 numbers is exact in binary64; adding a binary32 number and rounding once more is as good as fused.
      { ...f32, dot: (a, b) => indices(a.length).reduce((sum, i) => fround(sum + a[i]! * b[i]!), 0) },
    ],
    ['sums in binary64', { ...f32, dot: f64.dot, sum: f64.sum }],
    ['another library of elementary functions', { ...f32, exp, log, cos, sin }],
    [
      'elementary functions in binary32',
      {
        ...f32,
        exp: (x) => fround(Math.exp(x)),
        cos: (x) => fround(Math.cos(x)),
        sin: (x) => fround(Math.sin(x)),
      },
    ],
    ['f64', f64],
    ['bf16 storage', stored('bf16', (x) => bf16ToNumber(numberToBf16Bits(x)))],
    ['f16 storage', stored('f16', (x) => f16ToNumber(numberToF16Bits(x)))],
  ];
  it('of a near tie every outcome that is listed is right: honest arithmetic comes to each, and to no other', () => {
    const ties = kit.cases.filter(
      (each): each is CaseOf<'free'> => each.mode === 'free' && each.either !== undefined,
    );
    expect(ties.map(({ id }) => id)).toEqual(['free.near-tie.token', 'free.near-tie.confidence']);
    for (const each of ties) {
      const seen = new Set<string>();
      for (const [, arithmetic] of variants.filter(([, { numerics }]) => numerics.startsWith('f32'))) {
        const port = portOf(kit, arithmetic);
        const output = port.run(each);
        const { macro_steps, stop_reason } = output.answer as Decisions;
        const decisions = JSON.stringify({ macro_steps, stop_reason });
        seen.add(decisions);
        const judge = createJudge(kit, port.claim);
        expect(judge.judge(each, output).outcome).toBe('right');
        // Unlisted, it is wrong.
        if (decisions !== JSON.stringify(each.expected))
          expect(judge.judge({ ...each, either: [] }, output)).toMatchObject({
            outcome: 'wrong',
            message: expect.stringContaining('follows from the tensors, but expected'),
          });
      }
      expect(seen).toEqual(new Set([each.expected, ...each.either!].map((one) => JSON.stringify(one))));
    }
  });

  // 16 bits hold neither 1e15 nor what is 100 in an exponent of softmax: a port of them claims runs.
  it.each(variants)('the example port: %s', async (_, arithmetic) => {
    const port = portOf(kit, arithmetic);
    const narrow = arithmetic.numerics === 'bf16' || arithmetic.numerics === 'f16';
    const cases = kit.cases.filter(({ mode, id }) => (mode === 'op' && !narrow) || RUNS.has(id));
    const all = await verdicts(port, cases);
    expect(faults(all)).toEqual([]);
    expect(worst(all)).toBeLessThanOrEqual(1);
  });
});

describe('mistakes of ports', () => {
  it('there are at least seventy, each in its own place of the example port', () => {
    const source = portSource();
    expect(mutants().length).toBeGreaterThanOrEqual(70);
    for (const { id, edits } of mutants())
      for (const { find } of edits) expect(source.split(find).length, `${id}: ${find}`).toBe(2);
  });

  it.each(mutants().map((mutant) => [mutant.id, mutant] as const))('%s', async (_, mutant) => {
    const port = portOf(kit, undefined, await mutatedModule(mutant));
    const all = await verdicts(
      port,
      kit.cases.filter(({ id }) => mutant.cases.includes(id)),
    );
    expect(all.length).toBeGreaterThan(0);
    for (const verdict of all) {
      const found = caught(mutant, verdict);
      expect(found, `${verdict.id} does not catch it`).not.toBeNull();
      expect(found!.located, `${verdict.id}: ${verdict.message}`).toBe(true);
      expect(found!.named, JSON.stringify(verdict.diagnosis)).not.toBe('wrong');
    }
  });
});
