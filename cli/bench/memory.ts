/**
 * Peak memory of a generation, measured in processes of their own.
 *
 * @module
 */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { builtProgram } from '../package-root.ts';

/** What {@link peakMemory} has a process do. */
export interface MemoryJob {
  readonly kernels: 'simd' | 'reference';
  readonly threads: number;
  /** `null` to load the library and make the kernels, and nothing else. */
  readonly generation: {
    readonly folder: string;
    readonly mode: 'base' | 'hamburger';
    readonly promptTokens: number;
    readonly macroSteps: number;
  } | null;
}

/** What it answers. */
export interface MemoryPeak {
  readonly peakBytes: number;
}

/** The most memory that was resident at a time in a process that does the job, in bytes. */
export async function peakMemory(job: MemoryJob): Promise<number> {
  const program = builtProgram('bench/memory-process.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(job)]);
  return (JSON.parse(stdout) as MemoryPeak).peakBytes;
}
