/** Attacks by text in pages and pictures: names and answers of strangers are shown, never obeyed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { barChart, chart } from '../../cli/chart.ts';
import { reportHtml } from '../../cli/conform/html.ts';
import { reportJunit } from '../../cli/conform/junit.ts';
import type { Answer } from '../../cli/evaluation/answers.ts';
import { reportPage } from '../../cli/evaluation/page.ts';
import { html, htmlPage } from '../../lib/html.ts';
import type { ConformanceReport, EvaluationReport, Kit } from '../../lib/index.ts';

const ATTACK = `"><img src=x onerror='alert(1)'></svg></style></title></pre><script>alert(1)//\u202e\u0000\u001b\ufffe`;

/** What is written about a port and its cases, which are all called the same. */
function conformance(text: string): [ConformanceReport, Kit] {
  const verdict = {
    ...{ id: text, suite: text, tensors: 1, message: text, divergence: null, diagnosis: [{ says: text }] },
    worst: { name: text, margin: 2 },
  };
  const outcomes = ['right', 'wrong', 'errored', 'skipped', 'not-claimed'];
  const report = {
    kit: { version: text, interpretation: 1, sha256: text },
    judge: text,
    claim: {
      port: { name: text, version: text, language: text },
      ...{ numerics: text, profiles: [text], modes: [text], features: [text] },
    },
    conclusion: 'does not conform',
    cases: outcomes.map((outcome) => ({ ...verdict, outcome })),
  } as unknown as ConformanceReport;
  const kit = { description: { suites: { [text]: { about: text } } } } as unknown as Kit;
  return [report, kit];
}

function evaluation(text: string): string {
  const figures = { score: null, tokens_per_macro_step: null, kv_entries_saved: {} };
  const report = {
    command: [text],
    settings: { checkpoint: text, baseline: text, samples: { [text]: 1 }, families: [text] },
    timing: {
      machine: { processor: text, cores: 1, system: text, node: text, load_before: 0, load_after: 0 },
      ...{ kernels: text, threads: 1, speeds: [] },
    },
    results: [{ mode: 'hamburger', confidence: 0.5, mean: figures, families: {} }],
  } as unknown as EvaluationReport;
  const answer = {
    task: { sample: { id: text, prompt: text } },
    ...{ segments: [{ text }, { text }], correct: false, reason: text, outputTokens: 1, macroSteps: 1 },
  } as unknown as Answer;
  return reportPage(report, [], [answer]);
}

const pictures: Readonly<Record<string, (text: string) => string>> = {
  'a page of conform': (text) => reportHtml(...conformance(text)),
  'JUnit XML of conform': (text) => reportJunit(conformance(text)[0]),
  'a page of eval': evaluation,
  'a chart': (text) =>
    chart(text, text, [
      {
        title: text,
        series: [
          {
            name: text,
            points: [
              [0, 1],
              [1, 2],
            ],
            labels: [text, text],
          },
        ],
      },
    ]),
  'a chart of bars': (text) =>
    barChart(text, { title: text, groups: [text], series: [{ name: text, values: [1] }] }),
  'a page of its own': (text) => htmlPage(text, '', html`<p title="${text}">${text}</p>`),
};

/** The tags of a text, each with the names of its attributes. */
const tags = (markup: string): string[] =>
  [...markup.matchAll(/<[^\s>]+(?:\s+[^\s=>]+="[^"]*")*\s*\/?>/g)].map(([tag]) =>
    tag.replaceAll(/="[^"]*"/g, ''),
  );

describe('texts of strangers', () => {
  it.each(Object.entries(pictures))('in %s add no tag and no attribute', (_, made) => {
    const [plain, attacked] = [made('x'), made(ATTACK)];
    expect(plain).toContain('x');
    expect(attacked).toContain('&lt;script&gt;alert(1)//\\u{202e}\\u{0}\\u{1b}\ufffd');
    expect(tags(attacked)).toEqual(tags(plain));
    expect(attacked.match(/</g)!.length).toBe(plain.match(/</g)!.length);
    // XML has no such characters, whatever they are written as.
    expect(attacked).not.toMatch(/(?![\t\n])\p{Cc}|[\ufffe\uffff]|\p{Cs}/u);
  });
});

describe('pages', () => {
  it.each(['a page of conform', 'a page of eval', 'a page of its own'])(
    '%s may run nothing, load nothing and send nothing',
    (name) => {
      const page = pictures[name]!(ATTACK);
      const policies = [...page.matchAll(/<meta http-equiv="Content-Security-Policy" content="([^"]*)">/g)];
      expect(policies.map(([, policy]) => policy)).toEqual([
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
      ]);
      // The first thing that is said: what comes before it would not be bound by it.
      expect(page.indexOf('http-equiv')).toBeLessThan(page.indexOf('<title>'));
      expect(page).not.toMatch(/<(?:script|link|iframe|object|base|form)\b|\bsrc="|href="(?!#)|https?:/);
    },
  );

  it('the playground runs what it came with, and nothing that is made of text', () => {
    const page = readFileSync(
      join(fileURLToPath(new URL('../..', import.meta.url)), 'web/index.html'),
      'utf8',
    );
    const [, policy] = /<meta http-equiv="Content-Security-Policy" content="([^"]*)">/.exec(page)!;
    expect(Object.fromEntries(policy!.split('; ').map((part) => part.split(/ (.*)/).slice(0, 2)))).toEqual({
      'default-src': "'none'",
      'script-src': "'self' 'wasm-unsafe-eval'",
      'style-src': "'self'",
      'connect-src': "'self'",
      'worker-src': "'self'",
      'img-src': 'data:',
      'base-uri': "'none'",
      'form-action': "'none'",
    });
  });
});
