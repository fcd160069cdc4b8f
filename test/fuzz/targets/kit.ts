/** What is read of ports and kits: cases, claims, answers, dumps, reports, lines of the protocol. */

import { EventEmitter } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { HarnessFault, type HarnessProcess, talkTo } from '../../../cli/conform/harness.ts';
import { bytesSource } from '../../../lib/checkpoint/byte-source.ts';
import { decodeUtf8, parseJson } from '../../../lib/checkpoint/json.ts';
import { openSafetensors } from '../../../lib/checkpoint/safetensors.ts';
import { safetensorsBytes } from '../../../lib/checkpoint/safetensors-writer.ts';
import { judgeRun } from '../../../lib/conformance/judge-run.ts';
import { portNumerics } from '../../../lib/conformance/numerics.ts';
import { parseTraceDescription } from '../../../lib/conformance/trace-description.ts';
import { trainProfile } from '../../../lib/decode/profiles.ts';
import { HamburgerError, InvariantError } from '../../../lib/errors.ts';
import { referenceKernels } from '../../../lib/kernels/reference.ts';
import { readAnswer, readClaim } from '../../../lib/kit/answers.ts';
import { parseCase } from '../../../lib/kit/case.ts';
import { fillKit } from '../../../lib/kit/draft.ts';
import { createJudge, type Judge } from '../../../lib/kit/judge.ts';
import { type Kit, openKit, readTensors, sha256 } from '../../../lib/kit/kit.ts';
import { liveKit } from '../../../lib/kit/live.ts';
import { attemptOutput, type PortOutput, referencePort } from '../../../lib/kit/port.ts';
import { conformanceReport, reportJson, verifyReport } from '../../../lib/kit/report.ts';
import type { HamburgerModel } from '../../../lib/model/model.ts';
import { showShape, sizeOf, Tensor } from '../../../lib/tensor/tensor.ts';
import { tiedConfig } from '../../helpers/checkpoint-contents.ts';
import { type Input, inputOf } from '../input.ts';
import { must, type Target } from '../target.ts';

const none = new Uint8Array(0);
const valueIn = (input: Input, name: string): unknown =>
  parseJson(decodeUtf8(input[name] ?? none, name), name);
const kernels = referenceKernels('f64');

const config = {
  ...tiedConfig,
  vocabSize: 7,
  hiddenSize: 4,
  intermediateSize: 6,
  numHiddenLayers: 1,
  maxPositionEmbeddings: 12,
  hamburger: { maxSteps: 2, numMergerHeads: 2, featureLayerIndices: [0], numMicroLayers: 1 },
};

/** A kit of three small cases. */
interface SmallKit {
  readonly kit: Kit;
  readonly model: HamburgerModel;
  readonly outputs: readonly PortOutput[];
}

/** Made once, in a folder that the fuzzer takes away. */
let made: SmallKit | undefined;
function smallKit(): SmallKit {
  if (made !== undefined) return made;
  const folder = join(process.env.FUZZ_SEEDS!, 'kit');
  mkdirSync(folder);
  fillKit(folder, liveKit({ config, seed: 'fuzz', count: 3 }));
  const kit = openKit(folder);
  const port = referencePort(kit, kernels, '0');
  made = { kit, model: kit.model('models/live', kernels), outputs: kit.cases.map((each) => port.run(each)) };
  return made;
}

const dumpBytes = ({ tensors }: PortOutput): Uint8Array =>
  safetensorsBytes(
    [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F64', shape, elements: () => data })),
  );

const root = new URL('../../../fixtures/kit/', import.meta.url);
/** A few cases of a suite of the shipped kit, and their tensors. */
const shippedCases = (suite: string): Input[] => {
  const names = readdirSync(new URL(`cases/${suite}/`, root)).filter((name) => name.endsWith('.json'));
  const bytesOf = (name: string): Uint8Array => {
    const path = new URL(`cases/${suite}/${name}`, root);
    return existsSync(path) ? new Uint8Array(readFileSync(path)) : none;
  };
  return names
    .filter((_, i) => i % 3 === 0)
    .map((name) =>
      inputOf({
        'case.json': bytesOf(name),
        'in.safetensors': bytesOf(name.replace('.json', '.in.safetensors')),
      }),
    );
};

function tensorsIn(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  if (bytes.length === 0) return new Map();
  const file = openSafetensors(bytesSource('in.safetensors', bytes));
  return new Map(
    [...file.tensors].map(([name, { shape }]) => {
      const values = new Float64Array(sizeOf(shape));
      file.readFloats(name, values);
      return [name, new Tensor(values, shape)];
    }),
  );
}

const claim = (): unknown => referencePort(smallKit().kit, kernels, '0').claim;

/** Short runs of two models. */
const VERIFIED_CASES = ['verified.greedy.all-accepted', 'verified.eos.the-target-says-it'];

let opened: { kit: Kit; judge: Judge } | undefined;
/** The kit that comes with the package, and a judge of ports that claim everything. */
function shipped(): { kit: Kit; judge: Judge } {
  if (opened !== undefined) return opened;
  const kit = openKit(fileURLToPath(root));
  opened = { kit, judge: createJudge(kit, referencePort(kit, kernels, '0').claim) };
  return opened;
}

const verifiedOutputs = () => {
  const { kit } = shipped();
  const port = referencePort(kit, kernels, '0');
  return kit.cases.filter(({ id }) => VERIFIED_CASES.includes(id)).map((each) => port.run(each));
};

/** A harness in this process: what it prints, given in pieces. */
class ScriptedProcess extends EventEmitter implements HarnessProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  exitCode: number | null = null;
  readonly signalCode = null;
  kill(): boolean {
    this.end();
    return true;
  }
  end(): void {
    if (this.exitCode !== null) return;
    this.exitCode = 0;
    this.emit('close', 0, null);
  }
}

export const kitTargets: readonly Target[] = [
  {
    name: 'case',
    share: 25,
    seeds: () => ['data', 'free', 'verified', 'op', 'invalid'].flatMap(shippedCases),
    run(input) {
      const each = parseCase(valueIn(input, 'case.json'), 'case.json');
      const inputs = tensorsIn(input['in.safetensors'] ?? none);
      const { model } = smallKit();
      try {
        attemptOutput(each.mode === 'invalid' ? each.attempt : each, inputs, () => model, kernels);
      } catch (error) {
        // The kit's own model is another one; and what is invalid has to be refused.
        if (!(error instanceof HamburgerError) || error instanceof InvariantError || each.mode === 'op')
          throw error;
      }
    },
  },
  {
    name: 'kit',
    share: 3,
    seeds: () => {
      const { kit } = smallKit();
      const names = ['kit.json', ...Object.keys(kit.description.files)];
      return [
        inputOf(
          Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(join(kit.root, name)))])),
        ),
      ];
    },
    run(input, scratch) {
      const folder = scratch.folderOf(withTrueSums(input));
      const kit = openKit(folder);
      for (const each of kit.cases) for (const which of ['in', 'out'] as const) kit.tensors(each, which);
      for (const each of kit.cases) if ('model' in each) kit.model(each.model, kernels);
    },
  },
  {
    name: 'results',
    share: 6,
    seeds: () =>
      smallKit().outputs.map((output) =>
        inputOf({
          'port.json': claim(),
          'result.json': output.answer,
          'dump.safetensors': dumpBytes(output),
        }),
      ),
    run(input, scratch) {
      const { kit } = smallKit();
      const folder = scratch.folderOf(input);
      const judge = createJudge(kit, readClaim(folder));
      const answer = readAnswer(folder);
      const verdicts = kit.cases.map((each) =>
        judge.asks(each) ? judge.judge(each, answer) : judge.notClaimed(each),
      );
      const report = conformanceReport(kit, readClaim(folder), verdicts, '0');
      verifyReport(JSON.parse(JSON.stringify(reportJson(report))), 'report', kit);
    },
  },
  {
    name: 'verified-results',
    share: 2,
    seeds: () =>
      verifiedOutputs().map((output) =>
        inputOf({ 'result.json': output.answer, 'dump.safetensors': dumpBytes(output) }),
      ),
    run(input, scratch) {
      const { kit, judge } = shipped();
      const answer = readAnswer(scratch.folderOf(input));
      // Which of them it is an answer to must not matter.
      for (const each of kit.cases.filter(({ id }) => VERIFIED_CASES.includes(id))) judge.judge(each, answer);
    },
  },
  {
    name: 'conformance-report',
    share: 30,
    seeds: () => {
      const { kit, outputs } = smallKit();
      const judge = createJudge(kit, readClaimOf(claim()));
      const verdicts = kit.cases.map((each, i) => judge.judge(each, outputs[i]!));
      return [
        inputOf({ 'report.json': reportJson(conformanceReport(kit, readClaimOf(claim()), verdicts, '0')) }),
      ];
    },
    run(input) {
      verifyReport(valueIn(input, 'report.json'), 'report.json', smallKit().kit);
    },
  },
  {
    name: 'trace',
    share: 6,
    seeds: () => {
      const { kit, outputs } = smallKit();
      return kit.cases.flatMap((each, i) =>
        each.mode !== 'teacher'
          ? []
          : [
              inputOf({
                'run.safetensors': dumpBytes(outputs[i]!),
                'run.json': {
                  prompt_ids: each.prompt,
                  macro_steps: each.segments.map((ids) => ({ tokens: ids.map((id) => ({ id })) })),
                },
              }),
            ],
      );
    },
    run(input, scratch) {
      const { model } = smallKit();
      const description = parseTraceDescription(valueIn(input, 'run.json'), 'run.json');
      const tensors = readTensors(join(scratch.folderOf(input), 'run.safetensors'));
      const verdict = judgeRun(
        { model, ...description, profile: trainProfile },
        tensors,
        portNumerics.get('f32')!,
      );
      for (const { name, shape } of verdict.tensors)
        must(shape.found === null || showShape(shape.found).length > 0, name);
    },
  },
  {
    name: 'protocol',
    share: 15,
    seeds: () => {
      const lines = [
        claim(),
        { seq: 1, ...smallKit().outputs[0]!.answer },
        { seq: 2, status: 'skipped', reason: 'x' },
      ];
      return [inputOf({ 'printed.jsonl': `${lines.map((line) => JSON.stringify(line)).join('\n')}\n` })];
    },
    async run(input) {
      const child = new ScriptedProcess();
      const printed = input['printed.jsonl'] ?? none;
      const half = printed.length >> 1;
      child.stdout.write(printed.subarray(0, half));
      child.stdout.end(printed.subarray(half));
      child.stdout.once('end', () => child.end());
      try {
        const harness = await talkTo(child, 'scripted', {
          root: 'kit',
          timeLimitMs: 1000,
          onStderr: () => {},
        });
        await harness.run('cases/a.json', 'out');
        await harness.run('cases/b.json', 'out');
        await harness.stop();
      } catch (error) {
        if (!(error instanceof HarnessFault)) throw error;
        must(error.message.length < 2000, 'a message without end');
      } finally {
        child.end();
      }
    },
  },
];

const readClaimOf = (value: unknown): ReturnType<typeof readClaim> => {
  const folder = join(process.env.FUZZ_SEEDS!, 'claim');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'port.json'), JSON.stringify(value));
  return readClaim(folder);
};

/** The input with `kit.json` saying what its files are: else nothing would be looked at behind the sums. */
function withTrueSums(input: Input): Input {
  try {
    const description = JSON.parse(Buffer.from(input['kit.json']!).toString('utf8')) as {
      files: Record<string, { bytes: number; sha256: string }>;
    };
    for (const name of Object.keys(description.files)) {
      const bytes = input[name];
      if (bytes !== undefined) description.files[name] = { bytes: bytes.length, sha256: sha256(bytes) };
    }
    return { ...input, 'kit.json': Buffer.from(JSON.stringify(description)) };
  } catch {
    return input;
  }
}
