/**
 * The worker: runs the library, so that the page stays at hand.
 *
 * @module
 */

// First, because it has to be in force when schemas are made.
import './no-evaluation.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { openSession, type Session } from './session.ts';

let session: Session | undefined;

const say = (message: FromWorker): void => self.postMessage(message);

self.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
  const run = data.kind === 'run' ? data.run : 0;
  try {
    if (data.kind === 'files') {
      session = openSession(data.files);
      say({ kind: 'ready', kernels: session.kernels });
    } else session?.run(run, data.request, say);
  } catch (error) {
    say({ kind: 'failed', run, message: error instanceof Error ? error.message : String(error) });
  }
});
