/** `hamburger generate`: stop strings, several samples, what changes logits, log-probabilities. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import { hamburger, jsonOf, stdoutOf, workFolder } from '../run.ts';

interface SampleReport {
  readonly ids: number[];
  readonly text: string;
  readonly segments: {
    readonly tokens: {
      readonly id: number;
      readonly text: string;
      readonly probability: number;
      readonly log_probability?: number;
      readonly alternatives?: {
        readonly id: number;
        readonly token: string;
        readonly log_probability: number;
      }[];
    }[];
    readonly end: string;
  }[];
  readonly stop_reason: string;
  readonly stop_string: string | null;
  readonly entry_positions: number[];
  readonly prompt_tokens: number;
}
interface Report extends SampleReport {
  readonly settings: Record<string, unknown>;
  readonly samples: SampleReport[];
}

const cwd = workFolder();
writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
const ASKED = '<|user|>Tell a story in 4 sentences with the words kite, hungry, goat.<|assistant|>';
const args = (...more: string[]) => ['generate', ASKED, '--no-prompt', '--max-tokens', '40', ...more];
const report = (...more: string[]) => jsonOf<Report>(args(...more));
const textOf = (segment: SampleReport['segments'][number]) => segment.tokens.map(({ text }) => text).join('');

describe('generate: --stop', () => {
  it('one that begins in a macro-step and ends in the next, or inside a token: the text ends before it, the tokens with it', async () => {
    const whole = await report();
    // Where a macro-step of several tokens follows, so that tokens of it are left out.
    const m = whole.segments.findIndex((segment, i) => i > 2 && segment.tokens.length > 1);
    const before = whole.segments.slice(0, m).map(textOf).join('');
    const [first] = whole.segments[m]!.tokens;
    const stop = before.slice(-5) + first!.text.slice(0, 2);
    const at = whole.text.indexOf(stop);
    expect(at).toBe(before.length - 5);
    const stopped = await report('--stop', 'not to be found', '--stop', stop);
    const tokens = whole.segments.slice(0, m).reduce((sum, segment) => sum + segment.tokens.length, 1);
    expect(stopped).toMatchObject({
      text: whole.text.slice(0, at),
      ids: whole.ids.slice(0, tokens),
      stop_reason: 'stop-string',
      stop_string: stop,
      entry_positions: whole.entry_positions.slice(0, whole.prompt_tokens + m),
      settings: { stop_strings: ['not to be found', stop], keep_stop: false },
    });
    expect(stopped.segments.at(-1)).toMatchObject({ end: 'stop-string', tokens: [{ id: first!.id }] });
    // stop-strings/C5: tokens keep their text, also where the output is cut.
    expect(stopped.segments.map(textOf).join('')).toBe(before + first!.text);
    const marked = `${whole.segments.slice(0, m).map(textOf).join('|').slice(0, -5)}\n`;
    expect(await stdoutOf(args('--stop', stop, '--segments'))).toBe(marked);
    expect(await stdoutOf(args('--stop', stop, '--keep-stop'))).toBe(`${whole.text.slice(0, at)}${stop}\n`);
  });

  it('one that begins but never ends is printed whole, boundaries of macro-steps in their places', async () => {
    const whole = await report();
    const last = whole.text.slice(-6);
    expect(await stdoutOf(args('--stop', `${last}~`, '--segments'))).toBe(
      `${whole.segments.map(textOf).join('|')}\n`,
    );
  });

  it('is refused without a tokenizer, before the model is loaded; U+FFFD is refused as well', async () => {
    const bare = await hamburger(['generate', '--checkpoint', 'bare', '--prompt-ids', '1', '--stop', 'x'], {
      cwd,
    });
    expect(bare).toMatchObject({ code: 2, stderr: expect.stringContaining('--stop looks for a text') });
    const bad = await hamburger(args('--stop', '\uFFFD'));
    expect(bad).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('stop-strings/C2: --stop: expected a text'),
    });
    const alone = await hamburger(args('--keep-stop', '--max-tokens', '1'));
    expect(alone).toMatchObject({ code: 0, stderr: 'note: --keep-stop: no effect without --stop\n' });
  });
});

describe('generate: --num-samples', () => {
  const sampled = ['--temperature', '1.5', '--seed', '3', '--max-tokens', '12'];

  it('token-choice/C6: a sample is the same however many there are, and the first is that of the seed', async () => {
    const { samples } = await report(...sampled, '--num-samples', '3');
    expect(samples).toHaveLength(3);
    expect(new Set(samples.map(({ text }) => text)).size).toBe(3);
    expect((await report(...sampled, '--num-samples', '2')).samples).toEqual(samples.slice(0, 2));
    const { settings, prompt, ...alone } = (await report(...sampled)) as Report & { prompt: unknown };
    expect(alone).toEqual(samples[0]);
    expect(settings).toMatchObject({ seed: '3', num_samples: null });
    const text = await stdoutOf(args(...sampled, '--num-samples', '2'));
    expect(text).toBe(
      `--- sample 1 of 2 ---\n${samples[0]!.text}\n\n--- sample 2 of 2 ---\n${samples[1]!.text}\n`,
    );
  });

  it('a list in JSON also for one; figures are a row for each sample', async () => {
    expect((await report(...sampled, '--num-samples', '1')).samples).toHaveLength(1);
    const { stderr } = await hamburger(args(...sampled, '--num-samples', '2', '--stats'));
    expect(stderr).toMatch(
      /^sample {2}tokens {2}macro-steps {2}KV entries {2}stopped\n( +[12] +12 +\d+ +\d+ {2}at the limit of output tokens\n){2}[\d.]+ tokens\/s.*\n$/,
    );
  });

  it('of greedy choice all samples are the same, which is told', async () => {
    const { stderr } = await hamburger(args('--num-samples', '2', '--max-tokens', '2'));
    expect(stderr).toBe('note: --num-samples: with --temperature 0 all samples are the same\n');
  });
});

describe('generate: what changes logits', () => {
  it('--logit-bias: forbids tokens, for greedy choice too, and forces them', async () => {
    const { ids } = await report('--max-tokens', '1');
    const forbidden = await report('--max-tokens', '1', '--logit-bias', `${ids[0]}=-inf`);
    expect(forbidden.ids).not.toEqual(ids);
    expect(forbidden.settings.logit_bias).toEqual({ [`${ids[0]}`]: '-inf' });
    const forced = await report('--max-tokens', '2', '--logit-bias', '65=1000', '--logit-bias', '7=-1.5');
    expect(forced.ids).toEqual([65, 65]);
    expect(forced.settings.logit_bias).toEqual({ 65: 1000, 7: -1.5 });
  });

  it('--repetition-penalty: no token twice, if it is large; --min-p 1 leaves the likeliest alone', async () => {
    const { ids } = await report('--repetition-penalty', '1000', '--max-tokens', '24');
    expect(new Set(ids).size).toBe(24);
    const greedy = await report('--max-tokens', '24');
    expect(new Set(greedy.ids).size).toBeLessThan(24);
    expect((await report('--temperature', '2', '--min-p', '1', '--max-tokens', '24')).ids).toEqual(
      greedy.ids,
    );
  });

  it('bad values are refused, naming the option, before the model is loaded', async () => {
    const of = async (...more: string[]) => (await hamburger(args(...more))).stderr;
    expect(await of('--logit-bias', '1024=1')).toBe(
      'hamburger: token-distribution/C1: --logit-bias: expected an integer from 0 to 1023, found 1024\n',
    );
    for (const bad of ['1', '1=', '=1', '1=x', '1=inf', '1=2=3', '-1=2', '1.5=2', '1=Infinity']) {
      expect(await of('--logit-bias', bad)).toContain(`Expected a token id, '=' and a number or -inf`);
    }
    expect(await of('--logit-bias', '1=2', '--logit-bias', '1=3')).toContain('each token id once');
    expect(await of('--min-p', '1.5')).toContain('--min-p');
    expect(await of('--repetition-penalty', '0')).toContain('Expected a number above 0');
    expect(await of('--uniforms', 'x', '--num-samples', '2')).toContain('cannot be used with');
  });
});

describe('generate: --logprobs', () => {
  it("log-probabilities/C2: the model's own whatever the sampling, with the likeliest tokens", async () => {
    const { segments } = await report('--logprobs', '2', '--temperature', '3', '--max-tokens', '8');
    for (const { probability, log_probability: logProbability, alternatives } of segments.flatMap(
      (s) => s.tokens,
    )) {
      expect(Math.exp(logProbability!)).toBeCloseTo(probability, 12);
      expect(alternatives).toHaveLength(2);
      expect(alternatives![0]!.log_probability).toBeGreaterThanOrEqual(logProbability!);
      expect(alternatives![0]!.log_probability).toBeGreaterThanOrEqual(alternatives![1]!.log_probability);
      expect(alternatives![0]!.token).not.toBe('');
    }
    expect((await report('--max-tokens', '1')).segments[0]!.tokens[0]).not.toHaveProperty('log_probability');
  });

  it('without --json a table on stderr, and the text as always', async () => {
    const { stdout, stderr } = await hamburger(args('--logprobs', '1', '--max-tokens', '2'));
    expect(stdout).toBe(await stdoutOf(args('--max-tokens', '2')));
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^token +ln p +likeliest 1 +ln p$/);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^"[^ ]+" +-?\d\.\d{4} +"[^ ]+" +-?\d\.\d{4}$/);
  });
});
