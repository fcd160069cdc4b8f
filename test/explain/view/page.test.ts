import { describe, expect, it } from 'vitest';
import { explain } from '../../../lib/explain/explain.ts';
import type { Explanation, RunSettings } from '../../../lib/explain/explanation.ts';
import { recordedGeneration } from '../../../lib/explain/record.ts';
import { specSections } from '../../../lib/explain/spec-sections.ts';
import { explanationPage, projectLinks } from '../../../lib/explain/view/page.ts';
import { dividingThreshold, finish, hamburgerOf, smallConfig } from '../../helpers/models.ts';

const prompt = [3, 1, 4, 1, 5];
const model = hamburgerOf(smallConfig, 'f64');
const confidence = dividingThreshold(model, { prompt, maxTokens: 12 });
const settings: RunSettings = {
  mode: 'hamburger',
  ...{ profile: 'train', confidence, numerics: 'f64', temperature: 0, seed: null },
};
const explanation = explain({
  ...finish(recordedGeneration(model, { prompt, maxTokens: 12, confidence })).result,
  ...{ config: model.config, settings, prompt, tokenizer: null, metrics: null },
});
const spec = specSections('## Base (base)\n\nText of base.\n\n## Stop head (stop-head)\n\nOther.\n');
const page = explanationPage(explanation, 'A run', { spec });

/** The same run with other texts. */
function withText(text: string): Explanation {
  const shown = <T extends object>(token: T) => ({ ...token, text });
  return {
    ...explanation,
    prompt: explanation.prompt.map(shown),
    macroSteps: explanation.macroSteps.map((step) => ({
      ...step,
      tokens: step.tokens.map(shown),
      detail: step.detail && {
        ...step.detail,
        microSteps: step.detail.microSteps.map((micro) => ({
          ...micro,
          likeliest: micro.likeliest.map(shown),
        })),
      },
    })),
  };
}

const tags = (markup: string) => [...markup.matchAll(/<\/?([a-zA-Z][^\s>]*)/g)].map(([, name]) => name!);

describe('the page', () => {
  it('needs nothing else, and would not get it: no script, no address, no style by attribute', () => {
    expect(page).toContain("default-src 'none'; style-src 'unsafe-inline'");
    for (const forbidden of [
      /<script/i,
      / on[a-z]+=/i,
      /<(?:img|iframe|link|object|base)\b/i,
      /https?:\/\//,
      /url\(/,
      / style=/,
    ])
      expect(page).not.toMatch(forbidden);
  });

  it('what a model writes adds no tag and no attribute', () => {
    const hostile = `"><img src=x onerror='alert(1)'></svg></style></title><script>//`;
    const attacked = explanationPage(withText(hostile), hostile, { spec });
    const plain = explanationPage(withText('x'), 'x', { spec });
    expect(tags(attacked)).toEqual(tags(plain));
    expect(attacked).not.toContain('<img');
  });

  it('ids are unique, every link inside leads somewhere, every label has its button', () => {
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, target] of page.matchAll(/ (?:href="#|for="|aria-labelledby=")([^"]+)"/g))
      expect(ids).toContain(target);
  });

  it('shows one macro-step at first, and has all parts of each', () => {
    expect(page.match(/ checked>/g)).toHaveLength(1);
    explanation.macroSteps.forEach((_, m) => {
      expect(page).toContain(`:has(#step-${m}:checked) .of-step-${m}`);
      expect(page.split(`of-step of-step-${m}"`)).toHaveLength(1 + 5 + 4);
    });
  });

  it('has the sections of the specification in full, or links to them', () => {
    expect(page).toContain('Text of base.');
    const linked = explanationPage(explanation, 'A run', {
      spec,
      specText: false,
      linkTo: projectLinks('..'),
    });
    expect(linked).not.toContain('Text of base.');
    expect(linked).toContain('href="../SPEC.md#base-base"');
    expect(linked).toContain('href="../lib/model/stop-head.ts"');
  });

  it('numbers are those of the run', () => {
    const [tokens, passes] = [12, explanation.macroSteps.length];
    expect(page).toContain(`<h1>${tokens} tokens in ${passes} passes</h1>`);
    expect(page).toContain(`<dd>${(tokens / passes).toFixed(2)}</dd><dt>tokens per macro-step</dt>`);
    const filled = /aria-label="HAMburger: (\d+) KV entries[^>]*>(.*?)<\/div>/s.exec(page)!;
    expect(filled[1]).toBe(`${explanation.entryPositions.length}`);
    expect(filled[2]!.split('class="cell').length - 1).toBe(prompt.length + tokens);
    expect(filled[2]!.split('cell ghost').length - 1).toBe(
      prompt.length + tokens - explanation.entryPositions.length,
    );
  });

  it('a token that cannot be probable or not, and a run of nothing, are shown too', () => {
    const broken = withText('');
    const empty = { ...broken, macroSteps: [] };
    expect(explanationPage(empty, '', { spec })).toContain('No token was generated.');
    const [first, ...rest] = broken.macroSteps;
    const token = { ...first!.tokens[0]!, probability: null, confidence: Number.NaN };
    expect(
      explanationPage({ ...broken, macroSteps: [{ ...first!, tokens: [token] }, ...rest] }, '', { spec }),
    ).toContain('NaN');
  });
});
