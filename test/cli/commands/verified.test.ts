import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hamburger, init, jsonOf, stdoutOf, toy, workFolder } from '../run.ts';

interface Report {
  readonly settings: Record<string, unknown>;
  readonly ids: number[];
  readonly segments: {
    readonly tokens: { readonly id: number; readonly origin: string }[];
    readonly end: string;
  }[];
  readonly stop_reason: string;
  readonly verification: {
    readonly rounds: number;
    readonly drafted: number;
    readonly accepted: number;
    readonly resampled: number;
    readonly added: number;
    readonly mean_accepted_length: number;
    readonly by_micro_index: {
      readonly drafted: number;
      readonly judged: number;
      readonly accepted: number;
    }[];
    readonly target_entries: number;
    readonly flops: { readonly draft: number; readonly target: number };
    readonly drafted_tokens: { readonly fate: string }[];
  };
}

const prompt = '<|user|>Where is the pink hat?<|assistant|>';
const verified = (...args: readonly string[]) => ['generate', prompt, '--mode', 'verified', ...args];

describe('generate --mode verified', () => {
  const cwd = workFolder();
  beforeAll(async () => {
    await init(cwd, '--preset', 'tiny', '--seed', '1', '--out', 'tiny');
    // A target like the toy's base, but for one thing.
    const copy = (
      name: string,
      change: (file: (name: string) => { read(): string; write(text: string): void }) => void,
    ) => {
      cpSync(`${toy}-base`, join(cwd, name), { recursive: true });
      change((file) => ({
        read: () => readFileSync(join(cwd, name, file), 'utf8'),
        write: (text) => writeFileSync(join(cwd, name, file), text),
      }));
    };
    copy('other-token', (file) => {
      const tokenizer = file('tokenizer.json');
      const json = JSON.parse(tokenizer.read());
      const [text] = Object.entries(json.model.vocab as Record<string, number>).find(([, id]) => id === 0)!;
      json.model.vocab = Object.fromEntries(
        Object.entries(json.model.vocab).map(([key, id]) => [key === text ? '\u0100\u0100' : key, id]),
      );
      tokenizer.write(JSON.stringify(json));
    });
    copy('other-eos', (file) => {
      const config = file('config.json');
      config.write(config.read().replace('"eos_token_id": 1023', '"eos_token_id": 7'));
    });
    copy('few-positions', (file) => {
      const config = file('config.json');
      config.write(config.read().replace('"max_position_embeddings": 256', '"max_position_embeddings": 5'));
    });
  });

  it("the target's own greedy text, by default that of the base beside the checkpoint; with all figures as JSON", async () => {
    const { settings, ids, segments, verification } = await jsonOf<Report>(verified('--max-tokens', '24'));
    const own = await jsonOf<Report>([
      'generate',
      prompt,
      '--checkpoint',
      `${toy}-base`,
      '--max-tokens',
      '24',
    ]);
    expect(ids).toEqual(own.ids);
    expect(settings).toMatchObject({
      mode: 'verified',
      verification: { target: `${toy}-base`, draft_steps: 2, draft_confidence: 0, policy: 'greedy' },
    });
    const tokens = segments.flatMap((segment) => segment.tokens);
    const drafts = tokens.filter(({ origin }) => origin === 'draft').length;
    expect(verification).toMatchObject({
      accepted: drafts,
      mean_accepted_length: drafts / verification.rounds,
      target_entries: expect.any(Number),
    });
    expect(verification.resampled + verification.added).toBe(tokens.length - drafts);
    expect(verification.drafted_tokens).toHaveLength(verification.drafted);
    expect(verification.by_micro_index[0]!.drafted).toBeGreaterThan(0);
    expect(verification.flops.target).toBeGreaterThan(verification.flops.draft);
  });

  it('--stats and --segments', async () => {
    const { code, stdout, stderr } = await hamburger(
      verified('--stats', '--segments', '--no-prompt', '--draft-steps', '3'),
    );
    expect(code).toBe(0);
    expect(stdout.split('|').length).toBeGreaterThan(2);
    expect(stderr).toMatch(/^drafts +\d+ tokens in \d+ macro-steps; \d+ accepted \(\d+ %\)$/m);
    expect(stderr).toMatch(/^by micro index +\d+ %, \d+ %/m);
    expect(stderr).toMatch(
      /^target +\d+ passes, [\d.]+ tokens per pass: [\d.]+ accepted and \d+ of its own/m,
    );
    expect(stderr).toMatch(/^target, MFLOP +[\d.]+ +[\d.]+ % +[\d.]+ +[\d.]+ %$/m);
    expect(stderr).toMatch(/^by confidence +(?:0\.[\d.]+\+ \d+ % of \d+(?:, )?)+$/m);
  });

  it('--policy blind is --mode hamburger, and asks no target', async () => {
    const blind = await stdoutOf(verified('--policy', 'blind', '--segments'));
    expect(blind).toBe(await stdoutOf(['generate', prompt, '--segments']));
  });

  it('a seed fixes what is sampled, and each of several samples has draws of its own', async () => {
    const args = verified('--temperature', '1', '--seed', '5', '--max-tokens', '12');
    const one = await stdoutOf(args);
    const [first, second] = (await stdoutOf([...args, '--num-samples', '2']))
      .split(/--- sample \d of 2 ---\n/)
      .slice(1);
    expect(first).toBe(`${one}\n`);
    expect(second).not.toBe(first);
  });

  it('--target inside, --draft-confidence, and a stop string', async () => {
    const args = verified('--target', 'inside', '--draft-confidence', '0.9', '--no-prompt', '--stop', 'hat');
    const { code, stdout } = await hamburger(args);
    expect(code).toBe(0);
    expect(stdout).not.toContain('hat');
  });

  it.each<[string, readonly string[], string]>([
    [
      'another vocabulary',
      ['--target', 'tiny'],
      'verification/C3: --target: expected 1024 tokens, as the draft model has, found',
    ],
    ['another token', ['--target', 'other-token'], 'verification/C3: --target: expected the tokens of'],
    [
      'another EOS',
      ['--target', 'other-eos'],
      'verification/C3: --target: tokens of the target that end a text: expected 1023, as the draft model has, found 7',
    ],
    ['too few positions', ['--target', 'few-positions'], 'verification/C3: --target: expected at least'],
    ['no such folder', ['--target', 'nowhere'], 'nowhere: expected a checkpoint folder'],
    [
      'more positions than there are',
      ['--max-positions', '300'],
      'verification/C3: --checkpoint: expected at least 300',
    ],
    ['a policy of no such name', ['--policy', 'strict'], 'verification/C1: --policy: expected blind, greedy'],
    ['a policy with a bad number', ['--policy', 'lenient:0'], 'expected an integer of at least 1, found 0'],
    [
      'greedy, and a temperature',
      ['--policy', 'greedy', '--temperature', '1'],
      'verification/C1: --policy: policy greedy',
    ],
    ['sampling without one', ['--policy', 'sampling'], 'verification/C1: --policy: policy sampling'],
    [
      'blind with a target',
      ['--policy', 'blind', '--target', 'inside'],
      'verification/C1: --policy: policy blind: expected no target',
    ],
    ['no macro-step', ['--draft-steps', '0'], 'Expected an integer of at least 1'],
    ['no confidence', ['--draft-confidence', '1.5'], 'Expected a number from 0 to 1'],
  ])('refuses before any work: %s', async (_, args, message) => {
    const { code, stdout, stderr } = await hamburger(verified(...args), { cwd });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('a checkpoint without a base beside it says what to give', async () => {
    const args = ['generate', '--checkpoint', 'tiny', '--prompt-ids', '1,2', '--mode', 'verified'];
    const { code, stderr } = await hamburger(args, { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('--target: expected the folder of the model that judges drafts');
    expect(stderr).toContain("or 'inside' for the base inside it");
    const inside = await hamburger([...args, '--target', 'inside', '--max-tokens', '6'], { cwd });
    expect(inside.code).toBe(0);
  });

  it('options of verification say that they have no effect elsewhere; other commands do not know the mode', async () => {
    const { code, stderr } = await hamburger(['generate', prompt, '--policy', 'greedy', '--max-tokens', '1']);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('note: --policy: no effect without --mode verified'),
    ]);
    const trace = await hamburger(['trace', prompt, '--mode', 'verified', '--out', 'run.safetensors'], {
      cwd,
    });
    expect(trace).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Allowed choices are hamburger, base'),
    });
  });
});
