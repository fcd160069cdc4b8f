/**
 * What is run under every engine, as one bundle without imports: it computes everything whose bits are promised, and hashes it.
 * `globalThis.probe()` resolves to a {@link Report} as JSON.
 */

import './web-functions.ts';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { machineToLittleEndian } from '../../lib/checkpoint/byte-order.ts';
import { generate } from '../../lib/decode/generate.ts';
import { greedyChoice, samplingChoice, type TokenChoice } from '../../lib/decode/token-choice.ts';
import type { Kernels, Primitive } from '../../lib/kernels/kernels.ts';
import { referenceKernels } from '../../lib/kernels/reference.ts';
import { simdSupported } from '../../lib/kernels/simd/instantiate.ts';
import { type SimdKernels, simdKernels } from '../../lib/kernels/simd/simd.ts';
import { seededUniforms } from '../../lib/math/random.ts';
import { hashGoldenTrace } from '../helpers/golden-trace.ts';
import { chunksDoneByHelpers } from '../helpers/threads.ts';
import { GOLDEN, TOY } from './carried.ts';
import { FUNCTIONS } from './functions.ts';
import { goldenTeacher, readModel } from './models.ts';
import { CASES, runPrimitive } from './primitives.ts';
import type { Line, Report, Way } from './report.ts';

/** "Where is the pink hat?" as a message to the toy, in tokens. */
const PROMPT = [1021, 87, 633, 278, 258, 440, 471, 63, 1022];

/** Generated tokens: several macro-steps, and few enough for an engine that interprets. */
const MAX_TOKENS = 12;

/** How often helping threads are looked for; each time 50 ms. */
const LOOKS_FOR_HELPERS = 200;

/** SHA-256 of numbers shown one array after the other. */
function numberHash() {
  const hash = sha256.create();
  return {
    add(values: Float32Array | Float64Array) {
      const copy = values.slice();
      // The payload of a NaN is the one thing that SPEC leaves open (numerics/N9).
      for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = 0;
      hash.update(machineToLittleEndian(copy));
      hash.update(Uint8Array.from(values, (value) => (Number.isNaN(value) ? 1 : 0)));
    },
    digest: () => bytesToHex(hash.digest()),
  };
}

function functionLines(): Line[] {
  return Object.entries(FUNCTIONS).map(([name, values]) => {
    const hash = numberHash();
    hash.add(Float64Array.from(values()));
    return { claim: name, way: 'functions', sha256: hash.digest() };
  });
}

const goldenModel = readModel(GOLDEN);
const toyModel = readModel(TOY);

/** All primitives, the traced golden run, and generated ids. */
function kernelLines(way: Way, kernels: Kernels): Line[] {
  const line = (name: string, hash: string): Line => ({
    claim: `${kernels.numerics} ${name}`,
    way,
    sha256: hash,
  });
  const primitives = (Object.keys(CASES) as Primitive[]).map((name) => {
    const hash = numberHash();
    runPrimitive(kernels, name, ({ data }) => hash.add(data));
    return line(name, hash.digest());
  });
  const trace = sha256.create();
  hashGoldenTrace(goldenModel(kernels), goldenTeacher(), (bytes) => trace.update(bytes));
  const toy = toyModel(kernels);
  const tokensHash = (choice: TokenChoice) => {
    const hash = numberHash();
    for (const token of generate(toy, {
      prompt: PROMPT,
      maxTokens: MAX_TOKENS,
      choice,
      probabilities: true,
    })) {
      const { id, macroStep, microIndex, probability, stopProbability } = token;
      hash.add(Float64Array.of(id, macroStep, microIndex, probability!, stopProbability!));
    }
    return hash.digest();
  };
  const sampled = samplingChoice({ temperature: 1, topK: 40, topP: 0.9, uniforms: seededUniforms('1') });
  return [
    ...primitives,
    line('trace', bytesToHex(trace.digest())),
    line('greedy tokens', tokensHash(greedyChoice)),
    line('sampled tokens', tokensHash(sampled)),
  ];
}

/** Kernels of two threads, both of which were seen to work; or why there are none. */
async function twoThreads(): Promise<SimdKernels | string> {
  if (typeof SharedArrayBuffer === 'undefined') return 'no SharedArrayBuffer';
  const kernels = simdKernels({ threads: 2, leastSharedWork: 0 });
  const x = kernels.empty([1 << 16]);
  x.data.fill(0.5);
  kernels.silu(x, x);
  for (let look = 0; look < LOOKS_FOR_HELPERS; look++) {
    if ((await chunksDoneByHelpers(x, 4)) === 4) return kernels;
  }
  kernels.close();
  return 'the second thread never helped';
}

async function probe(): Promise<string> {
  const lines: Line[] = [
    ...functionLines(),
    ...kernelLines('f64', referenceKernels('f64')),
    ...kernelLines('f32 reference', referenceKernels('f32')),
  ];
  const lacks: Partial<Record<Way, string>> = {};
  if (!simdSupported()) {
    lacks['f32 simd'] = 'no WebAssembly SIMD';
    lacks['f32 simd, 2 threads'] = 'no WebAssembly SIMD';
  } else {
    lines.push(...kernelLines('f32 simd', simdKernels()));
    const two = await twoThreads();
    if (typeof two === 'string') lacks['f32 simd, 2 threads'] = two;
    else {
      lines.push(...kernelLines('f32 simd, 2 threads', two));
      two.close();
    }
  }
  return JSON.stringify({ lines, lacks } satisfies Report);
}

Object.assign(globalThis, { probe });
