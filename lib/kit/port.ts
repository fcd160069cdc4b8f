/**
 * A port that runs in this process, and this package as one: what it computes for a case of the kit.
 *
 * @module
 */

import { type GeneratedToken, generate, teacherForced } from '../decode/generate.ts';
import { profiles } from '../decode/profiles.ts';
import { DataError, HamburgerError, show } from '../errors.ts';
import type { Kernels } from '../kernels/kernels.ts';
import { compositionalEmbedder } from '../model/compositional-embedder.ts';
import type { ModelConfig } from '../model/config.ts';
import { createModel, type HamburgerModel } from '../model/model.ts';
import { stopProbabilities } from '../model/stop-head.ts';
import { attention } from '../ops/attention.ts';
import { embedding } from '../ops/embedding.ts';
import { linear } from '../ops/linear.ts';
import { rmsNorm } from '../ops/rms-norm.ts';
import { rope, ropeFrequencies, ropeTable } from '../ops/rope.ts';
import { silu } from '../ops/silu.ts';
import { softmax } from '../ops/softmax.ts';
import { swiglu } from '../ops/swiglu.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { namedTrace, recordTrace, type Trace } from '../trace.ts';
import { stopCrossEntropy, tokenCrossEntropy } from '../train/losses.ts';
import { metricsOf } from '../train/token-metrics.ts';
import { type Answer, type Attempt, type Case, type Claim, PROTOCOL, stopReasonOf } from './case.ts';
import { dataValue } from './data-functions.ts';
import type { Kit } from './kit.ts';
import { opParameters, parametersOf } from './op-stages.ts';
import { addToken, profileOf } from './runs.ts';
import { runVerified } from './verified-run.ts';

/** What a port gave for a case. */
export interface PortOutput {
  readonly answer: Answer;
  /** What it dumped. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A port in this process. */
export interface Port {
  readonly claim: Claim;
  /** Answers a case. Whatever it throws makes the case `errored`. */
  run(each: Case): PortOutput;
}

/** Features that a port may claim; cases require them. */
export const FEATURES = [
  'log-probabilities',
  'rope.llama3',
  'sampling',
  'sampling.logit-bias',
  'sampling.min-p',
  'sampling.repetition-penalty',
  'segmentation',
  'stop-strings',
  'training',
  'verification',
] as const;

/** This package as a port, with these kernels. */
export function referencePort(kit: Kit, kernels: Kernels, version: string): Port {
  return {
    claim: {
      protocol: PROTOCOL,
      port: { name: 'hamburger', version, language: 'TypeScript' },
      numerics: kernels.numerics,
      profiles: [...profiles.keys()],
      modes: ['op', 'teacher', 'free', 'verified', 'data', 'invalid'],
      features: [...FEATURES],
    },
    run(each) {
      const inputs = kit.tensors(each, 'in');
      const models = (path: string) => kit.model(path, kernels);
      if (each.mode !== 'invalid') return attemptOutput(each, inputs, models, kernels);
      try {
        return attemptOutput(each.attempt, inputs, models, kernels);
      } catch (error) {
        if (!(error instanceof HamburgerError)) throw error;
        return { answer: { status: 'rejected', code: rejectionCode(error) }, tensors: new Map() };
      }
    },
  };
}

/** What this package gives for a task. @throws as its own functions, for one that has to be refused */
export function attemptOutput(
  task: Attempt,
  inputs: ReadonlyMap<string, Tensor>,
  modelAt: (path: string) => HamburgerModel,
  kernels: Kernels,
): PortOutput {
  switch (task.mode) {
    case 'op':
      return {
        answer: { status: 'ok', dump: 'dump.safetensors' },
        tensors: computeOp(task, inputs, kernels),
      };
    case 'data':
      return { answer: { status: 'ok', value: dataValue(task) }, tensors: new Map() };
    case 'teacher': {
      const { trace, tensors } = recordTrace();
      const { prompt, segments } = task;
      teacherForced(modelAt(task.model), { prompt, segments, profile: profileOf(task.profile), trace });
      return { answer: { status: 'ok', dump: 'dump.safetensors' }, tensors };
    }
    case 'free':
      return runFree(task, modelAt(task.model));
    case 'verified': {
      const { trace, tensors } = recordTrace();
      const run = runVerified(task, { draft: modelAt(task.model), target: modelAt(task.target), trace });
      return { answer: { status: 'ok', dump: 'dump.safetensors', ...run }, tensors };
    }
  }
}

function runFree(task: Extract<Attempt, { mode: 'free' }>, model: HamburgerModel): PortOutput {
  const { trace, tensors } = recordTrace();
  const run = generate(model, {
    prompt: task.prompt,
    maxTokens: task.max_tokens,
    maxPositions: task.max_positions,
    confidence: task.confidence,
    eosTokenIds: task.eos_token_ids,
    profile: profileOf(task.profile),
    trace,
  });
  const macroSteps: number[][] = [];
  let next = run.next();
  for (; !next.done; next = run.next()) {
    addToken(macroSteps, next.value as GeneratedToken);
  }
  return {
    answer: {
      status: 'ok',
      dump: 'dump.safetensors',
      macro_steps: macroSteps,
      stop_reason: stopReasonOf(next.value.stopReason),
    },
    tensors: emittedOnly(tensors, macroSteps),
  };
}

/** Without the tensors of tokens that a profile computes and cuts off. */
function emittedOnly(
  tensors: ReadonlyMap<string, Tensor>,
  macroSteps: readonly (readonly number[])[],
): Map<string, Tensor> {
  return new Map(
    [...tensors].filter(([name]) => {
      const [, macro, micro] = /^macro\.(\d+)\.(?:micro\.(\d+)\.)?/.exec(name)!;
      const emitted = macroSteps[Number(macro)]?.length ?? 0;
      return Number(micro ?? 0) < emitted;
    }),
  );
}

/** The outputs of an operation of the kit, by this package's own operations. */
function computeOp(
  task: Extract<Attempt, { mode: 'op' }>,
  inputs: ReadonlyMap<string, Tensor>,
  kernels: Kernels,
): Map<string, Tensor> {
  const inMode = new Map([...inputs].map(([name, tensor]) => [name, copied(kernels, tensor)]));
  const at = (name: string): Tensor => {
    const tensor = inMode.get(name);
    if (tensor !== undefined) return tensor;
    throw new DataError({
      subject: `tensors of op ${task.op}`,
      expected: name,
      found: inputs.size === 0 ? 'no tensors' : show([...inputs.keys()].join(', ')),
    });
  };
  const traced = (
    run: (trace: Trace) => Tensor,
    last: string,
    names: Readonly<Record<string, string>> = {},
  ) => {
    const shown = new Map<string, Tensor>();
    const output = run(namedTrace((name, tensor) => shown.set(names[name] ?? name, tensor.clone())));
    return shown.set(last, output);
  };
  const one = (name: string, tensor: Tensor) => new Map([[name, tensor]]);
  switch (task.op) {
    case 'embedding':
      return one('y', embedding(kernels, at('weight'), parametersOf(task, opParameters.embedding).ids));
    case 'linear': {
      const bias = task.parameters.bias === true ? { bias: at('bias') } : {};
      return one('y', linear(kernels, at('x'), { weight: at('weight'), ...bias }));
    }
    case 'rms_norm':
      return one('y', rmsNorm(kernels, at('x'), at('weight'), parametersOf(task, opParameters.rms_norm).eps));
    case 'softmax':
      return one('y', softmax(kernels, at('x'), parametersOf(task, opParameters.visible).visible));
    case 'silu':
      return one('y', silu(kernels, at('x')));
    case 'sigmoid': {
      const y = kernels.empty(at('x').shape);
      kernels.sigmoid(at('x'), y);
      return one('y', y);
    }
    case 'rope': {
      const { positions, theta, scaling } = parametersOf(task, opParameters.rope);
      const frequencies = ropeFrequencies(at('x').shape[2]!, theta, scaling);
      return one('y', rope(kernels, at('x'), ropeTable(kernels, frequencies, positions, 'mode')));
    }
    case 'attention': {
      const { visible } = parametersOf(task, opParameters.visible);
      const operands = { queries: at('queries'), keys: at('keys'), values: at('values'), visible };
      const shown = traced((trace) => attention(kernels, operands, trace), 'context');
      const [T, H, size] = at('queries').shape as [number, number, number];
      return shown.set('context', shown.get('context')!.reshape([T, H * size]));
    }
    case 'swiglu': {
      const weights = {
        gate_proj: { weight: at('gate_proj') },
        up_proj: { weight: at('up_proj') },
        down_proj: { weight: at('down_proj') },
      };
      const shown = traced((trace) => swiglu(kernels, at('x'), weights, trace), 'y', {
        gate_proj: 'gate',
        up_proj: 'up',
      });
      shown.delete('down_proj');
      return shown;
    }
    case 'compositional_embedder': {
      const { num_merger_heads } = parametersOf(task, opParameters.compositional_embedder);
      const embeddings = at('embeddings');
      const [s, d] = embeddings.shape as [number, number];
      const weights = new Map([...inMode, ['embed_tokens.weight', embeddings] as const]);
      const sizes = { vocabSize: s, d, maxSteps: at('merger.pos').shape[0]!, heads: num_merger_heads };
      const model = moduleModel(kernels, weights, sizes);
      const ids = Array.from({ length: s }, (_, j) => j);
      const shown = traced((trace) => compositionalEmbedder(model, ids, trace), 'output');
      shown.delete('embeddings');
      return shown;
    }
    case 'stop_head': {
      const hidden = at('hidden');
      const sizes = { vocabSize: 1, d: hidden.shape[1]!, maxSteps: 1, heads: 1 };
      const model = moduleModel(kernels, inMode, sizes);
      const shown = new Map<string, Tensor>();
      stopProbabilities(
        model,
        hidden,
        namedTrace((name, tensor) => shown.set(name, tensor.clone())),
      );
      return shown;
    }
    case 'cross_entropy': {
      const { targets } = parametersOf(task, opParameters.targets);
      // One row at a time: the loss of this package is a sum.
      return perRow(kernels, 'loss', at('logits'), (row, t) =>
        tokenCrossEntropy(kernels, row, [targets[t]!], 1),
      );
    }
    case 'stop_loss': {
      const { targets } = parametersOf(task, opParameters.targets);
      const z = at('z').reshape([targets.length, 1]);
      return perRow(kernels, 'loss', z, (row, t) => stopCrossEntropy(kernels, row, [targets[t] === 1], 1));
    }
    case 'entropy':
      return perRow(kernels, 'entropy', at('logits'), (row) => metricsOf(row.data, 0).entropy);
    default:
      throw new DataError({ subject: 'op', expected: 'an operation of the kit', found: show(task.op) });
  }
}

function copied(kernels: Kernels, tensor: Tensor): Tensor {
  const copy = kernels.empty(tensor.shape);
  copy.data.set(tensor.data);
  return copy;
}

function perRow(
  kernels: Kernels,
  name: string,
  x: Tensor,
  value: (row: Tensor, t: number) => number,
): Map<string, Tensor> {
  const y = kernels.empty([x.shape[0]!]);
  for (let t = 0; t < y.data.length; t++) y.data[t] = value(x.rows(t, t + 1), t);
  return new Map([[name, y]]);
}

/** A model of which one module is looked at: it has the weights that are given, found by the ends of their names, and zeros elsewhere. */
function moduleModel(
  kernels: Kernels,
  weights: ReadonlyMap<string, Tensor>,
  { vocabSize, d, maxSteps, heads }: { vocabSize: number; d: number; maxSteps: number; heads: number },
): HamburgerModel {
  const config: ModelConfig = {
    vocabSize,
    hiddenSize: d,
    intermediateSize: 1,
    numHiddenLayers: 1,
    numAttentionHeads: 1,
    numKeyValueHeads: 1,
    maxPositionEmbeddings: 1,
    rmsNormEps: 1e-5,
    ropeTheta: 10000,
    ropeScaling: null,
    tieWordEmbeddings: true,
    bosTokenId: null,
    eosTokenIds: [],
    hamburger: { maxSteps, numMergerHeads: heads, featureLayerIndices: [0], numMicroLayers: 1 },
  };
  return createModel(config, kernels, (name, shape) => {
    const given = [...weights].find(([end]) => name.endsWith(end));
    return given === undefined ? kernels.empty(shape) : given[1];
  }) as HamburgerModel;
}

/** The kit's code for what this package refuses (INTERPRETING 2.6). */
export function rejectionCode({ fault }: HamburgerError): string {
  const rule = fault.rule ?? '';
  const few = /^(0|none|.*no tokens.*)$/.test(fault.found);
  if (rule.startsWith('configuration/') || fault.subject.includes('config.json')) return 'E_CONFIG';
  if (rule === '' && fault.subject.includes('.safetensors')) return 'E_SAFETENSORS';
  if (rule === 'checkpoint/C1') {
    if (fault.found.startsWith('none of that name')) return 'E_WEIGHT_MISSING';
    return fault.found.startsWith('one more') ? 'E_WEIGHT_EXTRA' : 'E_WEIGHT_SHAPE';
  }
  if (rule === 'checkpoint/C3') return 'E_WEIGHT_VALUE';
  if (rule === 'base/C1') return 'E_TOKEN_RANGE';
  if (rule === 'compositional-embedder/C1') return few ? 'E_SEGMENT_EMPTY' : 'E_SEGMENT_TOO_LONG';
  if (rule === 'generation/C1') return few ? 'E_PROMPT_EMPTY' : 'E_SEQUENCE_TOO_LONG';
  if (rule === 'termination/C1') return 'E_CONFIDENCE';
  if (rule === 'verification/C3') return 'E_TARGET';
  if (rule === 'token-choice/C2' || rule === 'segmentation/C3') return 'E_NOT_A_NUMBER';
  return 'E_UNKNOWN';
}
