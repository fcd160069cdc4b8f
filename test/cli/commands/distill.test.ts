import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import { hamburger, init, jsonOf, toy, workFolder } from '../run.ts';

const cwd = workFolder();
writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
const STORY = 'Tell a story in 3 sentences with the words kite, hungry, goat.';
/** As the chat template has them. */
const [FIRST, SECOND] = [`<|user|>${STORY}<|assistant|>`, '<|user|>Where is the pink hat?<|assistant|>'];
writeFolder(cwd, {
  'prompts.jsonl': `{"prompt": "${FIRST}"}\n\n{"prompt": "${SECOND}", "response": "x", "id": "a"}\n`,
  'second.jsonl': `{"prompt": "<|user|>Who?<|assistant|>"}\n{"prompt": "${SECOND}"}\n`,
  'messages.jsonl': `{"prompt": "${STORY}"}\n`,
  'many.jsonl': ['kite', 'goat', 'pig', 'ship', 'hat', 'tree']
    .map((word) => `{"prompt": "<|user|>Where is the ${word}?<|assistant|>"}\n`)
    .join(''),
  'long.jsonl': `{"prompt": "${FIRST}"}\n{"prompt": "${'word '.repeat(3000)}"}\n`,
  'none.jsonl': '{"prompt": "One day"}\n{"response": "x"}\n',
});

const distill = (...args: string[]) =>
  hamburger(['distill', toy, '--prompts', 'prompts.jsonl', ...args], { cwd });

const lines = (file: string) =>
  readFileSync(join(cwd, file), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { prompt: string; response: string });

describe('distill', () => {
  it("writes what the base alone says, without the token that ends it; the file's own responses do not matter", async () => {
    const { code, stderr } = await distill('--out', 'a.jsonl', '--max-tokens', '100');
    expect(code).toBe(0);
    const written = lines('a.jsonl');
    expect(written.map(({ prompt }) => prompt)).toEqual([FIRST, SECOND]);
    const args = ['generate', FIRST, '--mode', 'base', '--no-prompt', '--max-tokens', '100'];
    const { text, ids } = await jsonOf<{ text: string; ids: number[] }>(args);
    expect(written[0]!.response).toBe(text);
    expect(stderr).toMatch(/^a\.jsonl: 2 responses, \d+ tokens\n$/);
    expect(ids.length).toBeGreaterThan(20);
  });

  it('samples the same for the same seed, prompt by prompt, and otherwise for another', async () => {
    const sampling = ['--temperature', '1', '--max-tokens', '100'];
    const of = async (out: string, ...args: string[]) => {
      expect((await distill('--out', out, ...sampling, ...args)).code).toBe(0);
      return lines(out);
    };
    const first = await of('b.jsonl', '--seed', '7');
    expect(await of('c.jsonl', '--seed', '7')).toEqual(first);
    expect(await of('d.jsonl', '--seed', '8')).not.toEqual(first);
    // The second prompt's draws do not depend on the first.
    expect((await of('e.jsonl', '--seed', '7', '--prompts', 'second.jsonl')).at(-1)).toEqual(first.at(-1));
  });

  it('batching/C1: --batch changes no byte, whichever response is there first', async () => {
    const of = async (...args: string[]) => {
      const out = `batch-${args.at(-1)}.jsonl`;
      const many = ['--prompts', 'many.jsonl', '--out', out, '--max-tokens', '60', '--temperature', '1'];
      expect((await distill(...many, ...args)).code).toBe(0);
      return readFileSync(join(cwd, out), 'utf8');
    };
    const alone = await of('--batch', '1');
    expect(alone.split('\n').length).toBeGreaterThan(4);
    expect(await of('--batch', '3')).toBe(alone);
    expect(await of('--batch', '16')).toBe(alone);
  });

  it('names the line of a prompt that is too long', async () => {
    const { code, stderr } = await distill('--prompts', 'long.jsonl', '--out', 'never.jsonl');
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/long\.jsonl, line 2: .*expected at most \d+ tokens/),
    ]);
  });

  it('leaves out what a limit cut short, and says how many: a model would learn to end there', async () => {
    const { code, stderr } = await distill('--out', 'cut.jsonl', '--max-tokens', '5');
    expect([code, stderr]).toEqual([
      0,
      'cut.jsonl: 0 responses, 0 tokens\nleft out: 2 responses that --max-tokens or the positions cut short\n',
    ]);
  });

  it.each([
    [
      'a file with a line without a prompt',
      ['--prompts', 'none.jsonl'],
      'none.jsonl, line 2: prompt: expected a string',
    ],
    ['another name', ['--out', 'x.txt'], 'Expected the name of a file that ends with .jsonl'],
  ])('%s is refused, and nothing is written', async (_, args, message) => {
    const { code, stderr } = await distill('--out', 'never.jsonl', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(existsSync(join(cwd, 'never.jsonl'))).toBe(false);
  });

  it('--chat: the prompt goes through the template, and a template that is not there is refused', async () => {
    expect((await distill('--prompts', 'messages.jsonl', '--chat', '--out', 'chat.jsonl')).code).toBe(0);
    const args = ['generate', STORY, '--chat', '--mode', 'base'];
    expect(lines('chat.jsonl')[0]!.response).toBe((await jsonOf<{ text: string }>(args)).text);
    await init(cwd, '--preset', 'tiny', '--out', 'tiny');
    const { code, stderr } = await hamburger(
      ['distill', 'tiny', '--prompts', 'prompts.jsonl', '--out', 'never.jsonl', '--chat'],
      { cwd },
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining('--chat: tiny: expected a chat template')]);
  });

  it('a base without a tokenizer is refused', async () => {
    const args = ['distill', 'bare', '--prompts', 'prompts.jsonl', '--out', 'never.jsonl'];
    const { code, stderr } = await hamburger(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('bare: expected a tokenizer');
  });
});
