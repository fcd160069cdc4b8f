/**
 * `hamburger inspect`: what a checkpoint is made of.
 *
 * @module
 */

import type { Command } from 'commander';
import {
  basePrefix,
  type Checkpoint,
  configJson,
  headSize,
  MODE_BYTES,
  type ModelConfig,
  numbersPerEntry,
  openCheckpoint,
  SIMD_WEIGHT_MEMORY,
  sizeOf,
  weightBytes,
} from '../../lib/index.ts';
import type { Context } from '../context.ts';
import { examples, option } from '../options.ts';
import { byteSize, table, thousands } from '../output.ts';
import { toyCheckpoint } from '../package-root.ts';

export function addInspect(program: Command, context: Context): void {
  program
    .command('inspect')
    .summary('show what a checkpoint is made of')
    .description(
      'Shows the configuration of a checkpoint, where its parameters sit, and the memory that it needs.',
    )
    .argument('[folder]', 'checkpoint folder (default: the toy that comes with the package)')
    .addOption(option('--json', 'print as JSON'))
    .addHelpText(
      'after',
      examples('hamburger inspect', 'hamburger inspect tiny', 'hamburger inspect tiny --json'),
    )
    .action((folder: string | undefined, options: { readonly json?: true }) => {
      const checkpoint = openCheckpoint(folder ?? toyCheckpoint());
      try {
        const facts = factsOf(checkpoint);
        if (options.json) context.output.json(factsJson(checkpoint, facts));
        else context.output.data(context.output.shown(factsText(checkpoint, facts)));
      } finally {
        checkpoint.close();
      }
    });
}

/** A part of the model and how many parameters it has. */
interface Part {
  readonly name: string;
  readonly parameters: number;
}

interface Facts {
  readonly parts: readonly Part[];
  readonly parameters: number;
  /** Numbers of the base's cache for one KV entry: keys and values of every layer. */
  readonly numbersPerEntry: number;
  readonly fileBytes: number;
  /** Bytes of the weights in the memory of the simd kernels. */
  readonly simdBytes: number;
}

function factsOf({ config, tensors }: Checkpoint): Facts {
  const counts = new Map<string, number>();
  for (const { name, shape } of tensors) {
    const part = partOf(name, config);
    counts.set(part, (counts.get(part) ?? 0) + sizeOf(shape));
  }
  const parts = Array.from(counts, ([name, parameters]) => ({ name, parameters }));
  return {
    parts,
    parameters: parts.reduce((sum, { parameters }) => sum + parameters, 0),
    numbersPerEntry: numbersPerEntry(config),
    fileBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    simdBytes: weightBytes(SIMD_WEIGHT_MEMORY, tensors),
  };
}

function partOf(parameter: string, config: ModelConfig): string {
  const base = basePrefix(config);
  const parts = [
    [
      `${base}model.embed_tokens.`,
      config.tieWordEmbeddings ? 'embedding table and LM head' : 'embedding table',
    ],
    [`${base}model.layers.`, 'base layers'],
    [`${base}model.norm.`, 'final norm'],
    [`${base}lm_head.`, 'LM head'],
    ['comp_embedder.', 'compositional embedder'],
    ['micro_step_decoder.decoders.', 'micro-step decoder'],
    ['micro_step_decoder.stop_head.', 'stop head'],
  ] as const;
  return parts.find(([prefix]) => parameter.startsWith(prefix))![1];
}

function factsJson({ config, tensors, tokenizer, chatTemplate }: Checkpoint, facts: Facts): unknown {
  return {
    config: configJson(config, tensors[0]!.dtype),
    tokenizer: tokenizer === null ? null : { vocabulary_size: tokenizer.vocabularySize },
    chat_template: chatTemplate !== null,
    parameters: facts.parameters,
    parts: facts.parts,
    memory_bytes: { file: facts.fileBytes, simd: facts.simdBytes, ...perMode(facts.parameters) },
    kv_entry_bytes: perMode(facts.numbersPerEntry),
    tensors: tensors.map(({ name, dtype, shape, file, bytes }) => ({ name, dtype, shape, file, bytes })),
  };
}

function perMode(numbers: number): Record<keyof typeof MODE_BYTES, number> {
  return { f32: numbers * MODE_BYTES.f32, f64: numbers * MODE_BYTES.f64 };
}

function factsText({ folder, config, tensors, tokenizer, chatTemplate }: Checkpoint, facts: Facts): string {
  const { hamburger } = config;
  const weights = perMode(facts.parameters);
  const entry = perMode(facts.numbersPerEntry);
  const percent = (count: number): string => `${((100 * count) / facts.parameters).toFixed(1)} %`;
  const sections = [
    `${folder}: ${hamburger === null ? 'a plain base' : 'a HAMburger'}`,
    table([
      ['vocabulary', `${config.vocabSize}`],
      ['width', `${config.hiddenSize}, ${config.intermediateSize} in the feed-forward block`],
      ['layers', `${config.numHiddenLayers}`],
      [
        'heads',
        `${config.numAttentionHeads} of ${headSize(config)}, ${config.numKeyValueHeads} for keys and values`,
      ],
      ['positions', `${config.maxPositionEmbeddings}`],
      [
        'RoPE',
        `theta ${config.ropeTheta}${config.ropeScaling === null ? '' : `, Llama-3 scaling by ${config.ropeScaling.factor}`}`,
      ],
      ['RMSNorm', `eps ${config.rmsNormEps}`],
      ['LM head', config.tieWordEmbeddings ? 'the embedding table' : 'a table of its own'],
      ['ends at', config.eosTokenIds.length === 0 ? 'no token' : `token ${config.eosTokenIds.join(', ')}`],
      ...(hamburger === null
        ? []
        : [
            ['macro-step', `at most ${hamburger.maxSteps} tokens`],
            ['features', `layers ${hamburger.featureLayerIndices.join(', ')}`],
            ['micro-step decoder', `${hamburger.numMicroLayers} layers`],
            ['merger', `${hamburger.numMergerHeads} heads`],
          ]),
      ['tokenizer', tokenizer === null ? 'none' : `${tokenizer.vocabularySize} tokens`],
      ['chat template', chatTemplate === null ? 'none' : 'yes'],
    ]),
    table([
      ['part', 'parameters', 'share'],
      ...facts.parts.map(({ name, parameters }) => [name, thousands(parameters), percent(parameters)]),
      ['all', thousands(facts.parameters), percent(facts.parameters)],
    ]),
    table([
      ['memory', 'f32', 'f64'],
      ['weights', byteSize(weights.f32), byteSize(weights.f64)],
      ...(facts.simdBytes === weights.f32
        ? []
        : [['weights in the simd kernels, which keep BF16', byteSize(facts.simdBytes), '']]),
      ['one KV entry', byteSize(entry.f32), byteSize(entry.f64)],
      [
        `${config.maxPositionEmbeddings} KV entries`,
        byteSize(entry.f32 * config.maxPositionEmbeddings),
        byteSize(entry.f64 * config.maxPositionEmbeddings),
      ],
    ]),
    table([
      ['tensor', 'type', 'shape', 'bytes', 'file'],
      ...tensors.map(({ name, dtype, shape, bytes, file }) => [
        name,
        dtype,
        `[${shape.join(', ')}]`,
        thousands(bytes),
        file,
      ]),
    ]),
  ];
  return `${sections.join('\n\n')}\n`;
}
