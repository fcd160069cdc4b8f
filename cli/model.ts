/**
 * Which model a command runs, and how it computes: the options that say so, and the model that they name.
 *
 * @module
 */

import type { Option } from 'commander';
import {
  CallerError,
  type Checkpoint,
  type Kernels,
  type Model,
  type ModelConfig,
  type Numerics,
  referenceKernels,
  type SimdKernels,
  simdKernels,
  simdSupported,
} from '../lib/index.ts';
import type { Context } from './context.ts';
import { namingOptions } from './option-names.ts';
import { choice, integer, option } from './options.ts';
import { threadsToStart, useFastest } from './threads.ts';

/** The kernel sets that can be chosen. `simd` has f32 only, and gives the bits of `reference`. */
const KERNELS = ['simd', 'reference'] as const;

/** Options that say which model, and how it computes. */
export interface ModelOptions {
  readonly checkpoint?: string;
  readonly numerics: Numerics;
  readonly kernels?: (typeof KERNELS)[number];
  readonly threads?: number;
}

/** `--checkpoint` */
export function checkpointOption(): Option {
  return option('--checkpoint <folder>', 'checkpoint folder (default: the toy that comes with the package)');
}

/** `--numerics`, `--kernels` and `--threads` */
export function arithmeticOptions(): readonly [Option, Option, Option] {
  return [
    choice('--numerics <mode>', 'arithmetic in binary32 or in binary64', ['f32', 'f64'] satisfies Numerics[]),
    choice(
      '--kernels <set>',
      'implementation of that arithmetic; the bits are the same (default: simd for f32)',
      KERNELS,
      null,
    ),
    option(
      '--threads <n>',
      'threads that share the work of the simd kernels; the bits are the same (default: what is fastest here)',
      integer(1),
    ),
  ];
}

/** A model that is ready to run, and the threads that share its work. */
export interface LoadedModel {
  readonly model: Model;
  readonly threads: number;
}

/** Loads the model into the kernels that the options ask for, with a progress bar. @param cacheEntries as of {@link loadInto} */
export function loadModel(
  context: Context,
  checkpoint: Checkpoint,
  options: ModelOptions,
  cacheEntries = 0,
): LoadedModel {
  const kernels = kernelsFor(context, options, checkpoint.config);
  const model = loadInto(context, checkpoint, kernels, { cacheEntries });
  return { model, threads: settleThreads(kernels, model, options.threads) };
}

/**
 * Loads a model into given kernels, with a progress bar; Ctrl-C breaks it off.
 *
 * @param cacheEntries KV entries of the run that is to come, if that is known: without room for them nothing is loaded
 */
export function loadInto(
  { output, interruptibly }: Context,
  checkpoint: Checkpoint,
  kernels: Kernels,
  { label = 'Loading', cacheEntries = 0 }: { readonly label?: string; readonly cacheEntries?: number } = {},
): Model {
  const progress = output.progress(label);
  try {
    return interruptibly(() => checkpoint.loadModel(kernels, progress.update, cacheEntries));
  } finally {
    progress.stop();
  }
}

/** How many threads share the work from now on: as many as were asked for, else as are fastest for so many rows. */
export function settleThreads(
  kernels: Kernels | SimdKernels,
  model: Model,
  threads: number | undefined,
  rows = 1,
): number {
  return 'useThreads' in kernels ? (threads ?? useFastest(kernels, model, rows)) : 1;
}

/** The kernels that the options ask for. @param rows that will go through the model together: one in decoding */
export function kernelsFor(
  { output }: Context,
  { numerics, kernels, threads }: Omit<ModelOptions, 'checkpoint'>,
  config: ModelConfig,
  rows = 1,
): Kernels | SimdKernels {
  if (kernels === 'simd' && numerics !== 'f32') {
    throw new CallerError({ subject: '--kernels simd', expected: '--numerics f32', found: numerics });
  }
  if (kernels === 'simd' || (kernels === undefined && numerics === 'f32' && simdSupported())) {
    return namingOptions({ threads: '--threads' }, () =>
      simdKernels({ threads: threads ?? threadsToStart(config, rows) }),
    );
  }
  if (threads !== undefined && threads > 1) {
    output.say(`note: --threads ${threads} has no effect with the reference kernels, which use one`);
  }
  if (kernels === undefined && numerics === 'f32') {
    output.say('note: no WebAssembly SIMD here; the reference kernels are slower and give the same bits');
  }
  return referenceKernels(numerics);
}
