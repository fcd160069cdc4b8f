/**
 * The parts of an explanation, and where each section of SPEC.md is to be seen: the one table by which specification, code and pages link to
 * each other. `test/meta/links.test.ts` follows all of it, in both directions.
 *
 * @module
 */

/** A part of the page; its id is the anchor, such as `docs/explain.html#base`. */
export interface Part {
  readonly id: PartId;
  readonly title: string;
}

export type PartId =
  | 'text'
  | 'cache'
  | 'timeline'
  | 'segmentation'
  | 'embedder'
  | 'base'
  | 'features'
  | 'micro-steps'
  | 'heads'
  | 'run';

/** All parts, in the order of the page. */
export const parts: readonly Part[] = [
  { id: 'text', title: 'The text, one colour a macro-step' },
  { id: 'cache', title: 'The KV cache' },
  { id: 'timeline', title: 'Macro-steps and micro-steps' },
  { id: 'segmentation', title: 'Where the base is sure' },
  { id: 'embedder', title: 'Compositional embedder' },
  { id: 'base', title: 'Base' },
  { id: 'features', title: 'Features' },
  { id: 'micro-steps', title: 'Micro-step decoder' },
  { id: 'heads', title: 'LM head and stop head' },
  { id: 'run', title: 'About this run' },
];

/** Where a section of SPEC.md is transcribed and where it is to be seen. */
export interface SectionPlace {
  /** The section's slug. */
  readonly slug: string;
  readonly part: PartId;
  /** The files that transcribe it, paths below the project; each cites the section. */
  readonly code: readonly string[];
}

const place = (slug: string, part: PartId, ...code: readonly string[]): SectionPlace => ({
  slug,
  part,
  code,
});

/** Every section of SPEC.md, in the order of its part on the page. */
export const sectionPlaces: readonly SectionPlace[] = [
  place('generation', 'text', 'lib/decode/generate.ts', 'lib/decode/macro-step.ts', 'lib/decode/ends.ts'),
  place('stop-strings', 'text', 'lib/text/stop-strings.ts'),
  place(
    'verification',
    'text',
    'lib/decode/verified.ts',
    'lib/decode/verification-policy.ts',
    'lib/decode/roll-back.ts',
  ),
  place('kv-cache', 'cache', 'lib/decode/kv-cache.ts'),
  place('positions', 'cache', 'lib/decode/positions.ts'),
  place('notation', 'timeline', 'lib/tensor/shape.ts'),
  place('batching', 'timeline', 'lib/decode/generate-batch.ts'),
  place('cost', 'timeline', 'lib/model/cost.ts', 'lib/kernels/flops.ts', 'lib/decode/accounting.ts'),
  place('segmentation', 'segmentation', 'lib/train/segmentation.ts', 'lib/train/token-metrics.ts'),
  place('compositional-embedder', 'embedder', 'lib/model/compositional-embedder.ts'),
  place('base', 'base', 'lib/model/base.ts', 'lib/model/decoder-layer.ts'),
  place('rms-norm', 'base', 'lib/ops/rms-norm.ts'),
  place('linear', 'base', 'lib/ops/linear.ts'),
  place('rope', 'base', 'lib/ops/rope.ts'),
  place('attention', 'base', 'lib/ops/attention.ts'),
  place('softmax', 'base', 'lib/ops/softmax.ts'),
  place('swiglu', 'base', 'lib/ops/swiglu.ts'),
  place('features', 'features', 'lib/model/base.ts'),
  place('micro-step-decoder', 'micro-steps', 'lib/model/micro-step-decoder.ts'),
  place('token-distribution', 'heads', 'lib/decode/token-distribution.ts'),
  place('token-choice', 'heads', 'lib/decode/token-choice.ts', 'lib/ops/argmax.ts'),
  place('log-probabilities', 'heads', 'lib/decode/log-probabilities.ts'),
  place('stop-head', 'heads', 'lib/model/stop-head.ts'),
  place('termination', 'heads', 'lib/decode/termination.ts'),
  place('configuration', 'run', 'lib/model/config.ts', 'lib/checkpoint/config-file.ts'),
  place('profiles', 'run', 'lib/decode/profiles.ts'),
  place('numerics', 'run', 'lib/kernels/kernels.ts', 'lib/kernels/reference.ts'),
  place('elementary-functions', 'run', 'lib/math/exp.ts', 'lib/math/log.ts', 'lib/math/trigonometric.ts'),
  place('trace', 'run', 'lib/trace.ts'),
  place('checkpoint', 'run', 'lib/checkpoint/checkpoint.ts', 'lib/model/weights.ts'),
  place('safetensors', 'run', 'lib/checkpoint/safetensors.ts', 'lib/checkpoint/safetensors-writer.ts'),
  place('training', 'run', 'lib/train/forward.ts', 'lib/train/tape.ts'),
  place('losses', 'run', 'lib/train/losses.ts', 'lib/train/sample-loss.ts'),
  place('optimiser', 'run', 'lib/train/optimiser.ts', 'lib/train/schedule.ts'),
  place('recipe', 'run', 'lib/train/recipe.ts', 'lib/train/run.ts'),
  place('evaluation', 'run', 'lib/evaluate/figures.ts', 'lib/evaluate/estimate.ts'),
  place('calibration', 'run', 'lib/decode/judged-drafts.ts', 'lib/evaluate/calibration.ts'),
  place('conformance', 'run', 'lib/conformance/judge-run.ts', 'lib/conformance/bounded.ts'),
];
