/**
 * SPEC #conformance — the catalogue of mistakes: what a port does, what comes of it, the rule that says otherwise. The notes of the kit, by the ids that
 * its cases are flagged with and that a diagnosis names.
 *
 * @module
 */

/** A mistake that ports make. */
export interface MistakeNote {
  /** What the port does. */
  readonly mistake: string;
  /** What comes of it. */
  readonly effect: string;
  /** The rule of SPEC that says otherwise. */
  readonly rule: string;
}

const TEXT = 'other text, often fluent';
const SUBTLE = 'nearly the same text; only tensors tell';

const table: Readonly<Record<string, readonly [mistake: string, effect: string, rule: string]>> = {
  // Elementwise operations and norms.
  'relu-in-place-of-silu': ['ReLU is applied where SiLU should be', TEXT, 'swiglu/C1'],
  'gelu-in-place-of-silu': ['GELU is applied where SiLU should be', SUBTLE, 'swiglu/C1'],
  'sigmoid-in-place-of-silu': ['the sigmoid is applied where SiLU should be', TEXT, 'swiglu/C1'],
  'silu-left-out': ['SiLU is left out', TEXT, 'swiglu/C1'],
  'silu-of-both': ['SiLU is applied to gate and up', TEXT, 'swiglu/C1'],
  'gate-and-up-swapped': ['SiLU is applied to up instead of gate', TEXT, 'swiglu/C1'],
  'sigmoid-left-out': [
    'the stop probability is the logit, without its sigmoid',
    'macro-steps end at random',
    'stop-head/C1',
  ],
  'continue-in-place-of-stop-probability': [
    'the stop head is read as the probability to continue',
    'macro-steps end where they should go on',
    'termination/C4',
  ],
  'other-eps': ['RMSNorm has another eps', SUBTLE, 'rms-norm/C2'],
  'eps-outside-the-root': ['eps is added to the root instead of the mean of squares', SUBTLE, 'rms-norm/C2'],
  'norm-of-the-sum': [
    'RMSNorm divides by the root of the sum of squares, not of their mean',
    TEXT,
    'rms-norm/C2',
  ],
  'norm-weight-left-out': ['RMSNorm has no weight', TEXT, 'rms-norm/C1'],
  'norm-weight-plus-one': ['one is added to the weight of RMSNorm', TEXT, 'rms-norm/C1'],
  'layer-norm-in-place-of-rms-norm': ['the mean is subtracted before the norm', TEXT, 'rms-norm/C2'],
  'norm-left-out': ['the residual stream goes in without its norm', TEXT, 'base/C4'],
  'weights-of-another-norm': ['the norm has the weights of another one', TEXT, 'base/C4'],
  'norm-of-the-layer-input': [
    'the second norm of a layer is that of its input, not of the stream after attention',
    TEXT,
    'base/C4',
  ],
  // Linear layers.
  'bias-left-out': ['the bias is left out', SUBTLE, 'linear/C2'],
  'weight-transposed': ['the weight is used transposed', TEXT, 'linear/C1'],
  'matrices-swapped': ['two matrices are swapped', TEXT, 'linear/C1'],
  'lm-head-tied': ['the LM head is the embedding table, though it is not tied', TEXT, 'base/C2'],
  // Rotary position embedding.
  'rope-of-neighbours': ['RoPE turns neighbouring components instead of halves', TEXT, 'rope/C4'],
  'rope-turns-backwards': [
    'RoPE turns by the opposite angle',
    'differences of positions have the wrong sign',
    'rope/C4',
  ],
  'rope-left-out': ['RoPE is left out', TEXT, 'base/C3'],
  'rope-exponent': ['the exponents of the frequencies are wrong', SUBTLE, 'rope/C3'],
  'rope-other-theta': ['the frequencies have another theta', SUBTLE, 'rope/C3'],
  'rope-scaling-left-out': ['the frequencies are not scaled', SUBTLE, 'rope/C3'],
  'rope-scaled-everywhere': ['all frequencies are divided by the factor', SUBTLE, 'rope/C3'],
  'rope-scaling-without-the-middle-band': [
    'the middle band is not blended, but divided by the factor',
    SUBTLE,
    'rope/C3',
  ],
  'rope-scaling-upside-down': ['short wavelengths are stretched and long ones kept', SUBTLE, 'rope/C3'],
  'rope-blend-swapped': ['the two sides of the blend are swapped', SUBTLE, 'rope/C3'],
  'rope-table-in-bfloat16': ['the table of cosines and sines is rounded to bfloat16', SUBTLE, 'rope/C5'],
  'values-turned': ['RoPE turns the values, too', TEXT, 'base/C3'],
  // Positions.
  'position-plus-one': [
    'the position is one too large',
    'nearly the same text: behaviour cannot tell',
    'positions/C2',
  ],
  'position-minus-one': [
    'the position is one too small',
    'nearly the same text: behaviour cannot tell',
    'positions/C2',
  ],
  'position-is-cache-index': [
    'the position is the index of the entry in the cache',
    'text falls apart as segments add up',
    'positions/C3',
  ],
  'positions-begin-again': ['positions begin again at 0', TEXT, 'micro-step-decoder/C2'],
  'other-positions': ['the entry stands at another position', TEXT, 'positions/C2'],
  // Attention.
  'other-scale': ['scores have another scale', TEXT, 'attention/C1'],
  'key-heads-in-turn': [
    'query head h reads key head h mod Hkv, where groups of neighbours share one',
    TEXT,
    'attention/C2',
  ],
  'sees-later-entries': [
    'rows see entries after their own',
    'fluent only while it is forced',
    'attention/C3',
  ],
  'sees-one-entry-less': ['rows see one entry less than they should', TEXT, 'attention/C3'],
  'sees-one-entry-more': ['rows see one entry more than they should', TEXT, 'attention/C3'],
  'keys-not-turned': ['keys are used without RoPE', TEXT, 'base/C3'],
  'queries-not-turned': ['queries are used without RoPE', TEXT, 'base/C3'],
  'keys-in-place-of-values': ['the context is made of keys', TEXT, 'attention/C1'],
  'more-entries-than-segments': [
    'the cache holds more entries than one for each segment',
    TEXT,
    'kv-cache/C2',
  ],
  'fewer-entries-than-segments': [
    'the cache holds fewer entries than one for each segment',
    TEXT,
    'kv-cache/C2',
  ],
  // Residual stream.
  'residual-left-out': ['the residual is not added', TEXT, 'base/C4'],
  'branch-left-out': ['the branch is not added to the residual', TEXT, 'base/C4'],
  'residual-of-the-layer-input': [
    'the second residual of a layer is its input, not the stream after attention',
    TEXT,
    'base/C4',
  ],
  'norm-in-the-residual': ['the residual is the norm of the stream', TEXT, 'base/C4'],
  // Compositional embedder.
  'mean-over-max-steps': [
    'the mean divides by max_steps, not by the tokens that are there',
    SUBTLE,
    'compositional-embedder/C3',
  ],
  'mean-over-one-less': [
    'the mean divides by one less than there are tokens',
    TEXT,
    'compositional-embedder/C3',
  ],
  'sum-in-place-of-mean': ['the embeddings are added up, not averaged', TEXT, 'compositional-embedder/C3'],
  'one-token-in-place-of-the-mean': ['one token stands for the mean', TEXT, 'compositional-embedder/C3'],
  'query-of-the-first-token': [
    'the query of the merger is that of the first token, not of the mean',
    SUBTLE,
    'compositional-embedder/C3',
  ],
  'query-of-the-last-token': [
    'the query of the merger is that of the last token, not of the mean',
    SUBTLE,
    'compositional-embedder/C3',
  ],
  'tokens-reversed': ['the tokens are in the opposite order', TEXT, 'compositional-embedder/C6'],
  'merger-positions-reversed': [
    'the positions inside the segment run backwards',
    SUBTLE,
    'compositional-embedder/C6',
  ],
  'merger-positions-from-one': [
    'the positions inside the segment begin at 1',
    SUBTLE,
    'compositional-embedder/C6',
  ],
  'merger-positions-from-the-end': [
    'the positions inside the segment are counted from max_steps',
    SUBTLE,
    'compositional-embedder/C6',
  ],
  'merger-positions-left-out': [
    'the positions inside the segment are left out',
    SUBTLE,
    'compositional-embedder/C6',
  ],
  'merger-positions-all-the-first': [
    'all tokens of the segment have its first position',
    SUBTLE,
    'compositional-embedder/C6',
  ],
  'merger-positions-before-the-tokens': [
    'positions stand before the embeddings, not behind them',
    TEXT,
    'compositional-embedder/C6',
  ],
  'single-token-merged': ['a single token goes through the merger', SUBTLE, 'compositional-embedder/C2'],
  // Features and micro-step decoder.
  'last-feature-without-norm': ['the last feature is taken before the final norm', TEXT, 'features/C2'],
  'all-features-normed': ['all features are normed, not the last alone', SUBTLE, 'features/C2'],
  'last-feature-normed-twice': ['the last feature is normed twice', SUBTLE, 'features/C2'],
  'features-reversed': ['the features are in the opposite order', TEXT, 'micro-step-decoder/C2'],
  'features-of-other-layers': ['the features are those of other layers', SUBTLE, 'features/C1'],
  'features-of-the-first-row': [
    'the features are read at the first row, not at the last',
    TEXT,
    'features/C1',
  ],
  'norm-before-the-heads': [
    'a norm stands between the micro-step decoder and the heads',
    TEXT,
    'micro-step-decoder/C4',
  ],
  'hidden-of-another-row': ['the heads read another row', TEXT, 'micro-step-decoder/C1'],
  'hidden-is-the-last-feature': [
    'the heads read the last feature in every micro-step',
    TEXT,
    'micro-step-decoder/C1',
  ],
  'micro-step-cache-kept': [
    'the cache of the micro-step decoder outlives its macro-step',
    TEXT,
    'micro-step-decoder/C3',
  ],
  'micro-step-cache-lost': [
    'the micro-step decoder does not see its earlier rows',
    TEXT,
    'micro-step-decoder/C2',
  ],
  // Decisions.
  'tie-ends': [
    'a confidence that equals the threshold ends the macro-step',
    'segments are shorter than they should be',
    'termination/C2',
  ],
  'half-ends': [
    'without a threshold, a stop probability of 1/2 ends the macro-step',
    'segments are shorter than they should be',
    'termination/C3',
  ],
  'threshold-on-stop-probability': [
    'the stop probability itself is compared with the threshold',
    'the knob works backwards',
    'termination/C4',
  ],
  'no-threshold-is-zero': [
    'no threshold is read as threshold 0',
    'no confidence ends a macro-step',
    'termination/C3',
  ],
  'stop-test-in-other-arithmetic': [
    'the stop test is done in other arithmetic',
    'one decision in many thousands',
    'termination/C4',
  ],
  'last-of-equal-logits': [
    'of equal logits the last one is chosen',
    'one token in many thousands',
    'token-choice/C1',
  ],
  'top-k-cuts-ties-otherwise': [
    'tokens with equal logits are ordered otherwise before top-k',
    'other samples',
    'token-choice/C3',
  ],
  'top-p-stops-early': ['top-p keeps one token too few', 'other samples', 'token-choice/C3'],
  'top-p-stops-late': ['top-p keeps one token too many', 'other samples', 'token-choice/C3'],
  'min-p-of-certainty': [
    'min-p is compared with probabilities, not with their share of the largest',
    'other samples',
    'token-distribution/C4',
  ],
  'min-p-before-top-p': [
    'min-p leaves tokens out before top-p does',
    'other samples',
    'token-distribution/C4',
  ],
  'penalty-divides-all': [
    'the repetition penalty divides negative logits, too',
    'tokens below zero are repeated more',
    'token-distribution/C4',
  ],
  'penalty-for-each-occurrence': [
    'the repetition penalty is applied as often as a token has occurred',
    'what was said twice is never said again',
    'token-distribution/C4',
  ],
  'penalty-of-output-alone': [
    'the repetition penalty passes over the first of the previous tokens, as if the prompt did not count',
    'the prompt is repeated',
    'token-distribution/C4',
  ],
  'bias-after-penalty': [
    'the logit bias is added after the repetition penalty',
    'other samples',
    'token-distribution/C4',
  ],
  'adjustments-for-sampling-alone': [
    'greedy choice takes the logits as they are',
    'logit bias and repetition penalty have no effect',
    'token-choice/C1',
  ],
  'earliest-beginning-stops': [
    'of several stop strings the one that begins first counts, not the one that is complete first',
    'the end depends on how the text was cut into tokens',
    'stop-strings/C3',
  ],
  'stop-string-at-the-end-alone': [
    'a stop string is looked for at the end of the text only',
    'one inside a token is passed over',
    'stop-strings/C3',
  ],
  'beginning-of-a-stop-string-shown': [
    'text is shown that a stop string begins with',
    'it would have to be taken back',
    'stop-strings/C4',
  ],
  'temperature-multiplies': ['logits are multiplied by the temperature', 'other samples', 'token-choice/C3'],
  'acceptance-inverted': [
    'a drafted token is accepted with p / q instead of q / p',
    'text of neither model',
    'verification/C8',
  ],
  'resampled-from-the-target': [
    'after a rejection the token is drawn from q instead of what q has more than p',
    'too much of what the draft model likes less',
    'verification/C8',
  ],
  'entry-of-a-broken-segment-kept': [
    'a KV entry stays although tokens of its segment were rejected',
    'worse drafts',
    'verification/C4',
  ],
  'survivors-lost': [
    'tokens that survive of a broken segment do not enter the base again',
    'worse drafts',
    'verification/C5',
  ],
  'target-joins-a-whole-segment': [
    "the target's token is merged with a segment that had ended",
    'worse drafts; segments without limit',
    'verification/C5',
  ],
  'last-segment-lost': [
    'the last segment of an accepted draft does not enter the base',
    'worse drafts',
    'verification/C5',
  ],
  'target-not-rolled-back': [
    'the target keeps entries of tokens that were rejected',
    'text of neither model: it attends to what nobody wrote',
    'verification/C4',
  ],
  'rejected-token-merged': [
    'a token that was rejected is merged into the entry of those that survive',
    'worse drafts',
    'verification/C5',
  ],
  'no-token-behind-an-accepted-draft': [
    'where all of a draft is accepted, the target adds no token',
    'slower, and the last draft is fed back as if nothing were known',
    'verification/C5',
  ],
  'last-not-separate': [
    "survivors and the target's token are one entry, in a profile that keeps them apart",
    'other drafts than that profile has',
    'verification/C5',
  ],
  'last-separate': [
    "survivors and the target's token are two entries, in a profile that merges them",
    'worse drafts, and an entry too many',
    'verification/C5',
  ],
  'position-after-rollback': [
    'after a rollback an entry stands elsewhere',
    'worse drafts, from the first rejection on',
    'verification/C5',
  ],
  'runs-on-after-eos': ['tokens after EOS are kept', 'text behind the end', 'generation/C4'],
  'eos-not-seen-first': [
    'EOS in the first macro-step is not looked at',
    'text behind the end',
    'generation/C5',
  ],
  overshoots: [
    'the last macro-step is finished though max_tokens are out',
    'up to M - 1 tokens too many',
    'generation/C6',
  ],
  'eos-left-out': ['EOS itself is not emitted', 'the caller does not see the end', 'generation/C4'],
  'other-eos-only': ['of several EOS ids only the first counts', 'text behind the end', 'generation/C4'],
  'positions-run-out-late': [
    'an entry is made at max_positions',
    'reads beyond the table of positions',
    'generation/C2',
  ],
  'positions-run-out-early': [
    'the last token that still fits is not emitted',
    'one token too few',
    'generation/C2',
  ],
  // Data.
  'entry-at-the-next-token': [
    'the entry of a segment stands one behind its last token',
    'nearly the same text: behaviour cannot tell',
    'positions/C2',
  ],
  'entry-at-the-first-token': ['the entry of a segment stands at its first token', TEXT, 'positions/C2'],
  'entry-at-the-cache-index': [
    'the entry of a segment stands at its index in the cache',
    TEXT,
    'positions/C3',
  ],
  'tie-joins': ['in a tie the token joins', 'other segments, and so another training', 'segmentation/C8'],
  'tie-begins': [
    'in a tie the token begins a segment',
    'other segments, and so another training',
    'segmentation/C8',
  ],
  'largest-of-all': [
    'the largest uncertainty of earlier segments counts, too',
    'other segments, and so another training',
    'segmentation/C9',
  ],
  'first-in-place-of-largest': [
    'the uncertainty of the first token is taken for the largest',
    'other segments, and so another training',
    'segmentation/C9',
  ],
  'segments-without-limit': [
    'segments are longer than max_steps',
    'the merger has no positions for them',
    'segmentation/C5',
  ],
  'only-the-token-counts': [
    'the last token of the segment does not have to be sure',
    'other segments, and so another training',
    'segmentation/C8',
  ],
  'theta-in-bits': ['the threshold is in bits', 'other segments, and so another training', 'segmentation/C6'],
  'theta-of-the-whole-vocabulary': [
    'the rest is spread over V tokens, not over the other V - 1',
    SUBTLE,
    'segmentation/C6',
  ],
  'stop-at-the-first': [
    'the stop target is at the first token of a segment',
    'the stop head learns the opposite',
    'losses/C2',
  ],
  'not-refused': [
    'something that has to be refused is accepted',
    'wrong results without a word',
    'configuration/C11',
  ],
};

/** All notes, by id. */
export const mistakeNotes: ReadonlyMap<string, MistakeNote> = new Map(
  Object.entries(table).map(([id, [mistake, effect, rule]]) => [id, { mistake, effect, rule }]),
);
