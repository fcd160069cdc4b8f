/**
 * SPEC #conformance — a port asked the cases of a kit, and what its answers come to, in one call.
 *
 * @module
 */

import type { Case, Claim } from './case.ts';
import { type CaseVerdict, createJudge } from './judge.ts';
import type { Kit } from './kit.ts';
import type { PortOutput } from './port.ts';
import { type ConformanceReport, conformanceReport } from './report.ts';

/** A port that may take its time: in this process, in another one, or results in a folder. Every port of this process is one. */
export interface AskedPort {
  readonly claim: Claim;
  run(each: Case): PortOutput | Promise<PortOutput>;
}

export interface JudgePortOptions {
  /** What is asked; by default everything. A report of less is `partial`. */
  readonly cases?: readonly Case[];
  /** The version of the package that judges, for the report. */
  readonly version?: string;
  /** Told of each verdict; the next case waits for it. */
  readonly onVerdict?: (verdict: CaseVerdict, done: number, total: number) => void | Promise<void>;
  /** Whether what a port throws makes the case `errored`, or ends everything; by default the former. */
  readonly onError?: 'errored' | 'throw';
  /** Does each piece of work that takes time and cannot be interrupted; by default as it is. */
  readonly perform?: <T>(work: () => T) => T;
}

/**
 * Asks a port each case that it claims, judges its answers, and reports.
 *
 * @param ports one, or several of the same claim that work side by side: verdicts do not depend on their number
 * @throws DataError if the claimed numerics are not known
 */
export async function judgePort(
  kit: Kit,
  ports: AskedPort | readonly [AskedPort, ...AskedPort[]],
  {
    cases = kit.cases,
    version = '',
    onVerdict = () => {},
    onError = 'errored',
    perform = (work) => work(),
  }: JudgePortOptions = {},
): Promise<ConformanceReport> {
  const all: readonly [AskedPort, ...AskedPort[]] = 'run' in ports ? [ports] : ports;
  const { claim } = all[0];
  const judge = createJudge(kit, claim);
  const verdicts = new Map<string, CaseVerdict>();
  const waiting = [...cases];
  const askAll = async (port: AskedPort): Promise<void> => {
    for (let each = waiting.shift(); each !== undefined; each = waiting.shift()) {
      const asked = each;
      let verdict = judge.notClaimed(asked);
      if (judge.asks(asked)) {
        const output = await perform(() => outputOf(port, asked, onError));
        verdict = perform(() => judge.judge(asked, output));
      }
      verdicts.set(asked.id, verdict);
      await onVerdict(verdict, verdicts.size, cases.length);
    }
  };
  await Promise.all(all.map(askAll));
  return conformanceReport(
    kit,
    claim,
    cases.map(({ id }) => verdicts.get(id)!),
    version,
  );
}

function outputOf(
  port: AskedPort,
  each: Case,
  onError: 'errored' | 'throw',
): PortOutput | Promise<PortOutput> {
  const failed = (error: unknown): PortOutput => {
    if (onError === 'throw') throw error;
    return { answer: { status: 'errored', message: String(error) }, tensors: new Map() };
  };
  try {
    const output = port.run(each);
    return output instanceof Promise ? output.catch(failed) : output;
  } catch (error) {
    return failed(error);
  }
}
