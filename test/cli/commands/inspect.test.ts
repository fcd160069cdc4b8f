import { statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hamburger, init, jsonOf, stdoutOf, workFolder } from '../run.ts';

interface Report {
  readonly config: Record<string, unknown>;
  readonly tokenizer: { readonly vocabulary_size: number } | null;
  readonly chat_template: boolean;
  readonly parameters: number;
  readonly parts: { readonly name: string; readonly parameters: number }[];
  readonly memory_bytes: Record<'file' | 'simd' | 'f32' | 'f64', number>;
  readonly kv_entry_bytes: Record<'f32' | 'f64', number>;
  readonly tensors: {
    readonly name: string;
    readonly dtype: string;
    readonly shape: number[];
    readonly bytes: number;
  }[];
}

const cwd = workFolder();

beforeAll(async () => await init(cwd, '--preset', 'tiny', '--dtype', 'BF16', '--out', 'tiny'));

describe('inspect', () => {
  // Counted by hand from the table of parameters: V 258, d 64, f 176, L 4, H 4, Hkv 2, M 4, one micro layer.
  const layer = 64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 176 + 2 * 64;
  const parts = [
    ['embedding table and LM head', 258 * 64],
    ['base layers', 4 * layer],
    ['final norm', 64],
    ['compositional embedder', 2 * (64 * 64 + 64) + 2 * (64 * 96 + 64) + 4 * 32],
    ['micro-step decoder', layer],
    ['stop head', 2 * (64 * 64 + 64) + 64 + 1],
  ] as const;
  const parameters = parts.reduce((sum, [, count]) => sum + count, 0);

  it('every parameter is counted once, in its part', async () => {
    const report = await jsonOf<Report>(['inspect', 'tiny'], { cwd });
    expect(report.parts).toEqual(parts.map(([name, count]) => ({ name, parameters: count })));
    expect(report.parameters).toBe(parameters);
    const ofTensors = report.tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
    expect(ofTensors.reduce((sum, count) => sum + count)).toBe(parameters);
  });

  it('memory: of the file by its element type, of the modes by theirs, of an entry keys and values of every layer', async () => {
    const report = await jsonOf<Report>(['inspect', 'tiny'], { cwd });
    // Vectors, and the positions of the merger, are widened in any case: norms, biases, positions.
    const widened = 5 * 2 * 64 + 64 + 4 * 64 + 4 * 32 + 2 * 64 + 1;
    expect(report.memory_bytes).toEqual({
      file: 2 * parameters,
      simd: 2 * parameters + 2 * widened,
      f32: 4 * parameters,
      f64: 8 * parameters,
    });
    // 2 (keys and values) * L * Hkv * head size.
    expect(report.kv_entry_bytes).toEqual({ f32: 4 * 2 * 4 * 2 * 16, f64: 8 * 2 * 4 * 2 * 16 });
    const { size } = statSync(join(cwd, 'tiny', 'model.safetensors'));
    expect(size).toBeGreaterThan(report.memory_bytes.file);
  });

  it('the text has the figures of the JSON, and every tensor', async () => {
    const text = await stdoutOf(['inspect', 'tiny'], { cwd });
    const { tensors } = await jsonOf<Report>(['inspect', 'tiny'], { cwd });
    for (const [name, count] of parts)
      expect(text).toMatch(new RegExp(`^${name} +${count.toLocaleString('en-US')} +[\\d.]+ %$`, 'm'));
    expect(text).toContain('276,865');
    for (const { name, shape } of tensors) {
      expect(text).toMatch(
        new RegExp(`^${name.replaceAll('.', '\\.')} +BF16 +\\[${shape.join(', ')}\\] `, 'm'),
      );
    }
  });

  it('without a folder it is the shipped checkpoint, which can chat', async () => {
    const report = await jsonOf<Report>(['inspect']);
    expect(report).toMatchObject({ chat_template: true, config: { hamburger: { max_steps: 8 } } });
    expect(report.tokenizer!.vocabulary_size).toBe(report.config.vocab_size);
  });

  it('a folder that is no checkpoint is refused with what one is', async () => {
    const { code, stderr } = await hamburger(['inspect', '.'], { cwd });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^hamburger: \.: expected a checkpoint folder, .*, found a folder without config\.json\n$/,
      ),
    });
  });
});
