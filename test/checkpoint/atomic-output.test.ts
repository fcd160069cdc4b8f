import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import {
  writeFileAtomically,
  writeFolderAtomically,
  writeNewFile,
} from '../../lib/checkpoint/atomic-output.ts';
import { CallerError, InvariantError } from '../../lib/errors.ts';

let folder = '';
let target = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atomic-output-'));
  target = join(folder, 'out');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const names = (): string[] => readdirSync(folder).sort();

function refusal(action: () => void): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(CallerError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

describe('writeFileAtomically', () => {
  it('writes what the sink was given, in order, and leaves nothing else', () => {
    writeFileAtomically(target, (sink) => {
      sink.write(bytes('one '));
      sink.write(bytes(''));
      sink.write(bytes('xtwox').subarray(1, 4));
    });
    expect(readFileSync(target, 'utf8')).toBe('one two');
    expect(names()).toEqual(['out']);
  });

  it('lets an old file stay until the new one is complete', () => {
    writeFileSync(target, 'old');
    writeFileAtomically(target, (sink) => {
      sink.write(bytes('new'));
      expect(readFileSync(target, 'utf8')).toBe('old');
      expect(names().length).toBe(2);
    });
    expect(readFileSync(target, 'utf8')).toBe('new');
    expect(names()).toEqual(['out']);
  });

  it.each([[true], [false]])(
    'keeps the old state and leaves nothing when writing fails (old file: %s)',
    (old) => {
      if (old) writeFileSync(target, 'old');
      const failure = new Error('no more');
      const act = (): void =>
        writeFileAtomically(target, (sink) => {
          sink.write(bytes('half'));
          throw failure;
        });
      expect(act).toThrow(failure);
      expect(names()).toEqual(old ? ['out'] : []);
      if (old) expect(readFileSync(target, 'utf8')).toBe('old');
    },
  );

  it('puts the file where a symbolic link leads, and lets the link stay', () => {
    const link = join(folder, 'link');
    writeFileSync(target, 'old');
    symlinkSync(target, link);
    writeFileAtomically(link, (sink) => sink.write(bytes('new')));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, 'utf8')).toBe('new');
  });

  it('writes a second file while the first is being written, beside it', () => {
    writeFileAtomically(target, (outer) => {
      outer.write(bytes('outer'));
      writeFileAtomically(target, (inner) => inner.write(bytes('inner')));
      expect(readFileSync(target, 'utf8')).toBe('inner');
    });
    expect(readFileSync(target, 'utf8')).toBe('outer');
    expect(names()).toEqual(['out']);
  });

  it('refuses a folder, a missing folder and a path through a file, and names the path', () => {
    mkdirSync(target);
    writeFileSync(join(folder, 'file'), '');
    const found = (path: string): string => refusal(() => writeFileAtomically(path, () => {}));
    expect(found(target)).toBe(`${target}: expected the name of a file, found a folder of that name`);
    expect(found(join(folder, 'no', 'x'))).toMatch(
      /no.x: expected a place .* found no folder there to put it in$/,
    );
    expect(found(join(folder, 'file', 'x'))).toMatch(/found a file where its path needs a folder$/);
    expect(names()).toEqual(['file', 'out']);
  });

  it.skipIf(process.getuid?.() === 0)(
    'names the reason when writing is not permitted (skipped as root, who may write all)',
    () => {
      chmodSync(folder, 0o500);
      expect(refusal(() => writeFileAtomically(target, () => {}))).toMatch(/permission denied/);
      chmodSync(folder, 0o700);
    },
  );

  it.skipIf(!existsSync('/dev/null'))(
    'does not put a file in the place of a device (skipped without /dev/null)',
    () => {
      expect(refusal(() => writeFileAtomically('/dev/null', () => {}))).toMatch(
        /neither a file nor a folder$/,
      );
      expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
    },
  );

  it('catches a callback that promises to write later: the file would be incomplete', () => {
    const later = async (): Promise<void> => {};
    expect(() => writeFileAtomically(target, later)).toThrow(InvariantError);
    expect(names()).toEqual([]);
  });
});

describe('writeNewFile', () => {
  it('never writes over a file, which writeFileAtomically would replace', () => {
    writeNewFile(target, (sink) => sink.write(bytes('first')));
    expect(() => writeNewFile(target, (sink) => sink.write(bytes('second')))).toThrow(CallerError);
    expect(readFileSync(target, 'utf8')).toBe('first');
  });
});

describe('writeFolderAtomically', () => {
  it('fills by way of `run`, and leaves nothing where that breaks the filling off', () => {
    const fill = (temporary: string): void =>
      writeNewFile(join(temporary, 'a'), (sink) => sink.write(bytes('a')));
    const brokenOff = (work: () => void): void => {
      work();
      throw new RangeError('broken off');
    };
    expect(() => writeFolderAtomically(target, { force: false, run: brokenOff }, fill)).toThrow('broken off');
    expect(readdirSync(folder)).toEqual([]);
    writeFolderAtomically(target, { force: false, run: (work) => work() }, fill);
    expect(readdirSync(target)).toEqual(['a']);
  });

  const fill = (text: string) => (temporary: string) => {
    writeFileSync(join(temporary, 'a'), text);
    mkdirSync(join(temporary, 'sub'));
    writeFileSync(join(temporary, 'sub', 'b'), text);
  };

  it('makes the folder with its contents, and leaves nothing else', () => {
    writeFolderAtomically(target, { force: false }, (temporary) => {
      expect(existsSync(target)).toBe(false);
      expect(readdirSync(temporary)).toEqual([]);
      fill('x')(temporary);
    });
    expect(readFileSync(join(target, 'sub', 'b'), 'utf8')).toBe('x');
    expect(names()).toEqual(['out']);
  });

  it('does not touch a folder that exists, not even an empty one, and tells of --force', () => {
    mkdirSync(target);
    let filled = false;
    const act = (): void => {
      writeFolderAtomically(target, { force: false }, () => {
        filled = true;
      });
    };
    expect(refusal(act)).toBe(
      `${target}: expected a name that is free, found a folder of that name. Choose another name, or replace it with --force`,
    );
    expect(filled).toBe(false);
    expect(names()).toEqual(['out']);
  });

  it('does not put itself onto a folder that was made meanwhile', () => {
    const act = (): void => {
      writeFolderAtomically(target, { force: false }, (temporary) => {
        fill('x')(temporary);
        mkdirSync(target);
      });
    };
    expect(refusal(act)).toMatch(/--force/);
    expect(readdirSync(target)).toEqual([]);
    expect(names()).toEqual(['out']);
  });

  it('with force lets the old folder stay until the new one is complete, and then replaces all of it', () => {
    mkdirSync(target);
    writeFileSync(join(target, 'a'), 'old');
    writeFileSync(join(target, 'only old'), 'old');
    writeFolderAtomically(target, { force: true }, (temporary) => {
      fill('new')(temporary);
      expect(readFileSync(join(target, 'a'), 'utf8')).toBe('old');
    });
    expect(readdirSync(target).sort()).toEqual(['a', 'sub']);
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe('new');
    expect(names()).toEqual(['out']);
  });

  it('with force and nothing to replace makes the folder', () => {
    writeFolderAtomically(target, { force: true }, fill('x'));
    expect(readdirSync(target).sort()).toEqual(['a', 'sub']);
  });

  it.each([[true], [false]])(
    'keeps the old state and leaves nothing when filling fails (old folder: %s)',
    (old) => {
      if (old) {
        mkdirSync(target);
        writeFileSync(join(target, 'a'), 'old');
      }
      const failure = new Error('no more');
      const act = (): void => {
        writeFolderAtomically(target, { force: true }, (temporary) => {
          fill('half')(temporary);
          throw failure;
        });
      };
      expect(act).toThrow(failure);
      expect(names()).toEqual(old ? ['out'] : []);
      if (old) expect(readFileSync(join(target, 'a'), 'utf8')).toBe('old');
    },
  );

  it('does not replace by force a folder with folders in it, such as a mistyped home', () => {
    mkdirSync(join(target, 'Documents'), { recursive: true });
    const act = (): void => writeFolderAtomically(target, { force: true }, () => {});
    expect(refusal(act)).toMatch(
      /expected a folder that may be replaced, found one with 1 entries: \["Documents"\]/,
    );
    expect(existsSync(join(target, 'Documents'))).toBe(true);
    expect(names()).toEqual(['out']);
  });

  it('replaces what the caller knows as its own, and only that', () => {
    mkdirSync(join(target, 'sub'), { recursive: true });
    writeFileSync(join(target, 'kit.json'), '');
    const isKit = (entries: readonly { name: string }[]): boolean =>
      entries.some(({ name }) => name === 'kit.json');
    writeFolderAtomically(target, { force: true, mayReplace: isKit }, fill('new'));
    expect(readdirSync(target).sort()).toEqual(['a', 'sub']);
    expect(
      refusal(() => writeFolderAtomically(target, { force: true, mayReplace: isKit }, () => {})),
    ).toMatch(/may be replaced/);
  });

  it('refuses a file of that name, also with force', () => {
    writeFileSync(target, 'precious');
    for (const force of [false, true]) {
      expect(refusal(() => writeFolderAtomically(target, { force }, () => {}))).toBe(
        `${target}: expected the name of a folder, found a file of that name`,
      );
    }
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it('replaces the folder that a symbolic link leads to, and lets the link stay', () => {
    const link = join(folder, 'link');
    mkdirSync(target);
    symlinkSync(target, link);
    writeFolderAtomically(link, { force: true }, fill('new'));
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readdirSync(target).sort()).toEqual(['a', 'sub']);
    expect(names()).toEqual(['link', 'out']);
  });

  it('catches a callback that promises to fill it later', () => {
    const later = async (): Promise<void> => {};
    expect(() => writeFolderAtomically(target, { force: false }, later)).toThrow(InvariantError);
    expect(names()).toEqual([]);
  });
});

describe('an interrupt during a write', () => {
  // Those of the tests before are gone after some turns of the event loop.
  beforeEach(async () => {
    for (let i = 0; i < 4; i++) await turn();
  });

  const listeners = (): number => process.listenerCount('SIGINT') + process.listenerCount('SIGTERM');

  it('reaches others who listen, after the write; afterwards nobody of ours listens', async () => {
    const heard: string[] = [];
    const listen = (signal: string): void => void heard.push(signal);
    process.on('SIGINT', listen);
    process.on('SIGTERM', listen);
    onTestFinished(() => {
      process.removeListener('SIGINT', listen);
      process.removeListener('SIGTERM', listen);
    });
    const before = listeners();
    writeFileAtomically(target, (sink) => {
      process.kill(process.pid, 'SIGINT');
      process.kill(process.pid, 'SIGTERM');
      sink.write(bytes('whole'));
    });
    expect(heard).toEqual([]);
    expect(readFileSync(target, 'utf8')).toBe('whole');
    for (let i = 0; i < 4; i++) await turn();
    expect(heard.sort()).toEqual(['SIGINT', 'SIGTERM']);
    expect(listeners()).toBe(before);
  });

  it('without an interrupt leaves no listener, however many files are written at once', async () => {
    const before = listeners();
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warn);
    onTestFinished(() => void process.removeListener('warning', warn));
    for (let i = 0; i < 30; i++) writeFileAtomically(`${target}${i}`, () => {});
    expect(listeners()).toBe(before + 2);
    for (let i = 0; i < 4; i++) await turn();
    expect(listeners()).toBe(before);
    expect(warnings).toEqual([]);
  });

  describe.skipIf(process.platform === 'win32')(
    'ends the process, with nothing half-written (skipped on Windows: no signals)',
    () => {
      const root = resolve(import.meta.dirname, '../..');
      let scripts = '';

      // A program of its own cannot run TypeScript on every supported version of Node.js.
      beforeAll(() => {
        scripts = mkdtempSync(join(tmpdir(), 'atomic-output-scripts-'));
        const flags =
          '--ignoreConfig --module nodenext --target es2022 --rewriteRelativeImportExtensions --types node';
        const typeRoots = join(root, 'node_modules', '@types');
        const source = join(root, 'lib', 'checkpoint', 'atomic-output.ts');
        const paths = ['--typeRoots', typeRoots, '--rootDir', root, '--outDir', scripts, source];
        execFileSync(join(root, 'node_modules', '.bin', 'tsc'), [...flags.split(' '), ...paths], {
          cwd: root,
        });
        writeFileSync(join(scripts, 'package.json'), '{"type":"module"}');
      });
      afterAll(() => {
        rmSync(scripts, { recursive: true });
      });

      /**
       * Runs a program that interrupts itself in the middle of a write; `where` says from where in the event loop it starts,
       * because that decides when the loop looks for signals next.
       */
      const run = (signal: string, where: string): ReturnType<typeof spawnSync> => {
        const program = `
          import { readFile, writeFileSync } from 'node:fs';
          import { writeFolderAtomically } from './lib/checkpoint/atomic-output.js';
          const write = () => {
            writeFolderAtomically(${JSON.stringify(target)}, { force: false }, (temporary) => {
              writeFileSync(temporary + '/a', 'first');
              process.kill(process.pid, ${JSON.stringify(signal)});
              for (const end = Date.now() + 50; Date.now() < end; );
              writeFileSync(temporary + '/b', 'second');
            });
            setTimeout(() => console.log('went on'), 300);
          };
          ${where}
        `;
        writeFileSync(join(scripts, 'main.mjs'), program);
        return spawnSync(process.execPath, [join(scripts, 'main.mjs')], { encoding: 'utf8' });
      };

      it.each([
        ['SIGINT', 'the main module', 'write();'],
        ['SIGTERM', 'the main module', 'write();'],
        ['SIGINT', 'a callback of a file operation', "readFile('/dev/null', write);"],
        ['SIGINT', 'setImmediate', 'setImmediate(write);'],
        ['SIGINT', 'a timer', 'setTimeout(write, 1);'],
        ['SIGINT', 'a promise', 'await null; write();'],
      ])('%s, from %s', (signal, _, where) => {
        const { signal: endedBy, stdout, stderr } = run(signal, where);
        expect(stderr).toBe('');
        expect({ endedBy, stdout }).toEqual({ endedBy: signal, stdout: '' });
        expect(readdirSync(target).sort()).toEqual(['a', 'b']);
        expect(names()).toEqual(['out']);
      });
    },
  );
});
