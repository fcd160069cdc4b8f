import { describe, expect, it } from 'vitest';
import { costJson, costOf, costTable, type RunCost } from '../../cli/cost.ts';
import { countedGeneration, formulaCounts, plainDecoderCounts } from '../../lib/decode/accounting.ts';
import { generate } from '../../lib/decode/generate.ts';
import { baseOf } from '../../lib/model/model.ts';
import { finish, modelOf, segmentsOf, smallConfig } from '../helpers/models.ts';

const model = modelOf(smallConfig, 'f32');
const options = { prompt: [1, 2, 3], maxTokens: 21, confidence: 0 };

/** The cost of a run of the small model. */
function runCost(of = model) {
  const { tokens, result } = finish(countedGeneration(of, options));
  return { cost: costOf(of, tokens, result)!, sizes: segmentsOf(tokens).map(({ length }) => length) };
}

describe('cost of a generation', () => {
  it('cost/C4: JSON has the closed formulas, of the run and of a plain decoder, token by token', () => {
    const { cost, sizes } = runCost();
    const expected = formulaCounts(smallConfig, 3, sizes);
    const plain = plainDecoderCounts(smallConfig, 3, 21);
    // biome-ignore lint/suspicious/noExplicitAny: a report.
    const json = costJson(cost) as any;
    expect(json.by_output_token.flops.base).toEqual(expected.map(({ flops }) => flops.base));
    expect(json.by_output_token.kv_entries).toEqual(expected.map(({ kvEntries }) => kvEntries));
    expect(json.plain_decoder.by_output_token.kv_entries).toEqual(plain.map(({ kvEntries }) => kvEntries));
    expect(json.flops).toEqual(
      Object.fromEntries(
        Object.entries(json.by_output_token.flops).map(([part, values]) => [
          part,
          (values as number[]).at(-1),
        ]),
      ),
    );
    const { all, ...parts } = json.flops;
    expect(Object.values(parts as Record<string, number>).reduce((a, b) => a + b)).toBe(all);
    expect(json.kv_bytes).toBe(4 * json.kv_entries * 2 * 12 * 5);
    expect(json.growth.kv_entries).toBeLessThan(json.plain_decoder.growth.kv_entries);
  });

  it('the table has every part, and the growth at 1, 2, 4, ... tokens and at the end', () => {
    const text = costTable(runCost().cost);
    for (const part of ['base', 'compositional embedder', 'micro-step decoder', 'stop head', 'LM head'])
      expect(text).toMatch(new RegExp(`^${part}, MFLOP +[\\d.]+ +[\\d.]+ %`, 'm'));
    const rows = text.split('\n\n')[1]!.split('\n').slice(1, -1);
    expect(rows.map((row) => Number(row.split(' ')[0]))).toEqual([1, 2, 4, 8, 16, 21]);
    // The last row's entries are those of the run and of a plain decoder.
    expect(rows.at(-1)).toMatch(/^21 +\d+ +23 /);
    expect(text).toMatch(/^growth exponent +0\.\d{3} +1\.000 /m);
  });

  it('of the base alone there are two parts, as expensive as a plain decoder', () => {
    const text = costTable(runCost(baseOf(model)).cost);
    expect(text).not.toContain('stop head');
    expect(text).toMatch(/^base, MFLOP .* 100\.0 %$/m);
    expect(text).toMatch(/^LM head, MFLOP .* 100\.0 %$/m);
  });

  it('one token has no growth; no token, or a run that was not counted, no cost', () => {
    const one = finish(countedGeneration(model, { ...options, maxTokens: 1 }));
    const cost = costOf(model, one.tokens, one.result) as RunCost;
    expect(costTable(cost)).not.toContain('exponent');
    expect(costJson(cost)).toMatchObject({ growth: { kv_entries: null } });
    const none = finish(countedGeneration(model, { ...options, maxTokens: 0 }));
    expect(costOf(model, none.tokens, none.result)).toBeUndefined();
    const uncounted = finish(generate(model, options));
    expect(costOf(model, uncounted.tokens, uncounted.result)).toBeUndefined();
  });
});
