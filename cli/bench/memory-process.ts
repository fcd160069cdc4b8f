/**
 * A process of its own, whose peak memory is that of one generation. Started by `memory.ts`; prints one line of JSON.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { baseOf, openCheckpoint, referenceKernels, simdKernels } from '../../lib/index.ts';
import type { MemoryJob, MemoryPeak } from './memory.ts';
import { decodeOf } from './variants.ts';

const { kernels: set, threads, generation } = JSON.parse(process.argv[2]!) as MemoryJob;
const kernels = set === 'simd' ? simdKernels({ threads }) : referenceKernels('f32');
if (generation !== null) {
  const checkpoint = openCheckpoint(generation.folder);
  const loaded = checkpoint.loadModel(kernels);
  checkpoint.close();
  const model = generation.mode === 'base' ? baseOf(loaded) : loaded;
  const engine = { kernels: set, threads, use() {} };
  decodeOf(model, generation.promptTokens, generation.macroSteps, engine).measure();
}
const peak: MemoryPeak = { peakBytes: peakBytes() };
process.stdout.write(JSON.stringify(peak));
process.exit();

/** The most memory that was resident at a time. */
function peakBytes(): number {
  try {
    // Not that of `getrusage`: on Linux it begins with what the process that started this one had.
    const [, kibibytes] = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
    return 1024 * Number(kibibytes);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}
