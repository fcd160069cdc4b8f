/**
 * `hamburger bench`: how fast a model runs here, beside what this machine can do at most.
 *
 * @module
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  baseOf,
  CallerError,
  type Checkpoint,
  initialiser,
  type Kernels,
  openCheckpoint,
  parameterCount,
  presets,
  referenceKernels,
  type Storage,
  simdKernels,
  sizeOf,
  storageOf,
  type WeightDtype,
  type WeightMemory,
  weightBytes,
  weightMemoryOf,
  writeCheckpoint,
} from '../../lib/index.ts';
import {
  MODES,
  type Mode,
  measure,
  PARTS,
  type Part,
  type Plan,
  positionsFor,
  type Setup,
  type Step,
  simdEngines,
  withinPositions,
} from '../bench/measure.ts';
import { reportText } from '../bench/tables.ts';
import type { Context } from '../context.ts';
import { oneAfterAnother } from '../interrupt.ts';
import { machine } from '../machine.ts';
import { choice, choiceList, examples, integer, integerList, nonEmpty, option } from '../options.ts';
import { thousands } from '../output.ts';
import { toyCheckpoint } from '../package-root.ts';

const KERNELS = ['simd', 'reference'] as const;
type KernelSet = (typeof KERNELS)[number];

/** More threads than these are measured only if asked for. */
const MOST_DEFAULT_THREADS = 4;

interface Options {
  readonly preset?: string;
  readonly seed: string;
  readonly dtype: WeightDtype;
  readonly modes?: readonly Mode[];
  readonly kernels: readonly KernelSet[];
  readonly threads?: readonly number[];
  readonly promptTokens: number;
  readonly tokens: number;
  readonly contexts: readonly number[];
  readonly repetitions: number;
  readonly only: readonly Part[];
  readonly json?: true;
}

/** Thrown where nobody reads stdout any more. */
class NobodyListens extends Error {}

export function addBench(program: Command, context: Context): void {
  program
    .command('bench')
    .summary('measure the speed of a model, beside the limits of this machine')
    .description(
      'Measures how fast a model decodes and reads prompts, how that changes with the context, and how much memory it ' +
        'takes; beside them, in the same run, how fast this machine multiplies and reads memory. Medians over ' +
        'repetitions that take turns. HAMburger decodes with confidence 0: every macro-step emits as many tokens as it can.',
    )
    .argument('[checkpoint]', 'checkpoint folder (default: the toy that comes with the package)')
    .addOption(choice('--preset <name>', 'a model with random weights instead', [...presets.keys()], null))
    .addOption(option('--seed <text>', 'seed of those weights', nonEmpty('a seed'), { value: '0' }))
    .addOption(
      choice('--dtype <type>', 'their element type', ['F32', 'BF16', 'F16', 'F64'] satisfies WeightDtype[]),
    )
    .addOption(
      option(
        '--modes <list>',
        `of ${MODES.join(', ')} (default: those that the model has)`,
        choiceList(MODES),
      ),
    )
    .addOption(
      option('--kernels <list>', `of ${KERNELS.join(', ')}; f32`, choiceList<KernelSet>(KERNELS), {
        value: [...KERNELS],
        shown: 'both',
      }),
    )
    .addOption(
      option(
        '--threads <list>',
        `numbers of threads, for simd (default: 1 to the cores, at most ${MOST_DEFAULT_THREADS})`,
        integerList,
      ),
    )
    .addOption(option('--prompt-tokens <n>', 'length of the prompt of prefill', integer(1), { value: 512 }))
    .addOption(option('--tokens <n>', 'output tokens to decode', integer(1), { value: 64 }))
    .addOption(
      option('--contexts <list>', 'KV entries at which the cost of a token is measured', integerList, {
        value: [64, 256, 1024, 4096],
        shown: '64,256,1024,4096',
      }),
    )
    .addOption(option('--repetitions <n>', 'how often all is measured', integer(1), { value: 5 }))
    .addOption(
      option('--only <list>', `parts of it, of ${PARTS.join(', ')}`, choiceList<Part>(PARTS), {
        value: [...PARTS],
        shown: 'all',
      }),
    )
    .addOption(option('--json', 'print as JSON, in seconds, bytes, and operations per second'))
    .addHelpText(
      'after',
      examples(
        'hamburger bench --preset tiny --repetitions 1 --prompt-tokens 64 --contexts 64,256',
        'hamburger bench --only decode --kernels simd --threads 1 --modes base --tokens 32',
        'hamburger bench tiny --only memory --kernels simd --json',
      ),
    )
    .action((folder: string | undefined, options: Options) => action(context, folder, options));
}

async function action(context: Context, folder: string | undefined, options: Options): Promise<void> {
  if (folder !== undefined && options.preset !== undefined) {
    throw new CallerError({ subject: 'model', expected: 'a checkpoint or --preset', found: 'both' });
  }
  checkLists(options);
  if (options.preset === undefined) return run(context, folder ?? toyCheckpoint(), options);
  const temporary = mkdtempSync(join(tmpdir(), 'hamburger-bench-'));
  const remove = (): void => rmSync(temporary, { recursive: true, force: true });
  // A signal ends the process without coming back here.
  process.once('exit', remove);
  try {
    const made = join(temporary, options.preset);
    makePreset(context, made, options.preset, options);
    await run(context, made, options);
  } finally {
    process.removeListener('exit', remove);
    remove();
  }
}

/** Numbers in lists are integers, but not all of them make sense. */
function checkLists({ threads = [], contexts }: Options): void {
  for (const [subject, list] of [
    ['--threads', threads],
    ['--contexts', contexts],
  ] as const) {
    if (list.every((count) => count >= 1)) continue;
    throw new CallerError({ subject, expected: 'integers of at least 1', found: list.join(',') });
  }
}

/** Writes a preset with as many positions as the measurements need. */
function makePreset(context: Context, out: string, name: string, options: Options): void {
  const preset = presets.get(name)!;
  const needed = positionsFor(planOf(options, MODES), preset);
  const config = { ...preset, maxPositionEmbeddings: Math.max(preset.maxPositionEmbeddings, needed) };
  const progress = context.output.progress('Making the model');
  try {
    const contents = { config, dtype: options.dtype, tensor: initialiser(options.seed, config) };
    writeCheckpoint(out, contents, { onTensor: progress.update, run: context.interruptibly });
  } finally {
    progress.stop();
  }
}

function planOf(options: Options, modes: readonly Mode[]): Plan {
  const cores = Math.min(availableParallelism(), MOST_DEFAULT_THREADS);
  return {
    parts: options.only,
    modes,
    promptTokens: options.promptTokens,
    tokens: options.tokens,
    contexts: options.contexts,
    repetitions: options.repetitions,
    threads: options.threads ?? Array.from({ length: cores }, (_, i) => i + 1),
  };
}

function modesOf(options: Options, { config, folder }: Checkpoint): readonly Mode[] {
  if (config.hamburger !== null) return options.modes ?? MODES;
  if (options.modes?.includes('hamburger')) {
    throw new CallerError({
      subject: '--modes hamburger',
      expected: 'a checkpoint with HAMburger modules',
      found: `a plain base, ${folder}`,
      hint: '"hamburger init --from-base" gives it modules',
    });
  }
  return ['base'];
}

async function run(context: Context, folder: string, options: Options): Promise<void> {
  const { output } = context;
  const checkpoint = openCheckpoint(folder);
  try {
    const { config } = checkpoint;
    const { plan, notes } = withinPositions(planOf(options, modesOf(options, checkpoint)), config);
    if (plan.tokens < 1 || plan.promptTokens < 1) {
      throw new CallerError({
        subject: folder,
        expected: `at least ${positionsFor({ ...plan, promptTokens: 1, tokens: 1, contexts: [] }, config)} positions`,
        found: `${config.maxPositionEmbeddings}`,
      });
    }
    for (const note of notes) output.say(`note: ${note}`);
    const loadBefore = loadavg()[0]!;
    const setups = setUp(context, checkpoint, options.kernels, plan);
    const progress = output.progress('Measuring');
    const interruptibly = oneAfterAnother(context.interruptibly);
    const step: Step = async (work, done, total) => {
      const value = interruptibly(work);
      progress.update(done, total);
      await output.turn();
      if (output.closed) throw new NobodyListens();
      return value;
    };
    try {
      const report = await measure(folder, config, plan, setups, step);
      progress.stop();
      const dtypes = [...new Set(checkpoint.tensors.map(({ dtype }) => dtype))];
      const facts = { parameters: parameterCount(config), dtypes, loadBefore, loadAfter: loadavg()[0]! };
      if (options.json) output.json(snakeCase({ ...settingsOf(folder, options, plan, facts), ...report }));
      else {
        output.data(output.shown(`${heading(folder, options, plan, facts)}\n\n${reportText(report)}\n`));
      }
    } finally {
      progress.stop();
    }
  } catch (error) {
    if (!(error instanceof NobodyListens)) throw error;
  } finally {
    checkpoint.close();
  }
}

/** Loads the model for each kernel set. */
function setUp(
  { output, interruptibly }: Context,
  checkpoint: Checkpoint,
  names: Options['kernels'],
  { modes, threads }: Plan,
): Setup[] {
  const progress = output.progress('Loading');
  const modelsOn = (kernels: Kernels): Pick<Setup, 'models' | 'storage' | 'weightBytes'> => {
    const model = interruptibly(() => checkpoint.loadModel(kernels, progress.update));
    const memory = weightMemoryOf(kernels);
    return {
      models: new Map(modes.map((mode) => [mode, mode === 'base' ? baseOf(model) : model])),
      storage: mostlyStored(memory, checkpoint.tensors),
      weightBytes: weightBytes(memory, checkpoint.tensors),
    };
  };
  try {
    // The fast ones first, whatever the order of the list: what is measured with one set only is measured with them.
    return KERNELS.filter((name) => names.includes(name)).map((name) => {
      if (name === 'reference') {
        const engine = { kernels: name, threads: 1, use() {} };
        return { kernels: name, engines: [engine], ...modelsOn(referenceKernels('f32')) };
      }
      const kernels = simdKernels({ threads: Math.max(...threads) });
      const engines = simdEngines(kernels, threads);
      return { kernels: name, engines, ...modelsOn(kernels) };
    });
  } finally {
    progress.stop();
  }
}

/** How most of the weights lie in the memory of kernels. */
function mostlyStored(memory: WeightMemory, tensors: Checkpoint['tensors']): Storage {
  const kept = tensors.filter((tensor) => storageOf(memory, tensor) === 'bf16');
  const numbers = (list: Checkpoint['tensors']): number =>
    list.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return numbers(kept) > numbers(tensors) / 2 ? 'bf16' : memory.numerics;
}

interface Facts {
  readonly parameters: number;
  /** What the checkpoint stores them as. */
  readonly dtypes: readonly string[];
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/** What the model is called. */
function modelName(folder: string, { preset, seed }: Options): string {
  return preset === undefined ? folder : `preset ${preset}, seed ${seed}`;
}

function settingsOf(folder: string, options: Options, plan: Plan, facts: Facts) {
  return {
    settings: {
      model: modelName(folder, options),
      parameters: facts.parameters,
      dtypes: facts.dtypes,
      parts: plan.parts,
      modes: plan.modes,
      kernels: options.kernels,
      threads: plan.threads,
      promptTokens: plan.promptTokens,
      tokens: plan.tokens,
      contexts: plan.contexts,
      repetitions: plan.repetitions,
    },
    machine: {
      ...machine(),
      loadBefore: facts.loadBefore,
      loadAfter: facts.loadAfter,
    },
  };
}

function heading(folder: string, options: Options, plan: Plan, facts: Facts): string {
  const { settings, machine } = settingsOf(folder, options, plan, facts);
  const [before, after] = [machine.loadBefore, machine.loadAfter].map((load) => load.toFixed(1));
  return [
    `${settings.model}: ${thousands(settings.parameters)} parameters in ${settings.dtypes.join(', ')}`,
    `${machine.processor}, cores: ${machine.cores}, ${machine.system}, Node.js ${machine.node}, load ${before} before and ${after} after`,
    `medians of ${plan.repetitions} repetitions that took turns`,
  ].join('\n');
}

/** A value with names as JSON of this project has them. */
function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(member),
    ]),
  );
}
