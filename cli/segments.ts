/**
 * Segments of a text, as the command line prints them.
 *
 * @module
 */

import { show, type TokenMetrics } from '../lib/index.ts';
import { type Shading, table, thousands } from './output.ts';
import type { GivenResponse } from './responses.ts';

/** One token of a response. */
export interface MeasuredToken extends TokenMetrics {
  readonly id: number;
  /** What it adds to the text; absent where there is no tokenizer. */
  readonly text?: string;
}

/** The tokens of one segment; at least one. */
export type Segment = readonly MeasuredToken[];

/** What several responses came to. */
export interface SegmentTotals {
  readonly sizes: number[];
  /** The sum over all tokens, in nats. */
  entropy: number;
}

/** Tokens in runs of the given lengths. */
export function bySize(tokens: readonly MeasuredToken[], sizes: readonly number[]): readonly Segment[] {
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return tokens.slice(end - size, end);
  });
}

/** The text, or ids where there is no tokenizer: in the spelling that `trace --segments` reads. */
export function segmentedText(
  segments: readonly Segment[],
  shown: (text: string) => string,
  shades: Shading | undefined,
): string {
  const between = segments[0]?.[0]?.text === undefined ? ',' : '';
  const spelled = (segment: Segment, s: number): string =>
    segment
      .map(({ id, text, probability }) => {
        const plain = shown(text ?? `${id}`);
        return shades?.token(plain, s, probability) ?? plain;
      })
      .join(between);
  // Where there are hues, they show where a segment begins.
  return segments.map(spelled).join(shades === undefined ? '|' : between);
}

/** A line for each token. */
export function tokenTable(segments: readonly Segment[], shades: Shading | undefined): string {
  const tokens = segments.flatMap((segment, s) => segment.map((token) => ({ ...token, segment: s })));
  const lines = table([
    ['segment', 'id', 'entropy', 'probability', 'token'],
    ...tokens.map(({ segment, id, text, entropy, probability }) => [
      `${segment}`,
      `${id}`,
      entropy.toFixed(4),
      probability.toFixed(4),
      text === undefined ? '' : show(text),
    ]),
  ]).split('\n');
  return lines
    .map((line, i) => {
      const token = tokens[i - 1];
      return token === undefined ? line : (shades?.token(line, token.segment, token.probability) ?? line);
    })
    .join('\n');
}

/** Everything, as JSON. */
export function segmentsJson(
  settings: Record<string, unknown>,
  { prompt, response }: GivenResponse,
  segments: readonly Segment[],
): unknown {
  return {
    settings,
    prompt,
    ids: response.ids,
    text: response.text,
    segments: segments.map((tokens) => ({ tokens })),
    prompt_tokens: prompt.ids.length,
    response_tokens: response.ids.length,
  };
}

/** Figures of all responses. */
export function segmentStatistics({ sizes, entropy }: SegmentTotals): string {
  const tokens = sizes.reduce((sum, size) => sum + size, 0);
  if (tokens === 0) return table([['text', 'no tokens']]);
  const counts = new Map<number, number>();
  for (const size of sizes.toSorted((a, b) => a - b)) counts.set(size, (counts.get(size) ?? 0) + 1);
  const perSegment = (tokens / sizes.length).toFixed(2);
  return table([
    [
      'text',
      `${thousands(tokens)} tokens in ${thousands(sizes.length)} segments, ${perSegment} tokens per segment`,
    ],
    ['sizes', [...counts].map(([size, count]) => `${size}: ${thousands(count)}`).join(', ')],
    ['entropy', `${(entropy / tokens).toFixed(3)} nats per token`],
  ]);
}
