/**
 * The one place that prints. stdout is data, stderr is talk; colours and progress bars appear only on a terminal, and text
 * of strangers reaches a terminal only after {@link printable}.
 *
 * @module
 */

import type { Writable } from 'node:stream';
import { Ansis } from 'ansis';
import { SingleBar } from 'cli-progress';
import { CallerError, canonicalJson, printable } from '../lib/index.ts';

/** Longer than this, and a progress bar appears. */
const PROGRESS_DELAY_MS = 1000;

/** What happened to stdout; its errors arrive as events, possibly long after the write. */
interface StreamState {
  /** The reader has gone (`hamburger ... | head`): nothing more needs to be computed for it. */
  closed: boolean;
  /** Anything else, e.g. a full disk. */
  error: Error | undefined;
}

/** Writes data to stdout and talk to stderr. */
export interface Output {
  /** Whether data goes to a terminal. */
  readonly dataToTerminal: boolean;
  /** Whether talk does. */
  readonly talkToTerminal: boolean;
  /** Whether whoever read stdout has closed it. */
  readonly closed: boolean;
  /** Text of a stranger as it may be written to stdout: as it is, except to a terminal. */
  shown(text: string): string;
  /** Writes to stdout what {@link shown} or our own code made. */
  data(text: string): void;
  /** Writes a value to stdout as canonical JSON. */
  json(value: unknown): void;
  /** Writes a value to stdout as one line of JSON. */
  jsonLine(value: unknown): void;
  /** Writes a line of talk to stderr, made safe to show. */
  say(text: string): void;
  /** Writes a line of talk to stderr that has colours in it and nothing of strangers. */
  talk(text: string): void;
  /**
   * Waits until stdout has room and the event loop has turned, so that signals and errors of streams are heard.
   *
   * @throws CallerError if stdout cannot be written to, unless it is that the reader has gone
   */
  turn(): Promise<void>;
  /** Like {@link turn}, after everything has been written. */
  flush(): Promise<void>;
  /** One line of talk that the next one replaces, on a terminal; an empty one takes it away. */
  status(text: string): void;
  /** A progress bar on stderr, if that is a terminal, once the work has taken a second. */
  progress(label: string): Progress;
}

/** How far some work has come. */
export interface Progress {
  /** @param total the work in all, in the same unit */
  update(done: number, total: number): void;
  /** Takes the bar away. */
  stop(): void;
}

/** Where a program writes: the streams of a process, or what stands for them. */
export interface Streams {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Output to the given streams. */
export function createOutput({ stdout, stderr }: Streams): Output {
  const state: StreamState = { closed: false, error: undefined };
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') state.closed = true;
    else state.error ??= error;
  });
  // Nobody is left to be told that nobody listens.
  stderr.on('error', () => {});

  const output: Output = {
    dataToTerminal: stdout.isTTY === true,
    talkToTerminal: stderr.isTTY === true,
    get closed() {
      return state.closed;
    },
    shown: (text) => (stdout.isTTY ? printable(text) : text),
    data(text) {
      if (!state.closed && text !== '') stdout.write(text);
    },
    json: (value) => output.data(escapeSteering(canonicalJson(value))),
    jsonLine: (value) => output.data(`${escapeSteering(JSON.stringify(value))}\n`),
    say: (text) => output.talk(printable(text)),
    talk: (text) => void stderr.write(`${text}\n`),
    async turn() {
      if (stdout.writableNeedDrain && !state.closed) await drained(stdout);
      await new Promise((resolve) => setImmediate(resolve));
      if (state.error !== undefined) {
        throw new CallerError(
          { subject: 'standard output', expected: 'to take what is written', found: state.error.message },
          { cause: state.error },
        );
      }
    },
    async flush() {
      // The callback comes when this and everything before it is written, or with the error.
      if (!state.closed) await new Promise<void>((resolve) => stdout.write('', () => resolve()));
      await output.turn();
    },
    status(text) {
      // Back to the beginning of the line, and clear it; a line that wraps could not be replaced.
      if (stderr.isTTY) stderr.write(`\r\u001b[K${printable(text).slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    progress: (label) => (stderr.isTTY ? terminalProgress(label, stderr) : { update() {}, stop() {} }),
  };
  return output;
}

/** Resolves when stdout can take more, or never will. */
function drained(stdout: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'error', 'close']) stdout.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'error', 'close']) stdout.on(event, done);
  });
}

function terminalProgress(label: string, stream: Writable): Progress {
  const started = performance.now();
  let bar: SingleBar | undefined;
  return {
    update(done, total) {
      if (bar === undefined) {
        if (performance.now() - started < PROGRESS_DELAY_MS) return;
        bar = new SingleBar({
          format: `${printable(label)} [{bar}] {percentage}%`,
          stream,
          clearOnComplete: true,
          // It would install handlers of signals, which cannot run while the work is going on.
          gracefulExit: false,
          // Ctrl-C must not leave the terminal without its cursor or its line wrapping.
          hideCursor: null,
          linewrap: null,
        });
        bar.start(total, done);
      }
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

/** Escapes, as JSON can, the characters that JSON allows in strings but a terminal may obey. */
function escapeSteering(json: string): string {
  return json.replace(/(?!\n)[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => {
      return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

/** Columns lined up, two spaces apart; columns of which every cell below the first row is a number are set flush right. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const cells = (c: number): string[] => rows.map((row) => row[c] ?? '');
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...cells(c).map((cell) => cell.length)));
  const right = widths.map((_, c) =>
    cells(c)
      .slice(1)
      .every((cell) => /^[-+]?[\d,.]*( ?%| [KMGT]?i?B)?$/.test(cell)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, c) => (right[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `1,234,567` */
export function thousands(count: number): string {
  return count.toLocaleString('en-US');
}

/** A number of bytes in the unit that leaves one to three digits before the point: `3.6 MiB`. */
export function byteSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Colours tokens: the hue says which tokens came from one macro-step, the shade how probable each was. */
export interface Shading {
  /** @param probability of the token; `null` if not known */
  token(text: string, macroStep: number, probability: number | null): string;
  /** One line that says what the colours mean. */
  readonly legend: string;
}

/**
 * Backgrounds from certain to improbable, of even and of odd macro-steps, in the palette of 256 colours and in that of 16;
 * and the least probability of each shade. Both foreground and background are set, so that the text reads the same on a
 * dark and on a light terminal. Blue and yellow are told apart by colour-blind readers too.
 */
const SHADES_256 = [
  [195, 153, 117, 75],
  [230, 229, 222, 215],
] as const;
const SHADES_16 = [
  ['bgCyanBright', 'bgCyanBright', 'bgCyan', 'bgCyan'],
  ['bgYellowBright', 'bgYellowBright', 'bgYellow', 'bgYellow'],
] as const;
const LEAST_PROBABILITIES = [0.9, 0.6, 0.3, 0] as const;

/** What Ansis calls a terminal of 256 colours; below it there are 16, or none. */
const LEVEL_256 = 2;

/** How to colour stdout, or `undefined` if not to: by choice, else if it is a terminal with colours and NO_COLOR is not set. */
export function shading(output: Output, choice: boolean | undefined): Shading | undefined {
  const detected = new Ansis().level;
  if (!(choice ?? (output.dataToTerminal && detected > 0))) return undefined;
  const ansis = new Ansis(output.dataToTerminal && detected > 0 ? detected : LEVEL_256);
  const paint = (hue: 0 | 1, shade: number, text: string): string =>
    ansis.level < LEVEL_256
      ? ansis[SHADES_16[hue][shade]!].black(text)
      : ansis.bg(SHADES_256[hue][shade]!).fg(16)(text);
  const samples = LEAST_PROBABILITIES.map((least, shade) => paint(0, shade, ` ${least} `)).join('');
  return {
    token(text, macroStep, probability) {
      const shade = LEAST_PROBABILITIES.findIndex((least) => (probability ?? 1) >= least);
      return text === '' ? '' : paint((macroStep % 2) as 0 | 1, shade, text);
    },
    legend: `hue: ${paint(0, 0, ' one macro-step ')}${paint(1, 0, ' the next ')}  shade: probability of at least ${samples}`,
  };
}
