import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import {
  binary,
  binaryStdout,
  ended,
  hamburger,
  hasTerminal,
  init,
  jsonOf,
  onTerminal,
  start,
  stdoutOf,
  words,
  workFolder,
} from '../run.ts';

/** What `--json` prints. */
interface Report {
  readonly settings: Record<string, unknown>;
  readonly prompt: { readonly ids: number[]; readonly text: string | null };
  readonly ids: number[];
  readonly text: string | null;
  readonly segments: {
    readonly tokens: {
      readonly id: number;
      readonly text?: string;
      readonly probability: number;
      readonly stop_probability: number | null;
      readonly confidence: number | null;
    }[];
    readonly end: string;
  }[];
  readonly stop_reason: string;
  readonly prompt_tokens: number;
  readonly output_tokens: number;
  readonly macro_steps: number;
  readonly entry_positions: number[];
}

/** The cost in a report. */
interface Cost {
  readonly flops: Record<string, number>;
  readonly by_output_token: { readonly flops: Record<string, number[]>; readonly kv_entries: number[] };
  readonly plain_decoder: Omit<Cost, 'plain_decoder'>;
}

const cwd = workFolder();
const generate = (...args: string[]) => ['generate', ...args];

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
  // Without a tokenizer.
  writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
});

describe('generate: what is printed', () => {
  it('the prompt, its continuation and a line feed; with --no-prompt not the prompt; nothing on stderr', async () => {
    const args = generate('Hello', '--checkpoint', 'tiny', '--confidence', '0', '--max-tokens', '9');
    const whole = binaryStdout(args, { cwd });
    const rest = binaryStdout([...args, '--no-prompt'], { cwd });
    expect(whole).toBe(`Hello${rest}`);
    expect(rest).toMatch(/^.+\n$/s);
  });

  it("--segments: '|' before every macro-step and nowhere else; without them the text is the same", async () => {
    const args = generate('Hi', '--checkpoint', 'tiny', '--confidence', '0', '--max-tokens', '10');
    const { text, segments } = await jsonOf<Report>(args, { cwd });
    expect(segments.map(({ tokens }) => tokens.length)).toEqual([4, 4, 2]);
    const marked = await stdoutOf([...args, '--segments'], { cwd });
    const parts = segments.map(({ tokens }) => tokens.map((token) => token.text).join(''));
    expect(marked).toBe(`Hi|${parts.join('|')}\n`);
    expect(parts.join('')).toBe(text);
    expect(await stdoutOf(args, { cwd })).toBe(`Hi${text}\n`);
  });

  it('ids, where there is no tokenizer, in the spelling that --prompt-ids and trace --segments read', async () => {
    const args = generate('--checkpoint', 'bare', '--prompt-ids', '1, 5', '--max-tokens', '4');
    const { ids, text, prompt } = await jsonOf<Report>(args, { cwd });
    expect({ text, prompt }).toEqual({ text: null, prompt: { ids: [1, 5], text: null } });
    expect(await stdoutOf(args, { cwd })).toBe(`1,5,${ids.join(',')}\n`);
    expect(await stdoutOf([...args, '--no-prompt', '--segments'], { cwd })).toBe(`${ids.join('|')}\n`);
  });

  it('no output tokens: the prompt alone', async () => {
    expect(await stdoutOf(generate('Hello', '--checkpoint', 'tiny', '--max-tokens', '0'), { cwd })).toBe(
      'Hello\n',
    );
  });

  it('a prompt from a file is the file to the byte, its final line feed included', async () => {
    writeFileSync(join(cwd, 'prompt.txt'), 'Grüße\n');
    const args = generate('--prompt-file', 'prompt.txt', '--checkpoint', 'tiny', '--max-tokens', '1');
    const { prompt } = await jsonOf<Report>(args, { cwd });
    expect(prompt.text).toBe('Grüße\n');
    expect(prompt.ids).toEqual([256, ...Buffer.from('Grüße\n')]);
  });

  it('--chat: the prompt goes through the template, special tokens once, and only the answer is printed', async () => {
    const args = generate('One day', '--chat', '--max-tokens', '5');
    const { prompt, text } = await jsonOf<Report>(args);
    expect(prompt.text).toBe('<|user|>One day<|assistant|>');
    const spelled = generate('<|user|>One day<|assistant|>', '--max-tokens', '0');
    expect(prompt.ids).toEqual((await jsonOf<Report>(spelled)).prompt.ids);
    expect(await stdoutOf(args)).toBe(`${text}\n`);
  });

  it('--stats and --json: what the run cost, by part and by output token; --stats beside a plain decoder', async () => {
    const args = generate('Hi', '--checkpoint', 'tiny', '--confidence', '0', '--max-tokens', '10');
    const { cost, output_tokens } = await jsonOf<Report & { readonly cost: Cost }>([...args, '--json'], {
      cwd,
    });
    expect(cost.by_output_token.flops.all).toHaveLength(output_tokens);
    expect(cost.by_output_token.flops.all!.at(-1)).toBe(cost.flops.all);
    // Three prompt tokens and two macro-steps that were fed back; a plain decoder holds one for each token but the last.
    expect(cost.by_output_token.kv_entries).toEqual([3, 3, 3, 3, 4, 4, 4, 4, 5, 5]);
    expect(cost.plain_decoder.by_output_token.kv_entries).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const { stderr } = await hamburger([...args, '--stats'], { cwd });
    expect(stderr).toMatch(/^compositional embedder, [kM]FLOP/m);
    expect(stderr).toMatch(/^10 +5 +12 /m);
    expect((await hamburger(args, { cwd })).stderr).toBe('');
  });

  it('--stats: on stderr, and the text on stdout is the same', async () => {
    const args = generate('Hi', '--checkpoint', 'tiny', '--confidence', '0', '--max-tokens', '10');
    const { code, stdout, stderr } = binary([...args, '--stats'], { cwd });
    expect({ code, stdout }).toEqual({ code: 0, stdout: await stdoutOf(args, { cwd }) });
    // 3 prompt tokens; two of the three macro-steps became entries; a plain decoder: 3 + 10 - 1.
    expect(stderr).toMatch(
      /^prompt {6}3 tokens\noutput {6}10 tokens in 3 macro-steps, 3\.33 tokens per macro-step\nKV entries {2}5; a plain decoder would hold 12\nspeed {7}[\d.]+ tokens\/s, the first after \d+\.\d\d s\nstopped {5}at the limit of output tokens\n\n +here +of all /,
    );
  });

  it('the text comes as it is generated and not at the end', async () => {
    const child = start(generate('Hi', '--checkpoint', 'tiny', '--numerics', 'f64', '--max-tokens', '400'), {
      cwd,
    });
    const outcome = ended(child);
    let chunks = 0;
    let endedAfter: number | undefined;
    child.stdout!.on('data', () => chunks++);
    child.on('exit', () => {
      endedAfter = chunks;
    });
    await once(child.stdout!, 'data');
    expect(endedAfter).toBeUndefined();
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect(chunks).toBeGreaterThan(3);
    expect(stdout.startsWith('Hi')).toBe(true);
  });
});

describe('generate: --json', () => {
  it('numerics/N1: both kernel sets give the same report, to the last digit of every probability', async () => {
    const report = (kernels: string) =>
      jsonOf<Report>(generate('Once there was', '--max-tokens', '30', '--kernels', kernels));
    const [fast, readable] = [await report('simd'), await report('reference')];
    expect(readable).toEqual({ ...fast, settings: { ...fast.settings, kernels: 'reference' } });
  });

  it('--threads: any number gives the same report; none of the readable kernels, which say so', async () => {
    const args = generate('Once there was', '--max-tokens', '12', '--json');
    const one = await stdoutOf([...args, '--threads', '1']);
    for (const threads of ['2', '3']) expect(await stdoutOf([...args, '--threads', threads])).toBe(one);
    const { code, stderr } = await hamburger([...args, '--kernels', 'reference', '--threads', '2']);
    expect(code).toBe(0);
    expect(stderr).toContain('--threads 2 has no effect with the reference kernels');
    for (const wrong of ['0', '65', '1.5', 'all']) {
      const refused = await hamburger([...args, '--threads', wrong]);
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--threads') });
    }
  });

  it('one object, whose parts agree with each other and with the text', async () => {
    const asked = '<|user|>Tell a story in 4 sentences with the words kite, hungry, goat.<|assistant|>';
    const args = generate(asked, '--max-tokens', '20');
    const report = await jsonOf<Report>(args);
    const { ids, text, segments, prompt, entry_positions: positions } = report;
    expect(await stdoutOf(args)).toBe(`${asked}${text}\n`);
    expect(segments.flatMap(({ tokens }) => tokens.map(({ id }) => id))).toEqual(ids);
    expect(segments.flatMap(({ tokens }) => tokens.map((token) => token.text)).join('')).toBe(text);
    expect(report).toMatchObject({
      stop_reason: 'length',
      prompt_tokens: prompt.ids.length,
      output_tokens: ids.length,
      macro_steps: segments.length,
      settings: {
        mode: 'hamburger',
        profile: 'train',
        confidence: 0.8,
        numerics: 'f32',
        kernels: 'simd',
        max_tokens: 20,
        max_positions: 256,
        temperature: 0,
        top_k: null,
        top_p: null,
        seed: null,
      },
    });
    expect(ids).toHaveLength(20);
    // positions/C1, C2: every prompt token, then the last token of every segment but the one that is not an entry yet.
    let last = prompt.ids.length - 1;
    const expected = prompt.ids.map((_, i) => i);
    for (const { tokens } of segments.slice(0, -1)) {
      last += tokens.length;
      expected.push(last);
    }
    expect(positions).toEqual(expected);
    // Several tokens fall out of one macro-step, or the toy shows nothing.
    expect(segments.some(({ tokens }) => tokens.length > 1)).toBe(true);
    for (const { tokens, end } of segments) {
      for (const { probability, stop_probability: p, confidence } of tokens) {
        expect(probability).toBeGreaterThan(0);
        expect(probability).toBeLessThanOrEqual(1);
        expect(confidence).toBe(1 - p!);
      }
      if (end === 'confidence') expect(tokens.at(-1)!.confidence).toBeLessThan(0.8);
      for (const { confidence } of tokens.slice(0, -1)) expect(confidence).toBeGreaterThanOrEqual(0.8);
    }
  });

  it('a plain base has no stop head: null, not 0', async () => {
    const { settings, segments } = await jsonOf<Report>(
      generate('One day', '--mode', 'base', '--max-tokens', '3'),
    );
    expect(settings).toMatchObject({ mode: 'base', confidence: null });
    expect(segments).toHaveLength(3);
    expect(segments[0]!.tokens[0]).toMatchObject({ stop_probability: null, confidence: null });
  });

  it("--confidence none is told apart from a plain base's", async () => {
    const { settings } = await jsonOf<Report>(
      generate('One day', '--confidence', 'none', '--max-tokens', '1'),
    );
    expect(settings.confidence).toBe('none');
  });

  it('no character that a terminal obeys stands in it unescaped', async () => {
    const args = generate('a\u009bb\u202ec\u001b', '--checkpoint', 'tiny', '--max-tokens', '1', '--json');
    const json = await stdoutOf(args, { cwd });
    expect(json).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse(json).prompt.text).toBe('a\u009bb\u202ec\u001b');
  });
});

describe('generate: decoding', () => {
  const known = new Map<string, number[]>();
  /** The output ids of a command. */
  const ids = async (...args: string[]): Promise<number[]> => {
    const key = args.join(' ');
    const found = known.get(key) ?? (await jsonOf<Report>(generate(...args))).ids;
    known.set(key, found);
    return found;
  };

  it('the same command gives the same bytes, in one process and in another', async () => {
    const args = generate('One day', '--temperature', '1', '--max-tokens', '25', '--json');
    const first = binaryStdout(args);
    expect(binaryStdout(args)).toBe(first);
    expect(await stdoutOf(args)).toBe(first);
  });

  it('without a seed it is 0; another seed gives another text', async () => {
    const sampled = ['One day', '--temperature', '1', '--max-tokens', '25'];
    const free = await ids(...sampled);
    expect(await ids(...sampled, '--seed', '0')).toEqual(free);
    expect(await ids(...sampled, '--seed', '1')).not.toEqual(free);
  });

  it('--top-k 1 is greedy whatever the temperature', async () => {
    expect(await ids('One day', '--temperature', '9', '--top-k', '1', '--max-tokens', '10')).toEqual(
      await ids('One day', '--max-tokens', '10'),
    );
  });

  it('--top-p keeps the improbable tokens out', async () => {
    const sampled = ['One day', '--temperature', '9', '--max-tokens', '10'];
    expect(await ids(...sampled, '--top-p', '0.0001')).toEqual(await ids('One day', '--max-tokens', '10'));
    expect(await ids(...sampled)).not.toEqual(await ids('One day', '--max-tokens', '10'));
  });

  it('--uniforms: one number is used for each token, and what is left over is told', async () => {
    writeFileSync(join(cwd, 'zeros.json'), '[0, 0, 0, 0, 0]');
    const { code, stdout, stderr } = await hamburger(
      generate(
        'One day',
        ...words('--temperature 1 --max-tokens 3 --json --uniforms'),
        join(cwd, 'zeros.json'),
      ),
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'note: 2 numbers of --uniforms were not used\n' });
    const report = JSON.parse(stdout) as Report;
    // u = 0 takes the likeliest token, which comes first (token-choice/C4).
    expect(report.ids).toEqual(await ids('One day', '--max-tokens', '3'));
    expect(report.settings.seed).toBeNull();
  });

  it('options of sampling without sampling are no error, but are told to have no effect', async () => {
    const { code, stderr } = await hamburger(
      generate('One day', '--top-k', '3', '--seed', '1', '--max-tokens', '1'),
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'note: --top-k, --seed: no effect with --temperature 0\n',
    });
  });

  it("a profile's confidence holds where none is given", async () => {
    const { settings } = await jsonOf<Report>(
      generate('One day', '--profile', 'hf-generate', '--max-tokens', '1'),
    );
    expect(settings).toMatchObject({ profile: 'hf-generate', confidence: 0.9 });
  });

  it('a profile that overshoots does so here, one that cuts does not', async () => {
    const args = generate('Hi', '--checkpoint', 'tiny', '--confidence', '0', '--max-tokens', '5');
    const length = async (profile: string): Promise<number> =>
      (await jsonOf<Report>([...args, '--profile', profile], { cwd })).ids.length;
    expect(await length('hf-generate')).toBe(8);
    expect(await length('gpt-fast')).toBe(5);
    expect(await length('train')).toBe(5);
  });

  it('--max-positions bounds prompt and output together, and then --max-tokens has no default', async () => {
    const report = await jsonOf<Report>(
      generate('Hi', '--checkpoint', 'tiny', '--numerics', 'f32', '--max-positions', '300'),
      { cwd },
    );
    // The last token takes no position.
    expect(report.prompt_tokens + report.output_tokens).toBe(301);
    expect(report.stop_reason).toBe('positions');
  });

  it('f64 is computed in f64: probabilities that f32 cannot hold', async () => {
    const probability = async (mode: string): Promise<number> => {
      const { segments } = await jsonOf<Report>(generate('One day', '--numerics', mode, '--max-tokens', '1'));
      return segments[0]!.tokens[0]!.stop_probability!;
    };
    const [f32, f64] = [await probability('f32'), await probability('f64')];
    expect(Math.fround(f32)).toBe(f32);
    expect(Math.fround(f64)).not.toBe(f64);
    expect(f64).toBeCloseTo(f32, 4);
  });

  it('the shipped checkpoint is asked something by default, which is told, and answers it', async () => {
    const { code, stdout, stderr } = await hamburger(generate('--max-tokens', '12'));
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^prompt: Write a function [^\n]+\n$/),
    });
    expect(stdout).toMatch(/^function solve\(n\) \{/);
  });
});

describe('generate: bad input', () => {
  const tiny = ['--checkpoint', 'tiny'];
  const cases: [string, string[], string][] = [
    [
      'a folder that is not there',
      ['x', '--checkpoint', 'nowhere'],
      'nowhere: expected a checkpoint folder, which holds config.json and model.safetensors (or model.safetensors.index.json and the files that it names), found nothing of that name',
    ],
    [
      'fast kernels for what they do not have',
      ['x', '--kernels', 'simd', '--numerics', 'f64', ...tiny],
      '--kernels simd: expected --numerics f32, found f64',
    ],
    ['no prompt', tiny, 'prompt: expected one of a text, --prompt-file and --prompt-ids, found none'],
    [
      'two prompts',
      ['x', '--prompt-ids', '1', ...tiny],
      'prompt: expected one of a text, --prompt-file and --prompt-ids, found 2 of them',
    ],
    [
      'a prompt file that is not there',
      ['--prompt-file', 'nothing.txt', ...tiny],
      'nothing.txt: expected a readable file, found no such file',
    ],
    [
      'a prompt file that is not text',
      ['--prompt-file', 'binary', ...tiny],
      'binary: expected UTF-8 text, found bytes that are not UTF-8',
    ],
    [
      'a text without a tokenizer',
      ['x', '--checkpoint', 'bare'],
      'bare: expected a tokenizer, to make token ids of a text, found a checkpoint without one. Give the prompt with --prompt-ids',
    ],
    [
      'an id outside the vocabulary',
      ['--prompt-ids', '1,258', ...tiny],
      'base/C1: --prompt-ids: token id at index 1: expected an integer from 0 to 257, found 258',
    ],
    [
      'more tokens than positions',
      ['x'.repeat(600), ...tiny],
      'generation/C1: prompt: expected at most 512 tokens, one for each position, found 601',
    ],
    [
      'more positions than the model has',
      ['x', '--max-positions', '513', ...tiny],
      'generation/C1: --max-positions: expected an integer from 1 to 512 (max_position_embeddings), found 513',
    ],
    [
      'macro-steps of a plain base',
      ['--prompt-ids', '1', '--mode', 'hamburger', '--checkpoint', 'bare'],
      '--mode hamburger: expected a checkpoint with HAMburger modules, found a plain base, bare. "hamburger init --from-base" gives it modules',
    ],
    [
      'a chat without a template',
      ['x', '--chat', ...tiny],
      '--chat: tiny: expected a chat template, found a checkpoint without one',
    ],
    [
      'a chat of ids',
      ['--prompt-ids', '1', '--chat', ...tiny],
      '--chat: expected a prompt that is a text, to be put into the template, found --prompt-ids',
    ],
    [
      'draws that are no list',
      ['x', '--temperature', '1', '--uniforms', 'object.json', ...tiny],
      'object.json: expected a list of numbers, found {"a":1}',
    ],
    [
      'a draw of 1',
      ['x', '--temperature', '1', '--uniforms', 'one.json', ...tiny],
      '--uniforms: draw 1 of 2: expected a number in [0, 1), found 1',
    ],
    [
      'too few draws',
      ['x', '--temperature', '1', '--uniforms', 'half.json', ...tiny],
      '--uniforms: expected at most 1 to be used, found one more asked for',
    ],
    [
      'a name with control characters',
      ['x', '--checkpoint', 'a\u001b[2J'],
      'a\\u{1b}[2J: expected a checkpoint folder, which holds config.json and model.safetensors (or model.safetensors.index.json and the files that it names), found nothing of that name',
    ],
  ];

  beforeAll(async () => {
    writeFolder(cwd, {
      binary: Uint8Array.of(0xff, 0xfe),
      'object.json': { a: 1 },
      'one.json': [0, 1],
      'half.json': [0.5],
    });
  });

  it.each(cases)('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await hamburger(generate(...args), { cwd });
    expect({ code, stderr }).toEqual({ code: 2, stderr: `hamburger: ${message}\n` });
    // With too few draws the first token is out already.
    if (!args.includes('half.json')) expect(stdout).toBe('');
  });

  it('a seed and a list of draws contradict each other', async () => {
    const { code, stderr } = await hamburger(
      generate('x', '--seed', '1', '--uniforms', 'half.json', ...tiny),
      {
        cwd,
      },
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^hamburger: option '--uniforms <file>' cannot be used with option '--seed <text>'\n/,
    );
  });
});

describe('generate: colours', () => {
  const escapes = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g');
  const request = 'Tell a story in 4 sentences with the words jumped, kite, hungry.';
  const args = generate(request, '--chat', '--max-tokens', '20');

  it('none in a pipe; with --color there are, and without them the text is the same', async () => {
    const plain = await stdoutOf(args);
    expect(plain).not.toContain('\u001b');
    const coloured = await stdoutOf([...args, '--color']);
    expect(coloured.match(escapes)!.length).toBeGreaterThan(12);
    expect(coloured.replaceAll(escapes, '')).toBe(plain);
  });

  it.skipIf(!hasTerminal)(
    'on a terminal: colours and figures, unless turned off or NO_COLOR is set (needs the program script)',
    async () => {
      const plain = await stdoutOf(args);
      const shown = onTerminal(args)!;
      expect(shown).toMatch(escapes);
      expect(shown.replaceAll(escapes, '').startsWith(plain)).toBe(true);
      expect(shown).toContain('tokens per macro-step');
      const withNoColor = onTerminal(args, { NO_COLOR: '1' })!;
      expect(withNoColor).not.toContain('\u001b');
      expect(withNoColor.startsWith(plain)).toBe(true);
      expect(onTerminal([...args, '--no-color', '--no-stats'])).toBe(plain);
    },
  );

  it.skipIf(!hasTerminal)(
    'control characters of a model are shown to a terminal and not obeyed (needs the program script)',
    async () => {
      const ids = ['--prompt-ids', '72,27,91,50,74', '--checkpoint', join(cwd, 'tiny'), '--max-tokens', '0'];
      expect(await stdoutOf(generate(...ids))).toBe('H\u001b[2J\n');
      expect(onTerminal(generate(...ids, '--no-stats'))).toBe('H\\u{1b}[2J\n');
    },
  );
});
