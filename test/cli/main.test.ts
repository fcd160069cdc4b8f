import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { binary, hamburger, hasTerminal, onTerminal, stdoutOf } from './run.ts';

const commands = ['generate', 'init', 'inspect', 'trace', 'import', 'export', 'bench'];

describe('the built program', () => {
  it('has the exit codes and streams of the one in the sources', async () => {
    for (const args of [['--help'], [], ['generat'], ['inspect', 'nowhere'], ['inspect', '--json']]) {
      expect({ args, ...binary(args) }).toEqual({ args, ...(await hamburger(args)) });
    }
  });

  it.skipIf(!hasTerminal)('has no colours in its help, also on a terminal (needs the program script)', () => {
    expect(onTerminal(['--help'])).not.toContain('\u001b');
  });
});

describe('hamburger', () => {
  it('without a command there is help on stderr and a failure', async () => {
    const { code, stdout, stderr } = await hamburger([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: hamburger \[options\] \[command\]\n/);
  });

  it('--help is data: on stdout, a success, with all commands and exit codes', async () => {
    const help = await stdoutOf(['--help']);
    for (const command of commands) expect(help).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    expect(help).toMatch(/Exit codes: 0 success, 1 .*, 2 .*, 70 .*, 130 /);
  });

  it('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await stdoutOf(['--version'])).toBe(`${version}\n`);
  });

  it.each([
    [['generat'], "hamburger: unknown command 'generat'\n(Did you mean generate?)\nAdd --help for usage.\n"],
    [
      ['import', 'llama2'],
      "hamburger: unknown command 'llama2'\n(Did you mean llama2c?)\nAdd --help for usage.\n",
    ],
    [
      ['generate', '--sed', '1'],
      "hamburger: unknown option '--sed'\n(Did you mean --seed?)\nAdd --help for usage.\n",
    ],
    [
      ['inspect', 'a', 'b'],
      "hamburger: too many arguments for 'inspect'. Expected 1 argument but got 2.\nAdd --help for usage.\n",
    ],
    [['init'], "hamburger: required option '--out <folder>' not specified\nAdd --help for usage.\n"],
    [
      ['generate', '--numerics', 'f16'],
      "hamburger: option '--numerics <mode>' argument 'f16' is invalid. Allowed choices are f32, f64.\nAdd --help for usage.\n",
    ],
    [
      ['generate', '--top-p', '1.5'],
      "hamburger: option '--top-p <p>' argument '1.5' is invalid. Expected a number above 0 and up to 1, found \"1.5\".\nAdd --help for usage.\n",
    ],
  ])('bad usage, %j: said on stderr with a hint, exit code 2', async (args, message) => {
    expect(await hamburger(args)).toEqual({ code: 2, stdout: '', stderr: message });
  });

  it('control characters of the user do not reach the terminal through a message', async () => {
    const { code, stderr } = await hamburger(['\u001b]0;title\u0007']);
    expect(code).toBe(2);
    expect(stderr).toBe("hamburger: unknown command '\\u{1b}]0;title\\u{7}'\nAdd --help for usage.\n");
  });

  it('an error has no stack, and with --debug it has one, before and after the command', async () => {
    const message = /^hamburger: nowhere: expected a checkpoint folder, .*, found nothing of that name$/m;
    const plain = await hamburger(['inspect', 'nowhere']);
    expect(plain).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) });
    expect(plain.stderr.trimEnd()).not.toContain('\n');
    for (const args of [
      ['--debug', 'inspect', 'nowhere'],
      ['inspect', 'nowhere', '--debug'],
    ]) {
      const { code, stderr } = await hamburger(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/\n\s+at openCheckpoint /);
    }
  });
});
