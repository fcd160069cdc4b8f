import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerError } from '../../lib/errors.ts';
import {
  decreasingStrategy,
  decreasingV2Strategy,
  entropyMetric,
  metrics,
  probabilityMetric,
  type SegmentationOptions,
  type Strategy,
  segmentSizes,
  slidingStrategy,
  smallGroupStrategy,
  strategies,
  theta,
} from '../../lib/train/segmentation.ts';

const goldens = JSON.parse(
  readFileSync(new URL('../../fixtures/goldens-segmentation/segmentation.json', import.meta.url), 'utf8'),
);

/** With V = 2, theta(0.75) = 0.5623; with V = 512, theta(0.7) = 2.482 and theta(0.95) = 0.510. */
const cut = (strategy: Strategy, u: readonly number[], options: Partial<SegmentationOptions> = {}) =>
  segmentSizes(u, { vocabularySize: 512, strategy, ...options });

describe('decreasing_v2', () => {
  it('is the default, with the published thresholds: 0.05 nats, 0.3, 4 tokens', () => {
    const u = [2, 0.04, 0.5, 0.59, 0.01, 1, 0.2, 0.31];
    // 2 | 0.04 < 0.05; 0.5 and 0.59 < 0.3 * 2; full | 0.01 | 1 | 0.2 < 0.3 | 0.31.
    expect(segmentSizes(u, { vocabularySize: 512 })).toEqual([4, 1, 2, 1]);
    expect(cut(decreasingV2Strategy, u, { maxSteps: 4, minThreshold: 0.05, ratioThreshold: 0.3 })).toEqual([
      4, 1, 2, 1,
    ]);
  });

  it('segmentation/C8: a tie with either threshold begins a new segment', () => {
    expect(cut(decreasingV2Strategy, [1, 0.05], { ratioThreshold: 0 })).toEqual([1, 1]);
    expect(cut(decreasingV2Strategy, [1, 0.3], { minThreshold: 0 })).toEqual([1, 1]);
    expect(cut(decreasingV2Strategy, [1, 0.049999], { ratioThreshold: 0 })).toEqual([2]);
    expect(cut(decreasingV2Strategy, [1, 0.299999], { minThreshold: 0 })).toEqual([2]);
  });

  it('segmentation/C9: the ratio is to the largest of the segment, not to its first or last token', () => {
    // 0.15 is not small, but less than twice the 0.09, which is small and joined a smaller one.
    expect(cut(decreasingV2Strategy, [0.03, 0.09, 0.15], { minThreshold: 0.1, ratioThreshold: 2 })).toEqual([
      3,
    ]);
    expect(cut(decreasingV2Strategy, [1, 0.2, 0.4], { minThreshold: 0, ratioThreshold: 0.5 })).toEqual([3]);
  });

  it('segmentation/C9: the largest is forgotten when its segment ends, whether for want of certainty or of room', () => {
    // 1 would be less than 0.3 * 10, and 0.25 than 0.3 * 10, if the 10 were remembered.
    expect(cut(decreasingV2Strategy, [10, 9, 0.5, 8])).toEqual([1, 2, 1]);
    expect(cut(decreasingV2Strategy, [10, 1, 1, 1, 1, 1])).toEqual([4, 1, 1]);
  });
});

describe('decreasing', () => {
  it('compares with the first token of the segment, by a ratio of 0.3, and has no other threshold', () => {
    // 0.29 and 0.2 against 1, not against the 0.29 before; 0.31 begins; 0.01 against 0.31.
    expect(cut(decreasingStrategy, [1, 0.29, 0.2, 0.31, 0.01])).toEqual([3, 2]);
    // Small, but not much smaller than the first.
    expect(cut(decreasingStrategy, [0.02, 0.01])).toEqual([1, 1]);
    expect(cut(decreasingStrategy, [0.02, 0.01], { minThreshold: 1 })).toEqual([1, 1]);
  });

  it('segmentation/C8: a tie joins; so certain tokens follow a certain one', () => {
    expect(cut(decreasingStrategy, [1, 0.3])).toEqual([2]);
    expect(cut(decreasingStrategy, [0, 0, 0])).toEqual([3]);
  });

  it('segmentation/C9: the first token is that of the running segment', () => {
    // 5 > 3 begins, and 2 > 1.5; 2 and 1 would join the 10.
    expect(cut(decreasingStrategy, [10, 5, 2, 1])).toEqual([1, 1, 1, 1]);
    expect(cut(decreasingStrategy, [10, 1, 1, 1, 1, 1])).toEqual([4, 1, 1]);
  });
});

describe('sliding', () => {
  it('a token joins whatever stands before it, if theta(0.7) is above it', () => {
    const limit = theta(0.7, 512);
    expect(limit).toBeCloseTo(2.482, 3);
    expect(cut(slidingStrategy, [9, 2.4, 9, 2.4, 2.5])).toEqual([2, 2, 1]);
    expect(cut(slidingStrategy, [1, 1, 1, 1, 1])).toEqual([4, 1]);
  });

  it('segmentation/C8: a tie begins a new segment', () => {
    expect(cut(slidingStrategy, [1, theta(0.7, 512)])).toEqual([1, 1]);
  });
});

describe('small_group', () => {
  it('tokens above theta(0.95) stand alone, and end the group before them; the rest is grouped', () => {
    expect(theta(0.95, 512)).toBeCloseTo(0.51, 3);
    expect(cut(smallGroupStrategy, [0.1, 0.2, 0.6, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.6])).toEqual([
      2, 1, 4, 1, 1, 1,
    ]);
  });

  it('a small token after one that stands alone begins a group', () => {
    expect(cut(smallGroupStrategy, [0.6, 0.1, 0.1])).toEqual([1, 2]);
  });

  it('segmentation/C8: a tie joins, and can be joined', () => {
    const limit = theta(0.95, 512);
    expect(cut(smallGroupStrategy, [limit, limit, 0])).toEqual([3]);
  });
});

describe('thresholds', () => {
  it('segmentation/C6: theta is the exact value, but for a few roundings', () => {
    expect(goldens.thetas.length).toBeGreaterThan(20);
    for (const { confidence, vocabulary, theta: expected } of goldens.thetas) {
      const error = Math.abs(theta(confidence, vocabulary) - expected);
      expect(error, `theta(${confidence}), V = ${vocabulary}`).toBeLessThanOrEqual(
        // 1 - c is rounded where c is very small.
        4 * 2 ** -52 * expected + 2 ** -53,
      );
    }
  });

  it('segmentation/C6: theta(1) is 0, and not the NaN of 0 * ln 0', () => {
    expect(theta(1, 512)).toBe(0);
    expect(cut(slidingStrategy, [1, 0], { confidence: 1 })).toEqual([1, 1]);
    expect(cut(smallGroupStrategy, [0, 0, 1], { confidence: 1 })).toEqual([2, 1]);
  });

  it('segmentation/C6: the vocabulary is that of the base, not the published one', () => {
    // theta(0.7) is 4.14 for 128256 tokens.
    expect(cut(slidingStrategy, [3, 3])).toEqual([1, 1]);
    expect(cut(slidingStrategy, [3, 3], { vocabularySize: 128256 })).toEqual([2]);
  });

  it('segmentation/C3: under probability a confidence is a probability: a token joins if its own is above c', () => {
    const uncertainties = [0.2, 0.71, 0.69].map((probability) =>
      probabilityMetric.uncertainty({ entropy: 0, probability }),
    );
    expect(cut(slidingStrategy, uncertainties, { metric: probabilityMetric })).toEqual([2, 1]);
    expect(cut(smallGroupStrategy, uncertainties, { metric: probabilityMetric, confidence: 0.7 })).toEqual([
      1, 1, 1,
    ]);
  });

  it('segmentation/C3: the smaller the surer, under both metrics', () => {
    expect(entropyMetric.uncertainty({ entropy: 0.25, probability: 0.5 })).toBe(0.25);
    expect(probabilityMetric.uncertainty({ entropy: 0.25, probability: 0.5 })).toBe(Math.LN2);
    expect(probabilityMetric.uncertainty({ entropy: 0, probability: 1 })).toBe(0);
    expect(probabilityMetric.uncertainty({ entropy: 9, probability: 0 })).toBe(Number.POSITIVE_INFINITY);
    expect(cut(decreasingV2Strategy, [Number.POSITIVE_INFINITY, 5])).toEqual([2]);
  });

  it('segmentation/C7, C3: what is out of range is refused', () => {
    const refused: [Partial<SegmentationOptions>, string][] = [
      [{ maxSteps: 0 }, 'segmentation/C7: max steps: expected an integer of at least 1, found 0'],
      [{ maxSteps: 1.5 }, 'segmentation/C7: max steps: expected an integer of at least 1, found 1.5'],
      [{ vocabularySize: 1 }, 'segmentation/C7: vocabulary size: expected an integer of at least 2, found 1'],
      [{ minThreshold: -1 }, 'segmentation/C7: min threshold: expected a number of at least 0, found -1'],
      [
        { ratioThreshold: Number.NaN },
        'segmentation/C7: ratio threshold: expected a number of at least 0, found NaN',
      ],
      [{ confidence: 0 }, 'segmentation/C7: confidence: expected a number above 0 and up to 1, found 0'],
      [{ confidence: 1.1 }, 'segmentation/C7: confidence: expected a number above 0 and up to 1, found 1.1'],
    ];
    for (const [options, message] of refused) {
      expect(() => cut(slidingStrategy, [1], options)).toThrow(CallerError);
      expect(() => cut(slidingStrategy, [1], options)).toThrow(message);
    }
    for (const u of [-1, Number.NaN]) {
      expect(() => cut(slidingStrategy, [1, u])).toThrow(
        `segmentation/C3: uncertainty of token 1: expected a number of at least 0, found ${u}`,
      );
    }
  });
});

/** The goldens' way to say it in TypeScript once more: for each token all tokens before it are looked at, and nothing is remembered. */
function naive(
  strategy: string,
  u: readonly number[],
  most: number,
  min: number,
  ratio: number,
  limit: number,
) {
  const starts: number[] = [];
  u.forEach((value, t) => {
    const start = starts.at(-1);
    const segment = start === undefined ? [] : u.slice(start, t);
    const joins: Record<string, () => boolean> = {
      decreasing_v2: () => value < min || value < ratio * Math.max(...segment),
      decreasing: () => !(value > ratio * segment[0]!),
      sliding: () => value < limit,
      small_group: () => [...segment, value].every((each) => each <= limit),
    };
    if (segment.length === 0 || segment.length === most || !joins[strategy]!()) starts.push(t);
  });
  return starts.map((start, s) => (starts[s + 1] ?? u.length) - start);
}

describe('all strategies', () => {
  const names = [...strategies.keys()];
  const uncertainty = fc.oneof(
    fc.double({ min: 0, max: 5, noNaN: true }),
    // Values that make ties, with each other and with thresholds.
    fc.constantFrom(0, 0.05, 0.25, 0.5, 1, 2, Math.LN2),
  );
  const runs = fc.record({
    u: fc.array(uncertainty, { maxLength: 40 }),
    maxSteps: fc.integer({ min: 1, max: 6 }),
    minThreshold: fc.constantFrom(0, 0.05, 0.5, 1),
    ratioThreshold: fc.constantFrom(0, 0.3, 0.5, 1, 2),
    confidence: fc.constantFrom(0.05, 0.5, 0.75, 0.95, 1),
    vocabularySize: fc.constantFrom(2, 3, 512),
    metric: fc.constantFrom(...metrics.values()),
  });
  const check = (
    property: (run: typeof runs extends fc.Arbitrary<infer T> ? T : never, name: string) => void,
  ) => {
    for (const name of names)
      fc.assert(
        fc.property(runs, (run) => property(run, name)),
        { seed: 5, numRuns: 300 },
      );
  };

  it('there are four, by their published names', () => {
    expect(names).toEqual(['decreasing_v2', 'decreasing', 'sliding', 'small_group']);
  });

  it('a second, naive implementation cuts in the same places', () => {
    check(({ u, ...options }, name) => {
      const { maxSteps, minThreshold, ratioThreshold, confidence, vocabularySize, metric } = options;
      const limit = metric.threshold(confidence, vocabularySize);
      expect(segmentSizes(u, { ...options, strategy: strategies.get(name)! })).toEqual(
        naive(name, u, maxSteps, minThreshold, ratioThreshold, limit),
      );
    });
  });

  it('segmentation/C5: the sizes sum to the number of tokens, each from 1 to max_steps', () => {
    check(({ u, ...options }, name) => {
      const sizes = segmentSizes(u, { ...options, strategy: strategies.get(name)! });
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(u.length);
      expect(sizes.every((size) => size >= 1 && size <= options.maxSteps)).toBe(true);
    });
    for (const strategy of strategies.values()) expect(cut(strategy, [])).toEqual([]);
  });

  it('with max_steps 1 every token is a segment', () => {
    check(({ u, ...options }, name) => {
      const sizes = segmentSizes(u, { ...options, maxSteps: 1, strategy: strategies.get(name)! });
      expect(sizes).toEqual(u.map(() => 1));
    });
  });

  it('more room never makes more segments, where a token is judged by itself', () => {
    for (const name of ['sliding', 'small_group']) {
      fc.assert(
        fc.property(runs, ({ u, ...options }) => {
          const count = (maxSteps: number) =>
            segmentSizes(u, { ...options, maxSteps, strategy: strategies.get(name)! }).length;
          expect(count(options.maxSteps + 1)).toBeLessThanOrEqual(count(options.maxSteps));
        }),
        { seed: 5, numRuns: 300 },
      );
    }
  });

  it('a lower confidence never makes more segments, under either metric', () => {
    for (const name of ['sliding', 'small_group']) {
      fc.assert(
        fc.property(runs, ({ u, ...options }) => {
          const count = (confidence: number) =>
            segmentSizes(u, { ...options, confidence, strategy: strategies.get(name)! }).length;
          expect(count(0.6)).toBeLessThanOrEqual(count(0.9));
        }),
        { seed: 5, numRuns: 300 },
      );
    }
  });

  it('what follows changes no segment before: a longer response begins like a shorter one', () => {
    check(({ u, ...options }, name) => {
      const sizes = (tokens: readonly number[]) =>
        segmentSizes(tokens, { ...options, strategy: strategies.get(name)! });
      const whole = sizes(u);
      const part = sizes(u.slice(0, Math.ceil(u.length / 2)));
      expect(whole.slice(0, Math.max(0, part.length - 1))).toEqual(part.slice(0, -1));
    });
  });

  it('cut the golden text as the independent implementation does', () => {
    let cases = 0;
    for (const { entropies, probabilities, segmentations = [] } of goldens.text.runs) {
      for (const { metric: name, strategy, maxSteps, thresholds, sizes } of segmentations) {
        const metric = metrics.get(name)!;
        const u = entropies.map((entropy: number, t: number) =>
          metric.uncertainty({ entropy, probability: probabilities[t] }),
        );
        const options = {
          vocabularySize: 61,
          metric,
          maxSteps,
          strategy: strategies.get(strategy)!,
          ...thresholds,
        };
        expect(segmentSizes(u, options), `${name} ${strategy} ${JSON.stringify(thresholds)}`).toEqual(sizes);
        cases += 1;
      }
    }
    expect(cases).toBeGreaterThan(30);
  });
});
