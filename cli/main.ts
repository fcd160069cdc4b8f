#!/usr/bin/env node
/**
 * The command line: the tree of commands, and what becomes of errors.
 *
 * | exit code | when |
 * |---|---|
 * | 0 | success, also when whoever read the output has gone |
 * | 1 | a negative verdict of a command that judges |
 * | 2 | bad usage or bad input |
 * | 70 | a bug of this package |
 * | 130 | interrupted (Ctrl-C) |
 *
 * @module
 */

import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Command, CommanderError } from 'commander';
import { printable, wellFormed } from '../lib/index.ts';
import { addBench } from './commands/bench.ts';
import { addCalibrate } from './commands/calibrate.ts';
import { addConform } from './commands/conform.ts';
import { addDistill } from './commands/distill.ts';
import { addEval } from './commands/eval.ts';
import { addExplain } from './commands/explain.ts';
import { addExport } from './commands/export.ts';
import { addGenerate } from './commands/generate.ts';
import { addImport } from './commands/import.ts';
import { addInit } from './commands/init.ts';
import { addInspect } from './commands/inspect.ts';
import { addSegment } from './commands/segment.ts';
import { addTrace } from './commands/trace.ts';
import { addTrain } from './commands/train.ts';
import type { Context } from './context.ts';
import { BAD_INPUT_EXIT_CODE, errorReport } from './error-report.ts';
import { INTERRUPTED_EXIT_CODES, Interrupted, interruptible } from './interrupt.ts';
import { examples } from './options.ts';
import { createOutput, type Streams } from './output.ts';
import { packageVersion } from './package-root.ts';
import { NegativeVerdict } from './verdict.ts';

/** Of a command that judges. */
const NEGATIVE_EXIT_CODE = 1;

/** Where it is not a terminal that says how wide it is. */
const HELP_WIDTH = 80;

const HELP = `
Exit codes: 0 success, 1 a negative verdict, 2 bad usage or input, 70 a bug of this program, 130 interrupted by Ctrl-C, 143 by SIGTERM.
stdout is for data, stderr for talk. Colours only on a terminal, and not where NO_COLOR is set.
`;

function createProgram(context: Context, { stdout, stderr }: Streams): Command {
  const program = new Command('hamburger')
    .description('HAMburger (arXiv 2505.20438): several tokens per pass of the base, one KV-cache entry')
    .version(packageVersion())
    .option('--debug', 'with errors, print where they come from')
    .exitOverride()
    .showHelpAfterError('Add --help for usage.')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.output.data(text),
      writeErr: (text) => void stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? HELP_WIDTH,
      getErrHelpWidth: () => stderr.columns ?? HELP_WIDTH,
      outputError: (text, write) => write(printable(text.replace(/^error: /, 'hamburger: '))),
    })
    .addHelpText('after', HELP + examples('hamburger generate', 'hamburger inspect', 'hamburger help init'));
  addGenerate(program, context);
  addInit(program, context);
  addInspect(program, context);
  addTrace(program, context);
  addExplain(program, context);
  addSegment(program, context);
  addDistill(program, context);
  addTrain(program, context);
  addEval(program, context);
  addCalibrate(program, context);
  addConform(program, context);
  addImport(program, context);
  addExport(program, context);
  addBench(program, context);
  return program;
}

/**
 * Runs a command.
 *
 * @param args what follows the name of the program
 * @returns the exit code
 */
export async function run(args: readonly string[], streams: Streams): Promise<number> {
  const output = createOutput(streams);
  const program = createProgram({ output, interruptibly: interruptible() }, streams);
  try {
    await program.parseAsync(args.map(wellFormed), { from: 'user' });
    await output.flush();
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      // Past the ^C of the terminal and the text that was cut short.
      if (output.talkToTerminal) output.say('');
      return INTERRUPTED_EXIT_CODES[error.signal];
    }
    // The command has said what is not right.
    if (error instanceof NegativeVerdict) {
      await output.flush();
      return NEGATIVE_EXIT_CODE;
    }
    // Commander has said what is wrong already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT_EXIT_CODE;
    const { code, lines } = errorReport(error);
    for (const line of lines) output.say(line);
    if (program.opts().debug) output.say(inspect(error));
    return code;
  }
}

/** Whether this module is the program that was started, perhaps by a link to it, and not one that another module reads. */
function isMain(): boolean {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
}

if (isMain()) {
  process.on('SIGINT', () => process.exit(INTERRUPTED_EXIT_CODES.SIGINT));
  process.exitCode = await run(process.argv.slice(2), process);
}
