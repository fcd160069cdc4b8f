/** The corpus' tokenizer and the command that writes all of it. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { corpus } from '../../fixtures/corpus/corpus.ts';
import { readSamples } from '../../fixtures/corpus/sample.ts';
import { statistics } from '../../fixtures/corpus/statistics.ts';
import {
  promptText,
  responseText,
  trainTokenizer,
  VOCABULARY_SIZE,
} from '../../fixtures/corpus/tokenizer.ts';
import { chatTemplateOf, renderChat } from '../../lib/text/chat-template.ts';
import { loadTokenizer } from '../../lib/text/tokenizer.ts';

const samples = corpus('train', 200);
const { tokenizer: json, tokenizerConfig } = trainTokenizer(samples);
const tokenizer = loadTokenizer(json, tokenizerConfig, 'corpus');

describe('the corpus in tokens', () => {
  it('the vocabulary is full, and every sample comes back as it was', () => {
    expect(tokenizer.vocabularySize).toBe(VOCABULARY_SIZE);
    for (const sample of [...samples.slice(0, 100), ...corpus('test', 20)]) {
      const text = promptText(sample) + responseText(sample);
      expect(tokenizer.decode(tokenizer.encode(text), { skipSpecialTokens: false })).toBe(text);
    }
  });

  it('the chat template gives the text that training uses', () => {
    const template = chatTemplateOf(tokenizerConfig, 'corpus')!;
    const options = { bosToken: null, eosToken: '<|end|>' };
    for (const sample of samples.slice(0, 5)) {
      const user = { role: 'user', content: sample.prompt };
      const assistant = { role: 'assistant', content: sample.response };
      expect(renderChat(template, [user], { ...options, addGenerationPrompt: true })).toBe(
        promptText(sample),
      );
      expect(renderChat(template, [user, assistant], { ...options, addGenerationPrompt: false })).toBe(
        promptText(sample) + responseText(sample),
      );
    }
    const system = [{ role: 'system', content: 'x' }];
    expect(() => renderChat(template, system, { ...options, addGenerationPrompt: true })).toThrow(/user and/);
  });

  it('prompt and response are cut at a special token, so their ids are those of the whole', () => {
    for (const sample of samples.slice(0, 50)) {
      const [prompt, response] = [promptText(sample), responseText(sample)];
      expect([...tokenizer.encode(prompt), ...tokenizer.encode(response)]).toEqual(
        tokenizer.encode(prompt + response),
      );
    }
  });

  it('sequences stay short', () => {
    const figures = statistics(samples, tokenizer);
    expect(figures.map(({ samples }) => samples)).toEqual([200, 200, 200, 200, 200]);
    for (const { longest } of figures) expect(longest).toBeLessThanOrEqual(256);
  });
});

describe('npm run corpus', () => {
  const program = fileURLToPath(new URL('../../dist/fixtures/corpus/write.js', import.meta.url));
  const sizes = ['--train', '20', '--validation', '2', '--test', '2'];

  it('writes splits and tokenizer, and prints a table', () => {
    const folder = mkdtempSync(join(tmpdir(), 'corpus-'));
    try {
      const out = execFileSync('node', [program, '--out', folder, '--examples', ...sizes], {
        encoding: 'utf8',
      });
      expect(out).toContain('| test | lookup | 2 | 50 % |');
      expect(out).toContain('test/code/0\n');
      expect(readdirSync(folder).sort()).toEqual([
        'test.jsonl',
        'tokenizer.json',
        'tokenizer_config.json',
        'train.jsonl',
        'validation.jsonl',
      ]);
      const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
      expect(readSamples(read('train.jsonl'), 'train')).toEqual(corpus('train', 20));
      expect(JSON.parse(read('tokenizer.json'))).toEqual(trainTokenizer(corpus('train', 20)).tokenizer);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('bad usage ends with 2 and one line', () => {
    for (const args of [['--train', '0'], ['--trian', '5'], ['more']]) {
      const { status, stderr } = spawnSync('node', [program, ...args], { encoding: 'utf8' });
      expect([status, stderr.trim().split('\n').length]).toEqual([2, 1]);
      expect(stderr).toMatch(/^corpus: /);
    }
  });
});
