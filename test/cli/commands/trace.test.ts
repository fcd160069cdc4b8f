import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesSource } from '../../../lib/checkpoint/byte-source.ts';
import { openSafetensors } from '../../../lib/checkpoint/safetensors.ts';
import { binary, hamburger, init, jsonOf, workFolder } from '../run.ts';

interface Report {
  readonly settings: Record<string, unknown>;
  readonly prompt_ids: number[];
  readonly macro_steps: {
    readonly positions: number[];
    readonly tokens: {
      readonly id: number;
      readonly probability: number;
      readonly stop_probability: number;
      readonly confidence: number;
    }[];
    readonly end?: string;
  }[];
  readonly entry_positions: number[];
  readonly stop_reason?: string;
  readonly tensors: { readonly name: string; readonly shape: number[] }[];
}

const cwd = workFolder();
const tiny = ['--checkpoint', 'tiny'];

/** Traces, and reads what was written. */
async function traced(name: string, ...args: string[]) {
  const { code, stdout, stderr } = await hamburger(['trace', ...args, '--out', `${name}.safetensors`], {
    cwd,
  });
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(`^${name}\\.safetensors: [\\d,]+ tensors, .*\\n${name}\\.json\\n$`),
    ),
  });
  const [bytes, json] = ['safetensors', 'json'].map((kind) => readFileSync(join(cwd, `${name}.${kind}`)));
  return {
    bytes: bytes!,
    json: json!,
    file: openSafetensors(bytesSource(name, bytes!)),
    report: JSON.parse(json!.toString()) as Report,
  };
}

beforeAll(async () => {
  await init(cwd, '--preset', 'tiny', '--seed', '7', '--out', 'tiny');
  await init(cwd, '--preset', 'tiny', '--max-position-embeddings', '7', '--out', 'short');
});

describe('trace', () => {
  it('trace/T3: the same run gives the same bytes, in both files', async () => {
    const args = ['Hi', ...tiny, '--confidence', '0.5', '--max-tokens', '6'];
    const first = await traced('first', ...args);
    for (const name of ['second', 'third']) {
      binary(['trace', ...args, '--out', `${name}.safetensors`], { cwd });
      expect(readFileSync(join(cwd, `${name}.safetensors`)).equals(first.bytes)).toBe(true);
      expect(readFileSync(join(cwd, `${name}.json`)).equals(first.json)).toBe(true);
    }
  });

  it('numerics/N9: both kernel sets, and any number of threads, give the same tensors to the byte', async () => {
    const ids = Array.from({ length: 48 }, (_, i) => 1 + ((i * 97) % 4000)).join(',');
    // Matrices of BF16 are kept so by one of the kernel sets, and widened for the other.
    for (const dtype of ['F32', 'BF16']) {
      // Prompt and vocabulary are large enough that its products are shared.
      const size = ['--vocab-size', '4096', '--hidden-size', '96'];
      await init(cwd, '--preset', 'tiny', ...size, '--dtype', dtype, '--out', dtype);
      const args = ['--checkpoint', dtype, '--prompt-ids', ids, '--confidence', '0', '--max-tokens', '8'];
      const { bytes } = await traced('readable', ...args, '--kernels', 'reference');
      for (const threads of ['1', '2', '3']) {
        expect((await traced(`on-${threads}`, ...args, '--threads', threads)).bytes.equals(bytes)).toBe(true);
      }
    }
  });

  it('trace/T1: names and shapes in the order of execution, the same in both files', async () => {
    const { file, report } = await traced('order', 'Hi', ...tiny, '--confidence', '0', '--max-tokens', '6');
    expect([...file.tensors].map(([name, { shape }]) => ({ name, shape }))).toEqual(report.tensors);
    const names = report.tensors.map(({ name }) => name);
    const inOrder = [
      'macro.0.model.layers.0.input_layernorm',
      'macro.0.model.layers.3.output',
      'macro.0.features',
      'macro.0.micro.0.logits',
      'macro.0.micro.3.stop_probability',
      'macro.1.comp_embedder.output',
      'macro.1.micro.1.logits',
    ];
    const places = inOrder.map((name) => names.indexOf(name));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('tokens, probabilities and positions are those that generate reports', async () => {
    const args = ['Once there was', '--confidence', '0.7', '--max-tokens', '9'];
    const { report } = await traced('same', ...args);
    const generated = await jsonOf<{
      segments: { tokens: { text?: string }[] }[];
      entry_positions: number[];
      prompt: { ids: number[] };
    }>(['generate', ...args]);
    const tokens = generated.segments.map((segment) => ({
      ...segment,
      tokens: segment.tokens.map(({ text: _, ...token }) => token),
    }));
    expect(report.macro_steps.map(({ positions: _, ...step }) => step)).toEqual(tokens);
    expect(report.entry_positions).toEqual(generated.entry_positions);
    expect(report.macro_steps.flatMap(({ positions }) => positions)).toEqual(generated.entry_positions);
    expect(report.macro_steps[0]!.positions).toEqual(generated.prompt.ids.map((_, i) => i));
  });

  it('the stop probability of the report is the one of the tensor', async () => {
    const { file, report } = await traced('stop', 'Hi', ...tiny, '--confidence', '0', '--max-tokens', '5');
    report.macro_steps.forEach(({ tokens }, m) => {
      tokens.forEach(({ stop_probability }, i) => {
        const value = new Float32Array(1);
        file.readFloats(`macro.${m}.micro.${i}.stop_probability`, value);
        expect(stop_probability).toBe(value[0]);
      });
    });
  });

  it('--segments: the tokens are those given, whatever the model would choose; merged entries stand at their last token', async () => {
    const { file, report } = await traced(
      'forced',
      ...tiny,
      '--prompt-ids',
      '256,72,105',
      '--segments',
      '44,32|109|1,2,3,4|9',
      '--numerics',
      'f64',
    );
    expect(report.macro_steps.map(({ tokens }) => tokens.map(({ id }) => id))).toEqual([
      [44, 32],
      [109],
      [1, 2, 3, 4],
      [9],
    ]);
    expect(report.macro_steps.map(({ positions }) => positions)).toEqual([[0, 1, 2], [4], [5], [9]]);
    expect(report.entry_positions).toEqual([0, 1, 2, 4, 5, 9]);
    expect(report.settings).toEqual({
      mode: 'hamburger',
      profile: 'train',
      numerics: 'f64',
      kernels: 'reference',
    });
    expect([...file.tensors.values()].every(({ dtype }) => dtype === 'F64')).toBe(true);
    const logits = new Float64Array(258);
    file.readFloats('macro.2.micro.1.logits', logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    expect(report.macro_steps[2]!.tokens[1]!.probability).toBeCloseTo(Math.exp(logits[2]!) / total, 12);
  });

  it('forced over what the model chose, it gives the tensors of the free run to the bit', async () => {
    const args = ['--prompt-ids', '256,72', ...tiny];
    const free = await traced('free', ...args, '--confidence', '0', '--max-tokens', '7');
    const segments = free.report.macro_steps
      .map(({ tokens }) => tokens.map(({ id }) => id).join(','))
      .join('|');
    const forced = await traced('again', ...args, '--segments', segments);
    expect(forced.bytes.equals(free.bytes)).toBe(true);
  });

  it('hf-generate: an entry stands one position further', async () => {
    const { report } = await traced(
      'hf',
      ...tiny,
      '--prompt-ids',
      '1,2,3',
      '--segments',
      '4,5|6|7',
      '--profile',
      'hf-generate',
    );
    expect(report.entry_positions).toEqual([0, 1, 2, 5, 6]);
  });

  it.each<[string, string[], string]>([
    [
      'a segment longer than a macro-step',
      ['--segments', '1,2,3,4,5'],
      'compositional-embedder/C1: --segments: segment 0: expected 1 to 4 tokens (max_steps), found 5',
    ],
    [
      'an id outside the vocabulary, also where it is only predicted',
      ['--segments', '1|258'],
      '--segments: expected token ids from 0 to 257, found 258',
    ],
    [
      'more segments than positions',
      ['--segments', '1,2,3|4,5,6|7', '--checkpoint', 'short'],
      'generation/C1: --segments: expected positions below 7, found 7',
    ],
  ])('%s: said, and no file is written', async (_, args, message) => {
    const before = readdirSync(cwd);
    expect(
      await hamburger(['trace', '--prompt-ids', '1,2', ...tiny, ...args, '--out', 'bad.safetensors'], {
        cwd,
      }),
    ).toEqual({
      code: 2,
      stdout: '',
      stderr: `hamburger: ${message}\n`,
    });
    expect(readdirSync(cwd)).toEqual(before);
  });

  it('options of free decoding with given segments would be ignored: refused', async () => {
    const { code, stderr } = await hamburger(
      [
        'trace',
        ...tiny,
        '--prompt-ids',
        '1',
        '--segments',
        '1',
        '--confidence',
        '0.5',
        '--out',
        'x.safetensors',
      ],
      { cwd },
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^hamburger: option '--segments <ids>' cannot be used with option '--confidence <c>'\n/,
    );
    expect(existsSync(join(cwd, 'x.safetensors'))).toBe(false);
  });
});
