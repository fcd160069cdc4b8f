/**
 * The example ports in other languages, through the protocol. Where a compiler, an interpreter or a library is not there, its tests are
 * skipped, and their names say why.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { hamburger, workFolder } from '../run.ts';

const harnesses = fileURLToPath(new URL('../../../fixtures/harnesses', import.meta.url));
const cwd = workFolder();
const conform = (...args: string[]) => hamburger(['conform', 'run', ...args], { cwd });

/** What is missing, in the name of what is skipped. */
const because = (missing: string | null) => (missing === null ? '' : ` (skipped: ${missing})`);

function missingForCpp(): string | null {
  const found = spawnSync('g++', ['-fsyntax-only', '-x', 'c++', '-'], {
    input: '#include <nlohmann/json_fwd.hpp>\n',
  });
  if (found.error !== undefined) return 'there is no g++';
  return found.status === 0 ? null : 'there is no nlohmann/json.hpp (Debian: nlohmann-json3-dev)';
}

function missingForNumpy(): string | null {
  const found = spawnSync('python3', ['-c', 'import numpy']);
  if (found.error !== undefined) return 'there is no python3';
  return found.status === 0 ? null : 'python3 has no numpy';
}

const cpp = missingForCpp();
describe.skipIf(cpp !== null)(`the example port in C++${because(cpp)}`, () => {
  const program = join(cwd, 'harness');

  // Nearly all of the time goes into the header of the JSON library.
  beforeAll(() => {
    const source = join(harnesses, 'cpp/harness.cpp');
    const { status, stderr } = spawnSync('g++', ['-std=c++17', '-O0', source, '-o', program], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  }, 180_000);

  it('is right in suite smoke, and refuses what has to be refused', async () => {
    const { stdout } = await conform('--suite', 'smoke,invalid', '--', program);
    expect(stdout).toMatch(/smoke +\d+ +0 +0 +0 +0\n/);
    // The two pairs of models that do not go together are for ports that verify.
    expect(stdout).toMatch(/invalid +\d+ +0 +0 +0 +2\n/);
  });

  it('decides as each profile does, and cuts its trace off where the tokens are cut off', async () => {
    const cases = ['', '.hf-generate', '.gpt-fast'].flatMap((profile) => [
      `free.limit-in-a-macro-step${profile}`,
      `free.eos.in-the-middle${profile}`,
    ]);
    const { stdout } = await conform('--case', cases.join(','), '--', program);
    expect(stdout).toMatch(/free +6 +0 +0 +0 +0\n/);
  });
});

const numpy = missingForNumpy();
describe.skipIf(numpy !== null)(`the example port in NumPy${because(numpy)}`, () => {
  it('is right in suite smoke', async () => {
    const { stdout } = await conform(
      '--suite',
      'smoke',
      '--',
      'python3',
      join(harnesses, 'numpy/harness.py'),
    );
    expect(stdout).toMatch(/smoke +\d+ +0 +0 +0 +0\n/);
  });

  it.each([
    [
      'the position of an entry',
      [`'train': dict(offset=0`, `'train': dict(offset=1`],
      'macro.1.model.layers.0.self_attn.q_rope',
      'looks as if the position is one too large: position 8 instead of 7',
    ],
    [
      'the mean of a segment',
      ['/ F(s)', '/ F(4)'],
      'macro.1.comp_embedder.mean',
      'looks as if the mean divides by max_steps',
    ],
    [
      'the activation',
      ['return x / (1 + np.exp(-x))', 'return np.maximum(x, 0)'],
      'macro.0.model.layers.0.mlp.activation',
      'looks as if ReLU is applied',
    ],
    [
      'the scale of attention',
      ['F(1 / math.sqrt(size))', 'F(1 / size)'],
      'macro.0.model.layers.0.self_attn.weights',
      'looks as if scores have another scale',
    ],
    [
      'the last feature',
      ['np.concatenate([*inner, normed])', 'np.concatenate([*inner, outputs[-1]])'],
      'macro.0.features',
      'looks as if the last feature is taken before the final norm',
    ],
  ] as const)('%s is broken on purpose, and found there', async (name, [find, replace], tensor, says) => {
    const folder = join(cwd, name.replaceAll(' ', '-'));
    cpSync(join(harnesses, 'numpy'), folder, { recursive: true });
    const path = join(folder, 'port.py');
    const source = readFileSync(path, 'utf8');
    expect(source.split(find)).toHaveLength(2);
    writeFileSync(path, source.replace(find, replace));
    const { stdout } = await conform('--case', 'teacher.smoke', '--', 'python3', join(folder, 'harness.py'));
    expect(stdout).toContain(`teacher.smoke: ${tensor} is wrong\n`);
    expect(stdout).toContain(says);
  });
});
