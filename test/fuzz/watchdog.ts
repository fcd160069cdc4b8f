/** Sees that an input does not run for ever: from another thread, since the one that hangs cannot. */

import { Worker } from 'node:worker_threads';
import type { Input } from './input.ts';
import type { Target } from './target.ts';

/** How long one input may take before the process is ended. Beyond all load of a machine, and far beyond what is a violation already. */
const LONGEST_MS = 60_000;

const ROOM = 1 << 20;

/** What the thread does: when the number of the input has not changed for too long, it writes the input down and ends the process. */
const CODE = `
const { workerData: { counter, room }, parentPort } = require('node:worker_threads');
const { writeFileSync, mkdirSync } = require('node:fs');
const numbers = new Int32Array(counter);
let [last, since] = [0, Date.now()];
setInterval(() => {
  const now = Atomics.load(numbers, 0);
  if (now !== last) [last, since] = [now, Date.now()];
  else if (now > 0 && Date.now() - since > ${LONGEST_MS}) {
    const text = Buffer.from(new Uint8Array(room, 0, Atomics.load(numbers, 1))).toString('utf8');
    mkdirSync('fuzz-findings', { recursive: true });
    writeFileSync('fuzz-findings/hang.json', text);
    require('node:fs').writeSync(1, 'VIOLATION: an input runs for ever; it is in fuzz-findings/hang.json\\n');
    process.kill(process.pid, 'SIGKILL');
  }
}, 500);
`;

export function watchdog() {
  const counter = new SharedArrayBuffer(8);
  const room = new SharedArrayBuffer(ROOM);
  const numbers = new Int32Array(counter);
  const bytes = new Uint8Array(room);
  const encoder = new TextEncoder();
  const worker = new Worker(CODE, { eval: true, workerData: { counter, room } });
  worker.unref();
  return {
    begin(target: Target, input: Input): void {
      let at = 0;
      const put = (part: Uint8Array): void => {
        const length = Math.min(part.length, ROOM - at);
        bytes.set(part.subarray(0, length), at);
        at += length;
      };
      put(encoder.encode(`${target.name}\n`));
      for (const [name, content] of Object.entries(input)) {
        put(encoder.encode(`--- ${name}\n`));
        put(content);
        put(encoder.encode('\n'));
      }
      Atomics.store(numbers, 1, at);
      Atomics.add(numbers, 0, 1);
    },
    stop: () => void worker.terminate(),
  };
}
