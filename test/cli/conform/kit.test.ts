/** `conform run`, `check`, `doctor`, `verify`, `make`: a port that conforms, and everything that a harness can do wrong. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseTarGzip } from 'nanotar';
import { beforeAll, describe, expect, it } from 'vitest';
import { safetensorsBytes } from '../../../lib/checkpoint/safetensors-writer.ts';
import { built, hamburger, workFolder } from '../run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const port = join(built, 'fixtures/harnesses/typescript/main.js');
const cwd = workFolder();
const conform = (...args: string[]) => hamburger(['conform', ...args], { cwd });

/** What the example port says to suite smoke, written into folders. */
beforeAll(async () => {
  const { code } = await conform(
    'run',
    '--suite',
    'smoke',
    '--keep',
    'kept',
    '--report',
    'report.json',
    '--junit',
    'junit.xml',
    '--html',
    'page.html',
    '--',
    'node',
    port,
  );
  // Selected cases, all right: nothing is claimed.
  expect(code).toBe(1);
});

/** A harness that behaves as the lines of code say, given each message. */
function harness(name: string, onRun: string, onStart = 'say(CLAIM)'): string {
  const claim = readFileSync(join(cwd, 'kept/port.json'), 'utf8');
  const path = join(cwd, `${name}.mjs`);
  writeFileSync(
    path,
    `import { createInterface } from 'node:readline';
     const CLAIM = ${claim};
     const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
     for await (const line of createInterface({ input: process.stdin })) {
       const m = JSON.parse(line);
       if (m.cmd === 'stop') break;
       if (m.cmd === 'start') { ${onStart}; continue; }
       ${onRun}
     }`,
  );
  return path;
}

describe('conform run', () => {
  it('writes reports that say what the terminal says; a run of selected cases claims nothing', () => {
    const report = JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8'));
    expect(report.conclusion).toBe('partial');
    expect(report.counts).toMatchObject({ wrong: 0, errored: 0, skipped: 0 });
    expect(readFileSync(join(cwd, 'junit.xml'), 'utf8')).toMatch(
      /<testsuite name="smoke" tests="9" failures="0" errors="0" skipped="0">/,
    );
    const page = readFileSync(join(cwd, 'page.html'), 'utf8');
    expect(page).toContain('teacher.smoke');
    expect(page).not.toMatch(/<script|https?:/);
  });

  it.each([
    ['a line that is no JSON', `process.stdout.write('hello\\n');`, /a line that is no JSON: "hello"/],
    ['another seq', `say({ seq: -m.seq, status: 'ok' });`, /an answer with seq -\d+, where \d+ was asked/],
    ['no seq', `say({ status: 'ok' });`, /an answer with seq missing/],
    ['an end without an answer', 'process.exit(3);', /ended without an answer, with exit code 3/],
    ['a crash', `process.kill(process.pid, 'SIGSEGV');`, /ended without an answer, by SIGSEGV/],
    [
      'an unknown status',
      `say({ seq: m.seq, status: 'fine' });`,
      /answer to "run": status: expected "ok" or "rejected" or "skipped" or "errored", found "fine"/,
    ],
    [
      'a dump that is not there',
      `say({ seq: m.seq, status: 'ok', dump: 'none.safetensors' });`,
      /there is no file "none\.safetensors"/,
    ],
    [
      'a dump elsewhere',
      `say({ seq: m.seq, status: 'ok', dump: '../../etc/passwd' });`,
      /is not below the case's folder/,
    ],
    ['a line without end', `process.stdout.write('x'.repeat(2000000));`, /prints without end/],
    [
      'an error of its own',
      `say({ seq: m.seq, status: 'errored', message: 'out of cheese' });`,
      /out of cheese/,
    ],
  ])('%s makes the case errored, and the run goes on to its end', async (name, onRun, message) => {
    const path = harness(name.replaceAll(' ', '-'), onRun);
    const { code, stdout } = await conform(
      'run',
      '--case',
      'linear.by-hand,rms-norm.by-hand',
      '--',
      'node',
      path,
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
    expect(stdout).toMatch(/smoke +0 +0 +2 +0 +0/);
    expect(stdout).toContain('does not conform');
  });

  it('silence is ended by the time limit', async () => {
    const started = performance.now();
    const { stdout } = await conform(
      'run',
      '--case',
      'linear.by-hand',
      '--time-limit',
      '1',
      '--',
      'node',
      harness('silent', ''),
    );
    expect(stdout).toContain('no answer within 1 seconds');
    // A second, the start of two programs, and time for a busy machine.
    expect((performance.now() - started) / 1000).toBeLessThan(10);
  });

  it('a harness that does not start is a wrong command, with its last words', async () => {
    const missing = await conform('run', '--', 'no-such-program');
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('cannot be started');
    const dying = await conform(
      'run',
      '--',
      'node',
      harness('dying', '', `console.error('no weights here'); process.exit(1)`),
    );
    expect(dying.code).toBe(2);
    expect(dying.stderr).toContain('no weights here');
  });

  it('skipped cases are named, and no claim survives them; what is not checked is only reported', async () => {
    const skipping = harness(
      'skipping',
      `say({ seq: m.seq, status: 'skipped', reason: m.case.includes('invalid') ? 'unchecked' : 'later' });`,
    );
    const plain = await conform('run', '--case', 'linear.by-hand', '--', 'node', skipping);
    expect(plain.stdout).toContain('skipped: linear.by-hand\n');
    expect(plain.stdout).toContain('does not conform');
    const unchecked = await conform('run', '--suite', 'invalid', '--', 'node', skipping);
    expect(unchecked.stdout).toContain('partial');
  });

  it('what a port claims and no case asks for is told, and so is how to see more than the first faults', async () => {
    const path = harness(
      'misspelt',
      `say({ seq: m.seq, status: 'ok' });`,
      `say({ ...CLAIM, profiles: ['default'], features: ['rope.llama3', 'samplign'] })`,
    );
    const { stdout } = await conform('run', '--suite', 'op', '--', 'node', path);
    expect(stdout).toMatch(/it claims profile "default", which is none of train, .*: no case asks for that/);
    expect(stdout).toMatch(/it claims feature "samplign", which is none of .*sampling/);
    expect(stdout).toContain('linear.plain: the answer has no dump, though tensors are wanted\n');
    const listed = /and \d+ more: (.*)\n--html, --junit and --report tell all of them, --case one\n/.exec(
      stdout,
    )!;
    expect(listed[1]!.split(', ')).toHaveLength(13);
    expect(listed[1]).toMatch(/, \.\.\.$/);
  });

  it('several harnesses side by side give the same verdicts', async () => {
    await conform('run', '--suite', 'smoke', '--jobs', '2', '--report', 'two.json', '--', 'node', port);
    expect(readFileSync(join(cwd, 'two.json'), 'utf8')).toBe(readFileSync(join(cwd, 'report.json'), 'utf8'));
  });

  it('names of suites and cases that there are not are refused', async () => {
    expect((await conform('run', '--suite', 'smok', '--', 'node', port)).stderr).toContain(
      '--suite: expected smoke, op,',
    );
    expect((await conform('run', '--case', 'x', '--', 'node', port)).stderr).toContain(
      '--case: expected the id of a case',
    );
  });
});

describe('conform check', () => {
  /** A copy of the results in which something was changed. */
  function changed(name: string, change: (folder: string) => void): string {
    cpSync(join(cwd, 'kept'), join(cwd, name), { recursive: true });
    change(join(cwd, name));
    return name;
  }
  const check = (name: string, ...ids: string[]) => conform('check', name, '--case', ids.join(','));

  it('reads what "conform run --keep" kept, answers that never came too', async () => {
    const silent = harness('dies', 'process.exit(3);');
    const ids = ['linear.by-hand', 'positions.mixed'];
    const asked = await conform('run', '--case', ids.join(','), '--keep', 'dead', '--', 'node', silent);
    const read = await check('dead', ...ids);
    expect(read.stdout).toBe(asked.stdout);
    expect(read.stdout).toContain('linear.by-hand: errored: it ended without an answer, with exit code 3');
  });

  it('judges a folder of results, of a kit that is named or of the package', async () => {
    const { stdout } = await conform('check', 'kept', '--suite', 'smoke');
    expect(stdout).toMatch(/smoke +9 +0 +0 +0 +0/);
    expect((await conform('check', join(root, 'fixtures/kit'), 'kept', '--suite', 'smoke')).stdout).toBe(
      stdout,
    );
    const all = await conform('check', 'kept');
    expect(all.stdout).toContain('there is no result.json');
  });

  const tensors = (list: Record<string, readonly [shape: number[], values: number[]]>) =>
    safetensorsBytes(
      Object.entries(list).map(([name, [shape, values]]) => ({
        name,
        dtype: 'F32' as const,
        shape,
        elements: () => values,
      })),
    );
  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 3), /errored: .*dump\.safetensors/],
    ['no safetensors', () => Buffer.from('hello'), /errored: .*dump\.safetensors/],
    [
      'of another shape',
      () =>
        tensors({
          y: [
            [3, 1],
            [21, 37, 32],
          ],
        }),
      /y is misshapen\n {2}expected {2}shape \[1, 3\]\n {2}found {5}shape \[3, 1\]/,
    ],
    [
      'with a tensor too many',
      () =>
        tensors({
          y: [
            [1, 3],
            [21, 37, 32],
          ],
          z: [[1], [0]],
        }),
      /z is unknown: no tensor of this case has that name/,
    ],
    ['without the tensor', () => tensors({}), /y is missing\n/],
    [
      'with another name',
      () =>
        tensors({
          'trace.y': [
            [1, 3],
            [21, 37, 32],
          ],
        }),
      /y is missing; in the dump, of no name of this case: "trace\.y"\n/,
    ],
    [
      'with NaN',
      () =>
        tensors({
          y: [
            [1, 3],
            [21, Number.NaN, 32],
          ],
        }),
      /y is wrong\n {2}element {3}\[0, 1\] of \[1, 3\]\n {2}found {5}NaN/,
    ],
    [
      'with an infinity',
      () =>
        tensors({
          y: [
            [1, 3],
            [21, Number.POSITIVE_INFINITY, 32],
          ],
        }),
      /found {5}Infinity/,
    ],
    [
      'with a wrong number',
      () =>
        tensors({
          y: [
            [1, 3],
            [21, 37, 32.0001],
          ],
        }),
      /y is wrong\n {2}element {3}\[0, 2\]/,
    ],
    [
      'without the bias',
      () =>
        tensors({
          y: [
            [1, 3],
            [11, 17, 2],
          ],
        }),
      /looks as if the bias is left out/,
    ],
    [
      'twice as large',
      () =>
        tensors({
          y: [
            [1, 3],
            [42, 74, 64],
          ],
        }),
      /looks as if every element is 2\.00000 times what it should be/,
    ],
  ])('a dump %s gets its name', async (name, change, message) => {
    const folder = changed(`dump-${name.replaceAll(' ', '-')}`, (folder) => {
      const path = join(folder, 'linear.by-hand/dump.safetensors');
      writeFileSync(path, change(readFileSync(path)));
    });
    const { code, stdout } = await check(folder, 'linear.by-hand');
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
  });

  it.each([
    ['no JSON', 'hello', /errored: .*result\.json/],
    ['a key twice', '{"status":"ok","status":"ok"}', /errored: .*result\.json/],
    [
      'no decisions',
      '{"status":"ok","dump":"dump.safetensors"}',
      /the answer has no macro_steps and stop_reason/,
    ],
    [
      'a token that is not the largest logit',
      null,
      /was chosen, but \d+ has the largest of the logits that are shown/,
    ],
    [
      'refused',
      '{"status":"rejected","code":"E_CONFIG"}',
      /refused with E_CONFIG, though nothing is wrong with it/,
    ],
    [
      'impossible macro-steps',
      '{"status":"ok","dump":"dump.safetensors","macro_steps":[[1,2,3,4,5,6]],"stop_reason":"eos"}',
      /no run comes to these macro-steps/,
    ],
  ])('an answer that is %s', async (name, text, message) => {
    const folder = changed(`answer-${name.replaceAll(' ', '-')}`, (folder) => {
      const path = join(folder, 'free.smoke/result.json');
      const answer = JSON.parse(readFileSync(path, 'utf8'));
      // The last token is fed back to nothing: the tensors stay right.
      answer.macro_steps.at(-1).splice(-1, 1, (answer.macro_steps.at(-1).at(-1) + 1) % 61);
      writeFileSync(path, text ?? JSON.stringify(answer));
    });
    const { code, stdout } = await check(folder, 'free.smoke');
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
  });

  it('a claim that is none is refused', async () => {
    const folder = changed('claim', (folder) => writeFileSync(join(folder, 'port.json'), '{"protocol":2}'));
    const { code, stderr } = await conform('check', folder);
    expect(code).toBe(2);
    expect(stderr).toContain('port.json: protocol');
  });
});

describe('conform verify', () => {
  it('a report of this kit holds; one that was embellished does not', async () => {
    expect((await conform('verify', 'report.json')).stdout).toBe('the report holds: partial\n');
    const report = JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8'));
    const altered = async (
      change: (report: {
        conclusion: string;
        kit: { sha256: string };
        counts: { right: number };
        cases: { outcome: string }[];
      }) => void,
    ) => {
      const copy = structuredClone(report);
      change(copy);
      writeFileSync(join(cwd, 'altered.json'), JSON.stringify(copy));
      return conform('verify', 'altered.json');
    };
    expect(await altered((copy) => (copy.conclusion = 'conforms'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('conclusion: expected "partial", found "conforms"'),
    });
    expect(await altered((copy) => (copy.kit.sha256 = '0'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('kit.sha256'),
    });
    expect(await altered((copy) => void copy.cases.push(copy.cases[0]!))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a second verdict'),
    });
    expect(await altered((copy) => (copy.counts.right += 1))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('counts.right'),
    });
  });

  it('with the results it judges again', async () => {
    expect((await conform('verify', 'report.json', '--results', 'kept')).stdout).toBe(
      'the report holds: partial\n',
    );
    const report = JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8'));
    cpSync(join(cwd, 'kept'), join(cwd, 'spoiled'), { recursive: true });
    rmSync(join(cwd, 'spoiled/rms-norm.by-hand/dump.safetensors'));
    writeFileSync(join(cwd, 'same.json'), JSON.stringify(report));
    expect(await conform('verify', 'same.json', '--results', 'spoiled')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('outcome of rms-norm.by-hand'),
    });
  });
});

describe('conform doctor', () => {
  it('says step by step that a harness talks', async () => {
    const { code, stdout } = await conform('doctor', '--', 'node', port);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^well {3}it starts, and answers: example port in TypeScript/);
    expect(stdout).toContain('well   teacher.smoke is right\n');
  });

  it('says why a case is not asked', async () => {
    const modest = harness(
      'modest',
      `say({ seq: m.seq, status: 'skipped', reason: 'later' })`,
      `say({ ...CLAIM, profiles: ['hf'], features: [], modes: ['op', 'teacher'] })`,
    );
    const { code, stdout } = await conform('doctor', '--', 'node', modest);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^note {3}it claims profile "hf", which is none of train, hf-generate/m);
    expect(stdout).toContain(
      'note   teacher.smoke is not asked: it does not claim profile train, feature rope.llama3\n',
    );
    expect(stdout).toContain(
      'note   positions.mixed is not asked: it does not claim mode data, profile train\n',
    );
    const nothing = harness('nothing', '', `say({ ...CLAIM, modes: [] })`);
    expect((await conform('doctor', '--', 'node', nothing)).stdout).toContain(
      'wrong  it claims nothing that suite smoke',
    );
  });

  it('says that a dump is not named, and where that is described', async () => {
    const bare = harness('bare', `say({ seq: m.seq, status: 'ok' })`);
    expect((await conform('doctor', '--', 'node', bare)).stdout).toMatch(
      /wrong {2}linear\.by-hand: the answer has no dump.*\n {7}The key "dump" names/,
    );
  });

  it.each([
    [
      'prints a greeting',
      `process.stdout.write('Loading model...\\n')`,
      /wrong {2}a line that is no JSON: "Loading model..."[^\n]*\n {7}Only answers go to standard output/,
    ],
    [
      'claims nothing',
      'say({})',
      /wrong {2}answer to "start".*\n {7}The answer to "start" is described in INTERPRETING.md, 4.3/,
    ],
    ['does not answer', '', /wrong {2}no answer within 1 seconds\n {7}Does it flush/],
  ])('explains one that %s', async (name, onStart, message) => {
    const { code, stdout } = await conform(
      'doctor',
      '--time-limit',
      '1',
      '--',
      'node',
      harness(`doctor-${name.replaceAll(' ', '-')}`, '', onStart),
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(message);
  });
});

describe('conform make', () => {
  it('packs the kit: the same bytes each time, and every file that kit.json names', async () => {
    await conform('make', '--out', 'a.tgz');
    await conform('make', '--out', 'b.tgz');
    const bytes = readFileSync(join(cwd, 'a.tgz'));
    expect(bytes.equals(readFileSync(join(cwd, 'b.tgz')))).toBe(true);
    const names = (await parseTarGzip(bytes)).map(({ name }) => name);
    const { kit, files } = JSON.parse(readFileSync(join(root, 'fixtures/kit/kit.json'), 'utf8'));
    expect(names.sort()).toEqual(
      ['kit.json', ...Object.keys(files)].map((name) => `kit-${kit}/${name}`).sort(),
    );
  });

  it('makes cases for a configuration of one s own, which the example port passes; another seed makes others', async () => {
    mkdirSync(join(cwd, 'own'));
    const config = join(root, 'fixtures/kit/models/long-segments/config.json');
    await conform('make', '--config', config, '--seed', 'one', '--count', '6', '--out', 'own/one');
    await conform('make', '--config', config, '--seed', 'two', '--count', '6', '--out', 'own/two');
    const { code, stdout } = await conform('run', 'own/one', '--', 'node', port);
    expect(stdout).toMatch(/^conforms: kit/m);
    expect(code).toBe(0);
    const kit = (seed: string) => readFileSync(join(cwd, 'own', seed, 'kit.json'), 'utf8');
    expect(kit('one')).not.toBe(kit('two'));
  });

  it('a kit that was changed is not used', async () => {
    cpSync(join(cwd, 'own/one'), join(cwd, 'own/changed'), { recursive: true });
    const path = join(cwd, 'own/changed/models/live/config.json');
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('"rms_norm_eps": 0.00001', '"rms_norm_eps": 0.00002'),
    );
    const { code, stderr } = await conform('run', 'own/changed', '--', 'node', port);
    expect(code).toBe(2);
    expect(stderr).toContain('The kit was changed; take it anew');
  });

  it('options that belong to new cases are refused without a configuration', async () => {
    expect(await conform('make', '--seed', 'x', '--out', 'c')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--config'),
    });
  });
});
