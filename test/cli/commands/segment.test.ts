import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../lib/checkpoint/checkpoint.ts';
import { referenceKernels } from '../../../lib/kernels/reference.ts';
import { tokenMetrics } from '../../../lib/train/token-metrics.ts';
import { checkpointFiles, plainConfig, writeFolder } from '../../helpers/checkpoint-folders.ts';
import {
  binaryStdout,
  hamburger,
  hasTerminal,
  init,
  jsonOf,
  onTerminal,
  stdoutOf,
  toy,
  workFolder,
} from '../run.ts';

/** What `--json` prints, and with `--file` each line. */
interface Report {
  readonly settings: Record<string, unknown>;
  readonly prompt: { readonly ids: number[]; readonly text: string | null };
  readonly ids: number[];
  readonly text: string | null;
  readonly segments: {
    readonly tokens: {
      readonly id: number;
      readonly text?: string;
      readonly entropy: number;
      readonly probability: number;
    }[];
  }[];
  readonly prompt_tokens: number;
  readonly response_tokens: number;
}

const cwd = workFolder();
const segment = (...args: string[]) => ['segment', ...args];

/** A request to the toy, and an answer that it could have given. */
const REQUEST = 'Give the record. Order 43 is paid. The color in order 43 is blue. Order 43 is for a bell.';
const ANSWER = '{"order":43,"item":"bell","color":"blue","paid":true}';
/** The request, as the chat template spells it. */
const PROMPT = `<|user|>${REQUEST}<|assistant|>`;

const segmentAnswer = (...args: string[]) => segment(ANSWER, '--prompt', PROMPT, ...args);

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
  // Without a tokenizer.
  writeFolder(join(cwd, 'bare'), checkpointFiles(plainConfig));
  writeFolder(cwd, {
    'pairs.jsonl': Buffer.from(
      `{"prompt": "Once there was a fox.", "response": " She lived\\nby the barn."}\n\n${JSON.stringify({ prompt: PROMPT, response: ANSWER })}\n{"prompt": "A fox", "response": ""}\n`,
    ),
    'broken.jsonl': Buffer.from('{"response": "a"}\n{"response": }\n'),
    'long.jsonl': Buffer.from(
      `{"prompt": "b", "response": "a"}\n{"prompt": "b", "response": "${'x'.repeat(900)}"}\n`,
    ),
  });
});

describe('segment: what is printed', () => {
  it("the text with '|' where a segment begins, as --json has the segments; nothing on stderr", async () => {
    const printed = binaryStdout(segmentAnswer());
    const { segments, text } = await jsonOf<Report>(segmentAnswer());
    const parts = segments.map(({ tokens }) => tokens.map((token) => token.text).join(''));
    expect(printed).toBe(`${parts.join('|')}\n`);
    expect([parts.join(''), text]).toEqual([ANSWER, ANSWER]);
    expect(printed).toBe('{"order":4|3,"item":"|bell","color":"|blue","paid|":true}\n');
  });

  it('--stats: on stderr, and stdout is the same', async () => {
    const { code, stdout, stderr } = await hamburger(segmentAnswer('--stats'));
    expect({ code, stdout }).toEqual({ code: 0, stdout: await stdoutOf(segmentAnswer()) });
    expect(stderr).toMatch(
      /^text {5}19 tokens in 5 segments, 3\.80 tokens per segment\nsizes {4}3: 1, 4: 4\nentropy {2}0\.\d\d\d nats per token\n$/,
    );
  });

  it('--tokens: a line for each, with segment, id, entropy and probability', async () => {
    const { segments } = await jsonOf<Report>(segmentAnswer());
    const lines = (await stdoutOf(segmentAnswer('--tokens'))).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^segment +id +entropy +probability +token$/);
    const cells = lines
      .slice(1)
      .map((line) => /^ *(\d+) +(\d+) +([\d.]+) +([\d.]+) {2}(".*")$/.exec(line)!.slice(1));
    expect(cells).toEqual(
      segments.flatMap(({ tokens }, s) =>
        tokens.map(({ id, text, entropy, probability }) => [
          `${s}`,
          `${id}`,
          entropy.toFixed(4),
          probability.toFixed(4),
          JSON.stringify(text),
        ]),
      ),
    );
  });

  it('ids, where there is no tokenizer, in the spelling that trace --segments reads', async () => {
    const args = segment('--checkpoint', 'bare', '--response-ids', '5,6,7,8', '--prompt-ids', '1,2');
    const { segments, text } = await jsonOf<Report>(args, { cwd });
    const spelled = segments.map(({ tokens }) => tokens.map(({ id }) => id).join(',')).join('|');
    expect(await stdoutOf(args, { cwd })).toBe(`${spelled}\n`);
    expect({ text, ids: spelled.replaceAll('|', ',') }).toEqual({ text: null, ids: '5,6,7,8' });
    const forced = [
      'trace',
      '--prompt-ids',
      '1,2',
      '--checkpoint',
      'bare',
      '--out',
      'x.safetensors',
      '--segments',
    ];
    expect((await hamburger([...forced, spelled], { cwd })).code).toBe(0);
  });

  it('no text, no segments', async () => {
    expect(await stdoutOf(segment('', '--prompt', 'A fox'))).toBe('\n');
    expect(await jsonOf<Report>(segment('', '--prompt', 'A fox'))).toMatchObject({
      segments: [],
      response_tokens: 0,
    });
    expect((await hamburger(segment('', '--prompt', 'A fox', '--stats'))).stderr).toBe('text  no tokens\n');
  });

  it('special tokens of the text are shown: they are tokens to be learnt', async () => {
    expect(await stdoutOf(segment('{}<|end|>', '--prompt', PROMPT))).toMatch(/<\|end\|>\n$/);
  });

  it('--color: one hue a segment, in turns, instead of |', async () => {
    const plain = await stdoutOf(segmentAnswer());
    const coloured = await stdoutOf(segmentAnswer('--color'));
    const painted = Array.from(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what colours are made of.
      coloured.matchAll(/\u001b\[48;5;(\d+)m\u001b\[38;5;16m(.*?)\u001b\[39m\u001b\[49m/gs),
      ([, shade, text]) => ({ hue: [195, 153, 117, 75].includes(Number(shade)) ? 0 : 1, text: text! }),
    );
    expect(painted.map(({ text }) => text).join('')).toBe(ANSWER);
    const marked = painted.map(({ hue, text }, t) =>
      t > 0 && painted[t - 1]!.hue !== hue ? `|${text}` : text,
    );
    expect(`${marked.join('')}\n`).toBe(plain);
  });

  it.runIf(hasTerminal)('on a terminal: colours, figures, and what the colours mean', () => {
    const shown = onTerminal(segmentAnswer())!;
    expect(shown).toContain('\u001b[');
    expect(shown).toContain('19 tokens in 5 segments');
    expect(shown).toContain('shade: probability of at least');
  });
});

describe('segment: --json', () => {
  it('one object, whose numbers are those of the library', async () => {
    const report = await jsonOf<Report>(
      segment(' She lived by the barn.', '--prompt', 'Once there was a fox.', '--numerics', 'f64'),
    );
    const checkpoint = openCheckpoint(toy);
    const model = checkpoint.loadModel(referenceKernels('f64'));
    checkpoint.close();
    expect(report.prompt).toEqual({
      ids: checkpoint.tokenizer!.encode('Once there was a fox.'),
      text: 'Once there was a fox.',
    });
    const measured = tokenMetrics(model, { prompt: report.prompt.ids, response: report.ids });
    const tokens = report.segments.flatMap((each) => each.tokens);
    expect(tokens.map(({ entropy, probability }) => ({ entropy, probability }))).toEqual(measured);
    expect(tokens.map(({ id }) => id)).toEqual(report.ids);
    expect(report.settings).toEqual({
      strategy: 'decreasing_v2',
      metric: 'entropy',
      max_steps: 4,
      min_threshold: 0.05,
      ratio_threshold: 0.3,
      confidence: null,
      window: null,
      numerics: 'f64',
      kernels: 'reference',
    });
    expect([report.prompt_tokens, report.response_tokens]).toEqual([
      report.prompt.ids.length,
      report.ids.length,
    ]);
  });

  it('numerics/N1: both kernel sets give the same report, to the last digit, with a window too', async () => {
    const report = (kernels: string) => jsonOf<Report>(segmentAnswer('--window', '5', '--kernels', kernels));
    const [fast, readable] = [await report('simd'), await report('reference')];
    expect(readable).toEqual({ ...fast, settings: { ...fast.settings, kernels: 'reference' } });
  });

  it('--file: one object a line, the same as of each text alone', async () => {
    const lines = (await stdoutOf(segment('--file', join(cwd, 'pairs.jsonl'), '--json')))
      .trimEnd()
      .split('\n');
    const reports = lines.map((line) => JSON.parse(line) as Report);
    expect(reports).toEqual([
      await jsonOf<Report>(segment(' She lived\nby the barn.', '--prompt', 'Once there was a fox.')),
      await jsonOf<Report>(segmentAnswer()),
      await jsonOf<Report>(segment('', '--prompt', 'A fox')),
    ]);
  });

  it('--file without --json: a text after the other, and figures of all', async () => {
    const path = join(cwd, 'pairs.jsonl');
    const { code, stdout, stderr } = await hamburger(segment('--file', path, '--stats'));
    const first = await stdoutOf(segment(' She lived\nby the barn.', '--prompt', 'Once there was a fox.'));
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${first}${await stdoutOf(segmentAnswer())}\n` });
    const reports = (await stdoutOf(segment('--file', path, '--json')))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Report);
    const tokens = reports.reduce((sum, each) => sum + each.response_tokens, 0);
    const segments = reports.reduce((sum, each) => sum + each.segments.length, 0);
    expect(stderr).toMatch(new RegExp(`^text {5}${tokens} tokens in ${segments} segments, `));
  });

  it('no character that a terminal obeys stands in it unescaped, in lines either', async () => {
    const text = 'a\u009bb\u202ec\u2028';
    writeFileSync(join(cwd, 'steering.jsonl'), JSON.stringify({ response: text }));
    for (const args of [segment(text), segment('--file', 'steering.jsonl')]) {
      const json = await stdoutOf([...args, '--checkpoint', 'tiny', '--json'], { cwd });
      expect(json).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\u2028]/u);
      expect((JSON.parse(json) as Report).text).toBe(text);
    }
  });
});

describe('segment: where the text and its prompt come from', () => {
  const tiny = ['--checkpoint', 'tiny'];

  it('files are taken to the byte, final line feed included', async () => {
    writeFileSync(join(cwd, 'prompt.txt'), 'Grüße\n');
    writeFileSync(join(cwd, 'response.txt'), 'é\n');
    const report = await jsonOf<Report>(
      segment('--prompt-file', 'prompt.txt', '--response-file', 'response.txt', ...tiny),
      { cwd },
    );
    expect(report.prompt).toEqual({ ids: [256, ...Buffer.from('Grüße\n')], text: 'Grüße\n' });
    expect(report.ids).toEqual([...Buffer.from('é\n')]);
    // A character of two tokens belongs to the second.
    expect(report.segments.flatMap(({ tokens }) => tokens.map(({ text }) => text))).toEqual(['', 'é', '\n']);
  });

  it('without a prompt it is the token that begins a text', async () => {
    expect((await jsonOf<Report>(segment('Hi', ...tiny), { cwd })).prompt).toEqual({ ids: [256], text: '' });
    const ids = segment('--response-ids', '72,105', ...tiny);
    expect(await jsonOf<Report>(ids, { cwd })).toMatchObject({
      prompt: { ids: [256] },
      ids: [72, 105],
      text: 'Hi',
    });
  });

  it('--chat: prompt and text go through the template', async () => {
    const { prompt, ids, text } = await jsonOf<Report>(segment(ANSWER, '--prompt', REQUEST, '--chat'));
    expect(prompt.text).toBe(PROMPT);
    // The toy's template ends an answer.
    expect(text).toBe(`${ANSWER}<|end|>`);
    expect(ids.slice(0, -1)).toEqual((await jsonOf<Report>(segmentAnswer())).ids);
  });
});

describe('segment: how it is cut', () => {
  /** Of a text whose words can be foretold more or less. */
  const story = 'On Monday, a hungry frog named Mila went to the cellar. It was dark, and the goat jumped.';
  const asked = '<|user|>Tell a story in 2 sentences with the words jumped, goat, hungry.<|assistant|>';
  const sizes = async (...args: string[]): Promise<number[]> =>
    (await jsonOf<Report>(segment(story, '--prompt', asked, ...args))).segments.map(
      ({ tokens }) => tokens.length,
    );

  it('each option does what it says', async () => {
    const ones = await sizes('--max-steps', '1');
    expect(new Set(ones)).toEqual(new Set([1]));
    const count = ones.length;
    expect(await sizes('--min-threshold', '100', '--max-steps', `${count}`)).toEqual([count]);
    expect(await sizes('--min-threshold', '0', '--ratio-threshold', '0')).toEqual(ones);
    expect(await sizes('--strategy', 'sliding', '--confidence', '1')).toEqual(ones);
    const nines = await sizes('--strategy', 'small_group', '--confidence', '0.001', '--max-steps', '9');
    expect(nines.slice(0, -1)).toEqual(Array(Math.ceil(count / 9) - 1).fill(9));
    const ways = [
      await sizes('--max-steps', '9'),
      await sizes('--max-steps', '9', '--strategy', 'sliding', '--confidence', '0.9'),
      await sizes('--max-steps', '9', '--strategy', 'small_group', '--confidence', '0.9'),
      await sizes('--max-steps', '9', '--strategy', 'small_group', '--metric', 'probability'),
      await sizes('--max-steps', '9', '--window', '2'),
    ];
    expect(new Set(ways.map(String)).size).toBe(ways.length);
  });

  it('the thresholds that a strategy has by default, and no others, are told', async () => {
    const settings = async (...args: string[]) =>
      (await jsonOf<Report>(segment('a', '--prompt', 'b', ...args))).settings;
    const none = { min_threshold: null, ratio_threshold: null, confidence: null };
    expect(await settings('--strategy', 'decreasing')).toMatchObject({ ...none, ratio_threshold: 0.3 });
    expect(await settings('--strategy', 'sliding')).toMatchObject({ ...none, confidence: 0.7 });
    expect(await settings('--strategy', 'small_group')).toMatchObject({ ...none, confidence: 0.95 });
  });

  it('a threshold that the strategy does not read is no error, but is told to have no effect', async () => {
    const { code, stdout, stderr } = await hamburger(
      segmentAnswer('--strategy', 'sliding', '--min-threshold', '9', '--ratio-threshold', '9'),
    );
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'note: --min-threshold, --ratio-threshold: no effect with --strategy sliding\n',
    });
    expect(stdout).toBe(await stdoutOf(segmentAnswer('--strategy', 'sliding')));
  });

  it('the README shows what is printed', async () => {
    const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(`npx hamburger segment '${ANSWER}' --prompt "${REQUEST}" --chat`);
    expect(readme).toContain(await stdoutOf(segment(ANSWER, '--prompt', REQUEST, '--chat')));
  });
});

describe('segment: bad input', () => {
  const cases: [string, string[], string][] = [
    ['no text', [], 'text: expected one of a text, --response-file, --response-ids and --file, found none'],
    [
      'two texts',
      ['a', '--file', 'pairs.jsonl'],
      'text: expected one of a text, --response-file, --response-ids and --file, found a text and --file',
    ],
    [
      'two prompts',
      ['a', '--prompt', 'b', '--prompt-file', 'c'],
      'prompt: expected at most one, found --prompt and --prompt-file',
    ],
    [
      'a prompt for all lines',
      ['--file', 'pairs.jsonl', '--prompt', 'b'],
      'prompt: expected none, because the lines of --file have their own, found --prompt',
    ],
    [
      'ids after a text',
      ['a', '--prompt-ids', '1'],
      '--prompt-ids: expected both text and prompt as token ids, found a text',
    ],
    [
      'a text before ids',
      ['--prompt', 'a', '--response-ids', '1'],
      '--response-ids: expected both text and prompt as token ids, found --prompt',
    ],
    [
      'a line that is not JSON',
      ['--file', 'broken.jsonl'],
      'broken.jsonl, line 2, column 14: expected a JSON value, found "}"',
    ],
    [
      'a text without a tokenizer',
      ['a', '--checkpoint', 'bare'],
      'bare: expected a tokenizer, to make token ids of a text, found a checkpoint without one. Give --response-ids and --prompt-ids',
    ],
    [
      'a chat without a template',
      ['a', '--chat', '--checkpoint', 'tiny'],
      '--chat: tiny: expected a chat template, found a checkpoint without one',
    ],
    [
      'more tokens than positions',
      ['x'.repeat(600), '--checkpoint', 'tiny'],
      'segmentation/C1: prompt and response: expected at most 513 tokens, one for each position and the last, found 601',
    ],
    [
      'an id outside the vocabulary',
      ['--response-ids', '1,258', '--checkpoint', 'tiny'],
      'base/C1: token id at index 1 of the response: expected an integer from 0 to 257, found 258',
    ],
  ];

  it.each(cases)('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await hamburger(segment(...args), { cwd });
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: `hamburger: ${message}\n` });
  });

  it('what is wrong with one line names it, after the lines before it', async () => {
    const { code, stdout, stderr } = await hamburger(segment('--file', 'long.jsonl', '--json'), { cwd });
    expect(code).toBe(2);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stderr).toBe(
      'hamburger: segmentation/C1: long.jsonl, line 2: expected at most 257 tokens, one for each position and the last, found 901\n',
    );
  });

  it.each([
    ['--strategy', 'rising'],
    ['--metric', 'luck'],
    ['--max-steps', '0'],
    ['--min-threshold', '-1'],
    ['--ratio-threshold', 'x'],
    ['--confidence', '0'],
    ['--confidence', '1.5'],
    ['--window', '0'],
  ])('%s %s is refused by its name', async (name, value) => {
    const { code, stdout, stderr } = await hamburger(segment('a', '--prompt', 'b', name, value));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(name);
  });
});
