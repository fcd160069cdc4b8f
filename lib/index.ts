/**
 * The public interface: everything that users of the package, and the command line, may rely on. Re-exports only.
 *
 * @module
 */

export {
  attemptToWrite,
  checkFolderPlace,
  writeFileAtomically,
  writeFolderAtomically,
  writeNewFile,
} from './checkpoint/atomic-output.ts';
export { indexOf } from './checkpoint/check-tensors.ts';
export { type Checkpoint, type OnTensor, openCheckpoint, readText } from './checkpoint/checkpoint.ts';
export { configJson, parseConfig, type WeightDtype } from './checkpoint/config-file.ts';
export { exportHuggingFace } from './checkpoint/export-hugging-face.ts';
export { fileSource } from './checkpoint/file-source.ts';
export { readCompanions, readWhole } from './checkpoint/folder-files.ts';
export { importHuggingFace } from './checkpoint/import-hugging-face.ts';
export { importLlama2c } from './checkpoint/import-llama2c.ts';
export { importStateDict } from './checkpoint/import-state-dict.ts';
export { graft, initialiser } from './checkpoint/initialise.ts';
export { canonicalJson, decodeUtf8, parseJson } from './checkpoint/json.ts';
export { type Pair, parsePairs, parsePrompts } from './checkpoint/pairs-file.ts';
export { placeIn } from './checkpoint/place.ts';
export { presets } from './checkpoint/presets.ts';
export { openSafetensors } from './checkpoint/safetensors.ts';
export { safetensorsBytes, type WritableDtype, writeSafetensors } from './checkpoint/safetensors-writer.ts';
export { readSnapshot, type Snapshot, writeSnapshot } from './checkpoint/snapshot.ts';
export type { DroppedTensor, ImportReport } from './checkpoint/stored-weights.ts';
export {
  SIMD_WEIGHT_MEMORY,
  type StoredWeight,
  storageOf,
  type WeightMemory,
  weightBytes,
  weightMemoryOf,
} from './checkpoint/weight-storage.ts';
export {
  type CheckpointContents,
  type WriteOptions,
  writeCheckpoint,
} from './checkpoint/write-checkpoint.ts';
export {
  type AccumulationQuality,
  MOST_BIAS,
  MOST_MEAN_SQUARE,
} from './conformance/accumulation.ts';
export {
  anchoredCheck,
  firstDivergence,
  type Outcome,
  type TensorVerdict,
  type WorstElement,
} from './conformance/anchored-check.ts';
export { diagnose, type Finding } from './conformance/diagnosis.ts';
export { judgeRun, type RunVerdict } from './conformance/judge-run.ts';
export { type MistakeNote, mistakeNotes } from './conformance/mistake-notes.ts';
export { type PortNumerics, portNumerics } from './conformance/numerics.ts';
export type { ForcedRun } from './conformance/stages.ts';
export { parseTraceDescription, type TraceDescription } from './conformance/trace-description.ts';
export {
  allFlops,
  type Counted,
  type Counts,
  countedGeneration,
  countedVerification,
  formulaCounts,
  type Growth,
  growthExponent,
  growthOf,
  kvBytes,
  type Meter,
  meter,
  plainDecoderCounts,
  type VerifiedCounts,
  withCounts,
} from './decode/accounting.ts';
export type { DraftEnd } from './decode/drafting.ts';
export type { MacroStepEnd, StopReason } from './decode/ends.ts';
export {
  type ForcedToken,
  type GeneratedToken,
  type GenerateOptions,
  type Generation,
  generate,
  type TeacherForcedOptions,
  teacherForced,
} from './decode/generate.ts';
export {
  type BatchEvent,
  type BatchOptions,
  type BatchRequest,
  DEFAULT_PLACES,
  generateBatch,
} from './decode/generate-batch.ts';
export { type JudgedDraft, type JudgedRun, judgedRun, targetChoices } from './decode/judged-drafts.ts';
export {
  type LogProbabilities,
  logProbabilities,
  type TokenLogProbability,
} from './decode/log-probabilities.ts';
export { segmentPosition } from './decode/positions.ts';
export {
  gptFastProfile,
  hfGenerateProfile,
  hfSeparateLastProfile,
  type Profile,
  profiles,
  trainProfile,
} from './decode/profiles.ts';
export { type ConfidenceThreshold, continueConfidence } from './decode/termination.ts';
export {
  adjustedGreedyChoice,
  greedyChoice,
  type SamplingOptions,
  sampleUniforms,
  samplingChoice,
  type TokenChoice,
  tokenProbability,
} from './decode/token-choice.ts';
export {
  checkDistributionOptions,
  checkLogitAdjustments,
  type DistributionOptions,
  drawToken,
  type LogitAdjustments,
  probabilitiesById,
  probabilityOf,
  type TokenDistribution,
  tokenDistribution,
} from './decode/token-distribution.ts';
export {
  blindPolicy,
  type DraftEvidence,
  greedyPolicy,
  lenientPolicy,
  samplingPolicy,
  type TypicalThresholds,
  typicalPolicy,
  VERIFICATION_POLICIES,
  type VerificationPolicy,
  verificationPolicy,
} from './decode/verification-policy.ts';
export {
  type AcceptanceCount,
  countAcceptance,
  type DraftedTokenFate,
  type DraftedTokenRecord,
  type VerificationStatistics,
} from './decode/verification-statistics.ts';
export {
  checkDraftAndTarget,
  checkVerification,
  generateVerified,
  type VerifiedGeneration,
  type VerifiedOptions,
  type VerifiedToken,
} from './decode/verified.ts';
export { CallerError, DataError, HamburgerError, InvariantError, show } from './errors.ts';
export {
  type AcceptanceBin,
  acceptanceByConfidence,
  CONFIDENCE_BINS,
  expectedCalibrationError,
  type ReliabilityBin,
  reliabilityOf,
  speaksAgainst,
  suggestedThreshold,
  type ThresholdFigures,
  thresholdFigures,
} from './evaluate/calibration.ts';
export {
  type Estimate,
  estimatedMean,
  estimatedRatio,
  estimatedShare,
  meanOfEstimates,
  median,
  type UnitCount,
} from './evaluate/estimate.ts';
export {
  type AnswerCount,
  type AnswerTime,
  type EntriesSaved,
  type Figures,
  figuresOf,
  type MeanFigures,
  type MeanSpeed,
  meanFigures,
  meanSpeed,
  type Speed,
  speedOf,
} from './evaluate/figures.ts';
export { type EvaluationReport, parseEvaluationReport } from './evaluate/report.ts';
export { type ExplainedRun, explain } from './explain/explain.ts';
export type { ExplainedMacroStep, ExplainedToken, Explanation, RunSettings } from './explain/explanation.ts';
export { type Part, parts, type SectionPlace, sectionPlaces } from './explain/parts.ts';
export { readTracedRun, type TracedRun } from './explain/read-trace.ts';
export { type Recording, recordedGeneration } from './explain/record.ts';
export { type SpecSection, specSections } from './explain/spec-sections.ts';
export { explanationPage, projectLinks, type ViewOptions } from './explain/view/page.ts';
export { countingKernels, type FlopCounter, primitiveFlops } from './kernels/flops.ts';
export type { Kernels, Workspace } from './kernels/kernels.ts';
export { referenceKernels } from './kernels/reference.ts';
export { type SimdCeilings, simdCeilings } from './kernels/simd/ceilings.ts';
export { simdSupported } from './kernels/simd/instantiate.ts';
export { type SimdKernels, type SimdOptions, simdKernels } from './kernels/simd/simd.ts';
export { CLAIM_FILE, caught, RESULT_FILE, readAnswer, readClaim, withDump } from './kit/answers.ts';
export {
  type Answer,
  type Attempt,
  type Case,
  type CaseOf,
  type Claim,
  type Decisions,
  exactNumber,
  INTERPRETATION,
  KIT_VERSION,
  kitJsonSchemas,
  PROTOCOL,
  parseAnswer,
  parseCase,
  parseClaim,
} from './kit/case.ts';
export { type Draft, fillKit, type KitContents } from './kit/draft.ts';
export {
  type CaseOutcome,
  type CaseVerdict,
  createJudge,
  type Divergence,
  type Judge,
  ULP_BUCKETS,
  unclaimed,
  unknownClaims,
} from './kit/judge.ts';
export { type AskedPort, type JudgePortOptions, judgePort } from './kit/judge-port.ts';
export { casePath, KIT_FILE, type Kit, openKit, readTensors, tensorsPath } from './kit/kit.ts';
export { type LiveKitOptions, liveKit } from './kit/live.ts';
export { kitWeight, numbersOf, tensorFrom } from './kit/numbers.ts';
export { FEATURES, type Port, type PortOutput, referencePort } from './kit/port.ts';
export {
  type Conclusion,
  type ConformanceReport,
  claimText,
  conformanceReport,
  reportJson,
  verifyReport,
} from './kit/report.ts';
export { roundToBf16 } from './math/float.ts';
export {
  type ReplayedUniforms,
  recordedUniforms,
  replayedUniforms,
  seededUniforms,
  type UniformSource,
} from './math/random.ts';
export { type HamburgerConfig, headSize, type ModelConfig } from './model/config.ts';
export {
  type ByPart,
  type Cost,
  kvCacheSize,
  type MacroStepShape,
  type ModelPart,
  macroStepCost,
  modelParts,
  numbersPerEntry,
  parameterCount,
} from './model/cost.ts';
export { baseOf, createModel, type HamburgerModel, isHamburger, type Model } from './model/model.ts';
export { basePrefix, parameters } from './model/weights.ts';

export {
  type Elements,
  MODE_BYTES,
  type Numerics,
  STORAGE_BYTES,
  type Storage,
  showShape,
  sizeOf,
  Tensor,
} from './tensor/tensor.ts';
export { BYTE_VOCABULARY_SIZE, byteTokenizerConfigJson, byteTokenizerJson } from './text/byte-tokenizer.ts';
export { type ChatMessage, renderChat } from './text/chat-template.ts';
export { printable, wellFormed } from './text/printable.ts';
export {
  type EncodedText,
  encodeConversation,
  encodePair,
  type PromptAndResponse,
} from './text/prompt-and-response.ts';
export { differingToken, type TokenDifference } from './text/same-tokens.ts';
export {
  checkStopStrings,
  type StopStringMatcher,
  type StopStringOptions,
  type StopStringProgress,
  stopStringMatcher,
} from './text/stop-strings.ts';
export { streamingDecoder } from './text/streaming-decoder.ts';
export { type DecodeOptions, loadTokenizer, type TextTokenizer } from './text/tokenizer.ts';
export { discardTrace, namedTrace, recordTrace, type Trace } from './trace.ts';
export { type DistilledResponse, type DistillOptions, distill } from './train/distill.ts';
export type { TrainingSample } from './train/forward.ts';
export {
  type AdamW,
  type AdamWOptions,
  adamWDefaults,
  clipGradients,
  createAdamW,
  type Moments,
  type ParameterGroup,
} from './train/optimiser.ts';
export { type GraftRecipe, type PretrainRecipe, parseRecipe, type Recipe } from './train/recipe.ts';
export {
  createTrainingRun,
  type EvaluationRecord,
  type RunState,
  type StepRecord,
  type TrainingEvent,
  type TrainingRun,
  type TrainingRunOptions,
} from './train/run.ts';
export { checkSameRun, parseStoredRun, type StoredRun, storedRunJson } from './train/run-state.ts';
export {
  defaultLossWeights,
  type Hits,
  type LossWeights,
  type SampleLoss,
  sampleLoss,
  tokenLoss,
} from './train/sample-loss.ts';
export { type EncodingOptions, encodeSample, type Fitting, fitting, type Sample } from './train/samples.ts';
export { type CosineSchedule, learningRateAt } from './train/schedule.ts';
export {
  DEFAULT_MAX_STEPS,
  decreasingStrategy,
  decreasingV2Strategy,
  entropyMetric,
  type Metric,
  metrics,
  probabilityMetric,
  type SegmentationOptions,
  type Strategy,
  segmentSizes,
  slidingStrategy,
  smallGroupStrategy,
  strategies,
  type Thresholds,
} from './train/segmentation.ts';
export {
  type MeanLoss,
  type StepResult,
  type StepSample,
  type Trainer,
  trainingStep,
} from './train/step.ts';
export { type TrainingPass, trainingPass } from './train/tape.ts';
export { type TokenMetrics, type TokenMetricsOptions, tokenMetrics } from './train/token-metrics.ts';
export { type TrainableModel, type TrainableParameter, trainableModel } from './train/trainable.ts';
