/** Programs that are started, and what they write. */

import { spawn } from 'node:child_process';

/** A process under way. */
export interface Running {
  /** What it wrote to stdout. Rejected if it failed, with the end of what it wrote to stderr. */
  readonly output: Promise<string>;
  /** Ends it, and waits until it has ended. */
  stop(): Promise<void>;
}

/** As much of stderr as is worth showing. */
const SHOWN = 300;

/** Starts a program. @param limit milliseconds after which it is ended */
export function start(
  command: string,
  args: readonly string[],
  limit: number,
  env: NodeJS.ProcessEnv = process.env,
): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: limit, env });
  // Whatever ends this process ends the other, too.
  const kill = () => child.kill();
  process.once('exit', kill);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-SHOWN);
  });
  const output = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('exit', kill);
      if (code === 0) resolve(stdout);
      else reject(new Error(`ended by ${signal ?? `exit code ${code}`}: ${stderr.trim()}`));
    });
  });
  return {
    output,
    async stop() {
      child.kill();
      await output.catch(() => {});
    },
  };
}
