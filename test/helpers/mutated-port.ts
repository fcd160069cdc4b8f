/** The example port in TypeScript as a port in this process, whole or with a deliberate mistake in it. */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Arithmetic } from '../../fixtures/harnesses/typescript/arithmetic.ts';
import * as examplePort from '../../fixtures/harnesses/typescript/port.ts';
import { parseAnswer, parseClaim } from '../../lib/kit/case.ts';
import type { CaseVerdict } from '../../lib/kit/judge.ts';
import type { Kit } from '../../lib/kit/kit.ts';
import type { Port } from '../../lib/kit/port.ts';
import { Tensor } from '../../lib/tensor/tensor.ts';

const FOLDER = fileURLToPath(new URL('../../fixtures/harnesses/typescript/', import.meta.url));
const SCRATCH = fileURLToPath(new URL('../../work/mutated-ports/', import.meta.url));

type PortModule = typeof examplePort;

/** A deliberate mistake of a port: `fixtures/kit/mutants.json`. */
export interface Mutant {
  readonly id: string;
  readonly mistake: string;
  readonly rule: string;
  /** Where it has to show first: the end of a tensor's name, a function, or a kind of decision. */
  readonly stage: string;
  /** The notes of which a diagnosis has to name one, and no other; none if there is no note of it. */
  readonly notes: readonly string[];
  /** Some of the cases that catch it. */
  readonly cases: readonly string[];
  readonly edits: readonly { readonly find: string; readonly replace: string }[];
}

export const portSource = (): string => readFileSync(join(FOLDER, 'port.ts'), 'utf8');

/** The port's module with the mistake in it. */
export async function mutatedModule({ id, edits }: Pick<Mutant, 'id' | 'edits'>): Promise<PortModule> {
  const folder = join(SCRATCH, `${process.pid}-${id}`);
  mkdirSync(folder, { recursive: true });
  try {
    for (const name of ['arithmetic.ts', 'safetensors.ts'])
      copyFileSync(join(FOLDER, name), join(folder, name));
    const mutated = edits.reduce(
      (source, { find, replace }) => source.replace(find, () => replace),
      portSource(),
    );
    writeFileSync(join(folder, 'port.ts'), mutated);
    return (await import(pathToFileURL(join(folder, 'port.ts')).href)) as PortModule;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A port of the kit in this process. */
export function portOf(
  kit: Kit,
  arithmetic?: Arithmetic,
  { claim, runCase }: PortModule = examplePort,
): Port {
  return {
    claim: parseClaim(claim(arithmetic), 'claim'),
    run(each) {
      try {
        const { result, tensors } = runCase(kit.root, each, arithmetic);
        return {
          answer: parseAnswer(result, 'answer'),
          tensors: new Map([...tensors].map(([name, { data, shape }]) => [name, new Tensor(data, shape)])),
        };
      } catch (error) {
        return { answer: { status: 'errored', message: String(error) }, tensors: new Map() };
      }
    },
  };
}

export const mutants = (): readonly Mutant[] =>
  JSON.parse(readFileSync(new URL('../../fixtures/kit/mutants.json', import.meta.url), 'utf8')) as Mutant[];

/** What became of a case in the hands of a mutated port. */
export interface Caught {
  readonly case: string;
  /** Whether the first divergence is where the mistake was made. */
  readonly located: boolean;
  readonly named: 'right' | 'wrong' | 'not';
}

/**
 * Of a verified run: whether the message names what is wrong of the first round that is. Positions show in the entries, the end of a macro-step in the draft.
 * Everything else without a divergence is its own place.
 */
const runLocated = (message: string | null, { stage, rule }: Mutant): boolean => {
  const [, what] = /^round \d+: (\w+)/.exec(message ?? '') ?? [];
  if (what === 'entries' && rule.startsWith('positions/')) return true;
  if (what === 'drafted' && stage === 'decision') return true;
  return what === undefined || what === stage || (what === 'no' && stage === 'next');
};

/** A verdict on a mutant's case, looked at; `null` if nothing was found. */
export function caught(
  mutant: Mutant,
  { id, outcome, message, divergence, diagnosis }: CaseVerdict,
): Caught | null {
  const { stage, notes } = mutant;
  if (outcome === 'right') return null;
  const mistakes = diagnosis.flatMap(({ mistake }) => (mistake === null ? [] : [mistake]));
  const named = mistakes.some((each) => notes.includes(each))
    ? 'right'
    : mistakes.length > 0
      ? 'wrong'
      : 'not';
  // A single operation or function is its own place.
  const located =
    divergence === null
      ? runLocated(message, mutant)
      : !/^(draft\.macro|macro|target)\./.test(divergence.name) || divergence.name.endsWith(stage);
  return { case: id, located, named };
}
